//! What the live nodes of a group tell of the next one: it will be like the youngest of them.

use std::collections::BTreeMap;

use super::{
    labels::Taint,
    resources::{Amounts, Reservation, Resources},
};
use crate::core::nodes::NodeObject;

/// The label that is each node's own.
pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";
/// Resources that are no devices, or not a template's business.
const NO_DEVICES: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];
const NO_DEVICE_PREFIXES: [&str; 3] = ["hugepages-", "attachable-volumes-", "storage.kubernetes.io/"];
/// Taints of a node's moment: what Kubernetes finds wrong with it, and what cluster-autoscaler is about to do with it
/// (`cluster-autoscaler/utils/taints`).
const PASSING_TAINTS: [&str; 2] = ["ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler"];
const PASSING_TAINT_DOMAINS: [&str; 5] = [
    "node.kubernetes.io",
    "node.cloudprovider.kubernetes.io",
    "startup-taint.cluster-autoscaler.kubernetes.io",
    "status-taint.cluster-autoscaler.kubernetes.io",
    "ignore-taint.cluster-autoscaler.kubernetes.io",
];

/// What the next node of a group will be like, as its nodes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveNode {
    /// Name of the youngest node that is ready.
    pub name: String,
    /// Its labels without those that only it has.
    pub labels: BTreeMap<String, String>,
    /// Its taints without those that pass.
    pub taints: Vec<Taint>,
    /// What it has; nothing where it does not tell.
    pub capacity: Option<Resources>,
    /// What it leaves to pods.
    pub allocatable: Option<Resources>,
    /// Its architecture, in Kubernetes' words; may be empty.
    pub architecture: String,
    /// Version of its kubelet; may be empty.
    pub kubelet_version: String,
}

impl LiveNode {
    /// What these nodes, those of one group, tell of the next one; nothing if none is ready.
    #[must_use]
    pub fn of<'a>(nodes: impl IntoIterator<Item = &'a NodeObject>) -> Option<Self> {
        let ready: Vec<&NodeObject> = nodes.into_iter().filter(|node| node.ready).collect();
        let youngest = ready.iter().max_by_key(|node| (node.created_at, &node.name))?;
        let is_shared = |key: &str, value: &String| {
            !is_topology(key) || ready.iter().all(|node| node.labels.get(key) == Some(value))
        };
        let labels = youngest.labels.iter().filter(|(key, value)| *key != HOSTNAME && is_shared(key, value));
        let taints = youngest.taints.iter().filter(|taint| !passes(&taint.key));
        Some(Self {
            name: youngest.name.clone(),
            labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
            taints: taints.cloned().collect(),
            capacity: resources(&youngest.capacity),
            allocatable: resources(&youngest.allocatable),
            architecture: youngest.architecture.clone(),
            kubelet_version: youngest.kubelet_version.clone(),
        })
    }

    /// What it has, less what the operator says.
    pub(super) fn capacity(&self, told: &Reservation) -> Option<&Resources> {
        // The kernel's share is told for what the flavor says.
        self.capacity.as_ref().filter(|_| told.kernel_memory.is_none())
    }

    /// What it leaves to pods, of which `reckoned` goes before it wherever the operator says something of that resource.
    pub(super) fn allocatable(
        &self,
        reckoned: Resources,
        capacity: &Amounts,
        told: &Reservation,
    ) -> Resources {
        let Some(live) = &self.allocatable else { return reckoned };
        let (kube, system) = (&told.kube, &told.system);
        let cpu = [capacity.cpu_millis, kube.cpu_millis, system.cpu_millis];
        let memory = [capacity.memory, kube.memory, system.memory, told.kernel_memory];
        let storage = [capacity.ephemeral_storage, kube.ephemeral_storage, system.ephemeral_storage];
        let is_told = |amounts: &[Option<u64>]| amounts.iter().any(Option::is_some);
        Resources {
            cpu_millis: if is_told(&cpu) { reckoned.cpu_millis } else { live.cpu_millis },
            memory: if is_told(&memory) || told.eviction_memory.is_some() {
                reckoned.memory
            } else {
                live.memory
            },
            ephemeral_storage: if is_told(&storage) || told.eviction_nodefs.is_some() {
                reckoned.ephemeral_storage
            } else {
                live.ephemeral_storage
            },
            pods: if capacity.pods.is_some() { reckoned.pods } else { live.pods },
            extended: reckoned.extended,
        }
    }
}

/// Whether the label says where a node is: its zone, its region, its rack.
pub(super) fn is_topology(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    domain.starts_with("topology.") || domain.starts_with("failure-domain.")
}

/// Whether the taint is one of a moment.
fn passes(key: &str) -> bool {
    PASSING_TAINTS.contains(&key)
        || key.split_once('/').is_some_and(|(domain, _)| PASSING_TAINT_DOMAINS.contains(&domain))
}

/// Nothing for a node that does not say how large it is.
fn resources(told: &BTreeMap<String, crate::core::quantity::Quantity>) -> Option<Resources> {
    let units = |name: &str| told.get(name).map(|amount| amount.units());
    let is_device = |name: &str| {
        !NO_DEVICES.contains(&name) && !NO_DEVICE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    // A device plugin that starts anew shows none for a while.
    let devices = told.iter().filter(|(name, number)| is_device(name) && number.units() > 0);
    let resources = Resources {
        cpu_millis: told.get("cpu")?.thousandths(),
        memory: units("memory")?,
        ephemeral_storage: units("ephemeral-storage")?,
        pods: units("pods")?,
        extended: devices.map(|(name, number)| (name.clone(), number.units())).collect(),
    };
    let is_whole = resources.cpu_millis > 0 && resources.memory > 0 && resources.pods > 0;
    is_whole.then_some(resources)
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
