//! TLS to the services: whom to trust, which certificate to show, and what a failed handshake means in words.

use std::{error::Error, fmt, fs, io, path::Path, sync::Arc};

use jiff::Timestamp;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use thiserror::Error;

use crate::config::{CloudConfig, cloud::ClientCertificate};

/// How the sources of the configuration name the file of authorities, for messages.
const CA_FILE_KEYS: &str = "ca-file in cloud.conf, cacert in clouds.yaml, OS_CACERT";
/// How they name the client certificate and its key.
const CLIENT_KEYS: &str =
    "cert-file and key-file in cloud.conf, cert and key in clouds.yaml, OS_CERT and OS_KEY";

/// The TLS settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: {reason}")]
pub struct TlsError {
    /// The file, or what else is wrong.
    pub what: String,
    pub reason: String,
}

impl TlsError {
    pub(super) fn of_file(file: &Path, reason: impl fmt::Display) -> Self {
        Self { what: file.display().to_string(), reason: reason.to_string() }
    }

    pub(super) fn of_set_up(reason: impl fmt::Display) -> Self {
        Self { what: "cannot set up TLS".to_owned(), reason: reason.to_string() }
    }
}

/// Reads the certificate files of a configuration.
///
/// # Errors
/// [`TlsError`] names the file that cannot be read or used.
pub(super) fn client_config(config: &CloudConfig) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(config, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::of_set_up)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut tls = match &config.client_certificate {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let (chain, key) = identity(files)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => TlsError::of_file(
                    &files.key_file,
                    format_args!("it is not the key of the certificate in {}", files.cert_file.display()),
                ),
                other => TlsError::of_file(&files.cert_file, other),
            })?
        }
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

fn verifier(
    config: &CloudConfig,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if config.insecure {
        return Ok(Arc::new(Unchecked(Arc::clone(provider))));
    }
    let Some(file) = &config.ca_file else {
        let system = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
        return Ok(Arc::new(system.map_err(|error| {
            TlsError::of_set_up(format_args!("{error}; install ca-certificates, or give {CA_FILE_KEYS}"))
        })?));
    };
    let certificates = certificates(file)?;
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(certificates.iter().cloned());
    if roots.is_empty() {
        return Err(TlsError::of_file(file, "the certificates in it cannot be read"));
    }
    if unusable > 0 {
        tracing::warn!(
            "{}: {unusable} of {} certificates cannot be read and are passed over",
            file.display(),
            certificates.len()
        );
    }
    let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    let webpki = webpki.map_err(|error| TlsError::of_file(file, error))?;
    Ok(Arc::new(ConfiguredFile { webpki, certificates }))
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| TlsError::of_file(file, error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&content)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::of_file(file, format_args!("not PEM: {error}")))?;
    if certificates.is_empty() {
        // A sequence of DER, with its length in two bytes.
        let remedy = if content.starts_with(&[0x30, 0x82]) {
            "it looks like DER: convert it with openssl x509 -inform der"
        } else {
            "leave it out to trust the system's authorities"
        };
        return Err(TlsError::of_file(
            file,
            format_args!("there is no certificate in PEM form in it; {remedy}"),
        ));
    }
    Ok(certificates)
}

fn identity(
    files: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&files.cert_file)?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key_file)?).map_err(|_| {
        TlsError::of_file(
            &files.key_file,
            "there is no private key in PEM form in it (an encrypted one cannot be used)",
        )
    })?;
    Ok((chain, key))
}

