//! Which cloud is simulated: the releases of Magnum and Heat, the driver, and what differs between them.
//!
//! The one place where a release or a driver is named. All other code asks a question about a behaviour; each
//! answer names its source, most of them in the facts («Magnum 1.3» is that section). Where a source is named with
//! a tag, `15.0.1 cluster_actions.py:87` say, it is a file of Magnum at that tag.

use std::{fmt, time::Duration};

use clap::ValueEnum;

/// A cloud as people have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, ValueEnum)]
pub enum Profile {
    /// Magnum 6, Heat 10: no resize, no node groups
    Queens,
    /// Magnum 8, Heat 12: resize, no node groups
    Stein,
    /// Magnum 9.4, Heat 13: node groups, none of size 0
    Train,
    /// Magnum 11, Heat 15: node groups, none of size 0
    Victoria,
    /// Magnum 15, Heat 19
    #[default]
    Zed,
    /// Magnum 18, Heat 22 (2024.1)
    Caracal,
    /// Magnum 20, Heat 24 (2025.1): Heat and Magnum's look at it are slow
    Epoxy,
    /// Magnum 20 with vexxhost's Cluster API driver: no Heat stack
    MagnumClusterApi,
    /// Magnum 20 with the driver magnum-capi-helm: no Heat stack, no node can be named
    CapiHelm,
}

/// Who makes the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    /// Heat of this release.
    Heat(u32),
    /// vexxhost's magnum-cluster-api 0.38.1 (3890a362).
    MagnumClusterApi,
    /// magnum-capi-helm 1.4.0 (a8b82c24).
    CapiHelm,
}

/// What a profile is made of.
#[derive(Debug, Clone, Copy)]
struct Releases {
    /// Magnum's release number; 6 is Queens.
    magnum: u32,
    /// Newest minor version of its API (Magnum 1.1).
    newest_minor: u32,
    driver: Driver,
}

/// How a new node tells Heat that it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NodeSignal {
    /// `minion_wait_condition`, an `OS::Heat::WaitCondition`.
    WaitCondition,
    /// `node_config_deployment`, an `OS::Heat::SoftwareDeployment`.
    Deployment,
}

/// What a driver has checked of the machines of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct HealthCheck {
    /// How many machines of a group, in percent and rounded down, may be anything else than healthy nodes. If there are
    /// more none is deleted (machinehealthcheck_controller.go `isAllowedRemediation`): of one machine not that one.
    pub(super) max_unhealthy_percent: usize,
    /// How long a machine may be without a node; from its server's ACTIVE on if it has come to that.
    pub(super) node_startup_timeout: Duration,
}

impl Profile {
    /// The table.
    const fn releases(self) -> Releases {
        let (magnum, newest_minor, driver) = match self {
            Self::Queens => (6, 6, Driver::Heat(10)),
            Self::Stein => (8, 7, Driver::Heat(12)),
            Self::Train => (9, 9, Driver::Heat(13)),
            Self::Victoria => (11, 9, Driver::Heat(15)),
            Self::Zed => (15, 10, Driver::Heat(19)),
            Self::Caracal => (18, 11, Driver::Heat(22)),
            Self::Epoxy => (20, 11, Driver::Heat(24)),
            Self::MagnumClusterApi => (20, 11, Driver::MagnumClusterApi),
            Self::CapiHelm => (20, 11, Driver::CapiHelm),
        };
        Releases { magnum, newest_minor, driver }
    }

    fn magnum(self) -> u32 {
        self.releases().magnum
    }

    /// All of them, the oldest release first.
    #[must_use]
    pub fn all() -> &'static [Self] {
        Self::value_variants()
    }
}

impl NodeSignal {
    /// The resource of a member's stack that waits for it.
    pub(super) const fn resource_name(self) -> &'static str {
        match self {
            Self::WaitCondition => "minion_wait_condition",
            Self::Deployment => "node_config_deployment",
        }
    }
}

/// As the command line has it, `magnum-cluster-api` say.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// Magnum's API.
impl Profile {
    /// Newest minor version of it (Magnum 1.1; docs/openstack-behaviour.md#api-versions).
    pub(super) fn newest_minor(self) -> u32 {
        self.releases().newest_minor
    }

    /// Whether `actions/resize` is a route at all (Magnum 1.1: new in 8.0.0 with 1.7).
    pub(super) fn has_resize(self) -> bool {
        self.newest_minor() >= 7
    }

    /// Whether a cluster has node groups; without them it is one group of workers and its masters
    /// (Magnum 1.1: new in 9.1.0 with 1.9).
    pub(super) fn has_node_groups(self) -> bool {
        self.newest_minor() >= 9
    }

    /// Whether a resize is answered with the cluster's UUID; before there is no body
    /// (Magnum 1.3: since 9.0.0, 92d51690).
    pub(super) fn resize_answers_uuid(self) -> bool {
        self.magnum() >= 9
    }

    /// Fewest nodes that a group may have, and the minimum of one that was made without any
    /// (Magnum 1.3 and 1.5: since 12.0.0; docs/openstack-behaviour.md#api-versions).
    pub(super) fn least_size(self) -> u32 {
        u32::from(self.magnum() < 12)
    }

    /// Whether records tell of merged labels (Magnum 1.5: since 11).
    pub(super) fn has_merged_labels(self) -> bool {
        self.magnum() >= 11
    }

    /// Why masters are not resized (docs/openstack-behaviour.md#api-versions, ab02c97d).
    pub(super) fn master_refusal(self) -> &'static str {
        if self.magnum() >= 20 {
            "Resizing the master nodegroup is not supported by this driver."
        } else {
            "Resizing a master nodegroup is not supported."
        }
    }
}

