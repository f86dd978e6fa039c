//! The end of the service after SIGTERM.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
};

use crate::service_process::Service;

/// The beginning of HTTP/2, with empty settings (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

#[tokio::test]
async fn what_was_not_sent_is_told_although_somebody_keeps_a_connection_open() {
    // The first node never comes, so the second request waits.
    let mut service = Service::start(Stdio::piped(), &["--node-boot-time", "1h"]);
    let mut log = service.child.stderr.take().unwrap();
    service.grows().await;
    service.grows().await;
    let mut silent = TcpStream::connect(service.grpc).unwrap();
    silent.write_all(PREFACE).unwrap();
    // The service's settings: it takes the connection for one of HTTP/2.
    let mut settings = [0; 9];
    silent.read_exact(&mut settings).unwrap();

    assert_eq!(service.stop().await.code(), Some(0));
    let mut told = String::new();
    log.read_to_string(&mut told).unwrap();
    assert!(told.contains("connections still open"), "{told}");
    assert!(told.contains("stopped with 1 accepted requests that were not sent"), "{told}");
}
