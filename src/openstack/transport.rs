//! How requests travel: over the network with [`HttpTransport`], or to a router in the same process with
//! [`RouterTransport`].

use std::{convert::Infallible, error::Error, fmt, fs, path::Path, time::Duration};

use async_trait::async_trait;
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{Extensions, Request, Response};
use thiserror::Error;
use tower::{Service, ServiceExt};
use url::{Host, Url};

use crate::config::CloudConfig;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body that is taken: ample for thousands of members, and a bound for whatever else answers.
const MAX_BODY_BYTES: usize = 32 << 20;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransportError {
    /// No connection came about: nothing was sent.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The connection was lost: the request may or may not have been heard.
    #[error("{0}")]
    Lost(String),
    /// The body is larger than what is taken.
    #[error("the answer is larger than {} MiB", MAX_BODY_BYTES >> 20)]
    TooLarge,
}

/// Sends one request and brings its answer, whole.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends a request with an absolute URI. Redirects are answers like others.
    ///
    /// # Errors
    /// [`TransportError`] when there is no answer, or not a whole one.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError>;
}

/// The TLS settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what}: {reason}")]
pub struct TlsError {
    /// The file, or what else is wrong.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// The network. Honours `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, except where Keystone is on this machine.
#[derive(Debug, Clone)]
pub struct HttpTransport(reqwest::Client);

impl HttpTransport {
    /// Reads the certificates and makes a pool of connections; nothing is sent.
    ///
    /// # Errors
    /// [`TlsError`] names the certificate file that cannot be read or used.
    pub fn new(config: &CloudConfig) -> Result<Self, TlsError> {
        // Fails only where one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(90))
            // A redirect would carry the token to wherever it points (facts on Heat: the host may be internal).
            .redirect(reqwest::redirect::Policy::none())
            // Whether to try again is decided where it is known what the request does.
            .retry(reqwest::retry::never());
        if is_loopback(&config.auth_url) {
            // The simulator for one: no proxy reaches it.
            builder = builder.no_proxy();
        }
        if let Some(file) = &config.ca_file {
            let pem = read(file)?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(file, &error))?;
            if certificates.is_empty() {
                return Err(TlsError {
                    what: file.display().to_string(),
                    reason: "there is no certificate in PEM form in it".to_owned(),
                });
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let Some(client) = &config.client_certificate {
            let mut pem = read(&client.cert_file)?;
            pem.push(b'\n');
            pem.extend(read(&client.key_file)?);
            let identity =
                reqwest::Identity::from_pem(&pem).map_err(|error| unusable(&client.cert_file, &error))?;
            builder = builder.identity(identity);
        }
        if config.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder
            .build()
            .map(Self)
            .map_err(|error| TlsError { what: "cannot set up TLS".to_owned(), reason: reason_of(&error) })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &dyn Error) -> TlsError {
    TlsError { what: file.display().to_string(), reason: reason_of(error) }
}

/// The whole chain of causes: the outermost alone says only that sending failed.
fn reason_of(error: &dyn Error) -> String {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !reason.contains(&cause_text) {
            reason.push_str(": ");
            reason.push_str(&cause_text);
        }
        source = cause.source();
    }
    reason
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|error| TransportError::NotSent(reason_of(&error)))?;
        let mut response = self.0.execute(request).await.map_err(|error| {
            let not_sent = error.is_connect();
            let reason = reason_of(&error.without_url());
            if not_sent { TransportError::NotSent(reason) } else { TransportError::Lost(reason) }
        })?;
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| TransportError::Lost(reason_of(&error.without_url())))?
        {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = Response::new(body.freeze());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

/// A router in the same process, for tests and for the built-in simulator: no sockets, so that a paused clock
/// stays exact.
///
/// `cut` tells by a response's extensions whether to lose it, as a connection cut after the request was heard.
#[derive(Clone)]
pub struct RouterTransport<S> {
    router: S,
    cut: fn(&Extensions) -> bool,
}

impl<S> RouterTransport<S> {
    /// Sends to `router`; nothing is ever lost.
    pub const fn new(router: S) -> Self {
        Self { router, cut: |_| false }
    }

    /// Loses the responses whose extensions `cut` picks.
    #[must_use]
    pub const fn with_cut(mut self, cut: fn(&Extensions) -> bool) -> Self {
        self.cut = cut;
        self
    }
}

impl<S> fmt::Debug for RouterTransport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouterTransport").finish_non_exhaustive()
    }
}

#[async_trait]
impl<S> Transport for RouterTransport<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let answer = match self.router.clone().oneshot(request.map(Body::from)).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let (parts, body) = answer.into_parts();
        if (self.cut)(&parts.extensions) {
            return Err(TransportError::Lost("connection reset".to_owned()));
        }
        let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| TransportError::TooLarge)?;
        Ok(Response::from_parts(parts, body))
    }
}
