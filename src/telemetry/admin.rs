//! The admin address: plain HTTP for probes and scrapers, apart from gRPC, since kubelet's gRPC probes cannot show
//! a client certificate.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
    serve::Listener,
};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{SnapshotSource, metrics::Metrics};
use crate::grpc::connection::Attended;

/// How long a connection may bring its caller nothing. Prometheus and kubelet connect anew where one was closed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections at a time; with one more, the oldest is closed, so that probes get through a crowd of idle ones.
const MAX_CONNECTIONS: usize = 128;

/// The content type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The page at `/`.
const INDEX: &str = "cluster-autoscaler-provider-magnum

/healthz  200 while the process runs
/readyz   200 once OpenStack has been read; 503 with the reason before
/metrics  metrics for Prometheus
";

/// The admin port cannot be had.
#[derive(Debug, Error)]
#[error("cannot listen on {address} (admin address): {source}")]
pub struct AdminBindError {
    address: SocketAddr,
    source: io::Error,
}

/// The admin server with its port taken.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Clone)]
struct Sources {
    metrics: Arc<Metrics>,
    snapshots: Arc<dyn SnapshotSource>,
}

impl AdminServer {
    /// Takes the port, so that a busy one is known before anything else starts.
    ///
    /// # Errors
    /// When it is taken or may not be used.
    pub async fn bind(address: SocketAddr) -> Result<Self, AdminBindError> {
        let bind_error = |source| AdminBindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind_error)?;
        let address = listener.local_addr().map_err(bind_error)?;
        Ok(Self { listener, address })
    }

    /// Where it listens, with the real port when port 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` comes.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn run(
        self,
        metrics: Arc<Metrics>,
        snapshots: Arc<dyn SnapshotSource>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let callers = Callers { listener: self.listener, open: VecDeque::new() };
        axum::serve(callers, router(metrics, snapshots)).with_graceful_shutdown(stop).await
    }
}

/// The connections, [`MAX_CONNECTIONS`] at a time.
#[derive(Debug)]
struct Callers {
    listener: TcpListener,
    /// What closes each open one, the oldest first.
    open: VecDeque<Weak<CancellationToken>>,
}

impl Listener for Callers {
    type Io = Attended<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (connection, address) = Listener::accept(&mut self.listener).await;
        self.open.retain(|close| close.strong_count() > 0);
        while self.open.len() >= MAX_CONNECTIONS {
            if let Some(close) = self.open.pop_front().and_then(|close| close.upgrade()) {
                close.cancel();
            }
        }
        let close = Arc::new(CancellationToken::new());
        self.open.push_back(Arc::downgrade(&close));
        (Attended::new(connection, PATIENCE, close, None), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn router(metrics: Arc<Metrics>, snapshots: Arc<dyn SnapshotSource>) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .route("/metrics", get(metrics_page))
        .with_state(Sources { metrics, snapshots })
}

/// Whether there has ever been a snapshot. Not whether OpenStack answers now: taking the service out of its
/// endpoint during an outage would only add to it.
async fn readiness(State(sources): State<Sources>) -> Response {
    match sources.snapshots.snapshot() {
        Ok(_) => "ok\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn metrics_page(State(sources): State<Sources>) -> Response {
    match sources.metrics.render() {
        Ok(page) => ([(header::CONTENT_TYPE, METRICS_TYPE)], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Mutex, time::Instant};

    use axum::{
        body::{Body, to_bytes},
        http::Request,
    };
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tower::ServiceExt as _;

    use super::*;
    use crate::core::{request::RequestError, snapshot::Snapshot};

    /// Has a snapshot once it is told to.
    #[derive(Default)]
    struct Later(Mutex<Option<Arc<Snapshot>>>);

    impl SnapshotSource for Later {
        fn snapshot(&self) -> Result<Arc<Snapshot>, RequestError> {
            let reason = || "keystone at http://127.0.0.1:5000 did not answer: refused".to_owned();
            self.0.lock().unwrap().clone().ok_or_else(|| RequestError::NoSnapshot { reason: reason() })
        }
    }

    async fn get_page(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_with_the_first_snapshot_and_healthy_before() {
        let later = Arc::new(Later::default());
        let snapshots: Arc<dyn SnapshotSource> = later.clone();
        let router = router(Arc::new(Metrics::new().unwrap()), snapshots);
        assert_eq!(get_page(&router, "/healthz").await.0, StatusCode::OK);
        let (status, body) = get_page(&router, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("keystone at http://127.0.0.1:5000"), "{body}");
        *later.0.lock().unwrap() = Some(Arc::new(Snapshot::new(Instant::now(), Vec::new())));
        assert_eq!(get_page(&router, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_probe_gets_through_a_crowd_of_idle_connections() {
        let server = AdminServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.address();
        let running = server.run(Arc::new(Metrics::new().unwrap()), Arc::new(Later::default()), pending());
        let running = tokio::spawn(running);
        let mut idle = Vec::new();
        for _ in 0..MAX_CONNECTIONS * 2 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let mut probe = TcpStream::connect(address).await.unwrap();
        probe.write_all(b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        probe.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        // The oldest were closed for the newer ones.
        let oldest = &mut idle[0];
        assert_eq!(oldest.read(&mut [0]).await.unwrap_or_default(), 0);
        let newest = idle.last_mut().unwrap();
        newest.write_all(b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
        answer.clear();
        newest.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        running.abort();
    }

    #[tokio::test]
    async fn says_what_there_is() {
        let router = router(Arc::new(Metrics::new().unwrap()), Arc::new(Later::default()));
        assert!(get_page(&router, "/").await.1.contains("/metrics"));
        assert!(get_page(&router, "/metrics").await.1.contains("magnum_autoscaler_build_info{version="));
        assert_eq!(get_page(&router, "/nope").await.0, StatusCode::NOT_FOUND);
    }
}
