//! The binary whose log or output nobody takes: it goes on, its calls are answered, and it says how much was lost.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::{
    NodeGroupIncreaseSizeRequest, NodeGroupsRequest, cloud_provider_client::CloudProviderClient,
};
use tonic::transport::{Channel, Endpoint};

use crate::free_address::free_address;

const BINARY: &str = env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum");
const LOST_LINES: &str = "magnum_autoscaler_lost_log_lines_total ";
/// For what takes a moment on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// `serve --simulate`, killed at the end whatever happens.
struct Service {
    child: Child,
    grpc: SocketAddr,
    admin: SocketAddr,
}

impl Service {
    fn start(stderr: impl Into<Stdio>, options: &[&str]) -> Self {
        // The log cannot tell which ports were taken.
        let (grpc, admin) = (free_address(), free_address());
        let child = Command::new(BINARY)
            .env_clear()
            .args(["serve", "--simulate", "--latency", "1ms", "--node-boot-time", "10ms"])
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

    fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: the process has ended: {ended:?}");
            assert!(begun.elapsed() < PATIENCE, "{what}: it did not come");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// A page of the admin address; empty while nobody answers.
    fn page(&self, path: &str) -> String {
        let mut page = String::new();
        if let Ok(mut stream) = TcpStream::connect(self.admin) {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut page));
        }
        page
    }

    fn lost_lines(&self) -> u64 {
        let page = self.page("/metrics");
        page.lines().find_map(|line| line.strip_prefix(LOST_LINES)?.parse().ok()).unwrap_or_default()
    }

    async fn client(&self) -> CloudProviderClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc)).unwrap().timeout(PATIENCE);
        CloudProviderClient::new(endpoint.connect().await.unwrap())
    }

    /// One node more in the first group.
    async fn grows(&self) {
        let mut client = self.client().await;
        let groups = client.node_groups(NodeGroupsRequest {}).await.unwrap().into_inner().node_groups;
        let id = groups[0].id.clone();
        client.node_group_increase_size(NodeGroupIncreaseSizeRequest { delta: 1, id }).await.unwrap();
    }

    /// Tells it to stop. The test's own connections end meanwhile.
    async fn stop(mut self) -> ExitStatus {
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

fn full_device() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

#[tokio::test]
async fn a_log_on_a_full_device_costs_no_call() {
    for format in ["text", "json"] {
        let service = Service::start(full_device(), &["--log-format", format]);
        service.grows().await;
        assert!(service.lost_lines() > 0, "{format}");
        assert_eq!(service.stop().await.code(), Some(0), "{format}");
    }
}

#[tokio::test]
async fn a_log_whose_reader_ends_costs_no_call() {
    for format in ["text", "json"] {
        let mut service = Service::start(Stdio::piped(), &["--log-format", format]);
        let mut reader = BufReader::new(service.child.stderr.take().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("simulating OpenStack"), "{line}");
        drop(reader);
        service.grows().await;
        service.until("the line about it is lost", |service| service.lost_lines() > 0);
        assert_eq!(service.stop().await.code(), Some(0), "{format}");
    }
}

#[tokio::test]
async fn a_log_whose_reader_stands_still_costs_no_call() {
    // Of all libraries, so that the pipe is soon full.
    let mut service = Service::start(Stdio::piped(), &["--log-level", "trace,h2=trace"]);
    let mut client = service.client().await;
    let begun = Instant::now();
    while service.lost_lines() == 0 {
        assert!(begun.elapsed() < PATIENCE, "the log is never full");
        for _ in 0..50 {
            client.node_groups(NodeGroupsRequest {}).await.unwrap();
        }
    }
    drop(client);
    service.grows().await;
    let unread = service.child.stderr.take();
    assert_eq!(service.stop().await.code(), Some(0));
    drop(unread);
}

#[test]
fn output_that_nobody_takes_is_no_failure() {
    for options in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        let output = Command::new(BINARY).args(options).stdout(full_device()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*error), (Some(0), ""), "{options:?}");
    }
    for (options, code) in [(&["serve"][..], 2), (&["serve", "--no-such-option"], 2)] {
        let status = Command::new(BINARY).env_clear().args(options).stderr(full_device()).status().unwrap();
        assert_eq!(status.code(), Some(code), "{options:?}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let busy = ["serve", "--simulate", "--address", &address];
    let status = Command::new(BINARY).env_clear().args(busy).stderr(full_device()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_simulator_whose_credentials_nobody_reads_answers() {
    let address = free_address();
    let mut child = Command::new(BINARY)
        .env_clear()
        .args(["simulate", "--address", &address.to_string()])
        .stdout(full_device())
        .stderr(full_device())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(10));
    }
    let answers = TcpStream::connect(address).is_ok() && child.try_wait().unwrap().is_none();
    let _ = child.kill();
    let _ = child.wait();
    assert!(answers);
}
