use super::*;
use crate::core::template::{
    DeviceNames, Facts, KubernetesFields, NodeTemplate, Origin,
    labels::Taint,
    resources::{Amounts, Reservation},
};
use crate::core::{
    flavor::Flavor,
    quantity::{GIB, Quantity},
    settings::GroupSettings,
};

fn map<V: std::str::FromStr<Err: std::fmt::Debug>>(pairs: &[(&str, &str)]) -> BTreeMap<String, V> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.parse().unwrap())).collect()
}

fn taints(texts: &[&str]) -> Vec<Taint> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// A ready node of this age, made like the one that SAP Converged Cloud's Kubernetes shows.
fn node(name: &str, created_at: i64, zone: &str) -> NodeObject {
    let amounts = |memory: &str, storage: &str| -> BTreeMap<String, Quantity> {
        map(&[
            ("cpu", "4"),
            ("ephemeral-storage", storage),
            ("hugepages-1Gi", "0"),
            ("hugepages-2Mi", "0"),
            ("memory", memory),
            ("pods", "110"),
        ])
    };
    NodeObject {
        name: name.to_owned(),
        created_at,
        labels: map(&[
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/arch", "amd64"),
            ("topology.kubernetes.io/zone", zone),
            ("topology.kubernetes.io/region", "eu-nl-1"),
            ("failure-domain.beta.kubernetes.io/zone", zone),
            ("topology.cinder.csi.openstack.org/zone", zone),
            ("ccloud.sap.com/nodepool", "p1"),
        ]),
        capacity: amounts("4023116Ki", "62598392Ki"),
        allocatable: amounts("3920716Ki", "57690677972"),
        architecture: "arm64".into(),
        kubelet_version: "v1.34.2".into(),
        ready: true,
        ..NodeObject::default()
    }
}

fn template(
    nodes: &[NodeObject],
    settings: &GroupSettings,
    kubernetes: Option<&KubernetesFields>,
) -> NodeTemplate {
    let flavor = Flavor {
        id: "30".into(),
        name: "m1.node".into(),
        vcpus: 8,
        ram_mib: 8192,
        disk_gib: 20,
        extra_specs: map(&[("pci_passthrough:alias", "a100:2")]),
    };
    let live = LiveNode::of(nodes);
    let told = map(&[
        ("availability_zone", "az-of-magnum"),
        ("kube_tag", "v1.27.8"),
        ("kubelet_options", "--node-labels=disk=ssd --register-with-taints=told=x:NoSchedule"),
    ]);
    let facts = Facts {
        id: "p1-2fdc5ede",
        name: "p1",
        role: "worker",
        magnum_labels: &told,
        has_cloud_provider: true,
        region: Some("RegionOne"),
        flavor: Ok(&flavor),
        kubernetes,
        live: live.as_ref(),
    };
    NodeTemplate::build(&facts, settings, &DeviceNames::default())
}

#[test]
fn a_template_is_like_the_youngest_ready_node() {
    let mut young = node("b", 2, "eu-nl-1a");
    young.labels.insert("disk".into(), "nvme".into());
    let unready = NodeObject { ready: false, ..node("c", 3, "eu-nl-1b") };
    let template = template(&[node("a", 1, "eu-nl-1a"), young, unready], &GroupSettings::default(), None);
    assert_eq!(
        template.labels,
        map(&[
            ("kubernetes.io/hostname", "p1-2fdc5ede-template"),
            ("kubernetes.io/arch", "amd64"),
            ("topology.kubernetes.io/zone", "eu-nl-1a"),
            ("topology.kubernetes.io/region", "eu-nl-1"),
            ("failure-domain.beta.kubernetes.io/zone", "eu-nl-1a"),
            ("failure-domain.beta.kubernetes.io/region", "RegionOne"),
            ("topology.cinder.csi.openstack.org/zone", "eu-nl-1a"),
            ("ccloud.sap.com/nodepool", "p1"),
            ("disk", "nvme"),
        ]),
        "no role, no nodegroup and no instance type: these nodes have none"
    );
    assert_eq!((template.architecture.as_str(), template.kubelet_version.as_str()), ("arm64", "v1.34.2"));
    let kib = |kib: u64| kib * 1024;
    assert_eq!((template.capacity.cpu_millis, template.capacity.memory), (4000, kib(4_023_116)));
    assert_eq!(
        (
            template.allocatable.cpu_millis,
            template.allocatable.memory,
            template.allocatable.ephemeral_storage
        ),
        (4000, kib(3_920_716), 57_690_677_972)
    );
    assert_eq!(template.origin, Origin::LiveNode("b".into()));
    // The device plugin has not told of the GPUs yet, the flavor has.
    assert_eq!((template.capacity.extended, template.gpus), ([("nvidia.com/gpu".into(), 2)].into(), 2));
    assert_eq!(template.allocatable.extended, [("nvidia.com/gpu".into(), 2)].into());
}

