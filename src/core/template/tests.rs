use proptest::prelude::*;

use super::*;
use crate::core::template::resources::Reservation;

fn flavor() -> Flavor {
    Flavor {
        id: "2".into(),
        name: "m1.node".into(),
        vcpus: 4,
        ram_mib: 8192,
        disk_gib: 20,
        extra_specs: BTreeMap::new(),
    }
}

fn facts<'a>(flavor: Result<&'a Flavor, &'a str>, magnum_labels: &'a BTreeMap<String, String>) -> Facts<'a> {
    Facts {
        id: "pool-b-2fdc5ede",
        name: "pool-b",
        role: "worker",
        magnum_labels,
        has_cloud_provider: true,
        region: Some("RegionOne"),
        flavor,
        kubernetes: None,
        live: None,
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn build(facts: &Facts<'_>, settings: &GroupSettings) -> NodeTemplate {
    NodeTemplate::build(facts, settings, &DeviceNames::default())
}

#[test]
fn a_flavor_becomes_a_complete_node() {
    let (flavor, labels) = (flavor(), map(&[("availability_zone", "az1"), ("kube_tag", "v1.27.8")]));
    let template = build(&facts(Ok(&flavor), &labels), &GroupSettings::default());
    assert_eq!(template.name, "pool-b-2fdc5ede-template");
    assert_eq!(
        template.labels,
        map(&[
            ("beta.kubernetes.io/arch", "amd64"),
            ("beta.kubernetes.io/instance-type", "m1.node"),
            ("beta.kubernetes.io/os", "linux"),
            ("failure-domain.beta.kubernetes.io/region", "RegionOne"),
            ("failure-domain.beta.kubernetes.io/zone", "az1"),
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", "pool-b-2fdc5ede-template"),
            ("kubernetes.io/os", "linux"),
            ("magnum.openstack.org/nodegroup", "pool-b"),
            ("magnum.openstack.org/role", "worker"),
            ("node-role.kubernetes.io/worker", ""),
            ("node.kubernetes.io/instance-type", "m1.node"),
            ("topology.kubernetes.io/region", "RegionOne"),
            ("topology.kubernetes.io/zone", "az1"),
        ])
    );
    let memory = (8192 - 128 - 16 - 64) * MIB;
    let capacity = Resources {
        cpu_millis: 4000,
        memory,
        ephemeral_storage: 20 * GIB,
        pods: 110,
        extended: BTreeMap::new(),
    };
    let allocatable =
        Resources { memory: memory - 100 * MIB, ephemeral_storage: 18 * GIB, ..capacity.clone() };
    assert_eq!((template.capacity, template.allocatable), (capacity, allocatable));
    assert_eq!((template.origin, template.kubelet_version.as_str()), (Origin::Flavor, "v1.27.8"));
    let uuid: Uuid = template.server.to_string().parse().unwrap();
    assert_eq!(uuid.get_version_num(), 5, "no server's: those are of version 4");
}

#[test]
fn nodes_without_a_cloud_provider_do_not_have_what_it_gives_them() {
    let (flavor, labels) = (flavor(), map(&[("availability_zone", "az1")]));
    let facts = Facts { has_cloud_provider: false, ..facts(Ok(&flavor), &labels) };
    let template = build(&facts, &GroupSettings::default());
    for key in
        ["node.kubernetes.io/instance-type", "topology.kubernetes.io/zone", "topology.kubernetes.io/region"]
    {
        assert!(!template.labels.contains_key(key), "{key}");
    }
}

#[test]
fn the_boot_volume_takes_the_place_of_the_flavors_disk() {
    let labels = |size: &str| map(&[("boot_volume_size", size)]);
    for (size, disk, expected) in [
        ("50", 20, 50),
        ("50", 0, 50),
        ("0", 20, 20),
        ("", 20, 20),
        ("-1", 20, 20),
        ("x", 0, 10),
        ("0", 0, 10),
    ] {
        let (flavor, labels) = (Flavor { disk_gib: disk, ..flavor() }, labels(size));
        let template = build(&facts(Ok(&flavor), &labels), &GroupSettings::default());
        assert_eq!(template.capacity.ephemeral_storage, expected * GIB, "{size} and {disk}");
        assert_eq!(template.origin, Origin::Flavor);
    }
}

#[test]
fn the_stronger_source_counts() {
    let flavor = flavor();
    let labels = map(&[(
        "kubelet_options",
        "--node-labels=a=kubelet,b=kubelet,c=kubelet --register-with-taints=t=kubelet:NoSchedule,u=kubelet:NoSchedule \
         --max-pods=50 --kube-reserved=cpu=100m --system-reserved=cpu=100m",
    )]);
    let kubernetes = KubernetesFields {
        labels: map(&[("b", "magnum"), ("c", "magnum"), ("bad key", "x"), ("d", "bad value")]),
        taints: vec!["t=magnum:NoSchedule".parse().unwrap()],
    };
    let facts = Facts { kubernetes: Some(&kubernetes), ..facts(Ok(&flavor), &labels) };
    let settings = GroupSettings {
        labels: [
            ("c".to_owned(), Some("operator".to_owned())),
            ("node-role.kubernetes.io/worker".to_owned(), None),
        ]
        .into(),
        taints: vec!["t=operator:NoExecute".parse().unwrap()],
        capacity: Amounts { memory: Some(GIB), ..Amounts::default() },
        reservation: Reservation {
            kube: Amounts { cpu_millis: Some(500), ..Amounts::default() },
            ..Reservation::default()
        },
        architecture: Some("arm64"),
        ..GroupSettings::default()
    };
    let template = build(&facts, &settings);
    let label = |key: &str| template.labels.get(key).map(String::as_str);
    assert_eq!((label("a"), label("b"), label("c")), (Some("kubelet"), Some("magnum"), Some("operator")));
    assert_eq!((label("bad key"), label("d"), label("node-role.kubernetes.io/worker")), (None, None, None));
    assert_eq!(label("kubernetes.io/arch"), Some("arm64"));
    let taints: Vec<_> = template.taints.iter().map(ToString::to_string).collect();
    assert_eq!(taints, ["u=kubelet:NoSchedule", "t=magnum:NoSchedule", "t=operator:NoExecute"]);
    assert_eq!(
        (template.capacity.pods, template.capacity.memory),
        (50, GIB),
        "as it was said, kernel or not"
    );
    assert_eq!(template.allocatable.cpu_millis, 4000 - 500 - 100);
}

#[test]
fn what_nobody_tells_is_small_and_says_why() {
    let labels = BTreeMap::new();
    let template = build(&facts(Err("flavor m1.node is gone"), &labels), &GroupSettings::default());
    assert_eq!(template.guess(), Some("flavor m1.node is gone"));
    assert_eq!((template.capacity.cpu_millis, template.capacity.ephemeral_storage), (1000, 10 * GIB));
    assert_eq!(template.capacity.memory, (1024 - 16 - 16) * MIB);
    assert_eq!(template.allocatable.pods, 110);
    let capacity = Amounts {
        cpu_millis: Some(2000),
        memory: Some(4 * GIB),
        ephemeral_storage: Some(30 * GIB),
        pods: None,
    };
    let told = GroupSettings { capacity, ..GroupSettings::default() };
    let template = build(&facts(Err("flavor m1.node is gone"), &labels), &told);
    assert_eq!((template.origin, template.capacity.memory), (Origin::Settings, 4 * GIB));
    let odd = Flavor { vcpus: 0, ram_mib: 0, ..flavor() };
    let template = build(&facts(Ok(&odd), &labels), &GroupSettings::default());
    assert_eq!(template.guess(), Some("flavor m1.node says 0 vCPUs and 0 MiB of memory"));
}

#[test]
fn gpus_are_resources_and_their_kind_is_known() {
    let labels = BTreeMap::new();
    let gpu = Flavor { extra_specs: map(&[("pci_passthrough:alias", "a100:2")]), ..flavor() };
    let template = build(&facts(Ok(&gpu), &labels), &GroupSettings::default());
    assert_eq!(template.allocatable.extended, [("nvidia.com/gpu".to_owned(), 2)].into());
    assert_eq!((template.gpus, template.gpu_types), (2, ["a100".to_owned()].into()));
    let settings = GroupSettings {
        gpu_type: Some("nvidia-a100".into()),
        extended: [("nvidia.com/gpu".to_owned(), 0), ("amd.com/gpu".to_owned(), 1)].into(),
        ..GroupSettings::default()
    };
    let template = build(&facts(Ok(&gpu), &labels), &settings);
    assert_eq!(template.capacity.extended, [("amd.com/gpu".to_owned(), 1)].into());
    assert_eq!(template.labels["magnum.openstack.org/gpu"], "nvidia-a100");
    assert_eq!((template.gpus, template.gpu_types), (1, ["nvidia-a100".to_owned()].into()));
}

#[test]
fn any_group_name_makes_a_node_name() {
    for (id, expected) in [
        ("Pool_B-2fdc5ede", "pool-b-2fdc5ede-template"),
        ("ä-2fdc5ede", "2fdc5ede-template"),
        ("", "node-template"),
    ] {
        assert_eq!(node_name(id), expected);
    }
    let long = node_name(&format!("{}-2fdc5ede", "x".repeat(200)));
    assert!(long.len() <= 63 && long.ends_with("-2fdc5ede-template"), "{long}");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9:=,.%<>/ -]{0,60}",
        ".{0,20}",
        Just("a100:18446744073709551615,a100:9".to_owned()),
        Just("--kube-reserved=memory=8E,cpu=9999999999 --eviction-hard=memory.available<100%".to_owned()),
    ]
}

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), 0..100_000_u64, any::<u64>()]
}

