//! What a new node of a group would look like: cluster-autoscaler needs it to scale up a group without nodes.
//!
//! Where sources differ, the first that says something counts: the operator's settings, Magnum's `node_labels` and
//! `node_taints`, the group's live nodes, the Magnum label `kubelet_options`, the flavor and what else is known of the group.
//! What nobody tells is as small as a node can be believed to be, so that a pod that fits the template fits the node.

pub mod devices;
pub mod kubelet_options;
pub mod labels;
pub mod live;
pub mod resources;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use self::{
    devices::{DeviceNames, Devices, architecture, devices},
    kubelet_options::KubeletOptions,
    labels::{Taint, add_taints, check_key, check_value},
    live::{HOSTNAME, LiveNode, is_topology},
    resources::{Amounts, DEFAULT_PODS, Resources},
};
use super::{
    flavor::Flavor,
    machine_id::MachineId,
    quantity::{GIB, MIB},
    settings::GroupSettings,
};

/// The smallest node that is believed, used for whatever nobody tells.
const SMALLEST: Flavor = Flavor {
    id: String::new(),
    name: String::new(),
    vcpus: 1,
    ram_mib: 1024,
    disk_gib: 10,
    extra_specs: BTreeMap::new(),
};
/// More of it than any machine has; a flavor that says so is not believed.
const MAX_VCPUS: u64 = 8192;
const MAX_RAM_MIB: u64 = 1 << 26;
const MAX_DISK_GIB: u64 = 1 << 20;
const MAX_PODS: u64 = 10_000;
/// Longest name that a label's value can hold, less what is appended.
const MAX_NAME: usize = 63 - NAME_SUFFIX.len();
const NAME_SUFFIX: &str = "-template";

/// What Magnum's API tells of a group's nodes from 1.14 on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KubernetesFields {
    /// `node_labels`.
    pub labels: BTreeMap<String, String>,
    /// `node_taints`.
    pub taints: Vec<Taint>,
}

/// All that is known of a group's nodes.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The group's id on the wire.
    pub id: &'a str,
    /// Magnum's name of the group.
    pub name: &'a str,
    /// Magnum's role of the group.
    pub role: &'a str,
    /// Magnum's labels of the group: options of its driver.
    pub magnum_labels: &'a BTreeMap<String, String>,
    /// Whether the OpenStack cloud provider labels the nodes.
    pub has_cloud_provider: bool,
    /// The region, where it is known.
    pub region: Option<&'a str>,
    /// The flavor, or why it is not known.
    pub flavor: Result<&'a Flavor, &'a str>,
    /// What Magnum tells from 1.14 on.
    pub kubernetes: Option<&'a KubernetesFields>,
    /// What the group's nodes are like, or were when it last had some.
    pub live: Option<&'a LiveNode>,
}

/// Where the size of a node comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The flavor, corrected by the operator's settings where there are some.
    Flavor,
    /// The operator's settings alone.
    Settings,
    /// This live node of the group, corrected by the operator's settings where there are some.
    LiveNode(String),
    /// Nobody told all of it, for this reason: it is the smallest that can be believed.
    Guess(String),
}

/// A node that is not there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTemplate {
    /// Magnum's name of the group.
    pub node_group: String,
    /// The node's name.
    pub name: String,
    /// Its server, which does not exist: the UUID is made of the group's id and thus no server's.
    pub server: MachineId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// What it has.
    pub capacity: Resources,
    /// What pods may have of it.
    pub allocatable: Resources,
    /// Its architecture, in Kubernetes' words.
    pub architecture: String,
    /// Version of its kubelet; empty where nobody tells.
    pub kubelet_version: String,
    /// Name of its flavor, where it is known.
    pub flavor: Option<String>,
    /// Kinds of its GPUs.
    pub gpu_types: BTreeSet<String>,
    /// How many GPUs it has.
    pub gpus: u64,
    /// Where its size comes from.
    pub origin: Origin,
}

impl Default for NodeTemplate {
    /// The smallest node that is believed: a template is never empty, since cluster-autoscaler would end over it.
    fn default() -> Self {
        let facts = Facts {
            id: "node-group",
            name: "",
            role: "",
            magnum_labels: &BTreeMap::new(),
            has_cloud_provider: false,
            region: None,
            flavor: Err("nothing is known of the group"),
            kubernetes: None,
            live: None,
        };
        Self::build(&facts, &GroupSettings::default(), &DeviceNames::default())
    }
}

