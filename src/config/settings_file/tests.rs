use super::*;
use crate::core::{
    quantity::{GIB, MIB},
    template::resources::Threshold,
};

const WHOLE: &str = r#"
# Everything there is.
gpu-label: example.com/gpu
gpu-resource: nvidia.com/gpu
pci-aliases:
  mi210: amd.com/gpu
  fast-nic:
prices:
  per-flavor-hour: {m1.node: 0.12}
  per-vcpu-hour: 0.01
  per-gib-hour: 0.005
  per-gpu-hour: 1
node-groups:
  - name: "*"
    max: 20
    kernel-reserved: 200Mi
    kube-reserved: {cpu: 100m, memory: 512Mi, ephemeral-storage: 1Gi}
    system-reserved: {cpu: 0.1}
    eviction-hard: {memory.available: 5%, nodefs.available: 1Gi}
  - name: gpu-?
    min: 0
    max: 4
    capacity: {cpu: 8, memory: 32Gi, ephemeral-storage: 50Gi, pods: 30}
    extended-resources: {nvidia.com/gpu: 2}
    labels: {disk: ssd, rank: 1, node-role.kubernetes.io/worker:}
    taints: ["nvidia.com/gpu=true:NoSchedule"]
    architecture: aarch64
    gpu-type: a100
    options:
      scale-down-utilization-threshold: 0.7
      scale-down-gpu-utilization-threshold: 0.2
      scale-down-unneeded-time: 5m
      scale-down-unready-time: 1h
      max-node-provision-time: 25m
      zero-or-max-node-scaling: true
      ignore-daemonsets-utilization: false
    price-per-hour: 2.5
"#;

#[test]
fn every_key_has_its_effect() {
    let settings = parse(WHOLE).unwrap();
    assert_eq!(settings.devices.gpu_label, "example.com/gpu");
    assert_eq!(settings.devices.aliases["mi210"].as_deref(), Some("amd.com/gpu"));
    assert_eq!(settings.devices.aliases["fast-nic"], None);
    let Prices { flavors, vcpu, gib, gpu } = &settings.prices;
    assert_eq!((flavors["m1.node"], *vcpu, *gib, *gpu), (0.12, Some(0.01), Some(0.005), Some(1.0)));
    let group = settings.group("gpu-1");
    assert_eq!((group.min, group.max), (Some(0), Some(4)));
    let Amounts { cpu_millis, memory, ephemeral_storage, pods } = group.capacity;
    assert_eq!(
        (cpu_millis, memory, ephemeral_storage, pods),
        (Some(8000), Some(32 * GIB), Some(50 * GIB), Some(30))
    );
    assert_eq!(group.extended, [("nvidia.com/gpu".to_owned(), 2)].into());
    assert_eq!(group.labels["rank"].as_deref(), Some("1"));
    assert_eq!(group.labels["node-role.kubernetes.io/worker"], None);
    assert_eq!(group.taints, ["nvidia.com/gpu=true:NoSchedule".parse().unwrap()]);
    assert_eq!((group.architecture, group.gpu_type.as_deref()), (Some("arm64"), Some("a100")));
    let reserved = &group.reservation;
    assert_eq!(reserved.kernel_memory, Some(200 * MIB));
    assert_eq!((reserved.kube.cpu_millis, reserved.kube.memory), (Some(100), Some(512 * MIB)));
    assert_eq!((reserved.kube.ephemeral_storage, reserved.system.cpu_millis), (Some(GIB), Some(100)));
    assert_eq!(reserved.eviction_memory, Some(Threshold::BasisPoints(500)));
    assert_eq!(reserved.eviction_nodefs, Some(Threshold::Bytes(GIB)));
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    assert_eq!(
        group.options,
        AutoscalingOptions {
            scale_down_utilization_threshold: Some(0.7),
            scale_down_gpu_utilization_threshold: Some(0.2),
            scale_down_unneeded_time: minutes(5),
            scale_down_unready_time: minutes(60),
            max_node_provision_time: minutes(25),
            zero_or_max_node_scaling: Some(true),
            ignore_daemonsets_utilization: Some(false),
        }
    );
    assert_eq!(settings.price_per_hour("gpu-1"), Some(2.5));
    assert_eq!(settings.group("pool-b").max, Some(20));
}

