//! Cluster API's MachineHealthCheck: machines that are no good are deleted, and their MachineSet makes others.
//!
//! Both drivers make one for each worker group unless the label `auto_healing_enabled` is false (vexxhost
//! magnum_cluster_api/resources.py `mutate_machine_deployment`, utils.py `get_auto_healing_enabled`; magnum-capi-helm
//! driver.py, `machineHealthCheck` of its node groups).

use std::time::Duration;

use uuid::Uuid;

use super::{
    machine_deployment::{Machine, MachineStage},
    profile::HealthCheck,
    queue::{Event, GroupNumber},
    world::World,
};

/// From a server's deletion in Nova to the end of its node: no heartbeat for 40 s (kube-controller-manager's
/// `--node-monitor-grace-period`, 50 s since 1.32), and the cloud controller manager deletes the Node at its next look
/// (cloud-provider controllers/nodelifecycle/node_lifecycle_controller.go `MonitorNodes`). A Node that is gone is
/// unhealthy at once (cluster-api internal/controllers/machinehealthcheck/machinehealthcheck_targets.go
/// `needsRemediation`).
const NODE_LOSS: Duration = Duration::from_secs(60);
/// How often a server is looked at until it is ACTIVE. One that goes to ERROR, or is deleted, before there is a node
/// fails its machine for good (cluster-api-provider-openstack controllers/openstackmachine_controller.go
/// `reconcileNormal` and `getOrCreateInstance`, `waitForBuildingInstanceToReconcile`), which is unhealthy at once.
const SERVER_LOOK: Duration = Duration::from_secs(10);

impl World {
    fn health_check(&self) -> Option<HealthCheck> {
        self.options.profile.health_check().filter(|_| self.options.auto_healing)
    }

    /// Sees to it that a machine without a node is looked at when its time is over.
    pub(super) fn expect_node(&mut self, group: GroupNumber, machine: Uuid) {
        if let Some(check) = self.health_check() {
            self.examine_after(check.node_startup_timeout, group, machine);
        }
    }

    /// A server went to ERROR before there was a node.
    pub(super) fn notice_failed_server(&mut self, group: GroupNumber, machine: Uuid) {
        self.examine_after(SERVER_LOOK, group, machine);
    }

    /// A server was deleted in Nova. One that is ACTIVE without a node is not looked at again before its time is over.
    pub(super) fn notice_lost_server(&mut self, group: GroupNumber, id: Uuid) {
        let machine = self.deployments.get(&group).and_then(|deployment| deployment.machine(id));
        match machine.map(|(_, machine)| machine.stage) {
            Some(MachineStage::Joined) => self.examine_after(NODE_LOSS, group, id),
            Some(MachineStage::Building | MachineStage::Failed) => {
                self.examine_after(SERVER_LOOK, group, id);
            }
            Some(MachineStage::Booting | MachineStage::Requested) | None => {}
        }
    }

    fn examine_after(&mut self, delay: Duration, group: GroupNumber, machine: Uuid) {
        self.queue.schedule(self.now + delay, Event::MachineExamined { group, machine });
    }

    /// Finds out whether a machine is no good.
    pub(super) fn examine_machine(&mut self, group: GroupNumber, id: Uuid) {
        let Some(check) = self.health_check() else { return };
        let Some((_, machine)) = self.deployments.get(&group).and_then(|all| all.machine(id)) else { return };
        let is_late = machine.no_node_since + check.node_startup_timeout <= self.now;
        let unhealthy = match machine.stage {
            MachineStage::Failed => true,
            MachineStage::Joined => !self.has_its_server(machine),
            MachineStage::Building => is_late || !self.has_its_server(machine),
            MachineStage::Requested | MachineStage::Booting => is_late,
        };
        if unhealthy
            && let Some(machine) = self.deployments.get_mut(&group).and_then(|all| all.machine_mut(id))
        {
            machine.unhealthy = true;
            self.remediate(group);
        }
    }

    /// Deletes unhealthy machines, unless too many are not well. Whatever changes in the group is a reason to look again.
    pub(super) fn remediate(&mut self, group: GroupNumber) {
        let (Some(check), Some(deployment)) = (self.health_check(), self.deployments.get(&group)) else {
            return;
        };
        let machines = || deployment.machines.values();
        let is_well = |machine: &&Machine| {
            machine.stage == MachineStage::Joined && !machine.deleting && self.has_its_server(machine)
        };
        let total = machines().count();
        let allowed = total - machines().filter(is_well).count() <= total * check.max_unhealthy_percent / 100;
        let unhealthy: Vec<Uuid> = machines()
            .filter(|machine| machine.unhealthy && !machine.deleting)
            .map(|machine| machine.id)
            .collect();
        if allowed {
            self.replace_machines(group, &unhealthy);
        }
    }

    /// Deletes machines that are no good. They fill their places until they are gone.
    fn replace_machines(&mut self, group: GroupNumber, machines: &[Uuid]) {
        for id in machines {
            let machine = self.deployments.get(&group).and_then(|deployment| deployment.machine(*id));
            self.replaced.extend(machine.and_then(|(_, machine)| machine.server));
            self.delete_machine(group, *id);
        }
    }

    /// Deletes all machines that failed or whose servers are gone, however many they are.
    pub(super) fn replace_all_broken_machines(&mut self) {
        let groups: Vec<GroupNumber> = self.deployments.keys().copied().collect();
        for group in groups {
            let machines = self.deployments.get(&group).into_iter().flat_map(|all| all.machines.values());
            let is_broken = |machine: &&Machine| {
                let lost = machine.server.is_some() && !self.has_its_server(machine);
                !machine.deleting && (machine.stage == MachineStage::Failed || lost)
            };
            let broken: Vec<Uuid> = machines.filter(is_broken).map(|machine| machine.id).collect();
            self.replace_machines(group, &broken);
        }
    }

    fn has_its_server(&self, machine: &Machine) -> bool {
        machine.server.is_some_and(|server| self.servers.get(server).is_some())
    }

    /// Whether a look at a machine can still find anything wrong.
    pub(super) fn may_find_unhealthy(&self, group: GroupNumber, id: Uuid) -> bool {
        let machine = self.deployments.get(&group).and_then(|deployment| deployment.machine(id));
        machine.is_some_and(|(_, machine)| {
            machine.stage != MachineStage::Joined || !self.has_its_server(machine)
        })
    }
}
