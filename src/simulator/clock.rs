//! Virtual time as the services write it.

use std::time::SystemTime;

use jiff::Timestamp;
use tokio::time::Instant;

/// Turns moments of tokio's clock into dates that start at the real time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    started: Instant,
    epoch: Timestamp,
}

impl Clock {
    pub(super) fn start() -> Self {
        let epoch = Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { started: Instant::now(), epoch }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Magnum's form, `2026-11-22T06:58:43+00:00`.
    pub(super) fn with_offset(&self, moment: Instant) -> String {
        self.format(moment, "%Y-%m-%dT%H:%M:%S+00:00")
    }

    /// The form of Heat and Nova, `2026-11-22T06:58:43Z`.
    pub(super) fn with_z(&self, moment: Instant) -> String {
        self.format(moment, "%Y-%m-%dT%H:%M:%SZ")
    }

    /// The form of Nova's launch times, `2026-11-22T06:58:43.000000`.
    pub(super) fn with_fraction(&self, moment: Instant) -> String {
        self.format(moment, "%Y-%m-%dT%H:%M:%S.000000")
    }

    fn format(&self, moment: Instant, format: &str) -> String {
        let since_start = moment.saturating_duration_since(self.started);
        let date = self.epoch.checked_add(since_start).unwrap_or(Timestamp::MAX);
        date.strftime(format).to_string()
    }
}
