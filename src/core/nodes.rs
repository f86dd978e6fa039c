//! Kubernetes' Node objects, as far as they matter here, and which of them state the id of which server.
//!
//! The id of the machine that Linux tells is the server's where the hypervisor hands it on: `systemUUID` is the firmware's,
//! and systemd takes `machineID` from there on KVM if the image has none of its own (machine-id(5)). None of this is certain, so an id counts only if it is that of a member, and if no other Node object states it as well.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use super::{instance::InstanceId, machine_id::MachineId, quantity::Quantity, template::labels::Taint};

/// Taint of a node that waits for its cloud provider (`k8s.io/cloud-provider/api`).
pub const UNINITIALIZED_TAINT: &str = "node.cloudprovider.kubernetes.io/uninitialized";

/// Where Node objects come from.
pub trait NodeSource: fmt::Debug + Send + Sync + 'static {
    /// All Node objects there are now; `None` while nobody can tell.
    fn nodes(&self) -> Option<Arc<NodeIndex>>;
}

/// What a Node object says. What changes with each heartbeat of a node is not here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeObject {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.creationTimestamp`, in seconds since 1970.
    pub created_at: i64,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `spec.providerID`; empty where there is none.
    pub provider_id: String,
    /// `spec.taints`; those that break Kubernetes' rules are left out.
    pub taints: Vec<Taint>,
    /// `status.nodeInfo.machineID` as it is.
    pub machine_id: String,
    /// `status.nodeInfo.systemUUID` as it is.
    pub system_uuid: String,
    /// `status.nodeInfo.architecture`.
    pub architecture: String,
    /// `status.nodeInfo.kubeletVersion`.
    pub kubelet_version: String,
    /// `status.capacity`.
    pub capacity: BTreeMap<String, Quantity>,
    /// `status.allocatable`.
    pub allocatable: BTreeMap<String, Quantity>,
    /// Whether its condition `Ready` is true.
    pub ready: bool,
}

impl NodeObject {
    /// Whether it waits for its cloud provider, which will give it a provider ID.
    #[must_use]
    pub fn awaits_cloud_provider(&self) -> bool {
        self.taints.iter().any(|taint| taint.key == UNINITIALIZED_TAINT)
    }

    /// The server that its provider ID names, if any.
    #[must_use]
    pub fn provided_server(&self) -> Option<MachineId> {
        match self.provider_id.parse() {
            Ok(InstanceId::Server(machine)) => Some(machine),
            Ok(InstanceId::Placeholder(_)) | Err(_) => None,
        }
    }

    /// The ids of its machine that Linux tells.
    #[must_use]
    pub fn firmware_ids(&self) -> [Option<MachineId>; 2] {
        [&self.machine_id, &self.system_uuid].map(|id| MachineId::of_firmware(id))
    }

    /// Each server that it may be on, by any of its ids.
    fn stated(&self) -> BTreeSet<MachineId> {
        let firmware = self.firmware_ids().into_iter().flatten();
        firmware.flat_map(|id| [id, id.swapped()]).chain(self.provided_server()).collect()
    }
}

/// All Node objects at one moment. Each look-up takes constant time, whatever the number of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeIndex {
    nodes: HashMap<String, Arc<NodeObject>>,
    /// The names of the nodes that state an id, in the alphabet's order.
    stated: HashMap<MachineId, BTreeSet<String>>,
}

impl FromIterator<Arc<NodeObject>> for NodeIndex {
    fn from_iter<I: IntoIterator<Item = Arc<NodeObject>>>(nodes: I) -> Self {
        let mut index = Self::default();
        for node in nodes {
            for id in node.stated() {
                index.stated.entry(id).or_default().insert(node.name.clone());
            }
            index.nodes.insert(node.name.clone(), node);
        }
        index
    }
}

impl NodeIndex {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<NodeObject>> {
        self.nodes.get(name)
    }