impl NodeTemplate {
    /// What a new node of a group with these facts will be.
    #[must_use]
    pub fn build(facts: &Facts<'_>, settings: &GroupSettings, names: &DeviceNames) -> Self {
        let told = facts.magnum_labels.get("kubelet_options").map(String::as_str).unwrap_or_default();
        let kubelet = KubeletOptions::parse(told);
        let reservation = settings.reservation.or(&kubelet.reservation);
        let (size, origin) = size(facts, &settings.capacity);
        let live = facts.live.and_then(|live| live.capacity(&settings.reservation));
        let origin = match facts.live {
            Some(node) if live.is_some() => Origin::LiveNode(node.name.clone()),
            _ => origin,
        };
        let found = facts.flavor.map(|flavor| devices(flavor, names)).unwrap_or_default();
        let of_flavor = Resources {
            cpu_millis: size.vcpus * 1000,
            memory: reservation.memory_beside_the_kernel(size.ram_mib * MIB),
            ephemeral_storage: size.disk_gib * GIB,
            pods: kubelet.max_pods.unwrap_or(DEFAULT_PODS),
            extended: number_of_each(&found),
        };
        let capacity = capacity(settings, live, of_flavor);
        let allocatable = reservation.allocatable(&capacity);
        let allocatable = match facts.live {
            Some(live) => live.allocatable(allocatable, &settings.capacity, &settings.reservation),
            None => allocatable,
        };
        let live_text =
            |text: fn(&LiveNode) -> &String| facts.live.map(text).filter(|text| !text.is_empty()).cloned();
        let architecture = settings
            .architecture
            .map(str::to_owned)
            .or_else(|| live_text(|live| &live.architecture))
            .or_else(|| facts.flavor.ok().and_then(architecture).map(str::to_owned))
            .unwrap_or_else(|| "amd64".to_owned());
        let name = node_name(facts.id);
        let labels = labels(facts, settings, names, &kubelet, &name, &architecture);
        let taints = taints(facts, settings, &kubelet);
        let gpu_types = match labels.get(&names.gpu_label) {
            Some(kind) => BTreeSet::from([kind.clone()]),
            None => found.iter().map(|devices| devices.kind.clone()).collect(),
        };
        Self {
            node_group: facts.name.to_owned(),
            server: MachineId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, facts.id.as_bytes())),
            allocatable,
            gpus: gpus(&capacity, names),
            capacity,
            kubelet_version: live_text(|live| &live.kubelet_version)
                .or_else(|| facts.magnum_labels.get("kube_tag").cloned())
                .unwrap_or_default(),
            flavor: facts.flavor.ok().map(|flavor| flavor.name.clone()),
            name,
            labels,
            taints,
            architecture,
            gpu_types,
            origin,
        }
    }

    /// Why the node's size is a guess, if it is one.
    #[must_use]
    pub fn guess(&self) -> Option<&str> {
        match &self.origin {
            Origin::Guess(reason) => Some(reason),
            Origin::Flavor | Origin::Settings | Origin::LiveNode(_) => None,
        }
    }
}

/// How many devices there are for each resource that pods ask for.
fn number_of_each(found: &[Devices]) -> BTreeMap<String, u64> {
    let mut numbers = BTreeMap::new();
    for devices in found {
        let number: &mut u64 = numbers.entry(devices.resource.clone()).or_default();
        *number = number.saturating_add(devices.number);
    }
    numbers
}

/// What the node has: as the operator says, else as the live node shows it, else as the flavor has it.
fn capacity(settings: &GroupSettings, live: Option<&Resources>, of_flavor: Resources) -> Resources {
    let told = &settings.capacity;
    let mut extended = of_flavor.extended;
    extended.extend(live.iter().flat_map(|live| live.extended.clone()));
    extended.extend(settings.extended.clone());
    extended.retain(|_, number| *number > 0);
    let first =
        |told: Option<u64>, of: fn(&Resources) -> u64, least: u64| told.or(live.map(of)).unwrap_or(least);
    Resources {
        cpu_millis: first(told.cpu_millis, |live| live.cpu_millis, of_flavor.cpu_millis),
        memory: first(told.memory, |live| live.memory, of_flavor.memory),
        ephemeral_storage: first(
            told.ephemeral_storage,
            |live| live.ephemeral_storage,
            of_flavor.ephemeral_storage,
        ),
        pods: first(told.pods, |live| live.pods, of_flavor.pods).min(MAX_PODS),
        extended,
    }
}

fn taints(facts: &Facts<'_>, settings: &GroupSettings, kubelet: &KubeletOptions) -> Vec<Taint> {
    let mut taints = Vec::new();
    add_taints(&mut taints, &kubelet.taints);
    add_taints(&mut taints, facts.live.iter().flat_map(|live| &live.taints));
    add_taints(&mut taints, facts.kubernetes.iter().flat_map(|told| &told.taints));
    add_taints(&mut taints, &settings.taints);
    taints
}

