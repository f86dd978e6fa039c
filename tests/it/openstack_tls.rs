//! Certificates and proxies over real sockets: who is trusted, and what is said where somebody is not.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use cluster_autoscaler_provider_magnum::{
    config::{CloudConfig, cloud::ClientCertificate},
    openstack::{HttpTransport, Session, Transport as _, proxy::Proxies, transport::TransportError},
};
use http::Request;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{free_address::free_address, openstack_fake::Fake};

/// A certificate with its key.
struct Signed {
    params: CertificateParams,
    key: KeyPair,
    certificate: rcgen::Certificate,
}

fn params(names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "keystone");
    params
}

/// As `openssl req -x509` makes it: its own authority.
fn self_signed(mut params: CertificateParams) -> Signed {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    plainly_self_signed(params)
}

fn plainly_self_signed(params: CertificateParams) -> Signed {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Signed { params, key, certificate }
}

impl Signed {
    fn signs(&self, params: CertificateParams) -> Signed {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Signed { params, key, certificate }
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.serialize_pem().as_bytes()).unwrap()
    }
}

/// Answers 200 over TLS with this certificate; asks for a client's where `clients` signs one.
async fn serve(server: &Signed, clients: Option<&Signed>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate.der().clone()).unwrap();
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
            )
        }
    };
    let chain = vec![server.certificate.der().clone()];
    let acceptor =
        tokio_rustls::TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, server.key()).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else { return };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

/// Says the same to everybody.
async fn serve_plainly(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(answer).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    address
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, content).unwrap();
        file
    }

    /// A configuration that trusts these certificates.
    fn trusting(&self, trusted: &[&Signed]) -> CloudConfig {
        let pem: String = trusted.iter().map(|signed| signed.certificate.pem()).collect();
        CloudConfig { ca_file: Some(self.write("ca.pem", &pem)), ..Fake::config() }
    }
}