/// Trusts the authorities of the configured file, and a server that shows a certificate of that very file.
///
/// webpki never takes a CA certificate for a server's own. But what one `openssl req -x509` makes is both, and curl,
/// Python and Go take it when it is configured as its own authority. So this one verdict of webpki is set aside for a
/// certificate that is byte for byte in the file. webpki has found the dates good by then; the name is checked here.
#[derive(Debug)]
struct ConfiguredFile {
    webpki: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

fn is_ca_as_server(error: &CertificateError) -> bool {
    let CertificateError::Other(other) = error else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for ConfiguredFile {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict =
            self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verdict {
            Err(rustls::Error::InvalidCertificate(error))
                if is_ca_as_server(&error) && self.certificates.contains(end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Takes any certificate, as `tls-insecure` and `verify: false` ask for, also one that webpki cannot even read.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.0.signature_verification_algorithms.supported_schemes();
        // What old servers sign with.
        schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        schemes
    }
}

/// The error of rustls behind another one, if there is one. `io::Error` does not show what it wraps as its source.
pub(super) fn tls_error_in<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(wrapped) = wrapped {
            let wrapped: &(dyn Error + 'static) = wrapped;
            return tls_error_in(wrapped);
        }
        cause = error.source();
    }
    None
}

/// What an error of TLS means, and what to do about it. `host` is whom the connection was for.
pub(super) fn explain(error: &rustls::Error, host: &str, ca_file: Option<&Path>) -> String {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage};
    match error {
        InvalidCertificate(error) => explain_certificate(error, host, ca_file),
        // What a peer that speaks no TLS says looks like this.
        InvalidMessage(_) => format!(
            "{host} does not speak TLS there ({error}); if it is meant to be plain, write http:// instead of https://"
        ),
        AlertReceived(AlertDescription::CertificateRequired) => {
            format!("{host} asks for a client certificate; give one ({CLIENT_KEYS})")
        }
        AlertReceived(
            alert @ (AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied),
        ) => format!(
            "{host} refused the TLS handshake ({alert:?}); if it asks for a client certificate, look at \
             {CLIENT_KEYS}"
        ),
        other => format!("TLS with {host} failed: {other}"),
    }
}

fn explain_certificate(error: &CertificateError, host: &str, ca_file: Option<&Path>) -> String {
    let certificate = format!("the certificate of {host}");
    let file = ca_file.map(Path::display);
    match (error, file) {
        (CertificateError::UnknownIssuer, Some(file)) => format!(
            "{certificate} is signed by none of the authorities in {file}; put the one that signed it there, or the \
             certificate itself if it is self-signed"
        ),
        (CertificateError::UnknownIssuer, None) => format!(
            "{certificate} is signed by no authority that this system trusts; give a file with the one that signed it \
             ({CA_FILE_KEYS})"
        ),
        (CertificateError::BadSignature, Some(file)) => format!(
            "{certificate} was not signed with the key of the authority of that name in {file}; the file is most \
             likely older than the certificate"
        ),
        (CertificateError::NotValidForNameContext { presented, .. }, _) => {
            format!("{certificate} is not for that name; {}", other_names(presented))
        }
        (CertificateError::NotValidForName, _) => {
            format!("{certificate} is not for that name; use the name that it is for")
        }
        (CertificateError::ExpiredContext { not_after, .. }, _) => {
            format!("{certificate} expired on {}; it has to be renewed", date(*not_after))
        }
        (CertificateError::Expired, _) => format!("{certificate} has expired; it has to be renewed"),
        (CertificateError::NotValidYetContext { not_before, .. }, _) => {
            format!("{certificate} is not valid before {}; is this machine's clock right?", date(*not_before))
        }
        (CertificateError::NotValidYet, _) => {
            format!("{certificate} is not valid yet; is this machine's clock right?")
        }
        (error, file) if is_ca_as_server(error) => {
            let trusted = file.map_or_else(
                || {
                    format!(
                        "no file of its own is given; give one with exactly this certificate ({CA_FILE_KEYS})"
                    )
                },
                |file| {
                    format!(
                        "is not the one in {file}; put exactly the certificate that the server shows there"
                    )
                },
            );
            format!("{certificate} is one of an authority (CA:TRUE), most likely self-signed, and {trusted}")
        }
        (error, _) => format!("{certificate} cannot be accepted: {error}"),
    }
}

fn other_names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "it has no subject alternative name at all, and the common name does not count; it has to be made \
                anew with one (openssl req -x509 -addext subjectAltName=DNS:NAME)"
            .to_owned();
    }
    // webpki writes `DnsName("name")` and `IpAddress(1.2.3.4)`.
    let name = |text: &String| {
        let inner = text.split_once('(').map_or(text.as_str(), |(_, inner)| inner);
        inner.trim_matches(|c| matches!(c, '"' | ')')).to_owned()
    };
    let names: Vec<String> = presented.iter().map(name).collect();
    format!(
        "it is for {}; use one of these in the URL, or have the certificate made for it",
        names.join(", ")
    )
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).ok();
    seconds
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| "a day that cannot be told".to_owned(), |time| time.to_string())
}
