//! What the engine reports in a history, and its log.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use cluster_autoscaler_provider_magnum::engine::{Dropped, Recorder, ResizeOutcome};

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

impl Recorder for Counts {
    fn resize_ended(&self, _group: &str, outcome: ResizeOutcome) {
        self.resizes.fetch_add(1, Ordering::Relaxed);
        if outcome == ResizeOutcome::Lost {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn request_dropped(&self, group: &str, why: Dropped) {
        match why {
            Dropped::Lost => {
                self.given_up.fetch_add(1, Ordering::Relaxed);
            }
            Dropped::Refused => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                *self.refused_now.lock().unwrap().entry(group.to_owned()).or_default() += 1;
            }
        }
    }

    fn wrong_removals(&self, _group: &str, nodes: u64) {
        self.wrong_removals.fetch_add(nodes, Ordering::Relaxed);
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
