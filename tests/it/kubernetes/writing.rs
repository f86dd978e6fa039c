//! Events on nodes.

use std::sync::Arc;

use cluster_autoscaler_provider_magnum::{
    cli::kubernetes::NodeEvents,
    core::{
        decision::{Decision, DecisionKind, NodeName},
        machine_id::MachineId,
        nodes::NodeSource as _,
        registration::Registrations,
        sample,
        verify::Verdict,
    },
    engine::Subscriber,
    kubernetes::{EventWriter, NodeEvent, NodeWatch},
    telemetry::metrics::Metrics,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{RECORDED, api::ApiServer, recorded_coreos, recorded_rhel};
use crate::{captured_log::CapturedLog, grpc_fixture::eventually};

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

/// As `serve` listens to the engine: the metrics, and who writes the events.
#[tokio::test]
async fn a_decision_about_a_node_that_failed_becomes_an_event_beside_the_metrics() {
    let api = ApiServer::start().await;
    let stop = CancellationToken::new();
    let writer = EventWriter::start(api.access().await, stop.clone());
    let metrics = Arc::new(Metrics::new().unwrap());
    let subscribers: Vec<Arc<dyn Subscriber>> =
        vec![metrics.clone(), Arc::new(NodeEvents { writer, nodes: None })];
    let node = NodeName::of(&sample::member(3));
    let decide = |kind| {
        let decision = Decision { group: "pool-b-ca5b234b".to_owned(), kind };
        subscribers.decided(&decision, &Registrations::default());
    };
    decide(sample::ended(Verdict::Failed, 0));
    let members = vec![(node.clone(), "Quota exceeded for cores".to_owned())];
    decide(DecisionKind::MembersFailed { code: "QuotaExceeded", members, has_reason: true });
    eventually("it is written", || !api.events().is_empty()).await;
    let (_, event) = &api.events()[0];
    assert_eq!((&event["regarding"]["name"], &event["reason"]), (&json!(node.name), &json!("QuotaExceeded")));
    let failed = "magnum_autoscaler_resizes_total{node_group=\"pool-b-ca5b234b\",outcome=\"failed\"} 1";
    assert!(metrics.render().unwrap().lines().any(|line| line == failed));
    stop.cancel();
}

/// The recorded node is called otherwise than any server of Magnum's; only its ids tell whose it is.
#[tokio::test]
async fn an_event_is_on_the_node_object_that_kubernetes_has() {
    let api = ApiServer::start().await;
    let mut recorded = recorded_rhel();
    let name = recorded["metadata"]["name"].clone();
    recorded["spec"]["providerID"].take();
    api.apply(recorded);
    let mut with_domain = recorded_coreos();
    with_domain["metadata"]["name"] = json!("k8s-pool-b-node-4.novalocal");
    with_domain["spec"]["providerID"].take();
    api.apply(with_domain);
    let stop = CancellationToken::new();
    let watch = NodeWatch::start(api.access().await, stop.clone());
    eventually("the nodes are known", || watch.nodes().is_some()).await;
    let writer = EventWriter::start(api.access().await, stop.clone());
    let events = NodeEvents { writer, nodes: Some(watch) };
    let server: MachineId = RECORDED.parse().unwrap();
    let nodes =
        [("k8s-pool-b-node-3", Some(server)), ("k8s-pool-b-node-4", None), ("k8s-pool-b-node-5", None)];
    let members = nodes.map(|(name, server)| (NodeName { name: name.to_owned(), server }, String::new()));
    let kind = DecisionKind::MembersFailed { code: "ServerGone", members: members.into(), has_reason: false };
    let decision = Decision { group: "pool-b-ca5b234b".to_owned(), kind };
    events.decided(&decision, &Registrations::default());
    eventually("they are written", || api.events().len() == 3).await;
    let shown: Vec<_> = api.events().iter().map(|(_, event)| event["regarding"]["name"].clone()).collect();
    assert_eq!(shown, [name, json!("k8s-pool-b-node-4.novalocal"), json!("k8s-pool-b-node-5")]);
    stop.cancel();
}
