//! Templates, options and prices as cluster-autoscaler asks for them, over loopback with a real client.

use std::collections::BTreeMap;

use cluster_autoscaler_provider_magnum::{
    config,
    core::settings::Settings,
    grpc::{
        externalgrpc::{
            ExternalGrpcNode, GpuLabelRequest, KubernetesDuration, KubernetesTime,
            NodeGroupAutoscalingOptions, NodeGroupAutoscalingOptionsRequest, NodeGroupForNodeRequest,
            NodeGroupTemplateNodeInfoRequest, PricingNodePriceRequest, PricingPodPriceRequest,
        },
        tls::Security,
    },
};
use k8s_pb::{
    api::core::v1::{Container, Node, Pod, PodSpec, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};
use prost::Message as _;
use tonic::Code;

use crate::grpc_fixture::{Fixture, MemoryCloud, POOL, WORKERS, eventually};

async fn with_settings(yaml: &str) -> Fixture {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), yaml).unwrap();
    let settings: Settings = config::settings_file::read(file.path()).unwrap();
    let fixture = Fixture::start_with(MemoryCloud::new(), Security::Plaintext, settings);
    eventually("the first snapshot", || fixture.engine.snapshot().is_ok()).await;
    fixture
}

fn map(pairs: &BTreeMap<String, Quantity>) -> BTreeMap<&str, &str> {
    pairs.iter().map(|(name, amount)| (name.as_str(), amount.string.as_deref().unwrap())).collect()
}

#[tokio::test]
async fn a_template_has_a_provider_id_in_the_form_of_the_nodes() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let server = &fixture.cloud.servers(WORKERS)[0];
    for prefix in ["openstack:///", "openstack://RegionOne/"] {
        let node = ExternalGrpcNode {
            provider_id: format!("{prefix}{server}"),
            name: "worker".to_owned(),
            ..ExternalGrpcNode::default()
        };
        client.node_group_for_node(NodeGroupForNodeRequest { node: Some(node) }).await.unwrap();
        for id in [WORKERS, POOL] {
            let request = NodeGroupTemplateNodeInfoRequest { id: id.to_owned() };
            let answer = client.node_group_template_node_info(request).await.unwrap().into_inner();
            let node = Node::decode(answer.node_bytes.as_slice()).unwrap();
            let shown = node.spec.unwrap().provider_id.unwrap();
            let uuid = shown.strip_prefix(prefix).unwrap_or_else(|| panic!("{id} has {shown}"));
            assert!(uuid.parse::<uuid::Uuid>().is_ok() && uuid != server, "{shown}");
        }
    }
}

