//! Events on nodes.

use std::sync::Arc;

use cluster_autoscaler_provider_magnum::{
    core::{
        decision::{Decision, DecisionKind, NodeName},
        sample,
        verify::Verdict,
    },
    engine::Subscriber,
    kubernetes::{EventWriter, NodeEvent},
    telemetry::metrics::Metrics,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::api::ApiServer;
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
    let subscribers: Vec<Arc<dyn Subscriber>> = vec![metrics.clone(), Arc::new(writer)];
    let node = NodeName::of(&sample::member(3));
    let decide = |kind| subscribers.decided(&Decision { group: "pool-b-ca5b234b".to_owned(), kind });
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
