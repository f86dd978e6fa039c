//! The contract with cluster-autoscaler, over loopback with a real client.

use std::time::Duration;

use cluster_autoscaler_provider_magnum::grpc::{
    externalgrpc::{
        CleanupRequest, ExternalGrpcNode, GetAvailableGpuTypesRequest, GpuLabelRequest, NodeGroup,
        NodeGroupAutoscalingOptionsRequest, NodeGroupDecreaseTargetSizeRequest, NodeGroupDeleteNodesRequest,
        NodeGroupForNodeRequest, NodeGroupIncreaseSizeRequest, NodeGroupNodesRequest,
        NodeGroupTargetSizeRequest, NodeGroupsRequest, PricingNodePriceRequest, PricingPodPriceRequest,
        RefreshRequest, cloud_provider_client::CloudProviderClient, instance_status::InstanceState,
    },
    tls::Security,
};
use tonic::{Code, Request, Status, transport::Channel};

use crate::{
    captured_log::CapturedLog,
    grpc_fixture::{Fixture, Heard, IN_POOL, MemoryCloud, NEWEST, OLDEST, POOL, WORKERS, eventually, node},
};

type Client = CloudProviderClient<Channel>;

const UNKNOWN_SERVER: &str = "cccccccc-0000-4000-8000-000000000000";

async fn group_of(client: &mut Client, node: ExternalGrpcNode) -> NodeGroup {
    let request = NodeGroupForNodeRequest { node: Some(node) };
    client.node_group_for_node(request).await.unwrap().into_inner().node_group.unwrap()
}

async fn increase(client: &mut Client, id: &str, delta: i32) -> Result<(), Status> {
    let request = NodeGroupIncreaseSizeRequest { delta, id: id.to_owned() };
    client.node_group_increase_size(request).await.map(|_| ())
}

async fn decrease(client: &mut Client, id: &str, delta: i32) -> Result<(), Status> {
    let request = NodeGroupDecreaseTargetSizeRequest { delta, id: id.to_owned() };
    client.node_group_decrease_target_size(request).await.map(|_| ())
}

async fn delete(client: &mut Client, id: &str, nodes: Vec<ExternalGrpcNode>) -> Result<(), Status> {
    let request = NodeGroupDeleteNodesRequest { nodes, id: id.to_owned() };
    client.node_group_delete_nodes(request).await.map(|_| ())
}

async fn target_size(client: &mut Client, id: &str) -> i32 {
    let request = NodeGroupTargetSizeRequest { id: id.to_owned() };
    client.node_group_target_size(request).await.unwrap().into_inner().target_size
}

async fn instance_ids(client: &mut Client, id: &str) -> Vec<String> {
    let request = NodeGroupNodesRequest { id: id.to_owned() };
    let instances = client.node_group_nodes(request).await.unwrap().into_inner().instances;
    instances.into_iter().map(|instance| instance.id).collect()
}

fn foreign(provider_id: &str) -> ExternalGrpcNode {
    ExternalGrpcNode { provider_id: provider_id.to_owned(), name: "control-plane".to_owned(), ..node("") }
}

#[tokio::test]
async fn groups_have_ids_bounds_and_a_line_for_people() {
    let fixture = Fixture::start().await;
    let groups =
        fixture.client().await.node_groups(NodeGroupsRequest {}).await.unwrap().into_inner().node_groups;
    let seen: Vec<_> =
        groups.iter().map(|group| (group.id.as_str(), group.min_size, group.max_size)).collect();
    assert_eq!(seen, [(WORKERS, 1, 6), (POOL, 0, 10)]);
    assert_eq!(groups[0].debug, "UPDATE_COMPLETE, target 2 of 1–6: 2 running");
}

