//! The bytes on the wire, from messages written down here a second time, as the versions of cluster-autoscaler have
//! them: a mistake in `proto/` shows as a difference.

use prost::Message;
use tonic::{Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_prost::ProstCodec;

use crate::grpc_fixture::{self, Fixture, OLDEST, POOL, WORKERS};

#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "1")]
    provider_id: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(map = "string, string", tag = "3")]
    labels: std::collections::HashMap<String, String>,
    #[prost(map = "string, string", tag = "4")]
    annotations: std::collections::HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct Group {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(int32, tag = "2")]
    min_size: i32,
    #[prost(int32, tag = "3")]
    max_size: i32,
    #[prost(string, tag = "4")]
    debug: String,
}

#[derive(Clone, PartialEq, Message)]
struct Groups {
    #[prost(message, repeated, tag = "1")]
    groups: Vec<Group>,
}

/// `NodeGroupForNodeRequest`.
#[derive(Clone, PartialEq, Message)]
struct OneNode {
    #[prost(message, optional, tag = "1")]
    node: Option<Node>,
}

/// `NodeGroupForNodeResponse`.
#[derive(Clone, PartialEq, Message)]
struct OneGroup {
    #[prost(message, optional, tag = "1")]
    group: Option<Group>,
}

/// `NodeGroupIncreaseSizeRequest` and `NodeGroupDecreaseTargetSizeRequest`.
#[derive(Clone, PartialEq, Message)]
struct Delta {
    #[prost(int32, tag = "1")]
    delta: i32,
    #[prost(string, tag = "2")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Delete {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    id: String,
}

/// The requests that only have an id.
#[derive(Clone, PartialEq, Message)]
struct Id {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct Size {
    #[prost(int32, tag = "1")]
    size: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Instances {
    #[prost(message, repeated, tag = "1")]
    instances: Vec<Instance>,
}

#[derive(Clone, PartialEq, Message)]
struct Instance {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    status: Option<InstanceStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct InstanceStatus {
    #[prost(int32, tag = "1")]
    state: i32,
    #[prost(bytes = "vec", optional, tag = "2")]
    error: Option<Vec<u8>>,
}

/// `k8s.io/apimachinery` Time, up to 1.34.
#[derive(Clone, Copy, PartialEq, Message)]
struct KubernetesTime {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// Requests for a price, by the field numbers of both ages.
#[derive(Clone, PartialEq, Message)]
struct NodePrice {
    #[prost(message, optional, tag = "1")]
    node: Option<Node>,
    #[prost(message, optional, tag = "2")]
    start: Option<KubernetesTime>,
    #[prost(message, optional, tag = "3")]
    end: Option<KubernetesTime>,
    #[prost(message, optional, tag = "4")]
    start_timestamp: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "5")]
    end_timestamp: Option<prost_types::Timestamp>,
}

/// The same with a pod; an old one embeds the message, which is the same on the wire as bytes.
#[derive(Clone, PartialEq, Message)]
struct PodPrice {
    #[prost(message, optional, tag = "1")]
    pod: Option<Id>,
    #[prost(message, optional, tag = "2")]
    start: Option<KubernetesTime>,
    #[prost(message, optional, tag = "3")]
    end: Option<KubernetesTime>,
    #[prost(bytes = "vec", tag = "4")]
    pod_bytes: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    start_timestamp: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "6")]
    end_timestamp: Option<prost_types::Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct KubernetesDuration {
    #[prost(int64, tag = "1")]
    nanoseconds: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Options {
    #[prost(double, tag = "1")]
    utilization_threshold: f64,
    #[prost(double, tag = "2")]
    gpu_utilization_threshold: f64,
    #[prost(message, optional, tag = "3")]
    old_unneeded: Option<KubernetesDuration>,
    #[prost(message, optional, tag = "4")]
    old_unready: Option<KubernetesDuration>,
    #[prost(message, optional, tag = "5")]
    old_provision: Option<KubernetesDuration>,
    #[prost(bool, tag = "6")]
    zero_or_max: bool,
    #[prost(bool, tag = "7")]
    ignore_daemon_sets: bool,
    #[prost(message, optional, tag = "8")]
    unneeded: Option<prost_types::Duration>,
    #[prost(message, optional, tag = "9")]
    unready: Option<prost_types::Duration>,
    #[prost(message, optional, tag = "10")]
    provision: Option<prost_types::Duration>,
}

#[derive(Clone, PartialEq, Message)]
struct GetOptions {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, optional, tag = "2")]
    defaults: Option<Options>,
}

/// Calls a method by its full name.
async fn call<Q, A>(fixture: &Fixture, method: &str, request: Q) -> Result<A, Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let path = format!("/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/{method}");
    let mut client = Grpc::new(fixture.channel().await);
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let codec = ProstCodec::<Q, A>::default();
    let path: PathAndQuery = path.parse().unwrap();
    Ok(client.unary(Request::new(request), path, codec).await?.into_inner())
}

fn node(provider_id: &str) -> Node {
    Node {
        provider_id: provider_id.to_owned(),
        name: provider_id.to_owned(),
        labels: [].into(),
        annotations: [("k8s.io/cluster-autoscaler/fake-node-reason".to_owned(), "unregistered".to_owned())]
            .into(),
    }
}