#[test]
fn a_zone_that_differs_between_nodes_is_no_label() {
    let nodes = [node("a", 1, "eu-nl-1a"), node("b", 2, "eu-nl-1b")];
    let template = template(&nodes, &GroupSettings::default(), None);
    assert_eq!(template.labels.get("topology.kubernetes.io/zone").unwrap(), "az-of-magnum");
    assert_eq!(template.labels.get("topology.cinder.csi.openstack.org/zone"), None);
    assert_eq!(template.labels.get("topology.kubernetes.io/region").unwrap(), "eu-nl-1");
}

#[test]
fn taints_of_a_moment_are_left_out() {
    let mut young = node("b", 2, "z");
    young.taints = taints(&[
        "dedicated=batch:NoSchedule",
        "node.kubernetes.io/unreachable:NoExecute",
        "node.kubernetes.io/not-ready:NoSchedule",
        "node.kubernetes.io/unschedulable:NoSchedule",
        "node.cloudprovider.kubernetes.io/uninitialized=true:NoSchedule",
        "ToBeDeletedByClusterAutoscaler=1764057600:NoSchedule",
        "DeletionCandidateOfClusterAutoscaler=1764057600:PreferNoSchedule",
        "startup-taint.cluster-autoscaler.kubernetes.io/cni:NoSchedule",
        "node-role.kubernetes.io/gpu:NoSchedule",
    ]);
    let template = template(&[young], &GroupSettings::default(), None);
    let shown: Vec<String> = template.taints.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["told=x:NoSchedule", "dedicated=batch:NoSchedule", "node-role.kubernetes.io/gpu:NoSchedule"]
    );
}

#[test]
fn settings_and_magnums_own_word_go_before_a_live_node() {
    let mut young = node("b", 2, "z");
    young.labels.insert("rank".into(), "live".into());
    young.taints = taints(&["dedicated=live:NoSchedule"]);
    young.capacity.insert("nvidia.com/gpu".into(), "1".parse().unwrap());
    let kubernetes = KubernetesFields {
        labels: map(&[("rank", "magnum"), ("ccloud.sap.com/nodepool", "magnum")]),
        taints: Vec::new(),
    };
    let settings = GroupSettings {
        capacity: Amounts { cpu_millis: Some(2000), ..Amounts::default() },
        reservation: Reservation {
            kube: Amounts { memory: Some(GIB), ..Amounts::default() },
            ..Reservation::default()
        },
        labels: [("rank".into(), Some("settings".into())), ("topology.kubernetes.io/region".into(), None)]
            .into(),
        taints: taints(&["dedicated=settings:NoSchedule"]),
        architecture: Some("amd64"),
        ..GroupSettings::default()
    };
    let template = template(&[young], &settings, Some(&kubernetes));
    assert_eq!(template.labels.get("rank").unwrap(), "settings");
    assert_eq!(template.labels.get("ccloud.sap.com/nodepool").unwrap(), "magnum");
    assert_eq!(template.labels.get("topology.kubernetes.io/region"), None);
    assert!(template.taints.contains(&"dedicated=settings:NoSchedule".parse().unwrap()));
    assert!(!template.taints.contains(&"dedicated=live:NoSchedule".parse().unwrap()));
    assert_eq!((template.capacity.cpu_millis, template.allocatable.cpu_millis), (2000, 2000));
    let memory = 4_023_116 * 1024;
    assert_eq!(template.capacity.memory, memory);
    assert_eq!(template.allocatable.memory, memory - GIB - 100 * (1 << 20), "reckoned, as it is told");
    assert_eq!(template.allocatable.ephemeral_storage, 57_690_677_972, "not told");
    assert_eq!((template.architecture.as_str(), template.gpus), ("amd64", 1));
}

#[test]
fn without_a_ready_node_or_its_size_the_flavor_counts() {
    let sizeless = NodeObject { capacity: map(&[("cpu", "4")]), ..node("b", 2, "z") };
    for nodes in [vec![], vec![NodeObject { ready: false, ..node("a", 1, "z") }], vec![sizeless]] {
        let template = template(&nodes, &GroupSettings::default(), None);
        assert_eq!((template.capacity.cpu_millis, template.origin), (8000, Origin::Flavor));
    }
    assert_eq!(LiveNode::of(&[]), None);
}
