//! What cluster-autoscaler has shown of the registered nodes, by their servers.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use crate::core::{
    instance::{Instance, InstanceId, InstanceState, SERVER_GONE},
    machine_id::{MachineId, ProviderIdPrefix},
};

/// The registered nodes and their provider IDs.
///
/// cluster-autoscaler takes an instance for registered only if its id is, byte for byte, what some node shows as its
/// provider ID; the others it deletes after `--max-node-provision-time`. So each node's own form is kept, the empty one
/// of a cluster without the OpenStack cloud provider included. After a restart the forms are learned anew within
/// one loop, before the instances are asked for.
#[derive(Debug, Default)]
pub(crate) struct RegisteredNodes(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    provider_ids: HashMap<MachineId, Box<str>>,
    /// The form last seen, for nodes that are not registered yet.
    prefix: ProviderIdPrefix,
}

impl RegisteredNodes {
    /// Remembers that this server's node is registered and what it shows.
    pub(crate) fn learn(&self, machine: MachineId, shown: &str) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.provider_ids.get(&machine).is_some_and(|known| &**known == shown) {
            return;
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(prefix) =
            ProviderIdPrefix::of(shown).filter(|prefix| prefix.provider_id(machine) == shown)
        {
            known.prefix = prefix;
        }
        known.provider_ids.insert(machine, shown.into());
    }

    /// Forgets servers that are no more.
    pub(crate) fn retain(&self, exists: impl Fn(MachineId) -> bool) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .provider_ids
            .retain(|machine, _| exists(*machine));
    }

    /// An instance as cluster-autoscaler should see it: with the id to emit, and without its error when its node
    /// works in spite of it.
    ///
    /// An instance that is creating with an error is deleted without a drain, registered or not. But a node may have
    /// joined, and be at work, when Heat calls its creation failed: its signal never came, or too late.
    pub(crate) fn show<'a>(&self, instance: &'a Instance) -> (String, Cow<'a, Instance>) {
        let machine = match instance.id {
            InstanceId::Server(machine) => machine,
            InstanceId::Placeholder(placeholder) => {
                return (placeholder.to_string(), Cow::Borrowed(instance));
            }
        };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let unregistered = || known.prefix.provider_id(machine);
        let Some(shown) = known.provider_ids.get(&machine) else {
            return (unregistered(), Cow::Borrowed(instance));
        };
        match &instance.error {
            Some(error) if instance.state == InstanceState::Creating && error.code != SERVER_GONE => {
                let works = Instance { state: InstanceState::Running, error: None, ..instance.clone() };
                (shown.to_string(), Cow::Owned(works))
            }
            // To be deleted by this id; an empty one would name nobody.
            Some(_) if shown.is_empty() => (unregistered(), Cow::Borrowed(instance)),
            _ => (shown.to_string(), Cow::Borrowed(instance)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        instance::{InstanceError, InstanceErrorClass},
        member::MemberIndex,
    };

    const A: &str = "ca5b234b-f9a6-42b0-a77d-197636b29d52";
    const B: &str = "588d1f0e-661a-4aae-a7d7-607df3ea5a85";

    fn machine(text: &str) -> MachineId {
        text.parse().unwrap()
    }

    fn running(text: &str) -> Instance {
        let (id, member) = (InstanceId::Server(machine(text)), Some(MemberIndex::new(0)));
        Instance { id, member, state: InstanceState::Running, error: None }
    }

    fn failed(text: &str, code: &'static str) -> Instance {
        let error = InstanceError { code, message: String::new(), class: InstanceErrorClass::Other };
        Instance { state: InstanceState::Creating, error: Some(error), ..running(text) }
    }

    fn id(nodes: &RegisteredNodes, text: &str) -> String {
        nodes.show(&running(text)).0
    }

    #[test]
    fn new_nodes_get_the_form_of_registered_ones() {
        let nodes = RegisteredNodes::default();
        assert_eq!(id(&nodes, B), format!("openstack:///{B}"));
        nodes.learn(machine(A), &format!("openstack://RegionOne/{A}"));
        assert_eq!(id(&nodes, A), format!("openstack://RegionOne/{A}"));
        assert_eq!(id(&nodes, B), format!("openstack://RegionOne/{B}"));
    }

    #[test]
    fn each_registered_node_keeps_its_own_form() {
        let nodes = RegisteredNodes::default();
        let (old, new) = (format!("openstack:///{A}"), format!("openstack://RegionOne/{B}"));
        for _ in 0..2 {
            nodes.learn(machine(A), &old);
            nodes.learn(machine(B), &new);
            assert_eq!((id(&nodes, A), id(&nodes, B)), (old.clone(), new.clone()));
        }
        let odd = format!("openstack:///{}", A.to_uppercase());
        nodes.learn(machine(A), &odd);
        assert_eq!(id(&nodes, A), odd);
        nodes.retain(|known| known != machine(A));
        assert_eq!(id(&nodes, A), format!("openstack://RegionOne/{A}"));
    }

    #[test]
    fn a_node_without_provider_id_is_shown_without() {
        let nodes = RegisteredNodes::default();
        nodes.learn(machine(A), "");
        assert_eq!((id(&nodes, A), id(&nodes, B)), (String::new(), format!("openstack:///{B}")));
        // Its server is gone: now it has to be named.
        assert_eq!(nodes.show(&failed(A, SERVER_GONE)).0, format!("openstack:///{A}"));
    }

    #[test]
    fn a_registered_node_works_whatever_heat_says_of_its_creation() {
        let nodes = RegisteredNodes::default();
        let late = failed(A, "CreateTimedOut");
        assert_eq!(*nodes.show(&late).1, late, "it never joined");
        nodes.learn(machine(A), &format!("openstack:///{A}"));
        assert_eq!(*nodes.show(&late).1, running(A));
        let gone = failed(A, SERVER_GONE);
        assert_eq!(*nodes.show(&gone).1, gone);
    }
}
