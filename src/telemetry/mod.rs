//! What operators see: logs, metrics and the admin address.
//!
//! - [`logs`]: text or JSON lines on standard error
//! - [`standard_error`]: where they go, without making anybody wait or fail
//! - [`metrics`]: all metrics, listed in `docs/metrics.md`
//! - `family`, `group_counters`: what they are made of
//! - [`admin`]: `/healthz`, `/readyz` and `/metrics`

pub mod admin;
mod family;
mod group_counters;
pub mod logs;
pub mod metrics;
pub mod standard_error;

use std::sync::Arc;

use crate::{
    core::{request::RequestError, snapshot::Snapshot},
    engine::Engine,
};

/// Where metrics and readiness get the snapshot from.
pub trait SnapshotSource: Send + Sync + 'static {
    /// The latest snapshot.
    ///
    /// # Errors
    /// Only as long as there has never been one, with the reason.
    fn snapshot(&self) -> Result<Arc<Snapshot>, RequestError>;
}

impl SnapshotSource for Engine {
    fn snapshot(&self) -> Result<Arc<Snapshot>, RequestError> {
        Self::snapshot(self)
    }
}