prop_compose! {
    fn any_flavor()(
        numbers in [any_number(), any_number(), any_number()],
        keys in prop::collection::vec(
            prop::sample::select(vec!["pci_passthrough:alias", "resources:VGPU", "resources:", ":", "hw:arch", "x"]), 0..4),
        values in prop::collection::vec(any_text(), 4),
        name in any_text(),
    ) -> Flavor {
        let [vcpus, ram_mib, disk_gib] = numbers;
        let extra_specs = keys.into_iter().map(str::to_owned).zip(values).collect();
        Flavor { id: "f".into(), name, vcpus, ram_mib, disk_gib, extra_specs }
    }
}

proptest! {
    #[test]
    fn no_flavor_makes_an_absurd_node(
        flavor in prop::option::of(any_flavor()),
        told in prop::collection::btree_map(
            prop::sample::select(vec!["kubelet_options", "boot_volume_size", "availability_zone", "kube_tag"])
                .prop_map(str::to_owned),
            any_text(), 0..4),
        name in any_text(),
        reserved in any_number(),
    ) {
        let flavor = flavor.as_ref().ok_or("it cannot be read");
        let id = format!("{name}-2fdc5ede");
        let facts = Facts { id: &id, name: &name, role: &name, ..facts(flavor, &told) };
        let kube = Amounts { memory: Some(reserved), cpu_millis: Some(reserved), ..Amounts::default() };
        let settings = GroupSettings {
            reservation: Reservation { kube, ..Reservation::default() },
            ..GroupSettings::default()
        };
        let template = build(&facts, &settings);
        let (capacity, allocatable) = (&template.capacity, &template.allocatable);
        prop_assert!((1000..=MAX_VCPUS * 1000).contains(&capacity.cpu_millis));
        prop_assert!(capacity.memory <= MAX_RAM_MIB * MIB);
        prop_assert!((GIB..=MAX_DISK_GIB * GIB).contains(&capacity.ephemeral_storage));
        prop_assert!(capacity.pods <= MAX_PODS);
        prop_assert!(allocatable.cpu_millis <= capacity.cpu_millis);
        prop_assert!(allocatable.memory <= capacity.memory);
        prop_assert!(allocatable.ephemeral_storage <= capacity.ephemeral_storage);
        prop_assert!(capacity.extended.values().all(|number| (1..=10_000).contains(number)));
        for (key, value) in &template.labels {
            prop_assert!(check_key(key).is_ok() && check_value(value).is_ok(), "{key}={value}");
        }
        prop_assert!(!template.name.is_empty() && template.labels.contains_key("kubernetes.io/hostname"));
        prop_assert_eq!(template.guess().is_some(), flavor.map_or(true, |flavor| {
            !(1..=MAX_VCPUS).contains(&flavor.vcpus) || !(1..=MAX_RAM_MIB).contains(&flavor.ram_mib)
        }));
    }
}
