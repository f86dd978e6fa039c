//! Addresses for programs that have to be told one, and for those that nobody answers at.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU8, Ordering},
};

/// An address that nobody listens at. Its host, of the many that Linux has on loopback, is no other test's: a port that
/// was free on 127.0.0.1 a moment ago may be what the system has given to the test beside.
pub fn free_address() -> SocketAddr {
    static GIVEN: AtomicU8 = AtomicU8::new(1);
    let host = Ipv4Addr::new(127, 0, 1, GIVEN.fetch_add(1, Ordering::Relaxed));
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}
