//! What cluster-autoscaler sees over gRPC of nodes without a provider ID.

use std::sync::Arc;

use cluster_autoscaler_provider_magnum::{
    core::{nodes::NodeSource as _, settings::Settings},
    grpc::{
        externalgrpc::{
            ExternalGrpcNode, NodeGroupDeleteNodesRequest, NodeGroupForNodeRequest, NodeGroupNodesRequest,
        },
        tls::Security,
    },
    kubernetes::NodeWatch,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Status};

use super::{RECORDED, api::ApiServer, node, recorded_coreos};
use crate::{
    captured_log::CapturedLog,
    grpc_fixture::{Fixture, Heard, MemoryCloud, NEWEST, WORKERS, eventually},
};

/// The service in front of a group with the recorded node's server and another one.
struct Scene {
    api: ApiServer,
    watch: Arc<NodeWatch>,
    fixture: Fixture,
    _stop: DropGuard,
}

impl Scene {
    async fn new(nodes: &[serde_json::Value]) -> Self {
        let api = ApiServer::start().await;
        nodes.iter().for_each(|node| api.apply(node.clone()));
        let stop = CancellationToken::new();
        let watch = NodeWatch::start(api.access().await, stop.clone());
        let cloud = MemoryCloud::with_workers([RECORDED, NEWEST]);
        let nodes = Some(watch.clone() as _);
        let fixture = Fixture::start_with_nodes(cloud, Security::Plaintext, Settings::default(), nodes);
        eventually("the first snapshot", || fixture.engine.snapshot().is_ok()).await;
        eventually("the nodes are known", || watch.nodes().is_some()).await;
        Self { api, watch, fixture, _stop: stop.drop_guard() }
    }

    async fn group(&self, name: &str, provider_id: &str) -> String {
        let request = NodeGroupForNodeRequest { node: Some(named(name, provider_id)) };
        let answer = self.fixture.client().await.node_group_for_node(request).await.unwrap();
        answer.into_inner().node_group.unwrap().id
    }

    async fn instance_ids(&self) -> Vec<String> {
        let request = NodeGroupNodesRequest { id: WORKERS.to_owned() };
        let answer = self.fixture.client().await.node_group_nodes(request).await.unwrap();
        answer.into_inner().instances.into_iter().map(|instance| instance.id).collect()
    }

    async fn delete(&self, name: &str, provider_id: &str) -> Result<(), Status> {
        let nodes = vec![named(name, provider_id)];
        let request = NodeGroupDeleteNodesRequest { nodes, id: WORKERS.to_owned() };
        self.fixture.client().await.node_group_delete_nodes(request).await.map(|_| ())
    }
}

fn named(name: &str, provider_id: &str) -> ExternalGrpcNode {
    ExternalGrpcNode {
        provider_id: provider_id.to_owned(),
        name: name.to_owned(),
        labels: [].into(),
        annotations: [].into(),
    }
}

#[tokio::test]
async fn a_node_without_provider_id_is_found_and_removed_by_each_form_of_its_ids() {
    let (dashless, baked) = (RECORDED.replace('-', ""), "10783ea106f742728fede153a98b035d");
    let upper = RECORDED.to_uppercase();
    for (machine_id, system_uuid) in [
        (baked, upper.as_str()),
        (&dashless, &upper),
        (&dashless, ""),
        (&dashless.to_uppercase(), ""),
        (RECORDED, ""),
        ("", RECORDED),
        // The firmware of VMware has its first three fields the other way round.
        (baked, "AB0AC441-E980-B64B-A280-27976BFC811F"),
    ] {
        for provider_id in ["", "k3s://bcmt-control-01"] {
            let mut recorded = node("bcmt-control-01", machine_id, system_uuid);
            recorded["spec"]["providerID"] = provider_id.into();
            let scene = Scene::new(&[recorded, recorded_coreos()]).await;
            assert_eq!(
                scene.group("bcmt-control-01", provider_id).await,
                WORKERS,
                "{machine_id} {system_uuid}"
            );
            let ids = [provider_id.to_owned(), format!("openstack:///{NEWEST}")];
            assert_eq!(scene.instance_ids().await, ids, "as the node shows itself");
            scene.delete("bcmt-control-01", provider_id).await.unwrap();
            let removal = Heard { group: WORKERS.to_owned(), count: 1, remove: vec![0] };
            assert_eq!(scene.fixture.cloud.heard(), [removal]);
            assert_eq!(scene.fixture.cloud.servers(WORKERS), [NEWEST]);
        }
    }
}