/// CPUs, memory and disk, each as the flavor says it if that can be believed, and where they come from.
fn size(facts: &Facts<'_>, told: &Amounts) -> (Flavor, Origin) {
    let mut size = SMALLEST.clone();
    // A server that boots from a volume has that for a disk (magnum 22.0.0 `kubeminion.yaml`, kube-minion-bfv).
    let volume = facts.magnum_labels.get("boot_volume_size").and_then(|size| size.trim().parse().ok());
    if let Some(volume) = volume.filter(|size| (1..=MAX_DISK_GIB).contains(size)) {
        size.disk_gib = volume;
    } else if let Ok(flavor) = facts.flavor
        && (1..=MAX_DISK_GIB).contains(&flavor.disk_gib)
    {
        size.disk_gib = flavor.disk_gib;
    }
    let flavor = match facts.flavor {
        Ok(flavor) => flavor,
        Err(_) if told.is_a_whole_node() => return (size, Origin::Settings),
        Err(reason) => return (size, Origin::Guess(reason.to_owned())),
    };
    let mut doubts = Vec::new();
    if (1..=MAX_VCPUS).contains(&flavor.vcpus) {
        size.vcpus = flavor.vcpus;
    } else if told.cpu_millis.is_none() {
        doubts.push(format!("{} vCPUs", flavor.vcpus));
    }
    if (1..=MAX_RAM_MIB).contains(&flavor.ram_mib) {
        size.ram_mib = flavor.ram_mib;
    } else if told.memory.is_none() {
        doubts.push(format!("{} MiB of memory", flavor.ram_mib));
    }
    let origin = match doubts.as_slice() {
        [] => Origin::Flavor,
        doubts => Origin::Guess(format!("flavor {} says {}", flavor.name, doubts.join(" and "))),
    };
    (size, origin)
}

/// The labels of all sources, the weakest first.
fn labels(
    facts: &Facts<'_>,
    settings: &GroupSettings,
    names: &DeviceNames,
    kubelet: &KubeletOptions,
    name: &str,
    architecture: &str,
) -> BTreeMap<String, String> {
    let mut labels = labels_of_the_group(facts, name, architecture);
    if let Some(live) = facts.live {
        // What this group's nodes do not have was a guess.
        labels.retain(|key, _| key == HOSTNAME || is_topology(key) || live.labels.contains_key(key));
    }
    labels.extend(kubelet.labels.clone());
    labels.extend(facts.live.iter().flat_map(|live| live.labels.clone()));
    labels.extend(facts.kubernetes.iter().flat_map(|told| told.labels.clone()));
    if let Some(kind) = &settings.gpu_type {
        labels.insert(names.gpu_label.clone(), kind.clone());
    }
    for (key, value) in &settings.labels {
        match value {
            Some(value) => labels.insert(key.clone(), value.clone()),
            None => labels.remove(key),
        };
    }
    labels.retain(|key, value| check_key(key).is_ok() && check_value(value).is_ok());
    labels
}

/// The labels that the kubelet, Magnum's drivers and the OpenStack cloud provider give to each node.
fn labels_of_the_group(facts: &Facts<'_>, name: &str, architecture: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut set = |keys: &[&str], value: &str| {
        labels.extend(keys.iter().map(|key| ((*key).to_owned(), value.to_owned())));
    };
    set(&[HOSTNAME], name);
    set(&["kubernetes.io/arch", "beta.kubernetes.io/arch"], architecture);
    set(&["kubernetes.io/os", "beta.kubernetes.io/os"], "linux");
    if !facts.name.is_empty() {
        set(&["magnum.openstack.org/nodegroup"], facts.name);
    }
    if !facts.role.is_empty() {
        set(&["magnum.openstack.org/role"], facts.role);
        set(&[&format!("node-role.kubernetes.io/{}", facts.role)], "");
    }
    // Only the cloud provider knows these; without it nodes do not have them.
    if facts.has_cloud_provider {
        if let Ok(flavor) = facts.flavor {
            set(&["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"], &flavor.name);
        }
        if let Some(region) = facts.region {
            set(&["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"], region);
        }
        if let Some(zone) = facts.magnum_labels.get("availability_zone").filter(|zone| !zone.is_empty()) {
            set(&["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"], zone);
        }
    }
    labels
}

/// The group's id, made a name that a node may have.
fn node_name(id: &str) -> String {
    let name: String = id
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' { c } else { '-' })
        .collect();
    // The end has the part of the id that is unique.
    let begin = name.len().saturating_sub(MAX_NAME);
    let name = name.get(begin..).unwrap_or_default().trim_matches(['-', '.']);
    format!("{}{NAME_SUFFIX}", if name.is_empty() { "node" } else { name })
}

/// How many of the devices are GPUs: by the configured name, or by a vendor's, which all end alike.
fn gpus(capacity: &Resources, names: &DeviceNames) -> u64 {
    let is_gpu = |resource: &str| resource == names.gpu_resource || resource.ends_with("/gpu");
    let numbers = capacity.extended.iter().filter(|(resource, _)| is_gpu(resource));
    numbers.fold(0, |sum, (_, number)| sum.saturating_add(*number))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
