//! A simulator that listens on a port.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::handle::Simulator;

/// How long requests that are being answered are waited for at the end.
const GRACE: Duration = Duration::from_secs(1);

/// A simulator being served over HTTP until this is stopped or dropped.
#[derive(Debug)]
pub struct RunningSimulator {
    /// What all addresses begin with, `http://127.0.0.1:40123` say.
    pub base_url: String,
    address: SocketAddr,
    stopping: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Serves all services over HTTP until the result is stopped or dropped. Port 0 finds a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn listen(&self, address: SocketAddr) -> std::io::Result<RunningSimulator> {
        RunningSimulator::start(self, address).await
    }
}

impl RunningSimulator {
    async fn start(simulator: &Simulator, address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        // Nobody can connect to the address that means all addresses.
        let host = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
        let base_url = format!("http://{}", SocketAddr::new(host, address.port()));
        let router = simulator.router(&base_url);
        let stopping = CancellationToken::new();
        let stopped = stopping.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            // Accepting never fails for good; axum retries by itself.
            let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
        });
        Ok(Self { base_url, address, stopping, server: Some(server) })
    }

    /// The address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keystone's URL, an `auth-url` as cloud configurations have it.
    #[must_use]
    pub fn auth_url(&self) -> String {
        format!("{}/identity/v3", self.base_url)
    }

    /// Ends it: no new connections, and a moment for what is being answered.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if let Some(server) = &mut self.server
            && tokio::time::timeout(GRACE, &mut *server).await.is_err()
        {
            server.abort();
        }
    }
}

impl Drop for RunningSimulator {
    fn drop(&mut self) {
        self.stopping.cancel();
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}