#[tokio::test]
async fn each_group_has_a_complete_node_the_same_for_old_and_new_callers() {
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    for (id, name) in [(WORKERS, "default-worker"), (POOL, "pool-b")] {
        let request = || NodeGroupTemplateNodeInfoRequest { id: id.to_owned() };
        let answer = client.node_group_template_node_info(request()).await.unwrap().into_inner();
        assert_eq!(answer.node_info, answer.node_bytes);
        assert_eq!(answer, client.node_group_template_node_info(request()).await.unwrap().into_inner());
        let node = Node::decode(answer.node_bytes.as_slice()).unwrap();
        let (metadata, spec, status) = (node.metadata.unwrap(), node.spec.unwrap(), node.status.unwrap());
        assert_eq!(metadata.name, Some(format!("{id}-template")));
        assert_eq!(metadata.labels["magnum.openstack.org/nodegroup"], name);
        assert_eq!(metadata.labels["node.kubernetes.io/instance-type"], "m1.small");
        assert!(spec.provider_id.unwrap().starts_with("openstack:///"));
        let taint = &spec.taints[0];
        assert_eq!(
            [&taint.key, &taint.value, &taint.effect].map(|part| part.as_deref().unwrap()),
            ["dedicated", "x", "NoSchedule"]
        );
        let memory = (4096 - 64 - 16 - 64, 4096 - 64 - 16 - 64 - 100);
        let (capacity, allocatable) = (format!("{}Mi", memory.0), format!("{}Mi", memory.1));
        let expected = |memory, storage| {
            [
                ("cpu", "2"),
                ("memory", memory),
                ("ephemeral-storage", storage),
                ("pods", "110"),
                ("nvidia.com/gpu", "1"),
            ]
        };
        assert_eq!(map(&status.capacity), expected(capacity.as_str(), "20Gi").into());
        assert_eq!(map(&status.allocatable), expected(allocatable.as_str(), "18Gi").into());
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .map(|condition| (condition.r#type.as_deref().unwrap(), condition.status.as_deref().unwrap()))
            .collect();
        assert_eq!(conditions[0], ("Ready", "True"));
        assert!(conditions[1..].iter().all(|(_, status)| *status == "False") && conditions.len() == 5);
        let info = status.node_info.unwrap();
        assert_eq!(
            (info.architecture.as_deref(), info.operating_system.as_deref()),
            (Some("amd64"), Some("linux"))
        );
    }
    for (id, expected) in [("pool-c-33333333", Code::NotFound), ("", Code::InvalidArgument)] {
        let request = NodeGroupTemplateNodeInfoRequest { id: id.to_owned() };
        assert_eq!(client.node_group_template_node_info(request).await.unwrap_err().code(), expected);
        let request = NodeGroupAutoscalingOptionsRequest { id: id.to_owned(), defaults: None };
        assert_eq!(client.node_group_get_options(request).await.unwrap_err().code(), expected);
    }
}

#[tokio::test]
async fn options_of_one_group_leave_the_others_and_the_rest_alone() {
    let fixture =
        with_settings("node-groups: [{name: pool-*, options: {scale-down-unneeded-time: 5m}}]").await;
    let mut client = fixture.client().await;
    let old = |seconds: i64| Some(KubernetesDuration { duration: seconds * 1_000_000_000 });
    let defaults = NodeGroupAutoscalingOptions {
        scale_down_utilization_threshold: 0.5,
        scale_down_unneeded_time: old(600),
        scale_down_unready_time: old(1200),
        ..NodeGroupAutoscalingOptions::default()
    };
    for (id, expected) in [
        (WORKERS, None),
        (POOL, Some(NodeGroupAutoscalingOptions { scale_down_unneeded_time: old(300), ..defaults })),
    ] {
        let request = NodeGroupAutoscalingOptionsRequest { id: id.to_owned(), defaults: Some(defaults) };
        let answer = client.node_group_get_options(request).await.unwrap().into_inner();
        assert_eq!(answer.node_group_autoscaling_options, expected, "{id}");
    }
}

#[tokio::test]
async fn nodes_and_pods_have_the_prices_of_the_table() {
    let fixture = with_settings(
        "prices: {per-flavor-hour: {m1.small: 2, m9.gone: 5}}\nnode-groups: [{name: pool-b, price-per-hour: 3}]",
    )
    .await;
    let mut client = fixture.client().await;
    let hours = |hours: i64| [0, hours * 3600].map(|seconds| Some(KubernetesTime { seconds, nanos: 0 }));
    let node = |label: &str, value: &str| ExternalGrpcNode {
        name: "template-node".to_owned(),
        labels: [(label.to_owned(), value.to_owned())].into(),
        ..ExternalGrpcNode::default()
    };
    for (node, expected) in [
        (node("magnum.openstack.org/nodegroup", "default-worker"), Ok(4.0)),
        (node("magnum.openstack.org/nodegroup", "pool-b"), Ok(6.0)),
        (node("node.kubernetes.io/instance-type", "m9.gone"), Ok(10.0)),
        (node("magnum.openstack.org/nodegroup", "nobody"), Err(Code::NotFound)),
        (ExternalGrpcNode::default(), Err(Code::NotFound)),
    ] {
        let [start_time, end_time] = hours(2);
        let request =
            PricingNodePriceRequest { node: Some(node.clone()), start_time, end_time, ..Default::default() };
        let answer = client.pricing_node_price(request).await;
        let answer = answer.map(|answer| answer.into_inner().price).map_err(|status| status.code());
        assert_eq!(answer, expected, "{node:?}");
    }
    let cpu = Quantity { string: Some("500m".to_owned()) };
    let resources = ResourceRequirements { requests: [("cpu".to_owned(), cpu)].into(), ..Default::default() };
    let container = Container { resources: Some(resources), ..Container::default() };
    let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
    let pod = Pod { spec: Some(spec), ..Pod::default() }.encode_to_vec();
    let [start_time, end_time] = hours(2);
    let request = PricingPodPriceRequest { start_time, end_time, ..PricingPodPriceRequest::default() };
    for request in [
        PricingPodPriceRequest { pod: pod.clone(), ..request.clone() },
        PricingPodPriceRequest { pod_bytes: pod, ..request.clone() },
    ] {
        let price = client.pricing_pod_price(request).await.unwrap().into_inner().price;
        assert_eq!(price, 1.0, "a quarter of the cheaper node's two CPUs for two hours");
    }
    let malformed = PricingPodPriceRequest { pod_bytes: vec![0xff], ..request };
    assert_eq!(client.pricing_pod_price(malformed).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_gpu_label_is_the_operators() {
    let fixture = with_settings("gpu-label: example.com/gpu").await;
    let answer = fixture.client().await.gpu_label(GpuLabelRequest {}).await.unwrap();
    assert_eq!(answer.into_inner().label, "example.com/gpu");
}
