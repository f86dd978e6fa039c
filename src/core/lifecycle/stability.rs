//! For how long a group has shown no change.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use super::timing::age;
use crate::core::cloud::Reading;

/// Measures how long a group has been as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StabilityTimer {
    last: Option<(Arc<Reading>, Instant)>,
}

impl StabilityTimer {
    /// Forgets what was seen: a change has been asked for.
    pub(super) fn restart(&mut self) {
        self.last = None;
    }

    /// Takes note of a reading; returns whether the group has changed.
    pub(super) fn note(&mut self, reading: &Arc<Reading>, now: Instant) -> bool {
        let changed = !self.last.as_ref().is_some_and(|(last, _)| is_unchanged(last, reading));
        if changed {
            self.last = Some((Arc::clone(reading), now));
        }
        changed
    }

    /// See [`Lifecycle::hash_at`](super::Lifecycle::hash_at).
    pub(super) fn hash_at(&self, now: Instant, longest: Duration, hasher: &mut impl Hasher) {
        self.last.as_ref().map(|(reading, since)| (reading, age(*since, now, longest))).hash(hasher);
    }

    /// How long it has been as it was last seen.
    #[must_use]
    pub fn unchanged_for(&self, now: Instant) -> Duration {
        self.last.as_ref().map_or(Duration::ZERO, |(_, since)| now.saturating_duration_since(*since))
    }
}

fn is_unchanged(before: &Reading, after: &Reading) -> bool {
    before.group == after.group && before.members == after.members
}
