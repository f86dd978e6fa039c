//! What the engine reports in a history, and its log.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use cluster_autoscaler_provider_magnum::{
    core::{
        decision::{Decision, Dropped, ResizeOutcome},
        registration::Registrations,
    },
    engine::Subscriber,
};

/// Counts what the engine reports.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) resizes: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// The same by group, of the process that runs now.
    pub(crate) refused_now: Mutex<BTreeMap<String, usize>>,
    pub(crate) given_up: AtomicU64,
    pub(crate) wrong_removals: AtomicU64,
}

impl Subscriber for Counts {
    fn decided(&self, decision: &Decision, _: &Registrations) {
        let kind = &decision.kind;
        if let Some(outcome) = kind.resize_outcome() {
            self.resizes.fetch_add(1, Ordering::Relaxed);
            self.lost.fetch_add((outcome == ResizeOutcome::Lost).into(), Ordering::Relaxed);
        }
        match kind.dropped() {
            Some(Dropped::Lost) => {
                self.given_up.fetch_add(1, Ordering::Relaxed);
            }
            Some(Dropped::Refused) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                *self.refused_now.lock().unwrap().entry(decision.group.clone()).or_default() += 1;
            }
            None => {}
        }
        self.wrong_removals.fetch_add(kind.wrong_removals().try_into().unwrap(), Ordering::Relaxed);
    }
}

/// The log of one history, kept for a failure.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log(pub(crate) Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
