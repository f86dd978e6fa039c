//! The binary whose log or output nobody takes: it goes on, its calls are answered, and it says how much was lost.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::NodeGroupsRequest;

use crate::{
    free_address::free_address,
    service_process::{BINARY, PATIENCE, Service},
};

const LOST_LINES: &str = "magnum_autoscaler_lost_log_lines_total ";

fn full_device() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A service whose new nodes are there at once.
fn start(stderr: impl Into<Stdio>, options: &[&str]) -> Service {
    Service::start(stderr, &[&["--node-boot-time", "10ms"], options].concat())
}

fn lost_lines(service: &Service) -> u64 {
    let page = service.page("/metrics");
    page.lines().find_map(|line| line.strip_prefix(LOST_LINES)?.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_log_on_a_full_device_costs_no_call() {
    for format in ["text", "json"] {
        let service = start(full_device(), &["--log-format", format]);
        service.grows().await;
        assert!(lost_lines(&service) > 0, "{format}");
        assert_eq!(service.stop().await.code(), Some(0), "{format}");
    }
}

#[tokio::test]
async fn a_log_whose_reader_ends_costs_no_call() {
    for format in ["text", "json"] {
        let mut service = start(Stdio::piped(), &["--log-format", format]);
        let mut reader = BufReader::new(service.child.stderr.take().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains("simulating OpenStack"), "{line}");
        drop(reader);
        service.grows().await;
        service.until("the line about it is lost", |service| lost_lines(service) > 0);
        assert_eq!(service.stop().await.code(), Some(0), "{format}");
    }
}

#[tokio::test]
async fn a_log_whose_reader_stands_still_costs_no_call() {
    // Of all libraries, so that the pipe is soon full.
    let mut service = start(Stdio::piped(), &["--log-level", "trace,h2=trace"]);
    let mut client = service.client().await;
    let begun = Instant::now();
    while lost_lines(&service) == 0 {
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
