//! The watch itself: what it knows, and what it says when it cannot know.

use std::sync::Arc;

use cluster_autoscaler_provider_magnum::{
    core::nodes::{NodeIndex, NodeSource as _},
    kubernetes::{Access, AccessError, NodeWatch},
};
use serde_json::json;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{RECORDED, api::ApiServer, node, recorded_coreos, recorded_rhel};
use crate::{captured_log::CapturedLog, grpc_fixture::eventually};

struct Scene {
    api: ApiServer,
    watch: Arc<NodeWatch>,
    _stop: DropGuard,
}

impl Scene {
    async fn new(api: ApiServer) -> Self {
        let stop = CancellationToken::new();
        let watch = NodeWatch::start(api.access().await, stop.clone());
        Self { api, watch, _stop: stop.drop_guard() }
    }

    /// With both recorded nodes known.
    async fn ready() -> Self {
        let api = ApiServer::start().await;
        api.apply(recorded_rhel());
        api.apply(recorded_coreos());
        let scene = Self::new(api).await;
        scene.until("the list is read", |nodes| nodes.len() == 2).await;
        scene
    }

    async fn until(&self, what: &str, holds: impl Fn(&NodeIndex) -> bool) {
        eventually(what, || self.watch.nodes().is_some_and(|nodes| holds(&nodes))).await;
    }
}

#[tokio::test]
async fn recorded_nodes_are_read_as_they_are() {
    let scene = Scene::ready().await;
    let nodes = scene.watch.nodes().unwrap();
    let rhel = nodes.get("bcmt-control-01").unwrap();
    assert_eq!(rhel.provider_id, format!("openstack:///{RECORDED}"));
    assert_eq!(rhel.machine_id, "10783ea106f742728fede153a98b035d");
    assert_eq!(rhel.system_uuid, RECORDED.to_uppercase());
    assert_eq!((rhel.created_at, rhel.ready, rhel.architecture.as_str()), (1_511_940_299, true, "amd64"));
    assert_eq!(rhel.taints, ["is_control=true:NoExecute".parse().unwrap()]);
    assert_eq!(rhel.labels["failure-domain.beta.kubernetes.io/zone"], "zone0");
    let coreos = nodes.get("ec1-p1-686bn").unwrap();
    assert_eq!(coreos.allocatable["ephemeral-storage"].units(), 57_690_677_972);
    assert_eq!(coreos.capacity["memory"].units(), 4_023_116 * 1024);
    assert_eq!(coreos.kubelet_version, "v1.11.9");
    assert_eq!(nodes.on_server(RECORDED.parse().unwrap()), Some(rhel));
}

#[tokio::test]
async fn an_odd_node_spoils_no_list() {
    let api = ApiServer::start().await;
    api.apply(recorded_rhel());
    api.apply(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "bare"}}));
    api.apply(json!({
        "metadata": {"name": "odd", "labels": null}, "spec": {"providerID": null, "taints": [{}, {"key": "a"}]},
        "status": {"capacity": {"cpu": 4, "memory": "lots"}, "conditions": [{}], "nodeInfo": {"machineID": null}},
    }));
    let scene = Scene::new(api).await;
    scene.until("the list is read", |nodes| nodes.len() == 3).await;
    let odd = Arc::clone(scene.watch.nodes().unwrap().get("odd").unwrap());
    assert_eq!((odd.capacity.len(), odd.taints.len(), odd.ready), (1, 0, false));
}

#[tokio::test]
async fn changes_are_seen_and_heartbeats_change_nothing() {
    let scene = Scene::ready().await;
    let before = scene.watch.nodes().unwrap();
    let mut heartbeat = recorded_rhel();
    heartbeat["status"]["conditions"][0]["lastHeartbeatTime"] = json!("2026-01-01T00:00:00Z");
    scene.api.apply(heartbeat);
    scene.api.apply(node("new", "", RECORDED));
    scene.until("a new node is seen", |nodes| nodes.get("new").is_some()).await;
    let after = scene.watch.nodes().unwrap();
    let same = |name| Arc::ptr_eq(before.get(name).unwrap(), after.get(name).unwrap());
    assert!(same("bcmt-control-01"), "it is as it was before its heartbeat");
    scene.api.delete("new");
    scene.until("a node is gone", |nodes| nodes.get("new").is_none()).await;
    assert_eq!(scene.api.lists(), 1, "a watch, no polling");
}

