//! One situation: the cloud, the machine, what was promised, and what may still happen.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Instant,
};

use cluster_autoscaler_provider_magnum::core::{
    cloud::Reading,
    lifecycle::{Lifecycle, Phase},
};

use crate::{
    cloud::{Cloud, State},
    fingerprint::Folding,
    planted::Bug,
    promises::{Exception, Promises},
    service::new_machine,
};

/// Everything that tells one situation from another.
#[derive(Debug, Clone)]
pub(crate) struct Situation {
    pub(crate) cloud: Cloud,
    pub(crate) machine: Lifecycle,
    pub(crate) promises: Promises,
    /// The machine's last reading.
    pub(crate) read: Option<Arc<Reading>>,
    /// What a planted bug remembers.
    pub(crate) memory: Option<Arc<Reading>>,
    pub(crate) now: Instant,
    pub(crate) left: Allowance,
    pub(crate) started_with: u8,
}

/// What came of an action besides another situation.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<String>,
    pub(crate) exceptions: Vec<Exception>,
    /// Sentences, if somebody wants to read them.
    pub(crate) story: Option<Vec<String>>,
}

impl Outcome {
    pub(crate) fn tell(&mut self, sentence: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(sentence());
        }
    }

    pub(crate) fn violates(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }
}

/// How often what may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Allowance {
    pub(crate) requests: u8,
    pub(crate) faults: u8,
    /// How many of the faults may be a person's resize.
    pub(crate) operators: u8,
    /// How often, besides, somebody deletes a server in Nova.
    pub(crate) deletions: u8,
    /// How often, besides, all services at once answer as they did before the last update.
    pub(crate) old_answers: u8,
}

/// What the search is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) members: u8,
    pub(crate) allowance: Allowance,
    pub(crate) bug: Option<Bug>,
}

impl Situation {
    pub(crate) fn first(scope: Scope, base: Instant) -> Self {
        Self {
            cloud: Cloud::at_rest(scope.members),
            machine: new_machine(base),
            promises: Promises::default(),
            read: None,
            memory: None,
            now: base,
            left: scope.allowance,
            started_with: scope.members,
        }
    }

    /// The same for all situations from which the same can come.
    pub(crate) fn fingerprint(&self) -> u64 {
        let Self { cloud, machine, promises, read, memory, now, left, started_with: _ } = self;
        let mut hasher = Folding::default();
        (cloud, promises, read, memory, left).hash(&mut hasher);
        machine.hash_at(*now, &mut hasher);
        hasher.finish()
    }

    fn is_at_rest(&self) -> bool {
        let Cloud { told, lagging, update, casts, conductor_stopped, .. } = &self.cloud;
        lagging.is_none()
            && casts.is_empty()
            && !conductor_stopped
            && update.state != State::InProgress
            && told.magnum.state != State::InProgress
            && self.cloud.has_settled()
    }

    /// What must hold where all has come to rest.
    pub(crate) fn judge_end(&self) -> Result<(), String> {
        let is_idle = *self.machine.phase() == Phase::Idle && self.machine.pending().queued.is_empty();
        if !is_idle || !self.is_at_rest() {
            return Err("stuck: the cloud is at rest and the machine has not come to an end".to_owned());
        }
        self.promises.judge_end(&self.cloud, self.started_with, self.machine.pending().failed().len())
    }
}