fn id(id: &str) -> Id {
    Id { id: id.to_owned() }
}

#[tokio::test]
async fn reads_have_the_field_numbers_of_cluster_autoscaler() {
    let fixture = Fixture::start().await;
    let groups: Groups = call(&fixture, "NodeGroups", Empty {}).await.unwrap();
    let workers = groups.groups.first().unwrap();
    assert_eq!((workers.id.as_str(), workers.min_size, workers.max_size), (WORKERS, 1, 6));
    assert!(workers.debug.contains("running"));

    let provider_id = format!("openstack:///{OLDEST}");
    let request = OneNode { node: Some(node(&provider_id)) };
    let ours: OneGroup = call(&fixture, "NodeGroupForNode", request).await.unwrap();
    assert_eq!(ours.group.unwrap().id, WORKERS);
    let request = OneNode { node: Some(node("kind://docker/kind/kind-worker")) };
    let foreign: OneGroup = call(&fixture, "NodeGroupForNode", request).await.unwrap();
    assert_eq!(foreign.group, Some(Group::default()));

    let size: Size = call(&fixture, "NodeGroupTargetSize", id(POOL)).await.unwrap();
    assert_eq!(size.size, 1);
    let nodes: Instances = call(&fixture, "NodeGroupNodes", id(WORKERS)).await.unwrap();
    let first = nodes.instances.into_iter().next().unwrap();
    assert_eq!(first.id, provider_id);
    assert_eq!(first.status, Some(InstanceStatus { state: 1, error: None }));
}

#[tokio::test]
async fn writes_have_the_field_numbers_of_cluster_autoscaler() {
    let fixture = Fixture::start().await;
    let more = Delta { delta: 1, id: POOL.to_owned() };
    let Empty {} = call(&fixture, "NodeGroupIncreaseSize", more).await.unwrap();
    assert_eq!(fixture.cloud.servers(POOL).len(), 2);

    let nodes = vec![node(&format!("openstack:///{OLDEST}"))];
    let delete = Delete { nodes, id: WORKERS.to_owned() };
    let Empty {} = call(&fixture, "NodeGroupDeleteNodes", delete).await.unwrap();
    grpc_fixture::eventually("the removal", || fixture.cloud.servers(WORKERS).len() == 1).await;

    let less = Delta { delta: -1, id: WORKERS.to_owned() };
    let refused = call::<_, Empty>(&fixture, "NodeGroupDecreaseTargetSize", less).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

/// UNIMPLEMENTED and OK show that the message was understood: one that is not would be INTERNAL.
#[tokio::test]
async fn old_and_new_forms_of_the_optional_requests_are_understood() {
    let fixture = Fixture::start().await;
    let old_time = Some(KubernetesTime { seconds: 1_700_000_000, nanos: 5 });
    let new_time = Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 });
    let node = Some(node("openstack:///x"));
    let unimplemented = |status: Status| assert_eq!(status.code(), Code::Unimplemented, "{status}");

    let mut price = NodePrice { node, start: old_time, end: old_time, ..NodePrice::default() };
    unimplemented(call::<_, Empty>(&fixture, "PricingNodePrice", price.clone()).await.unwrap_err());
    (price.start, price.end, price.start_timestamp, price.end_timestamp) = (None, None, new_time, new_time);
    unimplemented(call::<_, Empty>(&fixture, "PricingNodePrice", price).await.unwrap_err());

    let old = PodPrice { pod: Some(id("pod")), start: old_time, end: old_time, ..PodPrice::default() };
    unimplemented(call::<_, Empty>(&fixture, "PricingPodPrice", old).await.unwrap_err());
    let pod_bytes = id("pod").encode_to_vec();
    let new =
        PodPrice { pod_bytes, start_timestamp: new_time, end_timestamp: new_time, ..PodPrice::default() };
    unimplemented(call::<_, Empty>(&fixture, "PricingPodPrice", new).await.unwrap_err());

    let old = Some(KubernetesDuration { nanoseconds: 600_000_000_000 });
    let new = Some(prost_types::Duration { seconds: 600, nanos: 0 });
    let shared = Options { utilization_threshold: 0.5, zero_or_max: true, ..Options::default() };
    for defaults in [
        Options { old_unneeded: old, old_unready: old, old_provision: old, ..shared.clone() },
        Options { unneeded: new, unready: new, provision: new, ..shared },
    ] {
        let request = GetOptions { id: WORKERS.to_owned(), defaults: Some(defaults) };
        let Empty {} = call(&fixture, "NodeGroupGetOptions", request).await.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_an_error_of_that_call_alone() {
    let fixture = Fixture::start().await;
    // Field 1 of IncreaseSize as a string: a wrong wire type.
    let refused = call::<_, Empty>(&fixture, "NodeGroupIncreaseSize", id("nonsense")).await.unwrap_err();
    assert!(matches!(refused.code(), Code::Internal | Code::InvalidArgument), "{refused}");
    let groups: Groups = call(&fixture, "NodeGroups", Empty {}).await.unwrap();
    assert_eq!(groups.groups.len(), 2);
    assert_eq!(fixture.cloud.heard(), []);
}