#[test]
fn the_examples_of_the_documents_are_good() {
    let page = include_str!("../../../docs/templates.md");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let gpu = parse(example).unwrap().group("gpu-1");
    assert_eq!(
        (gpu.max, gpu.gpu_type.as_deref(), gpu.reservation.kube.cpu_millis),
        (Some(4), Some("a100"), Some(100))
    );
    let page = include_str!("../../../README.md");
    let example: String = page
        .lines()
        .skip_while(|line| *line != "    node-groups:")
        .take_while(|line| !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(parse(&example).unwrap().group("gpu-1").taints.len(), 1);
}

#[test]
fn nothing_is_a_setting_too() {
    for text in ["", "\n", "# only a comment\n", "---\n", "{}", "node-groups: []", "prices: {}"] {
        assert_eq!(parse(text).as_ref(), Ok(&Settings::default()), "{text:?}");
    }
}

#[test]
fn an_error_says_where_and_what_to_do() {
    let group = |rest: &str| format!("node-groups:\n  - name: a\n    {rest}\n");
    for (text, line, words) in [
        ("gpu_label: x".to_owned(), 1, r#"unknown key "gpu_label"; did you mean "gpu-label"?"#),
        ("\nnode-group: []".to_owned(), 2, r#"did you mean "node-groups"?"#),
        ("zzzzzzzz: 1".to_owned(), 1, r#"unknown key "zzzzzzzz"; Known here: gpu-label"#),
        (group("taint: []"), 3, r#"unknown key "taint"; did you mean "taints"?"#),
        (group("maxSize: 3"), 3, r#"unknown key "maxSize""#),
        (group("options: {max-node-provision: 1m}"), 3, r#"did you mean "max-node-provision-time"?"#),
        (group("kube-reserved: {memroy: 1Gi}"), 3, r#"did you mean "memory"?"#),
        (group("eviction-hard: {memory: 1Gi}"), 3, "memory.available"),
        (group("capacity: {memory: 16GiB}"), 3, r#""16GiB" is no quantity"#),
        (group("capacity: {cpu: 0}"), 3, "more than 0"),
        (group("capacity: {cpu: -1}"), 3, "no quantity"),
        (group("labels: {\"a b\": c}"), 3, r#""a b" is no label key"#),
        (group("labels: {a: \"b c\"}"), 3, r#""b c" is no label value"#),
        (group("taints:\n      - good:NoSchedule\n      - gpu=true"), 5, "KEY=VALUE:EFFECT"),
        (group("extended-resources: {gpu: 1}"), 3, "nvidia.com/gpu"),
        (group("extended-resources: {nvidia.com/gpu: many}"), 3, r#""many" is no number"#),
        (group("architecture: vax"), 3, "amd64"),
        (group("options: {scale-down-utilization-threshold: 50}"), 3, "from 0 to 1"),
        (group("options: {scale-down-unneeded-time: 10}"), 3, "10m"),
        (group("options: {scale-down-unneeded-time: 2years}"), 3, "longer than a year"),
        (group("price-per-hour: NaN"), 3, "no price"),
        (group("price-per-hour: -1"), 3, "no price"),
        (group("min: -1"), 3, r#""-1" is no number of nodes"#),
        (group("min: 5\n    max: 4"), 1, "node-groups: a: min 5 is above max 4"),
        ("node-groups:\n  - max: 3".to_owned(), 2, "name"),
        ("node-groups:\n  - name: ''".to_owned(), 1, "a name is empty"),
        ("node-groups: {a: {max: 1}}".to_owned(), 1, "sequence"),
        ("gpu-label: a\ngpu-label: b".to_owned(), 2, "twice"),
        ("a: [".to_owned(), 1, ""),
        ("- a".to_owned(), 1, ""),
    ] {
        let (actual, reason) = parse(&text).unwrap_err();
        assert_eq!(actual, line, "{text}: {reason}");
        assert!(reason.contains(words), "{text}: {reason}");
        assert!(!reason.contains('\n') && !reason.contains(" at line "), "{text}: {reason}");
    }
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "[-a-z:{}\\[\\]\"' \n0-9]{0,80}|.{0,40}") {
        let _ = parse(&text);
    }
}
