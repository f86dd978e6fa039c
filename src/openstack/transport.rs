//! How requests travel over the network.

use std::{error::Error, fmt, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, Uri};
use thiserror::Error;
use url::Url;

pub use super::tls::TlsError;
use super::{
    proxy::Proxies,
    tls::{client_config, explain, tls_error_in},
};
use crate::config::CloudConfig;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest body that is taken: ample for thousands of members, and a bound for whatever else answers.
const MAX_BODY_BYTES: usize = 32 << 20;
/// How much is taken of a body that only says what went wrong; the rest is left unread.
const MAX_ERROR_BYTES: usize = 64 << 10;

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

    /// The proxy that requests to this URI go through, for messages; without user and password.
    fn proxy(&self, _uri: &Uri) -> Option<String> {
        None
    }
}

/// The network. Honours `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    ca_file: Option<PathBuf>,
    proxies: Arc<Proxies>,
}

impl HttpTransport {
    /// Reads the certificates and makes a pool of connections; nothing is sent.
    ///
    /// # Errors
    /// [`TlsError`] names the certificate file that cannot be read or used.
    pub fn new(config: &CloudConfig) -> Result<Self, TlsError> {
        Self::with_proxies(config, Proxies::of_process())
    }

    /// As [`HttpTransport::new`], with these proxies instead of those that the process's variables name.
    ///
    /// # Errors
    /// As [`HttpTransport::new`].
    pub fn with_proxies(config: &CloudConfig, proxies: Proxies) -> Result<Self, TlsError> {
        for warning in &proxies.warnings {
            tracing::warn!("{warning}");
        }
        let proxies = Arc::new(proxies);
        let routes = Arc::clone(&proxies);
        let client = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(Duration::from_secs(90))
            // A redirect would carry the token to wherever it points (docs/openstack-behaviour.md#heat: the host may be
            // internal).
            .redirect(reqwest::redirect::Policy::none())
            // Whether to try again is decided where it is known what the request does.
            .retry(reqwest::retry::never())
            .tls_backend_preconfigured(client_config(config)?)
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| routes.of(url).map(|proxy| proxy.url.clone())))
            .build()
            .map_err(|error| TlsError::of_set_up(reason_of(&error)))?;
        Ok(Self { client, ca_file: config.ca_file.clone(), proxies })
    }

    /// Why there is no answer, in words. `url` is the one that was asked.
    fn reason(&self, error: reqwest::Error, url: &Url) -> String {
        let error = error.without_url();
        let Some(tls_error) = tls_error_in(&error) else {
            let reason = reason_of(&error);
            // What a port for TLS says to plain HTTP is no HTTP.
            return if url.scheme() == "http" && reason.contains("invalid HTTP version") {
                format!("{reason}; if it speaks TLS there, write https:// instead of http://")
            } else {
                reason
            };
        };
        let port = url.port_or_known_default().unwrap_or_default();
        let host = format!("{}:{port}", url.host_str().unwrap_or_default());
        explain(tls_error, &host, self.ca_file.as_deref())
    }
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

/// How much of a body is read: what the services tell, whole; of an error, its beginning.
fn most_bytes(status: StatusCode) -> usize {
    if status.is_success() { MAX_BODY_BYTES } else { MAX_ERROR_BYTES }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request)
            .map_err(|error| TransportError::NotSent(reason_of(&error.without_url())))?;
        let url = request.url().clone();
        let mut response = self.client.execute(request).await.map_err(|error| {
            let not_sent = error.is_connect();
            let reason = self.reason(error, &url);
            if not_sent { TransportError::NotSent(reason) } else { TransportError::Lost(reason) }
        })?;
        let most = most_bytes(response.status());
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| TransportError::Lost(self.reason(error, &url)))?
        {
            if body.len() + chunk.len() > most {
                if response.status().is_success() {
                    return Err(TransportError::TooLarge);
                }
                body.extend_from_slice(&chunk.slice(..most.saturating_sub(body.len())));
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = Response::new(body.freeze());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }

    fn proxy(&self, uri: &Uri) -> Option<String> {
        let url = uri.to_string().parse().ok()?;
        self.proxies.of(&url).map(ToString::to_string)
    }
}