    /// The nodes that state this id in any way; not one, as a rule, unless it is a server's.
    pub fn stating(&self, id: MachineId) -> impl ExactSizeIterator<Item = &str> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        self.stated.get(&id).unwrap_or(&NONE).iter().map(String::as_str)
    }

    /// The one node that is called as this server, or as it with the domain of its network, and whose provider ID names no
    /// other server. For what needs no certainty; goes through all nodes.
    #[must_use]
    pub fn named_as(&self, server: &str) -> Option<&Arc<NodeObject>> {
        let fits = |node: &&Arc<NodeObject>| node.provided_server().is_none();
        if let Some(node) = self.get(server).filter(fits) {
            return Some(node);
        }
        let has_domain = |name: &str| name.strip_prefix(server).is_some_and(|rest| rest.starts_with('.'));
        let mut found = self.nodes.values().filter(|node| has_domain(&node.name)).filter(fits);
        found.next().filter(|_| found.next().is_none())
    }

    /// The one node that is on this server, for what needs no certainty.
    #[must_use]
    pub fn on_server(&self, server: MachineId) -> Option<&Arc<NodeObject>> {
        let mut names = self.stating(server);
        let first = names.next().and_then(|name| self.get(name))?;
        if names.next().is_none() {
            return Some(first);
        }
        let mut provided = self
            .stating(server)
            .filter_map(|name| self.get(name))
            .filter(|node| node.provided_server() == Some(server));
        provided.next().filter(|_| provided.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "41c40aab-80e9-4bb6-a280-27976bfc811f";

    fn node(name: &str, provider_id: &str, machine_id: &str, system_uuid: &str) -> Arc<NodeObject> {
        Arc::new(NodeObject {
            name: name.to_owned(),
            provider_id: provider_id.to_owned(),
            machine_id: machine_id.to_owned(),
            system_uuid: system_uuid.to_owned(),
            ..NodeObject::default()
        })
    }

    #[test]
    fn a_server_has_the_node_that_alone_states_it_or_whose_provider_id_does() {
        let server: MachineId = A.parse().unwrap();
        let dashless = A.replace('-', "");
        let name = |nodes: &[Arc<NodeObject>]| {
            let index: NodeIndex = nodes.iter().cloned().collect();
            index.on_server(server).map(|node| node.name.clone())
        };
        let by_machine_id = node("a", "", &dashless, "");
        let by_system_uuid = node("b", "", "", &A.to_uppercase());
        let by_provider_id = node("c", &format!("openstack:///{A}"), "", "");
        let swapped = node("d", "", "", &server.swapped().to_string());
        for one in [&by_machine_id, &by_system_uuid, &by_provider_id, &swapped] {
            assert_eq!(name(&[Arc::clone(one)]), Some(one.name.clone()));
        }
        assert_eq!(name(&[by_machine_id.clone(), by_system_uuid.clone()]), None);
        assert_eq!(name(&[by_machine_id, by_system_uuid, by_provider_id]), Some("c".into()));
        assert_eq!(name(&[node("e", "aws:///x", "", "")]), None);
    }

    #[test]
    fn a_node_may_be_called_as_its_server_with_a_domain() {
        let elsewhere = format!("openstack:///{A}");
        let name = |nodes: &[(&str, &str)]| {
            let index: NodeIndex =
                nodes.iter().map(|(name, provider_id)| node(name, provider_id, "", "")).collect();
            index.named_as("pool-node-1").map(|node| node.name.clone())
        };
        for (nodes, expected) in [
            (&[("pool-node-1", ""), ("pool-node-1.novalocal", "")][..], Some("pool-node-1")),
            (&[("pool-node-1.novalocal", ""), ("pool-node-11", "")], Some("pool-node-1.novalocal")),
            (&[("pool-node-1.novalocal", "k3s://pool-node-1")], Some("pool-node-1.novalocal")),
            (&[("pool-node-1.a", ""), ("pool-node-1.b", "")], None),
            (&[("pool-node-1", &elsewhere)], None),
            (&[("pool-node-1.a", &elsewhere), ("pool-node-1.b", "")], Some("pool-node-1.b")),
            (&[("pool-node-11", ""), ("a.pool-node-1", "")], None),
        ] {
            assert_eq!(name(nodes).as_deref(), expected, "{nodes:?}");
        }
    }

    #[test]
    fn ids_that_firmware_does_not_set_are_stated_by_nobody() {
        let zeros = "0".repeat(32);
        let index: NodeIndex =
            [node("a", "", &zeros, &zeros), node("b", "", &zeros, "")].into_iter().collect();
        assert_eq!((index.len(), index.stating(zeros.parse().unwrap()).len()), (2, 0));
        assert!(!index.is_empty());
        assert!(NodeIndex::default().is_empty());
    }
}
