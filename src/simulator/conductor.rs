//! Magnum's conductor: what becomes of a request after its 202.

use std::time::Duration;

use super::{
    cluster::{DEFAULT_WORKER, Group},
    machine_controllers::NoProviderId,
    queue::{Cast, Event, GroupNumber, Order},
    stack::Stack,
    state::{Action, State},
    traversal::StackPatch,
    world::World,
};

/// The cluster's status follows the group's after at least this time, when Heat has taken the update
/// (docs/openstack-behaviour.md#times: 0.5 to 1.5 s).
const CLUSTER_LAG: Duration = Duration::from_millis(500);
/// And at most this much later.
const CLUSTER_LAG_SPREAD: Duration = Duration::from_millis(500);
/// What Magnum makes of an error from Heat (docs/openstack-behaviour.md#a-resize-what-is-checked-and-when).
const HEAT_REFUSAL: &str = "ERROR: Internal Error";

impl World {
    pub(super) fn cast(&mut self, cast: Cast, delay: Duration) {
        let due = self.now + self.options.conductor_delay + delay;
        self.queue.schedule(due, Event::Conductor(cast));
    }

    pub(super) fn conduct(&mut self, cast: Cast) {
        if self.now < self.conductor_back {
            self.queue.schedule(self.conductor_back, Event::Conductor(cast));
            return;
        }
        let Cast { group, order, refused } = cast;
        let status = self.cluster.shown_status();
        let takes = match &order {
            Order::Resize { .. } => resizable(status),
            Order::UpdateCluster { .. } => at_rest(status),
            Order::SetBounds { .. } | Order::Create { .. } | Order::Delete => true,
        };
        if !takes {
            return;
        }
        match order {
            Order::Resize { .. } if refused => self.refuse(group, HEAT_REFUSAL),
            Order::UpdateCluster { node_count } => self.update_cluster(node_count),
            Order::Resize { node_count, remove } if self.options.profile.is_cluster_api() => {
                self.conduct_machines(group, node_count, &remove);
            }
            Order::Resize { node_count, remove } => self.conduct_resize(group, node_count, remove),
            Order::SetBounds { min, max } => {
                let now = self.now;
                let Some(record) = self.groups.get_mut(&group) else { return };
                record.min = min;
                record.max = max;
                record.state = update_in_progress(&record.state);
                record.updated = now;
                self.cluster_in_progress();
                self.schedule_sync();
            }
            Order::Create { stack_walk } => {
                self.cluster_in_progress();
                if self.options.profile.is_cluster_api() {
                    self.create_deployment(group);
                } else {
                    self.create_stack(group, stack_walk);
                }
                self.schedule_sync();
            }
            Order::Delete => {
                let Some(record) = self.groups.get_mut(&group) else { return };
                record.state = State::started(Action::Delete);
                self.cluster_in_progress();
                self.delete_stack(group);
                self.delete_deployment(group);
                self.schedule_sync();
            }
        }
    }

    fn conduct_resize(&mut self, group: GroupNumber, node_count: u32, remove: Vec<String>) {
        let now = self.now;
        let Some(record) = self.groups.get_mut(&group) else { return };
        if self.options.profile.resize_saves_count() {
            record.node_count = node_count;
        }
        record.state = update_in_progress(&record.state);
        record.updated = now;
        // An empty list is not sent, so that the previous one stays (Magnum k8s_template_def.py get_scale_params).
        let minions_to_remove = Some(remove).filter(|remove| !remove.is_empty());
        self.patch_stack(group, StackPatch { number_of_minions: Some(node_count), minions_to_remove });
        let lag = CLUSTER_LAG + self.chance.up_to(CLUSTER_LAG_SPREAD);
        self.queue.schedule(now + lag, Event::ClusterAggregates);
        self.schedule_sync();
    }

    /// A resize where there is no stack.
    fn conduct_machines(&mut self, group: GroupNumber, node_count: u32, remove: &[String]) {
        if let Err(NoProviderId) = self.scale_deployment(group, node_count, remove) {
            self.refuse(group, NoProviderId::REASON);
            return;
        }
        let now = self.now;
        let Some(record) = self.groups.get_mut(&group) else { return };
        record.node_count = node_count;
        record.state = update_in_progress(&record.state);
        record.updated = now;
        self.cluster_in_progress();
        self.schedule_sync();
    }

    /// A PATCH of the cluster is the default worker group's, whose highest indices go where there are fewer. Its own
    /// status follows at Magnum's next look.
    fn update_cluster(&mut self, node_count: u32) {
        let profile = self.options.profile;
        if !profile.has_cluster_update() {
            // The exception has no words of its own, and the groups are left alone.
            "UPDATE_FAILED".clone_into(&mut self.cluster.status);
            self.cluster.status_reason = Some(String::new());
            return;
        }
        let Some(record) = self.groups.get_mut(&DEFAULT_WORKER) else { return };
        // Magnum 9 and newer leave it at that where nothing changes (conductor/handlers/cluster_conductor.py:126-138).
        if profile.has_node_groups() && record.node_count == node_count {
            return;
        }
        if profile.is_cluster_api() {
            self.conduct_machines(DEFAULT_WORKER, node_count, &[]);
            return;
        }
        record.node_count = node_count;
        record.followed = true;
        let minions_to_remove = profile.patch_resets_parameters().then(Vec::new);
        let patch = StackPatch { number_of_minions: Some(node_count), minions_to_remove };
        self.patch_stack(DEFAULT_WORKER, patch);
        self.cluster_in_progress();
        self.schedule_sync();
    }

    /// The old count is put back, which is to say that it never shows.
    fn refuse(&mut self, group: GroupNumber, reason: &str) {
        let now = self.now;
        let Some(record) = self.groups.get_mut(&group) else { return };
        record.state = State::failed(Action::Update, reason);
        record.updated = now;
        "UPDATE_FAILED".clone_into(&mut self.cluster.status);
        self.cluster.status_reason = Some(reason.to_owned());
        self.cluster.updated = now;
    }

    fn create_stack(&mut self, group: GroupNumber, walk: Duration) {
        let Some(record) = self.groups.get(&group) else { return };
        let Group { name, node_count, flavor_id, .. } = record;
        let stack_name = format!(
            "{}-{}-{}",
            self.cluster.name.chars().take(20).collect::<String>(),
            name.chars().take(9).collect::<String>(),
            self.chance.suffix()
        );
        let plan = self.stack_plan(walk, flavor_id.clone());
        let stack = Stack::new(stack_name, *node_count, plan, self.now, &mut self.chance);
        self.stacks.insert(group, stack);
        self.traverse(group);
    }
}

/// Whether the conductor resizes a cluster in this status; in any other it raises NotSupported, into its log alone
/// (Magnum conductor/handlers/cluster_conductor.py:241-252).
fn resizable(cluster_status: &str) -> bool {
    at_rest(cluster_status) || ["UPDATE_FAILED", "UPDATE_IN_PROGRESS"].contains(&cluster_status)
}

/// Whether the conductor updates a cluster in this status otherwise (the same file:105-114).
fn at_rest(cluster_status: &str) -> bool {
    [
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "RESUME_COMPLETE",
        "RESTORE_COMPLETE",
        "ROLLBACK_COMPLETE",
        "SNAPSHOT_COMPLETE",
        "CHECK_COMPLETE",
        "ADOPT_COMPLETE",
    ]
    .contains(&cluster_status)
}

/// What the conductor sets; the reason stays the old one until Magnum looks at Heat again.
fn update_in_progress(before: &State) -> State {
    State { reason: before.reason.clone(), ..State::started(Action::Update) }
}
