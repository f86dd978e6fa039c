//! Values of options, as they are written on the command line.

use std::{
    net::{Ipv6Addr, SocketAddr},
    time::Duration,
};

/// IP:PORT, or ":PORT" for all addresses.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|error| format!("{port:?} is not a port number: {error}"))?;
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    let text =
        text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "expected IP:PORT, like 127.0.0.1:8086, [::]:8086 or :8086".to_owned())
}

/// A duration like 10s or 1m, longer than 0.
pub(super) fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(duration) }
}
