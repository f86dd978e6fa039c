//! The provider IDs that nodes show, learned from the nodes themselves.

use std::{collections::HashMap, sync::Mutex};

use arc_swap::ArcSwap;

use crate::core::{
    instance::InstanceId,
    machine_id::{MachineId, ProviderIdPrefix},
};

/// Emits for each registered node byte for byte what it shows, and for the others the form last seen.
#[derive(Debug, Default)]
pub(crate) struct ProviderIds {
    prefix: ArcSwap<ProviderIdPrefix>,
    /// Nodes that show another form than prefix and UUID, with that form.
    exceptions: ArcSwap<HashMap<MachineId, Box<str>>>,
    learning: Mutex<()>,
}

impl ProviderIds {
    /// Remembers what the node of this server shows.
    pub(crate) fn learn(&self, machine: MachineId, shown: &str) {
        if self.of_server(machine) == shown {
            return;
        }
        let _guard = self.learning.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(prefix) =
            ProviderIdPrefix::of(shown).filter(|prefix| prefix.provider_id(machine) == shown)
        {
            self.prefix.store(prefix.into());
        }
        let exception = self.prefix.load().provider_id(machine) != shown;
        self.exceptions.rcu(|known| {
            let mut known = HashMap::clone(known);
            if exception {
                known.insert(machine, shown.into());
            } else {
                known.remove(&machine);
            }
            known
        });
    }

    /// Forgets servers that are no more.
    pub(crate) fn retain(&self, exists: impl Fn(MachineId) -> bool) {
        if self.exceptions.load().keys().all(|machine| exists(*machine)) {
            return;
        }
        let _guard = self.learning.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.exceptions.rcu(|known| {
            known
                .iter()
                .filter(|(machine, _)| exists(**machine))
                .map(|(machine, shown)| (*machine, shown.clone()))
                .collect::<HashMap<_, _>>()
        });
    }

    /// The id to emit for an instance.
    pub(crate) fn of(&self, id: &InstanceId) -> String {
        match id {
            InstanceId::Server(machine) => self.of_server(*machine),
            InstanceId::Placeholder(placeholder) => placeholder.to_string(),
        }
    }

    fn of_server(&self, machine: MachineId) -> String {
        match self.exceptions.load().get(&machine) {
            Some(shown) => shown.to_string(),
            None => self.prefix.load().provider_id(machine),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ca5b234b-f9a6-42b0-a77d-197636b29d52";
    const B: &str = "588d1f0e-661a-4aae-a7d7-607df3ea5a85";

    fn machine(text: &str) -> MachineId {
        text.parse().unwrap()
    }

    #[test]
    fn new_nodes_get_the_form_of_registered_ones() {
        let ids = ProviderIds::default();
        assert_eq!(ids.of_server(machine(B)), format!("openstack:///{B}"));
        ids.learn(machine(A), &format!("openstack://RegionOne/{A}"));
        assert_eq!(ids.of_server(machine(A)), format!("openstack://RegionOne/{A}"));
        assert_eq!(ids.of_server(machine(B)), format!("openstack://RegionOne/{B}"));
    }

    #[test]
    fn an_odd_form_is_that_node_s_own() {
        let ids = ProviderIds::default();
        let odd = format!("openstack:///{}", A.to_uppercase());
        ids.learn(machine(A), &odd);
        assert_eq!(ids.of_server(machine(A)), odd);
        assert_eq!(ids.of_server(machine(B)), format!("openstack:///{B}"));
        ids.retain(|known| known != machine(A));
        assert_eq!(ids.of_server(machine(A)), format!("openstack:///{A}"));
    }
}
