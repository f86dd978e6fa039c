//! Magnum's records: the cluster and its node groups.

use std::collections::BTreeMap;

use tokio::time::Instant;
use uuid::Uuid;

use super::{queue::GroupNumber, state::State};

/// Number of `default-master`.
pub(super) const MASTER: GroupNumber = 1;
/// Number of the default worker group, whose stack is the cluster's.
pub(super) const DEFAULT_WORKER: GroupNumber = 2;

/// The cluster.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) uuid: Uuid,
    pub(super) name: String,
    pub(super) template: Uuid,
    /// What Cluster API knows it by; `None` with Heat.
    pub(super) capi_name: Option<String>,
    pub(super) status: String,
    pub(super) status_reason: Option<String>,
    /// A status that it is made to show, whatever happens.
    pub(super) forced_status: Option<String>,
    pub(super) created: Instant,
    pub(super) updated: Instant,
}

impl Cluster {
    pub(super) fn shown_status(&self) -> &str {
        self.forced_status.as_deref().unwrap_or(&self.status)
    }
}

/// A node group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) uuid: Uuid,
    pub(super) name: String,
    pub(super) role: String,
    /// `None` for the cluster's.
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) flavor_id: String,
    pub(super) min: u32,
    pub(super) max: Option<u32>,
    pub(super) node_count: u32,
    pub(super) state: State,
    /// Whether Magnum looks at its stack although its own status is none in progress.
    pub(super) followed: bool,
    pub(super) created: Instant,
    pub(super) updated: Instant,
    /// What Magnum last read from Heat; failed updates leave it alone.
    pub(super) addresses: Vec<String>,
    /// From 1.14 on.
    pub(super) node_labels: BTreeMap<String, String>,
    /// From 1.14 on: key, value and effect of each.
    pub(super) node_taints: Vec<[String; 3]>,
}
