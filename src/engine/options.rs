//! What the operator decides about the engine.

use std::{sync::Arc, time::Duration};

use crate::core::{lifecycle::Timing, nodes::NodeSource, provider_id::ProviderIdPrefix};

/// How the engine paces itself.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// How often the cloud is read when nobody calls Refresh.
    pub refresh_interval: Duration,
    /// How long Refresh waits for the cloud at most; after that the snapshot there is has to do.
    pub refresh_patience: Duration,
    /// Age at which a snapshot is too old for Refresh to answer OK.
    pub max_snapshot_age: Duration,
    /// How the resizes of a group are paced.
    pub timing: Timing,
    /// Whether the nodes never get a provider ID, whatever the cluster's label says, so that their names count.
    pub identify_by_name: bool,
    /// What the provider IDs of nodes that are not registered yet begin with; as registered ones show it if it is not said.
    pub provider_id_prefix: Option<ProviderIdPrefix>,
    /// Kubernetes' Node objects, which tell what nodes without a provider ID are.
    pub nodes: Option<Arc<dyn NodeSource>>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(10),
            refresh_patience: Duration::from_secs(2),
            max_snapshot_age: Duration::from_secs(300),
            timing: Timing::default(),
            identify_by_name: false,
            provider_id_prefix: None,
            nodes: None,
        }
    }
}