#[tokio::test]
async fn a_machine_id_that_was_baked_into_an_image_is_refused_with_the_nodes_names() {
    let (log, _guard) = CapturedLog::start();
    let baked = RECORDED.replace('-', "");
    let scene = Scene::new(&[node("first", &baked, RECORDED), node("second", &baked, NEWEST)]).await;
    for name in ["first", "second"] {
        let refused = scene.delete(name, "").await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains("(first, second)"), "{}", refused.message());
        assert!(refused.message().contains("/etc/machine-id"), "{}", refused.message());
        // Its group is certain, and its instance is registered: nobody deletes it for that it were not.
        assert_eq!(scene.group(name, "").await, "", "the cluster's nodes get provider IDs");
    }
    assert_eq!(scene.instance_ids().await, ["", ""]);
    assert_eq!(scene.fixture.cloud.heard(), []);
    assert_eq!(log.lines(&["WARN", "not certain", "first, second"]).len(), 1, "{}", log.text());
    scene.api.delete("second");
    eventually("the other one is gone", || scene.watch.nodes().is_some_and(|nodes| nodes.len() == 1)).await;
    scene.delete("first", "").await.unwrap();
    assert_eq!(scene.fixture.cloud.servers(WORKERS), [NEWEST]);
}

#[tokio::test]
async fn ids_that_contradict_each_other_are_refused() {
    let scene = Scene::new(&[node("worker", &RECORDED.replace('-', ""), NEWEST)]).await;
    let refused = scene.delete("worker", "").await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("different servers"), "{}", refused.message());
    assert_eq!(scene.fixture.cloud.heard(), []);
}

#[tokio::test]
async fn a_node_that_kubernetes_does_not_tell_is_as_without_lookup() {
    let mut unhelpful = recorded_coreos();
    unhelpful["spec"]["providerID"].take();
    let mut scene = Scene::new(&[unhelpful, node("worker", "", RECORDED)]).await;
    let by_name = "k8s-default-worker-abcdefgh-node-0";
    for name in ["ec1-p1-686bn", "unknown", by_name] {
        assert_eq!(scene.group(name, "").await, "", "{name}");
        assert_eq!(scene.delete(name, "").await.unwrap_err().code(), Code::FailedPrecondition, "{name}");
    }
    assert_eq!(scene.group("worker", "").await, WORKERS);
    scene.api.go_away().await;
    eventually("it is away", || scene.watch.nodes().is_none()).await;
    assert_eq!(scene.group("worker", "").await, "");
    assert_eq!(scene.group("worker", &format!("openstack:///{RECORDED}")).await, WORKERS);
    assert_eq!(scene.fixture.cloud.heard(), []);
}

#[tokio::test]
async fn a_node_that_waits_for_its_provider_id_is_known_and_does_not_count_yet() {
    let mut waiting = node("worker", "", RECORDED);
    waiting["spec"]["taints"] = serde_json::json!([
        {"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"}
    ]);
    let scene = Scene::new(&[waiting]).await;
    assert_eq!(scene.group("worker", "").await, "");
    assert_eq!(scene.instance_ids().await[0], "", "nor is it unregistered");
    scene.api.apply(node("worker", "", RECORDED));
    let initialized = || {
        let nodes = scene.watch.nodes();
        nodes.is_some_and(|nodes| nodes.get("worker").is_some_and(|node| !node.awaits_cloud_provider()))
    };
    eventually("the taint is gone", initialized).await;
    assert_eq!(scene.group("worker", "").await, WORKERS);
}

#[tokio::test]
async fn an_instance_whose_node_is_at_work_is_not_removed_as_unregistered() {
    let scene = Scene::new(&[node("worker", "", RECORDED)]).await;
    let id = format!("openstack:///{RECORDED}");
    let refused = scene.delete(&id, &id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("worker"), "{}", refused.message());
    assert_eq!(scene.fixture.cloud.heard(), []);
}