#[tokio::test]
async fn a_node_of_a_group_is_ours_and_any_other_is_not_an_error() {
    let fixture = Fixture::start().await;
    let client = &mut fixture.client().await;
    assert_eq!(group_of(client, node(OLDEST)).await.id, WORKERS);
    assert_eq!(group_of(client, node(IN_POOL)).await.max_size, 10);
    for provider_id in [
        &format!("openstack:///{UNKNOWN_SERVER}"),
        "",
        "aws:///eu-west-1a/i-0123456789abcdef0",
        "openstack:///not-a-uuid",
        "fake:///nonsense",
    ] {
        assert_eq!(group_of(client, foreign(provider_id)).await, NodeGroup::default(), "{provider_id}");
    }
    let refused = client.node_group_for_node(NodeGroupForNodeRequest { node: None }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn instances_have_the_ids_that_their_nodes_show() {
    let fixture = Fixture::start().await;
    let client = &mut fixture.client().await;
    let ids = instance_ids(client, WORKERS).await;
    assert_eq!(ids, [OLDEST, NEWEST].map(|server| format!("openstack:///{server}")));
    let regional = format!("openstack://RegionOne/{OLDEST}");
    assert_eq!(group_of(client, foreign(&regional)).await.id, WORKERS);
    assert_eq!(instance_ids(client, WORKERS).await[0], regional);
    let request = NodeGroupNodesRequest { id: POOL.to_owned() };
    let instances = client.node_group_nodes(request).await.unwrap().into_inner().instances;
    let status = instances[0].status.clone().unwrap();
    assert_eq!((status.instance_state(), status.error_info), (InstanceState::InstanceRunning, None));
}

#[tokio::test]
async fn an_unknown_group_is_not_found_and_no_group_is_invalid() {
    let fixture = Fixture::start().await;
    let client = &mut fixture.client().await;
    for (id, expected) in [("pool-c-33333333", Code::NotFound), ("", Code::InvalidArgument)] {
        let target = client.node_group_target_size(NodeGroupTargetSizeRequest { id: id.to_owned() }).await;
        let nodes = client.node_group_nodes(NodeGroupNodesRequest { id: id.to_owned() }).await;
        let codes = [
            target.unwrap_err().code(),
            nodes.unwrap_err().code(),
            increase(client, id, 1).await.unwrap_err().code(),
            decrease(client, id, -1).await.unwrap_err().code(),
            delete(client, id, vec![node(OLDEST)]).await.unwrap_err().code(),
        ];
        assert_eq!(codes, [expected; 5], "{id:?}");
    }
    assert_eq!(fixture.cloud.heard(), []);
}

#[tokio::test]
async fn an_increase_is_sent_and_shows_at_once() {
    let fixture = Fixture::start().await;
    let client = &mut fixture.client().await;
    increase(client, WORKERS, 2).await.unwrap();
    assert_eq!(target_size(client, WORKERS).await, 4);
    assert_eq!(instance_ids(client, WORKERS).await.len(), 4);
    let expected = Heard { group: WORKERS.to_owned(), count: 4, remove: vec![] };
    assert_eq!(fixture.cloud.heard(), [expected]);
    assert_eq!(fixture.cloud.servers(WORKERS)[..2], [OLDEST, NEWEST]);
}

#[tokio::test]
async fn a_wrong_increase_or_decrease_changes_nothing() {
    let fixture = Fixture::start().await;
    let client = &mut fixture.client().await;
    for delta in [0, -1, i32::MIN] {
        let refused = increase(client, WORKERS, delta).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{delta}");
    }
    for delta in [5, i32::MAX] {
        assert_eq!(increase(client, WORKERS, delta).await.unwrap_err().code(), Code::OutOfRange, "{delta}");
    }
    for delta in [0, 1, i32::MAX] {
        let refused = decrease(client, WORKERS, delta).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{delta}");
    }
    for delta in [-1, i32::MIN + 1] {
        let refused = decrease(client, WORKERS, delta).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "{delta}");
    }
    let refused = decrease(client, WORKERS, i32::MIN).await.unwrap_err();
    assert!(matches!(refused.code(), Code::FailedPrecondition | Code::InvalidArgument), "{refused}");
    assert_eq!(fixture.cloud.heard(), []);
    assert_eq!(target_size(client, WORKERS).await, 2);
}

#[tokio::test]
async fn exactly_the_named_node_goes_and_only_once() {
    let fixture = Fixture::start().await;
    let client = &mut fixture.client().await;
    for _ in 0..2 {
        delete(client, WORKERS, vec![node(OLDEST)]).await.unwrap();
    }
    eventually("the removal", || fixture.cloud.servers(WORKERS) == [NEWEST]).await;
    delete(client, WORKERS, vec![node(OLDEST)]).await.unwrap();
    let expected = Heard { group: WORKERS.to_owned(), count: 1, remove: vec![0] };
    assert_eq!(fixture.cloud.heard(), [expected]);
    assert_eq!(target_size(client, WORKERS).await, 1);
}

#[tokio::test]
async fn what_is_no_member_is_refused_and_nothing_goes() {
    let fixture = Fixture::start().await;
    let client = &mut fixture.client().await;
    let without_provider_id = ExternalGrpcNode { provider_id: String::new(), ..node(OLDEST) };
    let anonymous = ExternalGrpcNode { name: String::new(), ..without_provider_id.clone() };
    for (nodes, expected) in [
        (vec![], Code::InvalidArgument),
        (vec![anonymous], Code::InvalidArgument),
        (vec![foreign("aws:///eu-west-1a/i-0123456789abcdef0")], Code::InvalidArgument),
        (vec![foreign("openstack:///not-a-uuid")], Code::InvalidArgument),
        (vec![without_provider_id], Code::FailedPrecondition),
        (vec![node(UNKNOWN_SERVER)], Code::NotFound),
        (vec![node(IN_POOL)], Code::NotFound),
        (vec![node(OLDEST), node(UNKNOWN_SERVER)], Code::NotFound),
        (vec![node(OLDEST), node(NEWEST)], Code::OutOfRange),
    ] {
        let refused = delete(client, WORKERS, nodes.clone()).await.unwrap_err();
        assert_eq!(refused.code(), expected, "{nodes:?}: {refused}");
    }
    assert_eq!(fixture.cloud.heard(), []);
    assert_eq!(instance_ids(client, WORKERS).await.len(), 2);
}

#[tokio::test]
async fn without_settings_prices_are_not_offered_and_the_rest_answers() {
    let fixture = Fixture::start().await;
    let client = &mut fixture.client().await;
    let codes = [
        client.pricing_node_price(PricingNodePriceRequest::default()).await.unwrap_err().code(),
        client.pricing_pod_price(PricingPodPriceRequest::default()).await.unwrap_err().code(),
    ];
    assert_eq!(codes, [Code::Unimplemented; 2]);
    let request =
        NodeGroupAutoscalingOptionsRequest { id: WORKERS.to_owned(), defaults: Some(Default::default()) };
    let options = client.node_group_get_options(request).await.unwrap().into_inner();
    assert_eq!(options.node_group_autoscaling_options, None, "the defaults, to each version");
    let label = client.gpu_label(GpuLabelRequest {}).await.unwrap().into_inner().label;
    assert_eq!(label, "magnum.openstack.org/gpu");
    let types = client.get_available_gpu_types(GetAvailableGpuTypesRequest {}).await.unwrap();
    assert_eq!(types.into_inner().gpu_types.into_keys().collect::<Vec<_>>(), ["a100"]);
    client.refresh(RefreshRequest {}).await.unwrap();
    client.cleanup(CleanupRequest {}).await.unwrap();
}

#[tokio::test]
async fn before_the_first_reading_it_says_why_and_an_outage_later_harms_no_read() {
    let cloud = MemoryCloud::new();
    cloud.go_down(true);
    let fixture = Fixture::start_on(cloud.clone(), Security::Plaintext);
    eventually("the first failure", || fixture.engine.last_error().is_some()).await;
    let client = &mut fixture.client().await;
    let request = NodeGroupForNodeRequest { node: Some(node(OLDEST)) };
    for refused in [
        client.node_groups(NodeGroupsRequest {}).await.unwrap_err(),
        client.node_group_for_node(request).await.unwrap_err(),
        client.refresh(RefreshRequest {}).await.unwrap_err(),
        increase(client, WORKERS, 1).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.message().contains("http://127.0.0.1:5000"), "{}", refused.message());
    }
    cloud.go_down(false);
    eventually("the first snapshot", || fixture.engine.snapshot().is_ok()).await;
    cloud.go_down(true);
    assert_eq!(target_size(client, WORKERS).await, 2);
    client.refresh(RefreshRequest {}).await.unwrap();
    assert_eq!(increase(client, WORKERS, 1).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_hanging_cloud_ends_a_write_within_its_deadline_and_holds_no_read() {
    let fixture = Fixture::start().await;
    fixture.cloud.hang(true);
    let mut writer = fixture.client().await;
    let write = tokio::spawn(async move {
        let mut request = Request::new(NodeGroupIncreaseSizeRequest { delta: 1, id: WORKERS.to_owned() });
        request.set_timeout(Duration::from_millis(800));
        writer.node_group_increase_size(request).await.unwrap_err()
    });
    let client = &mut fixture.client().await;
    // The cloud hangs all the while: whatever is answered was not waiting for it.
    for _ in 0..20 {
        instance_ids(client, WORKERS).await;
        target_size(client, POOL).await;
    }
    let refused = write.await.unwrap();
    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused}");
    assert!(refused.message().contains("nothing was sent"), "by the service, not by its client: {refused}");
    fixture.cloud.hang(false);
    increase(client, WORKERS, 1).await.unwrap();
    eventually("the other one", || fixture.cloud.servers(WORKERS).len() == 3).await;
    assert_eq!(fixture.cloud.heard().len(), 1, "a refused request is not carried out later");
    assert_eq!(target_size(client, WORKERS).await, 3);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_cancel_what_it_asked_for() {
    let fixture = Fixture::start().await;
    fixture.cloud.hang(true);
    let mut client = fixture.client().await;
    let call = tokio::spawn(async move { increase(&mut client, WORKERS, 1).await });
    eventually("the request", || {
        let snapshot = fixture.engine.snapshot().unwrap();
        snapshot.group(WORKERS).unwrap().target_size == 3
    })
    .await;
    call.abort();
    let _ = call.await;
    let canceled = "grpc_server_handled_total{grpc_code=\"Canceled\",grpc_method=\"NodeGroupIncreaseSize\",\
                    grpc_service=\"clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider\"} 1";
    eventually("the hang-up", || fixture.shows_metric(canceled)).await;
    fixture.cloud.hang(false);
    eventually("the resize", || fixture.cloud.servers(WORKERS).len() == 3).await;
}

#[tokio::test]
async fn nodes_without_a_provider_id_are_told_once_and_until_they_have_one() {
    let (log, _capture) = CapturedLog::start();
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let node = |index: u32, provider_id: &str| ExternalGrpcNode {
        name: format!("k8s-default-worker-abcdefgh-node-{index}"),
        provider_id: provider_id.to_owned(),
        ..ExternalGrpcNode::default()
    };
    for _ in 0..3 {
        for index in 0..2 {
            let refused = delete(&mut client, WORKERS, vec![node(index, "")]).await.unwrap_err();
            assert_eq!(refused.code(), Code::FailedPrecondition);
            assert!(refused.message().contains("cloud controller manager"), "{}", refused.message());
        }
    }
    let warning = log.lines(&["WARN", "has no provider ID"]);
    assert_eq!(warning.len(), 1, "{}", log.text());
    for part in [WORKERS, "node-0", "cloud controller manager", "cloud_provider_enabled"] {
        assert!(warning[0].contains(part), "{part}: {}", warning[0]);
    }
    let debug = async |client: &mut Client| {
        let groups = client.node_groups(NodeGroupsRequest {}).await.unwrap().into_inner().node_groups;
        groups.into_iter().find(|group| group.id == WORKERS).unwrap().debug
    };
    let told = debug(&mut client).await;
    assert!(told.contains("2 nodes have no provider ID"), "{told}");

    for (index, server) in [(0, OLDEST), (1, NEWEST)] {
        group_of(&mut client, node(index, &format!("openstack:///{server}"))).await;
    }
    assert!(!debug(&mut client).await.contains("provider ID"));
    assert_eq!(log.lines(&["INFO", WORKERS, "no node waits for its provider ID any more"]).len(), 1);
}

#[tokio::test]
async fn a_name_of_a_million_characters_is_cut_in_message_and_log() {
    let (log, _capture) = CapturedLog::start();
    let fixture = Fixture::start().await;
    let mut client = fixture.client().await;
    let long = "\u{1}".repeat(1_000_000);
    let in_provider_id = ExternalGrpcNode { provider_id: long.clone(), ..ExternalGrpcNode::default() };
    let in_name = ExternalGrpcNode { name: long.clone(), ..ExternalGrpcNode::default() };
    let server = format!("openstack:///{long}/{UNKNOWN_SERVER}");
    let in_region =
        ExternalGrpcNode { provider_id: server, name: long.clone(), ..ExternalGrpcNode::default() };
    let refused = [
        increase(&mut client, &long, 1).await,
        delete(&mut client, WORKERS, vec![in_provider_id]).await,
        delete(&mut client, WORKERS, vec![in_name]).await,
        delete(&mut client, WORKERS, vec![in_region]).await,
        delete(&mut client, &long, vec![node(OLDEST)]).await,
    ];
    for status in refused {
        let message = status.unwrap_err().message().to_owned();
        assert!(message.len() < 4096, "{} bytes: {}", message.len(), message.get(..100).unwrap_or_default());
    }
    assert_eq!(log.lines(&["…"]).len(), 5, "one for each call");
    for line in log.text().lines() {
        assert!(line.len() < 8192, "{} bytes", line.len());
    }
}
