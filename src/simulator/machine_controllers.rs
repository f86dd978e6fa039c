//! What Cluster API's controllers do: machines are made, become nodes, and go.

use std::time::Duration;

use uuid::Uuid;

use super::{
    cluster::{DEFAULT_WORKER, Group},
    compute::{Server, ServerStatus},
    creation::DELETED_SHOWS,
    machine_deployment::{Machine, MachineDeployment, MachineStage},
    node_rule::NodeRule,
    options::GroupOptions,
    queue::{Event, GroupNumber},
    world::World,
};

/// From a new number of replicas until the controllers act upon it: a topology, a MachineDeployment and a MachineSet
/// are reconciled one after another (an estimate; on the test bench of the capi-helm facts about a second).
const RECONCILIATION: Duration = Duration::from_secs(1);
/// From a machine to the request to Nova, for its port (an estimate, as Heat's).
const PORT_MAKING: Duration = Duration::from_millis(500);
/// Machines of one group get there within this time of one another.
const SPREAD: Duration = Duration::from_millis(200);
/// A server that Nova refuses is asked for again and again (the controllers' back-off grows; here it does not).
const SERVER_RETRY: Duration = Duration::from_secs(10);

/// What a driver makes of a resize that it cannot carry out; `nodes_to_remove` has then marked the machines in front
/// of the one without a provider ID (vexxhost driver.py:342-360: a KeyError, whose text is the key).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoProviderId;

impl NoProviderId {
    pub(super) const REASON: &str = "'providerID'";
}

impl World {
    /// A group's MachineDeployment as if it had been complete for long.
    pub(super) fn add_initial_deployment(&mut self, number: GroupNumber, options: &GroupOptions) {
        let machine_set = self.machine_set_name(&options.name);
        if number == DEFAULT_WORKER {
            self.add_initial_master(&self.control_plane_name());
        }
        let mut deployment =
            MachineDeployment::new(machine_set, options.flavor_id.clone(), options.node_count);
        (deployment.observed, deployment.running) = (true, true);
        for _ in 0..options.node_count {
            let (suffix, id, server) =
                (self.chance.kubernetes_suffix(), self.chance.uuid(), self.chance.uuid());
            let address = self.next_address();
            let machine = deployment.add_machine(&suffix, id, self.now);
            machine.stage = MachineStage::Joined;
            machine.server = Some(server);
            machine.address = Some(address.clone());
            let name = format!("{}-{suffix}", deployment.machine_set);
            self.add_initial_server(server, name, options.flavor_id.clone(), address, Some((number, id)));
        }
        self.deployments.insert(number, deployment);
    }

    /// Makes the MachineDeployment of a new group.
    pub(super) fn create_deployment(&mut self, group: GroupNumber) {
        let Some(Group { name, node_count, flavor_id, .. }) = self.groups.get(&group).cloned() else {
            return;
        };
        let machine_set = self.machine_set_name(&name);
        self.deployments.insert(group, MachineDeployment::new(machine_set, flavor_id, node_count));
        self.queue.schedule(self.now + RECONCILIATION, Event::MachinesReconciled { group });
    }

    /// Deletes it with all machines.
    pub(super) fn delete_deployment(&mut self, group: GroupNumber) {
        let Some(deployment) = self.deployments.get_mut(&group) else { return };
        deployment.deleting = true;
        deployment.replicas = 0;
        self.reconcile_machines(group);
    }

    fn machine_set_name(&mut self, group: &str) -> String {
        let cluster = self.cluster.capi_name.clone().unwrap_or_default();
        let (deployment, set) = (self.chance.kubernetes_suffix(), self.chance.kubernetes_suffix());
        format!("{cluster}-{group}-{deployment}-{set}")
    }

    fn control_plane_name(&self) -> String {
        format!("{}-control-plane", self.cluster.capi_name.as_deref().unwrap_or_default())
    }

    /// What a driver does with a resize.
    pub(super) fn scale_deployment(
        &mut self,
        group: GroupNumber,
        replicas: u32,
        remove: &[String],
    ) -> Result<(), NoProviderId> {
        if self.options.profile.marks_named_machines() && !remove.is_empty() {
            self.mark_machines(group, remove)?;
        }
        // The replicas are the autoscaler's (docs/openstack-behaviour.md#cluster-api-drivers).
        if self.options.auto_scaling {
            return Ok(());
        }
        let Some(deployment) = self.deployments.get_mut(&group) else { return Ok(()) };
        if deployment.replicas != replicas {
            deployment.replicas = replicas;
            deployment.observed = false;
            self.queue.schedule(self.now + RECONCILIATION, Event::MachinesReconciled { group });
        }
        Ok(())
    }

    /// Goes through all machines of the group in the order of their names, and fails at one without a provider ID.
    fn mark_machines(&mut self, group: GroupNumber, remove: &[String]) -> Result<(), NoProviderId> {
        let Some(deployment) = self.deployments.get_mut(&group) else { return Ok(()) };
        for machine in deployment.machines.values_mut() {
            let server = machine.provider_id().ok_or(NoProviderId)?.to_string();
            machine.marked |= remove.contains(&server);
        }
        Ok(())
    }

    /// Brings the machines to their number.
    pub(super) fn reconcile_machines(&mut self, group: GroupNumber) {
        let now = self.now;
        let Some(deployment) = self.deployments.get_mut(&group) else { return };
        deployment.observed = true;
        let mut made = Vec::new();
        for _ in 0..deployment.missing() {
            let (suffix, id) = (self.chance.kubernetes_suffix(), self.chance.uuid());
            deployment.add_machine(&suffix, id, now);
            let due = now + PORT_MAKING + self.chance.up_to(SPREAD);
            self.queue.schedule(due, Event::MachineAsksNova { group, machine: id });
            made.push(id);
        }
        let has_server =
            |machine: &Machine| machine.server.is_none_or(|server| self.servers.get(server).is_some());
        for id in deployment.victims(has_server) {
            self.delete_machine(group, id);
        }
        for id in made {
            self.expect_node(group, id);
        }
        self.update_phase(group);
        self.remediate(group);
    }

