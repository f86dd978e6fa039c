//! Magnum's records: the cluster and its node groups.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    queue::{Event, GroupNumber},
    stack::Stage,
    state::{Action, Phase, State},
    world::World,
};

/// Number of `default-master`.
pub(super) const MASTER: GroupNumber = 1;
/// Number of the default worker group, whose stack is the cluster's.
pub(super) const DEFAULT_WORKER: GroupNumber = 2;
/// The cluster's status follows its groups' within this time (docs/openstack-behaviour.md#times: up to 1 s).
const AGGREGATION: Duration = Duration::from_secs(1);

/// The cluster.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) uuid: Uuid,
    pub(super) name: String,
    pub(super) template: Uuid,
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
    pub(super) created: Instant,
    pub(super) updated: Instant,
    /// What Magnum last read from Heat; failed updates leave it alone.
    pub(super) addresses: Vec<String>,
    /// From 1.14 on.
    pub(super) node_labels: BTreeMap<String, String>,
    /// From 1.14 on: key, value and effect of each.
    pub(super) node_taints: Vec<[String; 3]>,
}

impl World {
    /// A group by its name or UUID.
    pub(super) fn find_group(&self, name_or_uuid: &str) -> Option<(GroupNumber, &Group)> {
        self.groups
            .iter()
            .find(|(_, group)| group.name == name_or_uuid || group.uuid.to_string() == name_or_uuid)
            .map(|(number, group)| (*number, group))
    }

    /// Number of the stack that a group is in.
    pub(super) fn stack_number(group: GroupNumber) -> GroupNumber {
        if group == MASTER { DEFAULT_WORKER } else { group }
    }

    /// Puts the cluster into UPDATE_IN_PROGRESS.
    pub(super) fn cluster_in_progress(&mut self) {
        "UPDATE_IN_PROGRESS".clone_into(&mut self.cluster.status);
        self.cluster.status_reason = None;
        self.cluster.updated = self.now;
    }

    /// Sees to it that Magnum looks at Heat at the next multiple of its period.
    pub(super) fn schedule_sync(&mut self) {
        if self.sync_scheduled {
            return;
        }
        self.sync_scheduled = true;
        let period = self.options.status_sync.max(Duration::from_millis(1)).as_nanos();
        let since_start = self.now.saturating_duration_since(self.clock.started()).as_nanos();
        let to_next = u64::try_from(period - since_start % period).unwrap_or(u64::MAX);
        self.queue.schedule(self.now + Duration::from_nanos(to_next), Event::Sync);
    }

    /// Magnum's periodic task: groups that it knows to be in progress are compared with their stacks
    /// (Magnum `service/periodic.py`, `drivers/heat/driver.py` `_sync_cluster_status`).
    pub(super) fn sync(&mut self) {
        self.sync_scheduled = false;
        let mut changed = false;
        let in_progress: Vec<GroupNumber> = self
            .groups
            .iter()
            .filter(|(_, group)| group.state.in_progress())
            .map(|(number, _)| *number)
            .collect();
        let mut waiting = false;
        for number in in_progress {
            match self.sync_group(number) {
                true => changed = true,
                false => waiting = true,
            }
        }
        if changed {
            let lag = self.chance.up_to(AGGREGATION.min(self.options.status_sync));
            self.queue.schedule(self.now + lag, Event::ClusterAggregates);
        }
        if waiting {
            self.schedule_sync();
        }
    }

    /// Copies what Heat says if it has come to an end; tells whether it has.
    fn sync_group(&mut self, number: GroupNumber) -> bool {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&number) else { return true };
        let Some(stack) = self.stacks.get(&Self::stack_number(number)) else { return true };
        if stack.state.in_progress() {
            return false;
        }
        if stack.state.action == Action::Delete && stack.state.phase == Phase::Complete {
            self.groups.remove(&number);
            self.stacks.remove(&number);
            self.events.forget(number);
            return true;
        }
        group.state = stack.state.clone();
        group.updated = now;
        // The parameter and the members are the workers'.
        if number == MASTER {
            return true;
        }
        group.node_count = stack.number_of_minions;
        if !stack.state.is_failed() {
            let nodes = stack.minions.members.values().filter(|member| member.stage != Stage::Known);
            group.addresses = nodes.filter_map(|member| member.address.clone()).collect();
        }
        true
    }

    /// The cluster's status is the worst of its groups' (docs/openstack-behaviour.md#reading-a-cluster).
    pub(super) fn aggregate(&mut self) {
        let workers = || self.groups.iter().filter(|(number, _)| **number != MASTER);
        let failed: Vec<&str> = workers()
            .filter(|(_, group)| group.state.is_failed())
            .map(|(_, group)| group.name.as_str())
            .collect();
        let (status, reason) = if workers().any(|(_, group)| group.state.in_progress()) {
            ("UPDATE_IN_PROGRESS", None)
        } else if failed.is_empty() {
            ("UPDATE_COMPLETE", None)
        } else {
            ("UPDATE_FAILED", Some(format!("{} failed", failed.join(", "))))
        };
        status.clone_into(&mut self.cluster.status);
        self.cluster.status_reason = reason;
        self.cluster.updated = self.now;
    }
}
