//! How much time is left to answer a call.
//!
//! A caller sends its time-out as `grpc-timeout`: up to eight digits and a unit
//! (gRPC over HTTP/2, "Timeout"). cluster-autoscaler's is `grpc_timeout` of its cloud-config, 5 s unless set.

use std::time::{Duration, Instant};

use tonic::metadata::MetadataMap;

/// What cluster-autoscaler waits unless told otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// Smallest part of a time-out that is kept for the way back.
const MIN_MARGIN: Duration = Duration::from_millis(100);
/// Largest part of a time-out that is kept for the way back.
const MAX_MARGIN: Duration = Duration::from_millis(500);
/// Most digits that the gRPC specification allows.
const MAX_DIGITS: usize = 8;

/// When the answer to a call received at `received` has to be on its way.
///
/// A missing or malformed `grpc-timeout` counts as 5 s.
#[must_use]
pub fn of(metadata: &MetadataMap, received: impl Into<Instant>) -> Instant {
    let received = received.into();
    let timeout = metadata
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok())
        .and_then(parse)
        .unwrap_or(DEFAULT_TIMEOUT);
    received.checked_add(without_margin(timeout)).unwrap_or(received + DEFAULT_TIMEOUT)
}

/// A tenth is kept back, 100 ms at least and 500 ms at most.
fn without_margin(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 10).clamp(MIN_MARGIN, MAX_MARGIN))
}

fn parse(text: &str) -> Option<Duration> {
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(value * 3600)),
        'M' => Some(Duration::from_secs(value * 60)),
        'S' => Some(Duration::from_secs(value)),
        'm' => Some(Duration::from_millis(value)),
        'u' => Some(Duration::from_micros(value)),
        'n' => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(timeout: Option<&str>) -> Duration {
        let mut metadata = MetadataMap::new();
        if let Some(timeout) = timeout {
            metadata.insert("grpc-timeout", timeout.parse().unwrap());
        }
        let received = Instant::now();
        of(&metadata, received) - received
    }

    #[test]
    fn keeps_a_margin_of_every_unit() {
        for (timeout, milliseconds) in [
            ("1H", 3_600_000 - 500),
            ("2M", 120_000 - 500),
            ("3S", 2_700),
            ("5000m", 4_500),
            ("4999123u", 4_499),
            ("10S", 9_500),
            ("2000000u", 1_800),
            ("500m", 400),
            ("90000000n", 0),
            ("50m", 0),
            ("0m", 0),
        ] {
            assert_eq!(left(Some(timeout)).as_millis(), milliseconds, "{timeout}");
        }
    }

    #[test]
    fn without_a_usable_timeout_five_seconds_count() {
        for timeout in [None, Some(""), Some("5"), Some("S"), Some("-5S"), Some("5x"), Some("123456789S")] {
            assert_eq!(left(timeout), Duration::from_millis(4_500), "{timeout:?}");
        }
        assert!(left(Some("99999999H")) > Duration::from_secs(1_000_000));
    }
}
