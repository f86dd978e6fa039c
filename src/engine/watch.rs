//! How often one group is read, and for how long it has shown no change.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::EngineOptions;
use crate::core::{
    cloud::{CloudError, Reading},
    node_group::NodeGroupUuid,
};

/// The longest `Retry-After` that is believed.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// How long to leave a cloud in trouble alone: longer with each failure, and as long as it asks for.
pub(super) fn backoff(options: &EngineOptions, failures: u32, retry_after: Option<Duration>) -> Duration {
    let doubling = options.poll_interval.0 * (1_u32 << failures.min(6));
    doubling.min(options.max_backoff).max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

/// Paces the readings of one group and measures how long it has shown no change.
pub(super) struct Watch<'a> {
    options: &'a EngineOptions,
    last: Option<(Reading, Instant)>,
    pause: Duration,
    failures: u32,
    waited: bool,
}

impl<'a> Watch<'a> {
    pub(super) fn new(options: &'a EngineOptions) -> Self {
        Self { options, last: None, pause: options.poll_interval.0, failures: 0, waited: false }
    }

    /// For a change that is only now asked for.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::new(self.options);
    }

    /// For the same group as it was left: what was seen last still counts, the pace does not.
    pub(super) fn go_on(&mut self) {
        *self = Self { last: self.last.take(), ..Self::new(self.options) };
    }

    /// How long the group has been as it is now.
    pub(super) fn quiet(&mut self, reading: &Reading) -> Duration {
        self.failures = 0;
        match &self.last {
            Some((last, since)) if last.group == reading.group && last.members == reading.members => {
                self.pause = (self.pause * 3 / 2).min(self.options.poll_interval.1);
                since.elapsed()
            }
            _ => {
                self.pause = self.options.poll_interval.0;
                self.last = Some((reading.clone(), Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// Backs off from a cloud in trouble.
    pub(super) fn failed(&mut self, group: NodeGroupUuid, error: &CloudError) {
        self.failures += 1;
        // Its beginning and its end are told where the group's state is kept.
        tracing::debug!("node group {group}: reading number {} failed: {error}", self.failures);
        self.pause = backoff(self.options, self.failures, error.retry_after());
    }

    pub(super) fn first_wait(&mut self) -> bool {
        !std::mem::replace(&mut self.waited, true)
    }

    pub(super) async fn pause(&self) {
        sleep(self.pause).await;
    }
}