#[tokio::test]
async fn a_watch_that_is_cut_off_goes_on_where_it_was() {
    let (log, _guard) = CapturedLog::start();
    let scene = Scene::ready().await;
    eventually("the watch began", || scene.api.watches().len() == 1).await;
    let version = scene.api.version();
    scene.api.cut();
    scene.api.apply(node("meanwhile", "", RECORDED));
    scene.until("what came meanwhile is seen", |nodes| nodes.get("meanwhile").is_some()).await;
    assert_eq!(scene.api.lists(), 1);
    assert_eq!(scene.api.watches(), [version, version]);
    assert_eq!(log.lines(&["WARN"]), [""; 0], "nobody needs to know");
}

#[tokio::test]
async fn what_the_server_has_forgotten_is_listed_anew() {
    for says_gone_at_once in [false, true] {
        let (log, _guard) = CapturedLog::start();
        let scene = Scene::ready().await;
        eventually("the watch began", || scene.api.watches().len() == 1).await;
        scene.api.delete("ec1-p1-686bn");
        scene.until("it is gone", |nodes| nodes.len() == 1).await;
        scene.api.cut();
        scene.api.apply(node("late", "", ""));
        scene.api.forget_changes(says_gone_at_once);
        scene.until("the new list is read", |nodes| nodes.get("late").is_some()).await;
        assert_eq!(scene.api.lists(), 2, "410 Gone means a new list");
        assert_eq!(scene.watch.nodes().unwrap().len(), 2);
        assert_eq!(log.lines(&["WARN"]), [""; 0], "nobody needs to know");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_told_of_once_and_nothing_is_known_until_it_is_back() {
    let (log, _guard) = CapturedLog::start();
    let mut scene = Scene::ready().await;
    assert_eq!(log.lines(&["INFO", "watching the nodes of Kubernetes", "2 nodes"]).len(), 1);
    scene.api.go_away().await;
    eventually("it is noticed", || scene.watch.nodes().is_none()).await;
    scene.api.apply(node("meanwhile", "", ""));
    scene.api.come_back().await;
    scene.until("it is back", |nodes| nodes.len() == 3).await;
    let told = log.lines(&["WARN", "Kubernetes' nodes are not known", "as without --kube-lookup"]);
    assert_eq!(told.len(), 1, "{}", log.text());
    assert!(told[0].contains(&scene.api.address.to_string()), "{}", told[0]);
    assert_eq!(log.lines(&["INFO", "watched again", "3 nodes"]).len(), 1);
}

#[tokio::test]
async fn a_missing_right_is_named_once_and_its_coming_is_noticed() {
    for verb in ["list", "watch"] {
        let (log, _guard) = CapturedLog::start();
        let api = ApiServer::start().await;
        api.apply(recorded_rhel());
        api.forbid(&[verb]);
        let scene = Scene::new(api).await;
        eventually("it is told", || !log.lines(&["WARN", "Kubernetes' nodes"]).is_empty()).await;
        let lists = scene.api.lists();
        eventually("it is tried again", || scene.api.lists() > lists).await;
        // Those of the library are not shown: `telemetry::logs`.
        let told = log.lines(&["WARN", "Kubernetes' nodes"]);
        assert_eq!(told.len(), 1, "{verb} {}", log.text());
        for part in [
            &format!("does not let this service {verb} nodes"),
            "system:serviceaccount:kube-system",
            "ClusterRole with get, list and watch on nodes",
            "kubeLookup.enabled",
        ] {
            assert!(told[0].contains(part), "{part} in {}", told[0]);
        }
        scene.api.forbid(&[]);
        scene.until("it may now", |nodes| nodes.len() == 1).await;
        eventually("it is told", || !log.lines(&["INFO", "watched again"]).is_empty()).await;
    }
}

#[tokio::test]
async fn access_that_cannot_be_used_says_why_and_shows_no_secret() {
    let missing = Access::new(Some("/nonexistent/kubeconfig".as_ref())).await.unwrap_err();
    let message = missing.to_string();
    assert!(message.contains("/nonexistent/kubeconfig") && message.contains("No such file"), "{message}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let broken = "apiVersion: v1\nkind: Config\nusers:\n- name: x\n  user: {token: \"s3cr3t-token\n";
    std::fs::write(file.path(), broken).unwrap();
    let error = Access::new(Some(file.path().as_os_str())).await.unwrap_err();
    assert!(matches!(error, AccessError::Kubeconfig { .. }));
    let message = error.to_string();
    assert!(!message.contains("s3cr3t") && message.contains("not the YAML of a kubeconfig"), "{message}");
    std::fs::write(file.path(), "apiVersion: v1\nkind: Config\nclusters: []\n").unwrap();
    let message = Access::new(Some(file.path().as_os_str())).await.unwrap_err().to_string();
    assert!(message.contains("current-context"), "{message}");
    let api = ApiServer::start().await;
    assert!(!format!("{:?}", api.access().await).contains("a-token"));
}
