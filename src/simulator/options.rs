//! What the simulated cloud is made of and how long things take in it.

use std::{collections::BTreeMap, time::Duration};

use super::profile::Profile;

/// How many times its size a group of [`SimulatorOptions::sized`] may grow to.
const SIZED_HEADROOM: u32 = 2;

/// A cluster and the pace of its cloud. All times pass on tokio's clock, so that a paused clock holds them too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatorOptions {
    /// Which releases and which driver it behaves as.
    pub profile: Profile,
    /// Name of the cluster, also the prefix of its stacks' names.
    pub cluster_name: String,
    /// The worker node groups; the first is the default one and shares the cluster's stack with the masters. Where
    /// the profile has no node groups there is the first alone, and where it has none of size 0 each has a node.
    pub groups: Vec<GroupOptions>,
    /// How long every request takes on top of everything else.
    pub latency: Duration,
    /// From a server's ACTIVE to its node's report to Heat.
    pub node_boot_time: Duration,
    /// From Nova's acceptance of a server (BUILD) to ACTIVE.
    pub server_build_time: Duration,
    /// From DELETE_IN_PROGRESS in Heat to the server's end; it stays ACTIVE meanwhile
    /// (docs/openstack-behaviour.md#times: 2 to 5 s).
    pub server_delete_time: Duration,
    /// How long a healthy member reads UPDATE_IN_PROGRESS during every update of its group
    /// (docs/openstack-behaviour.md#heat: every resize updates all members).
    pub member_update_time: Duration,
    /// Period of Magnum's look at Heat (10 s upstream, 3 s on the lab).
    pub status_sync: Duration,
    /// From a 202 to the conductor's work: node_count and UPDATE_IN_PROGRESS are visible then.
    pub conductor_delay: Duration,
    /// Servers that the project may have, masters included; `None` for no limit.
    pub instance_quota: Option<u32>,
    /// Newest minor version of Magnum's API, up to 14 as in Magnum 23; `None` for the profile's.
    pub magnum_minor_version: Option<u32>,
    /// How long a request takes that asks Heat's engine, on top of `latency`; `None` for the profile's.
    pub heat_latency: Option<Duration>,
    /// The label `auto_scaling_enabled`; where Cluster API makes the nodes, a resize has no effect with it
    /// (docs/openstack-behaviour.md#cluster-api-drivers).
    pub auto_scaling: bool,
    /// The label `auto_healing_enabled`; where Cluster API makes the nodes, machines that are no good are replaced with it.
    pub auto_healing: bool,
    /// Life of a token.
    pub token_lifetime: Duration,
    /// Seed of all ids and of everything that a real cloud leaves to chance.
    pub seed: u64,
}

/// A worker node group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOptions {
    /// Magnum's name.
    pub name: String,
    /// Nodes there are at the start, complete.
    pub node_count: u32,
    /// Magnum's `min_node_count`.
    pub min: u32,
    /// Magnum's `max_node_count`; `None` is Magnum's null.
    pub max: Option<u32>,
    /// Magnum's `role`; `master` is the masters' alone.
    pub role: String,
    /// Magnum's `labels`; `None` for the cluster's.
    pub labels: Option<BTreeMap<String, String>>,
    /// Magnum's `flavor_id`: whatever the creator wrote, a name here as on the lab (docs/openstack-behaviour.md#nova).
    pub flavor_id: String,
    /// From Heat's acceptance of an update until it reaches `kube_minions`. On the lab 0.5 s for a group with a
    /// stack of its own, and up to 20 s for the default group (docs/openstack-behaviour.md#times).
    pub stack_walk: Duration,
    /// Magnum's `node_labels`, shown from 1.14 on.
    pub node_labels: BTreeMap<String, String>,
    /// Magnum's `node_taints` as KEY, VALUE and EFFECT, shown from 1.14 on.
    pub node_taints: Vec<[String; 3]>,
}

impl GroupOptions {
    /// A group with node_count nodes of flavor `m1.node`.
    #[must_use]
    pub fn new(name: impl Into<String>, node_count: u32, min: u32, max: Option<u32>) -> Self {
        Self {
            name: name.into(),
            node_count,
            min,
            max,
            role: "worker".to_owned(),
            labels: None,
            flavor_id: "m1.node".to_owned(),
            stack_walk: Duration::from_millis(500),
            node_labels: BTreeMap::new(),
            node_taints: Vec::new(),
        }
    }
}

impl Default for SimulatorOptions {
    /// Cluster `k8s` with `default-worker` (1 node, 1 to 6) and `pool-b` (0 nodes, 0 to 10).
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            cluster_name: "k8s".to_owned(),
            groups: vec![
                GroupOptions::new("default-worker", 1, 1, Some(6)),
                GroupOptions::new("pool-b", 0, 0, Some(10)),
            ],
            latency: Duration::ZERO,
            node_boot_time: Duration::from_secs(3),
            server_build_time: Duration::from_millis(500),
            server_delete_time: Duration::from_secs(1),
            member_update_time: Duration::from_secs(3),
            status_sync: Duration::from_secs(1),
            conductor_delay: Duration::from_millis(100),
            instance_quota: None,
            magnum_minor_version: None,
            heat_latency: None,
            auto_scaling: false,
            auto_healing: true,
            token_lifetime: Duration::from_secs(3600),
            seed: 0,
        }
    }
}

impl SimulatorOptions {
    /// A cluster of `groups` groups with `nodes_per_group` nodes each, which may grow to twice their size.
    #[must_use]
    pub fn sized(groups: usize, nodes_per_group: u32) -> Self {
        let groups = (0..groups)
            .map(|ordinal| {
                let name = match ordinal {
                    0 => "default-worker".to_owned(),
                    _ => format!("pool-{ordinal}"),
                };
                let max = nodes_per_group.saturating_mul(SIZED_HEADROOM);
                GroupOptions::new(name, nodes_per_group, 0, Some(max))
            })
            .collect();
        Self { groups, ..Self::default() }
    }

    /// With what the profile's Magnum can have of it.
    pub(super) fn fitted(mut self) -> Self {
        if !self.profile.has_node_groups() {
            self.groups.truncate(1);
        }
        let least = self.profile.least_size();
        for group in &mut self.groups {
            group.min = group.min.max(least);
            group.node_count = group.node_count.max(least);
        }
        self
    }

    pub(super) fn newest_minor(&self) -> u32 {
        self.magnum_minor_version.unwrap_or_else(|| self.profile.newest_minor())
    }

    pub(super) fn heat_latency(&self) -> Duration {
        self.heat_latency.unwrap_or_else(|| self.profile.heat_latency())
    }
}