async fn get(config: &CloudConfig, url: &str) -> Result<u16, String> {
    let transport = HttpTransport::with_proxies(config, Proxies::default()).unwrap();
    let request = Request::get(url).body(Bytes::new()).unwrap();
    match transport.send(request).await {
        Ok(answer) => Ok(answer.status().as_u16()),
        Err(TransportError::NotSent(reason) | TransportError::Lost(reason)) => Err(reason),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_where_it_is_the_ca_file() {
    let files = Files::new();
    let names = &["localhost", "127.0.0.1"];
    for server in [self_signed(params(names)), plainly_self_signed(params(names))] {
        let port = serve(&server, None).await.port();
        let other = self_signed(params(&["other"]));
        for config in [files.trusting(&[&server]), files.trusting(&[&other, &server])] {
            assert_eq!(get(&config, &format!("https://localhost:{port}")).await, Ok(200));
            assert_eq!(get(&config, &format!("https://127.0.0.1:{port}")).await, Ok(200));
        }
    }
    // A file that came through Windows, with what openssl writes around it.
    let server = self_signed(params(names));
    let port = serve(&server, None).await.port();
    let pem =
        format!("Bag Attributes: x\n{}\ntrailing", server.certificate.pem().trim()).replace('\n', "\r\n");
    let config = CloudConfig { ca_file: Some(files.write("crlf.pem", &pem)), ..Fake::config() };
    assert_eq!(get(&config, &format!("https://localhost:{port}")).await, Ok(200));
    // An authority's certificate for a server, signed by another authority, and itself in the file.
    let authority = self_signed(params(&["ca"]));
    let mut of_server = params(names);
    of_server.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let server = authority.signs(of_server);
    let port = serve(&server, None).await.port();
    assert_eq!(get(&files.trusting(&[&server]), &format!("https://localhost:{port}")).await, Ok(200));
    let told = get(&files.trusting(&[&authority]), &format!("https://localhost:{port}")).await.unwrap_err();
    assert!(told.contains("is not the one in") && told.contains("ca.pem"), "{told}");
    // And what always was: an authority, and a server that it signs.
    let server = authority.signs(params(names));
    let port = serve(&server, None).await.port();
    assert_eq!(get(&files.trusting(&[&authority]), &format!("https://localhost:{port}")).await, Ok(200));
}

#[tokio::test]
async fn whoever_is_not_trusted_is_refused_and_it_is_said_why() {
    let files = Files::new();
    let dated = |from: i32, to: i32| {
        let mut params = params(&["localhost"]);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        params
    };
    let good = self_signed(params(&["localhost"]));
    let wrong_name = self_signed(params(&["keystone.example.org", "10.0.0.1"]));
    let nameless = self_signed(params(&[]));
    let expired = self_signed(dated(2001, 2002));
    let future = self_signed(dated(4000, 4001));
    let authority = self_signed(params(&["ca"]));
    let stranger = plainly_self_signed({
        let mut params = params(&["localhost"]);
        params.distinguished_name.push(DnType::CommonName, "a stranger");
        params
    });
    let same_name_other_key = plainly_self_signed(params(&["localhost"]));
    let for_clients = authority.signs({
        let mut params = params(&["localhost"]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
    });
    let signed_but_expired = authority.signs(dated(2001, 2002));
    let signed_for_another = authority.signs(params(&["elsewhere"]));
    for (server, trusted, words) in [
        (&wrong_name, &wrong_name, "is not for that name; it is for keystone.example.org, 10.0.0.1;"),
        (&nameless, &nameless, "no subject alternative name"),
        (&expired, &expired, "expired on 2002-01-01T00:00:00Z"),
        (&future, &future, "is not valid before 4000-01-01T00:00:00Z"),
        (
            &good,
            &wrong_name,
            "is one of an authority (CA:TRUE), most likely self-signed, and is not the one in",
        ),
        (&wrong_name, &good, "is one of an authority (CA:TRUE)"),
        (&stranger, &good, "is signed by none of the authorities in"),
        (&same_name_other_key, &good, "the file is most likely older"),
        (&for_clients, &authority, "cannot be accepted"),
        (&signed_but_expired, &authority, "expired on 2002"),
        (&signed_for_another, &authority, "it is for elsewhere;"),
    ] {
        let port = serve(server, None).await.port();
        let config = files.trusting(&[trusted]);
        let told = get(&config, &format!("https://localhost:{port}")).await.unwrap_err();
        assert!(told.contains(words) && told.contains(&format!("localhost:{port}")), "{words} in {told}");
        assert!(!told.contains("CaUsedAsEndEntity"), "{told}");
        let insecure = CloudConfig { insecure: true, ..config };
        assert_eq!(get(&insecure, &format!("https://localhost:{port}")).await, Ok(200), "{words}");
    }
    let port = serve(&stranger, None).await.port();
    let told = get(&Fake::config(), &format!("https://localhost:{port}")).await.unwrap_err();
    assert!(told.contains("no authority that this system trusts") && told.contains("OS_CACERT"), "{told}");
    let port = serve(&good, None).await.port();
    let told = get(&Fake::config(), &format!("https://localhost:{port}")).await.unwrap_err();
    assert!(told.contains("no file of its own is given") && told.contains("OS_CACERT"), "{told}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_missed_where_it_is_wanted() {
    let files = Files::new();
    let authority = self_signed(params(&["ca"]));
    let server = authority.signs(params(&["localhost"]));
    let client = authority.signs(params(&["client"]));
    let port = serve(&server, Some(&authority)).await.port();
    let url = format!("https://localhost:{port}");
    let cert_file = files.write("client.pem", &client.certificate.pem());
    let key_file = files.write("client.key", &client.key.serialize_pem());
    let both = files.write("both.pem", &(client.key.serialize_pem() + &client.certificate.pem()));
    let trusting = files.trusting(&[&authority]);
    let with = |cert_file: &PathBuf, key_file: &PathBuf| CloudConfig {
        client_certificate: Some(ClientCertificate {
            cert_file: cert_file.clone(),
            key_file: key_file.clone(),
        }),
        ..trusting.clone()
    };
    assert_eq!(get(&with(&cert_file, &key_file), &url).await, Ok(200));
    assert_eq!(get(&with(&both, &both), &url).await, Ok(200));
    let told = get(&trusting, &url).await.unwrap_err();
    assert!(told.contains("client certificate") && told.contains("cert-file"), "{told}");
    let other_key = files.write("other.key", &server.key.serialize_pem());
    let nothing = files.write("nothing.pem", "nothing\n");
    for (config, file, words) in [
        (with(&cert_file, &other_key), &other_key, "it is not the key of the certificate in"),
        (with(&cert_file, &nothing), &nothing, "no private key in PEM form"),
        (with(&nothing, &key_file), &nothing, "no certificate in PEM form"),
        (CloudConfig { ca_file: Some(nothing.clone()), ..trusting.clone() }, &nothing, "leave it out"),
    ] {
        let told = HttpTransport::with_proxies(&config, Proxies::default()).unwrap_err().to_string();
        assert!(told.contains(&file.display().to_string()) && told.contains(words), "{told}");
    }
    let der = files.0.path().join("ca.der");
    std::fs::write(&der, authority.certificate.der()).unwrap();
    let config = CloudConfig { ca_file: Some(der), ..Fake::config() };
    let told = HttpTransport::with_proxies(&config, Proxies::default()).unwrap_err().to_string();
    assert!(
        told.contains("ca.der")
            && (told.contains("openssl x509 -inform der") || told.contains("leave it out")),
        "{told}"
    );
}

#[tokio::test]
async fn http_and_https_taken_for_each_other_are_told() {
    let server = self_signed(params(&["localhost"]));
    let tls = serve(&server, None).await.port();
    let told = get(&Fake::config(), &format!("http://localhost:{tls}")).await.unwrap_err();
    assert!(told.contains("write https:// instead of http://"), "{told}");
    let plain = serve_plainly(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.port();
    let told = get(&Fake::config(), &format!("https://localhost:{plain}")).await.unwrap_err();
    assert!(told.contains("does not speak TLS") && told.contains("write http:// instead"), "{told}");
}

/// What a login says of a proxy, which is named by this variable.
async fn login_through(variable: &str, proxy: &str, auth_url: &str) -> String {
    let proxies = Proxies::read(|name| (name == variable).then(|| proxy.to_owned()));
    let config = CloudConfig { auth_url: auth_url.parse().unwrap(), ..Fake::config() };
    let transport = HttpTransport::with_proxies(&config, proxies).unwrap();
    Session::new(config, Arc::new(transport)).token().await.unwrap_err().to_string()
}

#[tokio::test]
async fn an_error_names_the_proxy_without_its_credentials() {
    let unused = free_address();
    let refusing =
        serve_plainly(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    let forbidding = serve_plainly(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\n\r\ndenied").await;
    let silent = serve_plainly(b"").await;
    for (variable, auth_url) in [
        ("HTTPS_PROXY", "https://keystone.test/v3"),
        ("http_proxy", "http://keystone.test"),
        ("ALL_PROXY", "https://k.test"),
    ] {
        for proxy in [unused, refusing, forbidding, silent] {
            let told = login_through(variable, &format!("http://u:hunter2@{proxy}"), auth_url).await;
            assert!(told.contains(&format!("through the proxy http://{proxy} ({variable})")), "{told}");
            assert!(!told.contains("hunter2") && !told.contains("aHVudGVyM"), "{told}");
        }
    }
    let told = login_through("HTTPS_PROXY", &format!("socks5h://u:hunter2@{unused}"), "https://k.test").await;
    assert!(told.contains(&format!("through the proxy socks5h://{unused} (HTTPS_PROXY)")), "{told}");
}

#[tokio::test]
async fn of_a_large_error_only_the_beginning_is_read() {
    let body = Box::leak(
        format!("HTTP/1.1 400 Bad Request\r\ncontent-length: 33554432\r\n\r\n{}", "[0],".repeat(1 << 20))
            .into_boxed_str(),
    );
    let address = serve_plainly(body.as_bytes()).await;
    let transport = HttpTransport::with_proxies(&Fake::config(), Proxies::default()).unwrap();
    let answer =
        transport.send(Request::get(format!("http://{address}")).body(Bytes::new()).unwrap()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().len()), (400, 64 << 10));
}
