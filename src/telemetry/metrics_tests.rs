use std::{fmt::Write as _, fs, path::Path};

use super::*;
use crate::core::{
    failure::{FailureKind, Reason},
    instance::{Instance, InstanceError, InstanceId, InstanceState, PlaceholderId},
    node_group::{Bounds, NodeGroupUuid},
    nodes::NodeIndex,
    request::RequestError,
    sample,
    verify::Verdict,
};

/// A group with one instance, for which there was no quota.
fn group(id: &str) -> Arc<GroupView> {
    let uuid: NodeGroupUuid = "ca5b234b-f9a6-42b0-a77d-197636b29d52".parse().unwrap();
    let quota = Reason { kind: FailureKind::Quota, ..Reason::default() };
    let instance = Instance {
        id: InstanceId::Placeholder(PlaceholderId::Failed { group: uuid, number: 0 }),
        provider_id: String::new(),
        member: None,
        name: String::new(),
        state: InstanceState::Creating,
        error: Some(InstanceError::of_failed_creation(&quota)),
        server_is_gone: false,
    };
    Arc::new(GroupView {
        uuid,
        id: id.to_owned(),
        bounds: Bounds { min: 1, max: 6 },
        target_size: 2,
        instances: vec![instance],
        read_error: Some("heat is down".to_owned()),
        ..sample::view()
    })
}

struct OneGroup;

impl SnapshotSource for OneGroup {
    fn snapshot(&self) -> Result<Arc<Snapshot>, RequestError> {
        Ok(Arc::new(Snapshot::new(Instant::now(), vec![group("pool-b-ca5b234b")])))
    }
}

#[derive(Debug)]
struct NoNodes;

impl NodeSource for NoNodes {
    fn nodes(&self) -> Option<Arc<NodeIndex>> {
        None
    }
}

/// Metrics in which each family has a sample.
fn with_samples() -> Metrics {
    let metrics = Metrics::new().unwrap();
    metrics.watch(Arc::new(OneGroup));
    metrics.watch_nodes(Arc::new(NoNodes));
    metrics.certificates_expire(&[("tls-cert", Duration::from_secs(1_900_000_000))]);
    metrics.call_started(Method::UNKNOWN);
    metrics.call_handled(Method::UNKNOWN, "OK", Duration::from_millis(1));
    metrics.request(
        Service::ContainerInfra,
        &http::Method::GET,
        "nodegroup",
        Some(http::StatusCode::OK),
        Duration::from_millis(50),
    );
    metrics
}

#[test]
fn known_groups_have_all_their_series_from_the_start() {
    let text = with_samples().render().unwrap();
    for line in [
        "magnum_autoscaler_node_group_min_size{node_group=\"pool-b-ca5b234b\"} 1",
        "magnum_autoscaler_node_group_max_size{node_group=\"pool-b-ca5b234b\"} 6",
        "magnum_autoscaler_node_group_target_size{node_group=\"pool-b-ca5b234b\"} 2",
        "magnum_autoscaler_node_group_instances{node_group=\"pool-b-ca5b234b\",state=\"failed\"} 1",
        "magnum_autoscaler_node_group_instances{node_group=\"pool-b-ca5b234b\",state=\"running\"} 0",
        "magnum_autoscaler_node_group_failures{error_code=\"QuotaExceeded\",node_group=\"pool-b-ca5b234b\"} 1",
        "magnum_autoscaler_node_group_unreadable{node_group=\"pool-b-ca5b234b\"} 1",
        "magnum_autoscaler_certificate_expiry_timestamp_seconds{option=\"tls-cert\"} 1900000000",
        "magnum_autoscaler_wrong_removals_total{node_group=\"pool-b-ca5b234b\"} 0",
        "magnum_autoscaler_kubernetes_nodes_known 0",
        "magnum_autoscaler_resizes_total{node_group=\"pool-b-ca5b234b\",outcome=\"lost\"} 0",
        "openstack_api_requests_total{code=\"200\",method=\"GET\",request=\"nodegroup\",service=\"magnum\"} 1",
    ] {
        assert!(text.lines().any(|present| present == line), "{line} in\n{text}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_measured() {
    let text = with_samples().render().unwrap();
    let value = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
    assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_threads") >= 1.0);
    assert!(value("process_cpu_seconds_total") >= 0.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let age = now - value("process_start_time_seconds");
    assert!((-60.0..86_400.0).contains(&age), "started {age} s ago");
}

#[test]
fn what_the_engine_tells_is_counted() {
    let metrics = with_samples();
    for kind in [sample::ended(Verdict::Done, 0), sample::ended(Verdict::WrongRemoval, 2)] {
        let decision = Decision { group: "pool-b-ca5b234b".to_owned(), kind };
        metrics.decided(&decision, &Registrations::default());
    }
    metrics.call_panicked(Method::UNKNOWN);
    let text = metrics.render().unwrap();
    assert!(
        text.contains("magnum_autoscaler_resizes_total{node_group=\"pool-b-ca5b234b\",outcome=\"done\"} 1")
    );
    assert!(text.contains("magnum_autoscaler_wrong_removals_total{node_group=\"pool-b-ca5b234b\"} 2"));
    assert!(text.contains("magnum_autoscaler_panics_total 1"));
}

#[test]
fn without_a_snapshot_its_age_grows_from_the_start() {
    let metrics = Metrics::new().unwrap();
    assert!(!metrics.render().unwrap().contains("kubernetes_nodes"), "that is for --kube-lookup");
    std::thread::sleep(Duration::from_millis(5));
    metrics.update();
    assert!(metrics.groups.snapshot_age.get() >= 0.005);
}

/// The page as it should be.
fn reference(metrics: &Metrics) -> String {
    metrics.update();
    let mut page = "# Metrics\n\n\
        Served at `/metrics` of `--admin-address` in Prometheus' text format. Written by the test\n\
        `telemetry::metrics::tests::the_reference_lists_every_metric`; run it with `UPDATE_DOCS=1` after a change.\n\n\
        The gauges of a node group go with the group, its counters two hours later.\n\n\
        | name | type | labels | meaning |\n|---|---|---|---|\n"
        .to_owned();
    for family in metrics.registry.gather() {
        let mut labels: Vec<String> = family
            .get_metric()
            .iter()
            .flat_map(prometheus::proto::Metric::get_label)
            .map(|label| format!("`{}`", label.name()))
            .collect();
        labels.sort_unstable();
        labels.dedup();
        let kind = format!("{:?}", family.get_field_type()).to_ascii_lowercase();
        writeln!(page, "| `{}` | {kind} | {} | {} |", family.name(), labels.join(", "), family.help())
            .unwrap();
    }
    page
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux has the metrics of the process")]
fn the_reference_lists_every_metric() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let expected = reference(&with_samples());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "docs/metrics.md is out of date: run this test with UPDATE_DOCS=1");
}