/// Magnum's conductor.
impl Profile {
    /// Whether a resize's count shows as soon as the conductor has it; else Magnum learns of it from Heat's parameter
    /// (Magnum 1.3: since 9.0.0; in 8.x by the poller alone).
    pub(super) fn resize_saves_count(self) -> bool {
        self.magnum() >= 9
    }

    /// Whether a PATCH of `node_count` sends Heat the whole template anew, which sets all parameters back that are
    /// not Magnum's, `minions_to_remove` for one (Magnum 1.4: 6.3.0 heat/driver.py:155-175; 7.2.0 no longer).
    pub(super) fn patch_resets_parameters(self) -> bool {
        self.magnum() < 7
    }

    /// Whether a PATCH of `node_count` does anything: vexxhost's `update_cluster` raises NotImplementedError
    /// (Magnum 4: driver.py:304-318).
    pub(super) fn has_cluster_update(self) -> bool {
        self.releases().driver != Driver::MagnumClusterApi
    }

    /// Shortest and longest time from Magnum's look at a group's stack to its record of what it saw, where that is
    /// long enough to write over a newer resize (docs/openstack-behaviour.md#magnums-status-sync).
    pub(super) fn sync_time(self) -> Option<(Duration, Duration)> {
        self.has_slow_heat().then_some((Duration::from_secs(1), Duration::from_secs(2)))
    }
}

/// Heat and the templates that Magnum gives it.
impl Profile {
    /// How long every request that asks Heat's engine takes (docs/openstack-behaviour.md#times: oslo.messaging
    /// 16.1.0 amqpdriver.py, `ReplyWaiters.get`: `time.sleep(0.5)`).
    pub(super) fn heat_latency(self) -> Duration {
        if self.has_slow_heat() { Duration::from_millis(500) } else { Duration::ZERO }
    }

    fn has_slow_heat(self) -> bool {
        matches!(self.releases().driver, Driver::Heat(24..))
    }

    /// Whether `refs_map` has server UUIDs; before it has the ids of the members' nested stacks
    /// (Magnum 2: kubeminion.yaml, since 8.0.0, 20d03919; 6.3.0:541-542).
    pub(super) fn refers_to_servers(self) -> bool {
        self.magnum() >= 8
    }

    /// What stands between stack and index in a server's name (Magnum 2: 8f6612b2).
    pub(super) fn node_word(self) -> &'static str {
        if self.magnum() >= 9 { "node" } else { "minion" }
    }

    /// How a node tells that it is ready (Magnum 2: 8.2.1:295; the deployment since 9.0).
    pub(super) fn node_signal(self) -> NodeSignal {
        if self.magnum() >= 9 { NodeSignal::Deployment } else { NodeSignal::WaitCondition }
    }

    /// Whether an update that comes upon an older one of the same group cancels that; before it waits for its end
    /// (Heat 3.2: handle_preempt since Heat 14.0.0, 8cd6a0673).
    pub(super) fn preempts_updates(self) -> bool {
        matches!(self.releases().driver, Driver::Heat(14..))
    }
}

/// Cluster API.
impl Profile {
    /// Whether Cluster API makes the nodes, so that there is no stack in Heat.
    pub(super) fn is_cluster_api(self) -> bool {
        !matches!(self.releases().driver, Driver::Heat(_))
    }

    /// Whether `nodes_to_remove` marks the machines of these servers for deletion; else it is ignored with a warning
    /// in the conductor's log (Magnum 4: vexxhost driver.py:320-360; capi-helm driver.py:1289-1300).
    pub(super) fn marks_named_machines(self) -> bool {
        self.releases().driver == Driver::MagnumClusterApi
    }

    /// Whether a group is complete only when its MachineDeployment has the new size; else its phase alone counts,
    /// which is the old one for a moment (vexxhost driver.py update_nodegroups_status, `equals_spec`; capi-helm
    /// driver.py _update_worker_nodegroup_status).
    pub(super) fn compares_sizes(self) -> bool {
        self.releases().driver == Driver::MagnumClusterApi
    }

    /// Whether a failed group becomes complete at Magnum's next look, its MachineDeployment being well
    /// (capi-helm driver.py _update_nodegroup_status; vexxhost's looks at groups in progress alone, and waits for
    /// the failed one with all others complete).
    pub(super) fn heals_failed_groups(self) -> bool {
        self.releases().driver == Driver::CapiHelm
    }

    /// Whether Magnum's count follows the MachineDeployment's while the label `auto_scaling_enabled` is true
    /// (Magnum 4: vexxhost monitor.py:32-46).
    pub(super) fn follows_autoscaler(self) -> bool {
        self.releases().driver == Driver::MagnumClusterApi
    }

    /// What is checked of the machines of a worker group (vexxhost resources.rs `ClusterClassBuilder`, with Cluster API's
    /// own time, api/v1beta1/machinehealthcheck_types.go `DefaultNodeStartupTimeout`; of magnum-capi-helm
    /// azimuth-cloud/capi-helm-charts charts/openstack-cluster/values.yaml `nodeGroupDefaults.healthCheck`).
    pub(super) fn health_check(self) -> Option<HealthCheck> {
        let (max_unhealthy_percent, minutes) = match self.releases().driver {
            Driver::Heat(_) => return None,
            Driver::MagnumClusterApi => (80, 10),
            Driver::CapiHelm => (100, 30),
        };
        Some(HealthCheck { max_unhealthy_percent, node_startup_timeout: Duration::from_secs(minutes * 60) })
    }

    /// Whether each group has a server group in Nova (Magnum 4: vexxhost utils.py:658-668).
    pub(super) fn has_server_groups(self) -> bool {
        self.releases().driver == Driver::MagnumClusterApi
    }
}