    /// Deletes a machine; it stays until Nova is done with its server.
    pub(super) fn delete_machine(&mut self, group: GroupNumber, id: Uuid) {
        let machine = self.deployments.get_mut(&group).and_then(|deployment| deployment.machine_mut(id));
        let Some(machine) = machine.filter(|machine| !machine.deleting) else { return };
        machine.deleting = true;
        let delay = if machine.server.is_some() { self.options.server_delete_time } else { Duration::ZERO };
        self.queue.schedule(self.now + delay, Event::MachineServerDeleted { group, machine: id });
    }

    fn update_phase(&mut self, group: GroupNumber) {
        if let Some(deployment) = self.deployments.get_mut(&group).filter(|deployment| deployment.observed) {
            deployment.running = deployment.is_complete();
        }
    }

    /// A server that is refused for the quota is asked for again; nobody but the controllers' log hears of it.
    pub(super) fn machine_asks_nova(&mut self, group: GroupNumber, id: Uuid) {
        let now = self.now;
        let Some(deployment) = self.deployments.get(&group) else { return };
        let flavor_id = deployment.flavor_id.clone();
        let Some((name, machine)) = deployment.machine(id) else { return };
        if machine.deleting || machine.stage != MachineStage::Requested {
            return;
        }
        let name = name.to_owned();
        if self.quota_is_used_up() {
            self.queue.schedule(now + SERVER_RETRY, Event::MachineAsksNova { group, machine: id });
            return;
        }
        let (server, address) = (self.chance.uuid(), self.next_address());
        let record = Server::building(name, flavor_id, address.clone(), now, Some((group, id)));
        self.servers.insert(server, record);
        self.queue.schedule(now + self.options.server_build_time, Event::ServerBuilt { server });
        if let Some(machine) = self.deployments.get_mut(&group).and_then(|all| all.machine_mut(id)) {
            machine.stage = MachineStage::Building;
            machine.server = Some(server);
            machine.address = Some(address);
        }
    }

    pub(super) fn machine_server_built(&mut self, group: GroupNumber, id: Uuid, active: bool) {
        let Some(machine) = self.deployments.get_mut(&group).and_then(|all| all.machine_mut(id)) else {
            return;
        };
        machine.stage = if active { MachineStage::Booting } else { MachineStage::Failed };
        if active {
            machine.no_node_since = self.now;
            self.boot_machine(group, id);
            self.expect_node(group, id);
        } else {
            self.notice_failed_server(group, id);
        }
    }

    /// Lets a node join as its rule says; one that fails never does.
    fn boot_machine(&mut self, group: GroupNumber, id: Uuid) {
        let Some((name, machine)) = self.deployments.get(&group).and_then(|all| all.machine(id)) else {
            return;
        };
        let attempt = machine.attempt;
        let after = match self.node_rule(name) {
            None => self.options.node_boot_time,
            Some(NodeRule::Boot(after)) => after,
            Some(NodeRule::Fail(_) | NodeRule::Hang) => return,
        };
        self.queue.schedule(self.now + after, Event::MachineJoins { group, machine: id, attempt });
    }

    /// Nodes that never joined boot now unless they still must not.
    pub(super) fn wake_hanging_machines(&mut self) {
        let mut hanging = Vec::new();
        for (group, deployment) in &mut self.deployments {
            for machine in deployment.machines.values_mut() {
                if machine.stage == MachineStage::Booting {
                    machine.attempt += 1;
                    hanging.push((*group, machine.id));
                }
            }
        }
        for (group, id) in hanging {
            self.boot_machine(group, id);
        }
    }

    pub(super) fn machine_joins(&mut self, group: GroupNumber, id: Uuid, attempt: u32) {
        let Some(machine) = self.deployments.get_mut(&group).and_then(|all| all.machine_mut(id)) else {
            return;
        };
        let current = machine.stage == MachineStage::Booting && machine.attempt == attempt;
        // A server that was deleted in Nova becomes no node.
        let there = machine.server.is_some_and(|server| self.servers.get(server).is_some());
        if current && there {
            machine.stage = MachineStage::Joined;
            self.update_phase(group);
            self.remediate(group);
        }
    }

    pub(super) fn machine_server_deleted(&mut self, group: GroupNumber, id: Uuid) {
        let now = self.now;
        let machine = self.deployments.get(&group).and_then(|deployment| deployment.machine(id));
        let server = machine.and_then(|(_, machine)| machine.server);
        if let Some(record) = server.and_then(|server| self.servers.get_mut(server)) {
            record.status = ServerStatus::Deleted;
            record.updated = now;
        }
        self.queue.schedule(now + DELETED_SHOWS, Event::MachineGone { group, machine: id });
    }

    pub(super) fn machine_gone(&mut self, group: GroupNumber, id: Uuid) {
        let Some(deployment) = self.deployments.get_mut(&group) else { return };
        let name = deployment.machine(id).map(|(name, _)| name.to_owned());
        let Some(machine) = name.and_then(|name| deployment.machines.remove(&name)) else { return };
        if let Some(server) = machine.server {
            self.servers.remove(server);
        }
        if deployment.observed {
            self.reconcile_machines(group);
        }
    }
}
