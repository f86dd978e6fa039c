//! The way to a real API server: TLS with the cluster's own authority, and a token.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::Request, http::StatusCode, response::IntoResponse as _, routing::get};
use cluster_autoscaler_provider_magnum::{
    core::nodes::NodeSource as _,
    kubernetes::{Access, NodeWatch},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::recorded_rhel;
use crate::{captured_log::CapturedLog, grpc_fixture::eventually};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // Who does not trust the certificate hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// An API server with one node, for whoever has the token.
async fn serve(authority: &Authority) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let nodes = get(async |request: Request| {
        if request.headers().get("authorization").is_none_or(|token| token != "Bearer a-token") {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        if request.uri().query().unwrap_or_default().contains("watch=true") {
            return std::future::pending().await;
        }
        let list = json!({
            "kind": "NodeList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [recorded_rhel()],
        });
        Json(list).into_response()
    });
    let listener = TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
    let router = Router::new().route("/api/v1/nodes", nodes);
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    address
}

/// The watch by a kubeconfig with this authority and this token file.
async fn watch(
    address: SocketAddr,
    authority: &Authority,
    token: &str,
    stop: &CancellationToken,
) -> Arc<NodeWatch> {
    let directory = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = file("ca.crt", &authority.pem());
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": format!("https://{address}"), "certificate-authority": authority}}],
        "users": [{"name": "x", "user": {"token": token}}],
    });
    let kubeconfig = file("kubeconfig", &config.to_string());
    let access = Access::new(Some(kubeconfig.as_os_str())).await.unwrap();
    NodeWatch::start(access, stop.clone())
}

#[tokio::test]
async fn the_authority_of_the_kubeconfig_and_no_other_is_trusted() {
    let (ours, other) = (authority(), authority());
    let address = serve(&ours).await;
    let stop = CancellationToken::new();
    let known = watch(address, &ours, "a-token", &stop).await;
    eventually("the nodes are known", || known.nodes().is_some_and(|nodes| nodes.len() == 1)).await;
    for (authority, token, expected) in [(&other, "a-token", "certificate"), (&ours, "s3cr3t", "401")] {
        let (log, _guard) = CapturedLog::start();
        let unknown = watch(address, authority, token, &stop).await;
        eventually("it is told", || !log.lines(&["WARN", "Kubernetes' nodes"]).is_empty()).await;
        let told = log.lines(&["WARN", "Kubernetes' nodes"]);
        assert!(told[0].contains(expected), "{}", told[0]);
        assert!(!log.text().contains("s3cr3t") && unknown.nodes().is_none());
    }
    stop.cancel();
}
