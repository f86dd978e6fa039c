//! Magnum's periodic look at what makes the nodes, and what becomes of its records by it
//! (docs/openstack-behaviour.md#magnums-status-sync).

use std::time::Duration;

use super::{
    cluster::{DEFAULT_WORKER, MASTER},
    queue::{Event, GroupNumber, Sighting},
    stack::Stage,
    state::{Action, Phase},
    world::World,
};

/// The cluster's status follows its groups' within this time (docs/openstack-behaviour.md#times: up to 1 s).
const AGGREGATION: Duration = Duration::from_secs(1);

impl World {
    /// Whether Magnum's look at the nodes' maker is still to bring a group's end.
    pub(super) fn is_followed(&self, group: GroupNumber) -> bool {
        self.groups.get(&group).is_some_and(|group| {
            let heals = self.options.profile.heals_failed_groups() && group.state.is_failed();
            group.followed || group.state.in_progress() || heals
        })
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
        if let Some(time) = self.options.profile.sync_time() {
            self.begin_slow_sync(time);
            return;
        }
        self.sync_scheduled = false;
        let mut changed = false;
        let in_progress: Vec<GroupNumber> =
            self.groups.keys().copied().filter(|number| self.is_followed(*number)).collect();
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

    /// Copies what there is to see if it has come to an end; tells whether it has.
    fn sync_group(&mut self, number: GroupNumber) -> bool {
        if self.options.profile.is_cluster_api() {
            return self.sync_deployment(number);
        }
        match self.look_at(number) {
            Some(sighting) => {
                self.record(sighting);
                true
            }
            None => !self.groups.contains_key(&number),
        }
    }

    /// What a group's stack has come to; nothing while it is at work, save that a group whose own status does not say
    /// so yet takes it on. A group whose stack is deleted goes.
    pub(super) fn look_at(&mut self, number: GroupNumber) -> Option<Sighting> {
        let group = self.groups.get_mut(&number)?;
        let stack = self.stacks.get(&Self::stack_number(number))?;
        if stack.state.in_progress() {
            if group.followed && !group.state.in_progress() {
                group.state = stack.state.clone();
            }
            return None;
        }
        if stack.state.action == Action::Delete && stack.state.phase == Phase::Complete {
            self.groups.remove(&number);
            self.stacks.remove(&number);
            self.events.forget(number);
            return None;
        }
        // The parameter and the members are the workers'.
        let of_workers = number != MASTER;
        let nodes = || stack.minions.members.values().filter(|member| member.stage != Stage::Known);
        let addresses = || nodes().filter_map(|member| member.address.clone()).collect();
        Some(Sighting {
            group: number,
            state: stack.state.clone(),
            node_count: of_workers.then_some(stack.number_of_minions),
            addresses: (of_workers && !stack.state.is_failed()).then(addresses),
        })
    }

    /// Makes a sighting Magnum's record.
    pub(super) fn record(&mut self, sighting: Sighting) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&sighting.group) else { return };
        group.state = sighting.state;
        group.followed = false;
        group.updated = now;
        group.node_count = sighting.node_count.unwrap_or(group.node_count);
        if let Some(addresses) = sighting.addresses {
            group.addresses = addresses;
        }
    }

    /// The same for Cluster API, which tells no reasons: nobody ever clears an old one.
    fn sync_deployment(&mut self, number: GroupNumber) -> bool {
        let now = self.now;
        let profile = self.options.profile;
        let Some(group) = self.groups.get_mut(&number) else { return true };
        let mut complete = true;
        if let Some(deployment) = self.deployments.get(&number) {
            if deployment.deleting && deployment.machines.is_empty() {
                self.groups.remove(&number);
                self.deployments.remove(&number);
                return true;
            }
            complete = !deployment.deleting
                && deployment.running
                && (deployment.observed || !profile.compares_sizes());
            if self.options.auto_scaling && profile.follows_autoscaler() {
                group.node_count = deployment.replicas;
            }
        }
        if complete {
            group.state.phase = Phase::Complete;
            group.updated = now;
        }
        complete
    }

    /// The cluster's status is the worst of its groups' (docs/openstack-behaviour.md#reading-a-cluster); where there are no groups it
    /// is its stack's.
    pub(super) fn aggregate(&mut self) {
        let (status, reason) = self.aggregated_status();
        self.cluster.status = status;
        self.cluster.status_reason = reason;
        self.cluster.updated = self.now;
    }

    fn aggregated_status(&self) -> (String, Option<String>) {
        let profile = self.options.profile;
        let workers = || self.groups.iter().filter(|(number, _)| **number != MASTER);
        let failed: Vec<&str> = workers()
            .filter(|(_, group)| group.state.is_failed())
            .map(|(_, group)| group.name.as_str())
            .collect();
        if !profile.has_node_groups()
            && let Some(group) = self.groups.get(&DEFAULT_WORKER)
        {
            return (group.state.status(), Some(group.state.reason.clone()));
        }
        let busy = workers().any(|(number, _)| self.is_followed(*number));
        if profile.is_cluster_api() {
            // The end of an operation is recorded only while one is going on, and one group that failed keeps it so
            // (vexxhost driver.py update_cluster_status).
            let ends = self.cluster.status.ends_with("_IN_PROGRESS") && !busy && failed.is_empty();
            let status = if ends { "UPDATE_COMPLETE".to_owned() } else { self.cluster.status.clone() };
            return (status, self.cluster.status_reason.clone().filter(|_| !ends));
        }
        if busy {
            ("UPDATE_IN_PROGRESS".to_owned(), None)
        } else if failed.is_empty() {
            ("UPDATE_COMPLETE".to_owned(), None)
        } else {
            ("UPDATE_FAILED".to_owned(), Some(format!("{} failed", failed.join(", "))))
        }
    }
}
