//! The binary as a process of its own, on the simulator.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::{
    NodeGroupIncreaseSizeRequest, NodeGroupsRequest, cloud_provider_client::CloudProviderClient,
};
use tonic::transport::{Channel, Endpoint};

use crate::free_address::free_address;

pub const BINARY: &str = env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum");
/// For what takes a moment on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `serve --simulate`, killed at the end whatever happens.
pub struct Service {
    pub child: Child,
    pub grpc: SocketAddr,
    admin: SocketAddr,
}

impl Service {
    pub fn start(stderr: impl Into<Stdio>, options: &[&str]) -> Self {
        // The log cannot tell which ports were taken.
        let (grpc, admin) = (free_address(), free_address());
        let child = Command::new(BINARY)
            .env_clear()
            .args(["serve", "--simulate", "--latency", "1ms"])
            .args(["--address", &grpc.to_string(), "--admin-address", &admin.to_string()])
            .args(options)
            .stdin(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut service = Self { child, grpc, admin };
        service.until("it is ready", |service| service.page("/readyz").starts_with("HTTP/1.1 200"));
        service
    }

    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: the process has ended: {ended:?}");
            assert!(begun.elapsed() < PATIENCE, "{what}: it did not come");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A page of the admin address; empty while nobody answers.
    pub fn page(&self, path: &str) -> String {
        let mut page = String::new();
        if let Ok(mut stream) = TcpStream::connect(self.admin) {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut page));
        }
        page
    }

    pub async fn client(&self) -> CloudProviderClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap().timeout(PATIENCE);
        CloudProviderClient::new(endpoint.connect().await.unwrap())
    }

    /// One node more in the first group.
    pub async fn grows(&self) {
        let mut client = self.client().await;
        let groups = client.node_groups(NodeGroupsRequest {}).await.unwrap().into_inner().node_groups;
        let id = groups[0].id.clone();
        client.node_group_increase_size(NodeGroupIncreaseSizeRequest { delta: 1, id }).await.unwrap();
    }

    /// Tells it to stop. The test's own connections end meanwhile.
    pub async fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
