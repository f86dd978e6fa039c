//! How the life of a resize is paced.

use std::time::{Duration, Instant};

use crate::core::settle::SettleTimeouts;

/// The longest `Retry-After` that is believed.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// How often the pause is doubled at most.
pub(super) const MAX_DOUBLINGS: u32 = 6;

/// How the life of a resize is paced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// How long requests for one group are gathered into one resize.
    pub coalesce_window: Duration,
    /// Shortest and longest pause between two readings of a group that is being resized.
    pub poll_interval: (Duration, Duration),
    /// Longest pause after failed readings.
    pub max_backoff: Duration,
    /// How long a resize may show no effect before it counts as lost.
    pub effect_timeout: Duration,
    /// How often a request that Magnum acts upon without its having an effect is sent before it is given up.
    pub max_attempts: u32,
    /// When a group counts as settled.
    pub timeouts: SettleTimeouts,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            coalesce_window: Duration::from_millis(200),
            poll_interval: (Duration::from_millis(500), Duration::from_secs(3)),
            max_backoff: Duration::from_secs(30),
            effect_timeout: Duration::from_secs(60),
            max_attempts: 5,
            timeouts: SettleTimeouts::default(),
        }
    }
}

impl Timing {
    /// How long to leave a cloud in trouble alone: longer with each failure, and as long as it asks for.
    #[must_use]
    pub fn backoff(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubling = self.poll_interval.0 * (1_u32 << failures.min(MAX_DOUBLINGS));
        doubling.min(self.max_backoff).max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
    }
}

/// How long ago it was; what was longer ago than `longest` counts as that.
pub(super) fn age(at: Instant, now: Instant, longest: Duration) -> Duration {
    now.saturating_duration_since(at).min(longest)
}
