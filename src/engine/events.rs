//! The one place that decisions go to: the log, and whoever else listens.

use std::sync::Arc;

use crate::core::{
    decision::{Decision, Severity},
    registration::Registrations,
};

/// Is told what the engine decided and saw.
pub trait Subscriber: Send + Sync + 'static {
    /// Called for each decision in turn, with the engine's lock held: must not wait for anything. The registrations are
    /// those of this moment.
    fn decided(&self, decision: &Decision, registrations: &Registrations);
}

/// Nobody but the log.
impl Subscriber for () {
    fn decided(&self, _: &Decision, _: &Registrations) {}
}

/// Each of them in turn.
impl Subscriber for Vec<Arc<dyn Subscriber>> {
    fn decided(&self, decision: &Decision, registrations: &Registrations) {
        for subscriber in self {
            subscriber.decided(decision, registrations);
        }
    }
}

/// Tells decisions to the log and to a subscriber.
#[derive(Clone)]
pub(crate) struct Events {
    subscriber: Arc<dyn Subscriber>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    pub(crate) fn new(subscriber: Arc<dyn Subscriber>) -> Self {
        Self { subscriber }
    }

    /// Tells a decision.
    pub(crate) fn tell(&self, decision: &Decision, registrations: &Registrations) {
        match decision.severity() {
            Severity::Info => tracing::info!("{decision}"),
            Severity::Warning => tracing::warn!("{decision}"),
            Severity::Error => tracing::error!("{decision}"),
        }
        for particular in decision.particulars() {
            tracing::debug!("{particular}");
        }
        self.subscriber.decided(decision, registrations);
    }
}
