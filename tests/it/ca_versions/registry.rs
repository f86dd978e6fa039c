//! What cluster-autoscaler holds of the groups in one loop, and from one loop to the next
//! (`clusterstate/clusterstate.go`).

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::{
    Instance, InstanceErrorInfo, NodeGroup, instance_status::InstanceState,
};
use tokio::time::Instant;

/// How long a group is left alone after a failure, the first time (`--initial-node-group-backoff-duration`).
pub const BACK_OFF: Duration = Duration::from_secs(300);
/// How long what NodeGroupNodes answered is used (`clusterstate/utils/node_instances_cache.go`).
pub const INSTANCES_KEPT: Duration = Duration::from_secs(120);

/// One group in this loop.
#[derive(Debug)]
pub struct GroupState {
    pub group: NodeGroup,
    pub target: i32,
    pub instances: Vec<Instance>,
    /// Nodes that are in the group.
    pub registered: i32,
    /// Those of them that are not being deleted.
    pub ready: i32,
    /// Instances that no node has as its provider ID: not yet, and no longer waited for.
    pub unregistered: Vec<String>,
    pub long_unregistered: Vec<String>,
}

impl GroupState {
    pub const fn new(group: NodeGroup, target: i32) -> Self {
        Self {
            group,
            target,
            instances: Vec::new(),
            registered: 0,
            ready: 0,
            unregistered: Vec::new(),
            long_unregistered: Vec::new(),
        }
    }

    /// Nodes that should still come (`calculateUpcomingNodesInNodeGroup`).
    pub fn upcoming(&self) -> i32 {
        self.target - self.ready - count(&self.long_unregistered)
    }

    /// Whether the registry has counted anything in the group.
    pub fn is_known(&self) -> bool {
        self.registered > 0 || !self.unregistered.is_empty() || !self.long_unregistered.is_empty()
    }

    /// Fewer registered nodes than the target can explain, or more (`updateIncorrectNodeGroupSizes`). Older versions
    /// wait for the time-out of a scale-up first.
    pub fn has_wrong_size(&self) -> bool {
        let unregistered = count(&self.unregistered) + count(&self.long_unregistered);
        self.is_known() && (self.registered > self.target || self.registered < self.target - unregistered)
    }
}

fn count(names: &[String]) -> i32 {
    names.len().try_into().unwrap()
}

/// What is known of the groups from before.
#[derive(Debug, Default)]
pub struct Registry {
    pub instances: HashMap<String, (Instant, Vec<Instance>)>,
    pub unregistered_since: HashMap<String, Instant>,
    pub requests: HashMap<String, Request>,
    pub backed_off: HashMap<String, Instant>,
    /// Instances whose error was seen.
    pub failed: HashSet<String>,
    /// Registered nodes and target that do not fit, since when.
    pub wrong_sizes: HashMap<String, (i32, i32, Instant)>,
}

/// A scale-up under way.
#[derive(Debug)]
pub struct Request {
    pub by: i32,
    pub asked: Instant,
}

impl Registry {
    pub fn is_backed_off(&self, group: &str) -> bool {
        self.backed_off.get(group).is_some_and(|until| Instant::now() < *until)
    }

    pub fn back_off(&mut self, group: &str) {
        self.backed_off.insert(group.to_owned(), Instant::now() + BACK_OFF);
    }

    /// Whether the group may grow at all (`IsNodeGroupHealthy`): one whose nodes are all unknown may not, unless they
    /// are expected. Up to 3 missing nodes of a known group do not matter (`--ok-total-unready-count`); no situation
    /// has more.
    pub fn is_healthy(&self, state: &GroupState) -> bool {
        let requested = self.requests.get(&state.group.id).map_or(0, |request| request.by);
        state.is_known() || state.target <= requested
    }

    /// Since when a group has had this wrong size.
    pub fn note_size(&mut self, state: &GroupState) {
        if !state.has_wrong_size() {
            self.wrong_sizes.remove(&state.group.id);
            return;
        }
        let sizes = self.wrong_sizes.entry(state.group.id.clone()).or_insert((0, 0, Instant::now()));
        if (sizes.0, sizes.1) != (state.registered, state.target) {
            *sizes = (state.registered, state.target, Instant::now());
        }
    }

    /// Since when an instance is not registered; the others are forgotten.
    pub fn note_unregistered(&mut self, now_unregistered: &HashSet<String>) {
        self.unregistered_since.retain(|id, _| now_unregistered.contains(id));
        for id in now_unregistered {
            self.unregistered_since.entry(id.clone()).or_insert_with(Instant::now);
        }
    }
}

/// The error of an instance that is being created. The client drops an error without a code
/// (`externalgrpc_node_group.go`, `Nodes`).
pub fn creation_error(instance: &Instance) -> Option<&InstanceErrorInfo> {
    let status = instance.status.as_ref()?;
    let creating = status.instance_state() == InstanceState::InstanceCreating;
    status.error_info.as_ref().filter(|error| creating && !error.error_code.is_empty())
}

/// Whether a node should register for it (`expectedToRegister`).
pub fn expected_to_register(instance: &Instance) -> bool {
    instance.status.as_ref().is_none_or(|status| {
        status.instance_state() != InstanceState::InstanceDeleting
            && status.error_info.as_ref().is_none_or(|error| error.error_code.is_empty())
    })
}
