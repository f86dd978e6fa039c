//! Events on nodes.

use std::{sync::Arc, time::Instant};

use cluster_autoscaler_provider_magnum::{
    core::{
        instance::{Instance, InstanceError, InstanceId, InstanceState},
        member::MemberIndex,
        node_group::Bounds,
        snapshot::{GroupView, Snapshot},
    },
    kubernetes::{EventWriter, NodeEvent, NodeFailures},
};
use tokio_util::sync::CancellationToken;

use crate::{api::ApiServer, captured_log::CapturedLog, grpc_fixture::eventually};

const UUID: &str = "ca5b234b-f9a6-42b0-a77d-197636b29d52";

fn failed(node: &str) -> NodeEvent {
    NodeEvent {
        node: node.to_owned(),
        action: "CreateNode",
        reason: "QuotaExceeded".to_owned(),
        message: "the quota of the project is used up".to_owned(),
        warning: true,
    }
}

#[tokio::test]
async fn an_event_is_on_its_node_and_the_same_again_is_counted() {
    let api = ApiServer::start().await;
    let stop = CancellationToken::new();
    let writer = EventWriter::start(api.access().await, stop.clone());
    for node in ["k8s-abc-node-1", "k8s-abc-node-1", "k8s-abc-node-2"] {
        writer.tell(failed(node));
    }
    eventually("three are written", || api.events().len() == 3).await;
    let events = api.events();
    let methods: Vec<_> = events.iter().map(|(method, _)| *method).collect();
    assert_eq!(methods, ["POST", "PATCH", "POST"]);
    let (_, first) = &events[0];
    assert_eq!(first["type"], "Warning");
    assert_eq!(first["reason"], "QuotaExceeded");
    assert_eq!(first["action"], "CreateNode");
    assert_eq!(first["note"], "the quota of the project is used up");
    assert_eq!(first["reportingController"], "cluster-autoscaler-provider-magnum");
    assert_eq!(first["regarding"]["kind"], "Node");
    assert_eq!(first["regarding"]["name"], "k8s-abc-node-1");
    assert_eq!(events[1].1["series"]["count"], 2);
    stop.cancel();
}

#[tokio::test]
async fn a_missing_right_is_named_once() {
    let (log, _guard) = CapturedLog::start();
    let api = ApiServer::start().await;
    api.forbid(&["create"]);
    let stop = CancellationToken::new();
    let writer = EventWriter::start(api.access().await, stop.clone());
    writer.tell(failed("a"));
    writer.tell(failed("b"));
    eventually("it is told", || !log.lines(&["WARN", "--kube-events"]).is_empty()).await;
    api.forbid(&[]);
    writer.tell(failed("c"));
    eventually("one is written", || !api.events().is_empty()).await;
    let told = log.lines(&["WARN"]);
    assert_eq!(told.len(), 1, "{}", log.text());
    for part in ["create events", "create and patch on events of events.k8s.io", "namespace default"] {
        assert!(told[0].contains(part), "{part}: {}", told[0]);
    }
    eventually("it is over", || !log.lines(&["INFO", "events are written again"]).is_empty()).await;
    stop.cancel();
}

#[tokio::test]
async fn who_tells_never_waits() {
    let mut api = ApiServer::start().await;
    let stop = CancellationToken::new();
    let writer = EventWriter::start(api.access().await, stop.clone());
    api.go_away().await;
    for number in 0..10_000 {
        writer.tell(failed(&number.to_string()));
    }
    stop.cancel();
}

fn group(instances: Vec<Instance>) -> Snapshot {
    let view = GroupView {
        uuid: UUID.parse().unwrap(),
        id: "pool-b-ca5b234b".to_owned(),
        bounds: Bounds { min: 0, max: 6 },
        target_size: 1,
        cancellable: 0,
        instances,
        gives_provider_ids: true,
        stack_name: "k8s-abc".to_owned(),
        template: Arc::default(),
        status: "UPDATE_FAILED".to_owned(),
        trouble: None,
    };
    Snapshot::new("k8s".to_owned(), Instant::now(), vec![Arc::new(view)])
}

#[test]
fn each_failure_of_a_node_with_a_name_is_told_once() {
    let instance = |member: Option<u32>, state, error| Instance {
        id: InstanceId::Server(UUID.parse().unwrap()),
        provider_id: String::new(),
        member: member.map(MemberIndex::new),
        state,
        error,
    };
    let quota = || Some(InstanceError::of_failed_creation("Quota exceeded for cores"));
    let undeleted = InstanceError { code: "DeleteFailed", ..quota().unwrap() };
    let mut failures = NodeFailures::default();
    let told = failures.new_in(&group(vec![
        instance(Some(3), InstanceState::Creating, quota()),
        instance(Some(4), InstanceState::Deleting, Some(undeleted)),
        instance(Some(5), InstanceState::Running, None),
        instance(None, InstanceState::Creating, quota()),
    ]));
    let shown: Vec<_> =
        told.iter().map(|event| (event.node.as_str(), event.action, event.reason.as_str())).collect();
    assert_eq!(
        shown,
        [("k8s-abc-node-3", "CreateNode", "QuotaExceeded"), ("k8s-abc-node-4", "DeleteNode", "DeleteFailed"),]
    );
    assert!(told[0].warning && told[0].message.starts_with("node group pool-b-ca5b234b: Quota exceeded"));
    let same = group(vec![instance(Some(3), InstanceState::Creating, quota())]);
    assert_eq!(failures.new_in(&same), []);
    assert_eq!(failures.new_in(&group(vec![])), []);
    assert_eq!(failures.new_in(&same).len(), 1, "it failed anew");
}
