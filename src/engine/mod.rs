//! What runs: the observer that keeps the snapshot fresh, and one resizer for each node group.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::core::{
    cloud::Cloud,
    instance::InstanceId,
    request::{NodeReference, RequestError},
    snapshot::Snapshot,
};

/// How the engine paces itself.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// How often the cloud is read when nobody calls Refresh.
    pub refresh_interval: Duration,
    /// How long requests for one group are gathered into one resize.
    pub coalesce_window: Duration,
    /// Age at which a snapshot is too old for Refresh to answer OK.
    pub max_snapshot_age: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(10),
            coalesce_window: Duration::from_millis(200),
            max_snapshot_age: Duration::from_secs(300),
        }
    }
}

/// How a resize ended; the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResizeOutcome {
    /// Everything named went, nobody else did, and the size is as asked.
    Done,
    /// The cloud refused it or failed at it.
    Failed,
    /// It had no effect at all; it was or will be sent again.
    Lost,
    /// Somebody else changed the group meanwhile.
    Superseded,
}

impl ResizeOutcome {
    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Superseded => "superseded",
        }
    }
}

/// Is told what the engine did, for metrics.
pub trait Recorder: Send + Sync + 'static {
    /// A resize of this group ended.
    fn resize_ended(&self, group: &str, outcome: ResizeOutcome);
    /// Nodes that nobody named are gone after a resize of this group. Must never happen.
    fn wrong_removals(&self, group: &str, nodes: u64);
}

/// The running engine.
pub struct Engine {}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
