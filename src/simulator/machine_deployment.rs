//! Cluster API's records: the MachineDeployment of a worker node group with its machines.

use std::{cmp::Reverse, collections::BTreeMap};

use tokio::time::Instant;
use uuid::Uuid;

/// A MachineDeployment with its one MachineSet.
#[derive(Debug, Clone)]
pub(super) struct MachineDeployment {
    /// Name of the MachineSet: what the names of its machines begin with, `<cluster>-<group>-<5>-<5>`
    /// (docs/openstack-behaviour.md#cluster-api-drivers).
    pub(super) machine_set: String,
    pub(super) flavor_id: String,
    /// How many machines there are to be.
    pub(super) replicas: u32,
    /// Whether the controllers have acted upon that number.
    pub(super) observed: bool,
    /// Whether its phase reads `Running`: all machines that are to be are nodes.
    pub(super) running: bool,
    /// Whether it goes when its last machine has gone.
    pub(super) deleting: bool,
    /// By their names.
    pub(super) machines: BTreeMap<String, Machine>,
    machines_made: u32,
}

/// A machine; its name is its server's and its node's too.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) id: Uuid,
    /// How many machines its deployment had made before; nobody but a test sees it.
    pub(super) ordinal: u32,
    pub(super) stage: MachineStage,
    pub(super) server: Option<Uuid>,
    pub(super) address: Option<String>,
    /// Whether it has the annotation `cluster.x-k8s.io/delete-machine`.
    pub(super) marked: bool,
    pub(super) deleting: bool,
    /// Since when it is waited for its node.
    pub(super) no_node_since: Instant,
    /// Whether the health check has found it to be no good.
    pub(super) unhealthy: bool,
    /// Counts the times that its node was told how to boot; what an older one had begun is void.
    pub(super) attempt: u32,
}

/// How far a machine has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MachineStage {
    /// No server yet.
    Requested,
    /// Nova builds the server.
    Building,
    /// The server is ACTIVE, the node has not joined.
    Booting,
    /// There is a node.
    Joined,
    /// The server went to ERROR.
    Failed,
}

impl MachineDeployment {
    pub(super) fn new(machine_set: String, flavor_id: String, replicas: u32) -> Self {
        Self {
            machine_set,
            flavor_id,
            replicas,
            observed: false,
            running: false,
            deleting: false,
            machines: BTreeMap::new(),
            machines_made: 0,
        }
    }

    /// A machine that does not have anything yet.
    pub(super) fn add_machine(&mut self, suffix: &str, id: Uuid, now: Instant) -> &mut Machine {
        let ordinal = self.machines_made;
        self.machines_made += 1;
        let machine = Machine {
            id,
            ordinal,
            stage: MachineStage::Requested,
            server: None,
            address: None,
            marked: false,
            deleting: false,
            no_node_since: now,
            unhealthy: false,
            attempt: 0,
        };
        self.machines.entry(format!("{}-{suffix}", self.machine_set)).or_insert(machine)
    }

    pub(super) fn machine(&self, id: Uuid) -> Option<(&str, &Machine)> {
        self.machines
            .iter()
            .find(|(_, machine)| machine.id == id)
            .map(|(name, machine)| (name.as_str(), machine))
    }

    pub(super) fn machine_mut(&mut self, id: Uuid) -> Option<&mut Machine> {
        self.machines.values_mut().find(|machine| machine.id == id)
    }

    fn count(&self) -> u32 {
        u32::try_from(self.machines.len()).unwrap_or(u32::MAX)
    }

    /// How many machines are missing; those being deleted still fill a place
    /// (capi-helm facts 1: machineset_controller.go:449-471, :671 at v1.10.10).
    pub(super) fn missing(&self) -> u32 {
        self.replicas.saturating_sub(self.count())
    }

    /// The machines that go, first in the order of their classes and then of their names
    /// (capi-helm facts 1: machineset_deletion_order.go:82-121; measured in 152 of 152 resizes).
    pub(super) fn victims(&self, has_server: impl Fn(&Machine) -> bool) -> Vec<Uuid> {
        let surplus = self.count().saturating_sub(self.replicas);
        let mut machines: Vec<(&String, &Machine)> = self.machines.iter().collect();
        machines.sort_by_key(|(name, machine)| (Reverse(machine.priority(has_server(machine))), *name));
        let surplus = usize::try_from(surplus).unwrap_or(usize::MAX);
        machines.into_iter().take(surplus).map(|(_, machine)| machine.id).collect()
    }

    /// Whether all machines that are to be are nodes; one that is being deleted is none any more.
    pub(super) fn is_complete(&self) -> bool {
        let staying = || self.machines.values().filter(|machine| !machine.deleting);
        staying().all(|machine| machine.stage == MachineStage::Joined)
            && u32::try_from(staying().count()).is_ok_and(|count| count == self.replicas)
    }
}

impl Machine {
    /// What `spec.providerID` names: it comes with the server's ACTIVE (CAPI machine_controller_phases.go
    /// reconcileInfrastructure: not before the infrastructure is ready).
    pub(super) fn provider_id(&self) -> Option<Uuid> {
        self.server.filter(|_| matches!(self.stage, MachineStage::Booting | MachineStage::Joined))
    }

    /// The class in which the MachineSet looks for a victim, the highest first (capi-helm facts 1).
    fn priority(&self, has_server: bool) -> u32 {
        if self.deleting {
            100
        } else if self.marked {
            80
        } else if self.stage != MachineStage::Joined || !has_server {
            50
        } else {
            20
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(replicas: u32, machines: &[(&str, MachineStage)]) -> MachineDeployment {
        let mut deployment = MachineDeployment::new("k".to_owned(), String::new(), replicas);
        for (number, (suffix, stage)) in (1..).zip(machines) {
            deployment.add_machine(suffix, Uuid::from_u128(number), Instant::now()).stage = *stage;
        }
        deployment
    }

    fn victims(deployment: &MachineDeployment) -> Vec<&str> {
        let victims = deployment.victims(|_| true);
        victims.into_iter().filter_map(|id| deployment.machine(id)).map(|(name, _)| name).collect()
    }

    #[test]
    fn the_class_decides_and_then_the_name() {
        use MachineStage::{Booting, Joined};
        let machines = [("d", Joined), ("a", Joined), ("c", Booting), ("b", Joined)];
        assert_eq!(victims(&deployment(4, &machines)), Vec::<&str>::new());
        assert_eq!(victims(&deployment(2, &machines)), ["k-c", "k-a"]);
        let mut marked = deployment(2, &machines);
        marked.machines.get_mut("k-d").unwrap().marked = true;
        assert_eq!(victims(&marked), ["k-d", "k-c"]);
        marked.machines.get_mut("k-b").unwrap().deleting = true;
        assert_eq!(victims(&marked), ["k-b", "k-d"]);
    }

    #[test]
    fn what_is_being_deleted_fills_a_place_and_is_no_node() {
        use MachineStage::Joined;
        let mut deployment = deployment(2, &[("a", Joined), ("b", Joined)]);
        assert!(deployment.is_complete());
        deployment.machines.get_mut("k-a").unwrap().deleting = true;
        assert_eq!((deployment.missing(), deployment.is_complete()), (0, false));
        deployment.replicas = 1;
        assert!(deployment.is_complete(), "although the server of the other is still there");
    }
}
