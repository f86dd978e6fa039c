//! The listening server: the service behind its layers, with health and reflection.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use thiserror::Error;
use tonic::transport::{Server as Transport, server::TcpIncoming};
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};
use tonic_reflection::server::Builder as ReflectionBuilder;
use tracing::debug;

use super::{
    accept,
    call_layer::{CallLayer, CallObserver},
    externalgrpc::{FILE_DESCRIPTOR_SET, cloud_provider_server::CloudProviderServer},
    service::CloudProviderService,
    tls::Security,
};

/// Largest request taken, in bytes: twice the 4 MiB that gRPC takes by default, for long lists of nodes with
/// their labels. Answers are not limited.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;
/// Calls that one connection may have under way; the caller waits with others. cluster-autoscaler has at most
/// `--max-scale-down-parallelism` (10) under way.
const CALLS_PER_CONNECTION: u32 = 256;
/// After this silence a connection is asked whether it lives.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long it may take to say so.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no server.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The port is taken, or may not be used.
    #[error("cannot listen on {address}: {source}")]
    Bind { address: SocketAddr, source: io::Error },
    /// The files of TLS are no certificate, key or authority, or do not fit together.
    #[error("the TLS files cannot be used: {0}")]
    Tls(String),
    /// It stopped by itself.
    #[error("the gRPC server failed: {0}")]
    Transport(String),
}

/// A server that has its port and answers nobody yet.
#[derive(Debug)]
pub struct Server {
    incoming: TcpIncoming,
    address: SocketAddr,
    transport: Transport,
    tls: Option<Arc<ServerConfig>>,
}

impl Server {
    /// Takes the port, so that a busy one is known before anything else starts. Needs a Tokio runtime.
    ///
    /// # Errors
    /// [`ServerError::Tls`] or [`ServerError::Bind`].
    pub fn bind(address: SocketAddr, security: Security) -> Result<Self, ServerError> {
        let transport = Transport::builder()
            .max_concurrent_streams(CALLS_PER_CONNECTION)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT));
        let tls = match security {
            Security::Plaintext => None,
            Security::MutualTls(files) => Some(files.config().map_err(ServerError::Tls)?),
        };
        let bind_error = |source| ServerError::Bind { address, source };
        let incoming = TcpIncoming::bind(address).map_err(bind_error)?.with_nodelay(Some(true));
        let address = incoming.local_addr().map_err(bind_error)?;
        Ok(Self { incoming, address, transport, tls })
    }

    /// Where it listens, with the real port when port 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers calls until `stop` comes, then says NOT_SERVING, takes no more connections and waits for those
    /// that there are to end. The caller limits that wait.
    ///
    /// # Errors
    /// [`ServerError::Transport`].
    pub async fn run(
        self,
        service: CloudProviderService,
        observer: Arc<dyn CallObserver>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError> {
        let transport_error =
            |error: &(dyn std::error::Error + 'static)| ServerError::Transport(with_sources(error));
        let (health, health_service) = health_reporter();
        report(&health, ServingStatus::Serving).await;
        let reflection = || {
            ReflectionBuilder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        // grpcurl before 1.8.8 and Postman ask for v1alpha only.
        let reflection_v1alpha = reflection().build_v1alpha().map_err(|error| transport_error(&error))?;
        let reflection_v1 = reflection().build_v1().map_err(|error| transport_error(&error))?;
        let stopping = async move {
            stop.await;
            report(&health, ServingStatus::NotServing).await;
            debug!("the gRPC server takes no more connections");
        };
        let router = self
            .transport
            .layer(CallLayer::new(observer))
            .add_service(CloudProviderServer::new(service).max_decoding_message_size(MAX_REQUEST_BYTES))
            .add_service(health_service)
            .add_service(reflection_v1)
            .add_service(reflection_v1alpha);
        let ended = match self.tls {
            Some(config) => {
                let callers = accept::encrypted(self.incoming, config);
                router.serve_with_incoming_shutdown(callers, stopping).await
            }
            None => router.serve_with_incoming_shutdown(accept::plaintext(self.incoming), stopping).await,
        };
        ended.map_err(|error| transport_error(&error))
    }
}

/// The server as a whole and its one service always have the same health.
async fn report(health: &HealthReporter, status: ServingStatus) {
    health.set_service_status("", status).await;
    health.set_service_status(super::externalgrpc::cloud_provider_server::SERVICE_NAME, status).await;
}

/// Tonic's errors say what went wrong only in their sources.
fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
