//! All metrics. `docs/metrics.md` lists them and a test keeps it true.
//!
//! Own names begin with `magnum_autoscaler_`; `grpc_server_*` are those of the usual gRPC middlewares and
//! `openstack_api_*` those of cloud-provider-openstack. Labels name groups, never nodes.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use prometheus::{Error, Gauge, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Registry, TextEncoder};

use super::{
    SnapshotSource,
    family::{Family, histograms, int_counters, int_gauges, registered},
    group_counters::GroupCounters,
    standard_error,
};
use crate::{
    core::{
        cloud::Service,
        decision::Decision,
        instance::StateCounts,
        nodes::NodeSource,
        registration::Registrations,
        snapshot::{GroupView, Snapshot},
    },
    engine::Subscriber,
    grpc::{call_layer::CallObserver, method::Method},
    openstack::RequestObserver,
};

/// From 100 µs, a read from the snapshot, to 10 s, twice the patience of cluster-autoscaler.
const CALL_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// From 5 ms, a cached answer next door, to a minute, a cloud in trouble.
const OPENSTACK_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// All metrics of this process.
pub struct Metrics {
    registry: Registry,
    /// Held from the update to the end of a scrape, so that no other scrape sees half of the gauges.
    scrape: Mutex<()>,
    started_at: Instant,
    snapshots: OnceLock<Arc<dyn SnapshotSource>>,
    nodes: OnceLock<Arc<dyn NodeSource>>,
    kubernetes_nodes_known: Family<IntGaugeVec, 0>,
    lost_log_lines: IntCounter,
    certificate_expiry: Family<IntGaugeVec, 1>,
    calls: CallMetrics,
    openstack: OpenStackMetrics,
    groups: GroupMetrics,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers everything in a registry of its own.
    ///
    /// # Errors
    /// When two metrics have one name.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let build = int_gauges(
            &registry,
            "magnum_autoscaler_build_info",
            "Always 1; the label tells the version.",
            ["version"],
        )?;
        build.of([env!("CARGO_PKG_VERSION")]).set(1);
        // What the kernel tells of this process, under the names that Prometheus clients use in all languages.
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let lost_log_lines = IntCounter::new(
            "magnum_autoscaler_lost_log_lines_total",
            "Lines of the log that could not be written: nobody reads standard error, or not fast enough.",
        )?;
        Ok(Self {
            lost_log_lines: registered(&registry, lost_log_lines)?,
            certificate_expiry: int_gauges(
                &registry,
                "magnum_autoscaler_certificate_expiry_timestamp_seconds",
                "When the first certificate of the file that this option names expires, in seconds since 1970.",
                ["option"],
            )?,
            kubernetes_nodes_known: int_gauges(
                &registry,
                "magnum_autoscaler_kubernetes_nodes_known",
                "1 if Kubernetes' Node objects are watched, 0 if they cannot be; only with --kube-lookup.",
                [],
            )?,
            calls: CallMetrics::register(&registry)?,
            openstack: OpenStackMetrics::register(&registry)?,
            groups: GroupMetrics::register(&registry)?,
            registry,
            scrape: Mutex::new(()),
            started_at: Instant::now(),
            snapshots: OnceLock::new(),
            nodes: OnceLock::new(),
        })
    }

    /// From now on it is told whether this source knows its nodes. Only the first one counts.
    pub fn watch_nodes(&self, nodes: Arc<dyn NodeSource>) {
        let _ = self.nodes.set(nodes);
    }

    /// The certificates in use, by the option that names their file, and when they expire, since 1970.
    pub fn certificates_expire(&self, expiries: &[(&str, Duration)]) {
        for (option, expiry) in expiries {
            let seconds = i64::try_from(expiry.as_secs()).unwrap_or(i64::MAX);
            self.certificate_expiry.of([option]).set(seconds);
        }
    }

    /// From now on the node groups are those of this source. Only the first one counts.
    pub fn watch(&self, snapshots: Arc<dyn SnapshotSource>) {
        let _ = self.snapshots.set(snapshots);
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be encoded.
    pub fn render(&self) -> Result<String, Error> {
        let _alone = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.update();
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Updates the metrics that are read only at a scrape.
    fn update(&self) {
        self.lost_log_lines.inc_by(standard_error::lost_lines().saturating_sub(self.lost_log_lines.get()));
        if let Some(nodes) = self.nodes.get() {
            self.kubernetes_nodes_known.of([]).set(nodes.nodes().is_some().into());
        }
        let snapshot = self.snapshots.get().and_then(|source| source.snapshot().ok());
        let age = match &snapshot {
            Some(snapshot) => snapshot.age(Instant::now()),
            // So that an alert on old data fires as well when there never was any.
            None => self.started_at.elapsed(),
        };
        self.groups.snapshot_age.set(age.as_secs_f64());
        if let Some(snapshot) = snapshot {
            self.groups.update(&snapshot);
        }
    }
}

impl CallObserver for Metrics {
    fn call_started(&self, method: Method) {
        self.calls.started.of([method.service, method.name]).inc();
    }

    fn call_handled(&self, method: Method, code: &'static str, elapsed: Duration) {
        self.calls.handled.of([method.service, method.name, code]).inc();
        self.calls.duration.of([method.service, method.name]).observe(elapsed.as_secs_f64());
    }

    fn call_panicked(&self, _method: Method) {
        self.calls.panics.inc();
    }
}

impl Subscriber for Metrics {
    fn decided(&self, decision: &Decision, _: &Registrations) {
        self.groups.counters.count(decision);
    }
}

struct CallMetrics {
    started: Family<IntCounterVec, 2>,
    handled: Family<IntCounterVec, 3>,
    duration: Family<HistogramVec, 2>,
    panics: IntCounter,
}

impl CallMetrics {
    fn register(registry: &Registry) -> Result<Self, Error> {
        let started = int_counters(
            registry,
            "grpc_server_started_total",
            "Calls that came in.",
            ["grpc_service", "grpc_method"],
        )?;
        for method in Method::of_cloud_provider() {
            started.of([method.service, method.name]).inc_by(0);
        }
        let panics = IntCounter::new(
            "magnum_autoscaler_panics_total",
            "Calls that ended in a panic, a bug of this service; their callers got INTERNAL.",
        )?;
        registry.register(Box::new(panics.clone()))?;
        Ok(Self {
            started,
            handled: int_counters(
                registry,
                "grpc_server_handled_total",
                "Calls that were answered, by code; Canceled if the caller hung up.",
                ["grpc_service", "grpc_method", "grpc_code"],
            )?,
            duration: histograms(
                registry,
                "grpc_server_handling_seconds",
                "Time from a call to its answer, in seconds.",
                ["grpc_service", "grpc_method"],
                CALL_BUCKETS,
            )?,
            panics,
        })
    }
}

struct OpenStackMetrics {
    requests: Family<IntCounterVec, 4>,
    duration: Family<HistogramVec, 2>,
}

impl OpenStackMetrics {
    fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            requests: int_counters(
                registry,
                "openstack_api_requests_total",
                "Requests to OpenStack, retries included, by HTTP status; error if there was no answer.",
                ["service", "method", "request", "code"],
            )?,
            duration: histograms(
                registry,
                "openstack_api_request_duration_seconds",
                "Time from a request to OpenStack to its answer, in seconds.",
                ["service", "request"],
                OPENSTACK_BUCKETS,
            )?,
        })
    }
}

/// Node groups, as the snapshot has them and as resizes went.
struct GroupMetrics {
    snapshot_age: Gauge,
    min_size: Family<IntGaugeVec, 1>,
    max_size: Family<IntGaugeVec, 1>,
    target_size: Family<IntGaugeVec, 1>,
    instances: Family<IntGaugeVec, 2>,
    failures: Family<IntGaugeVec, 2>,
    unreadable: Family<IntGaugeVec, 1>,
    template_guessed: Family<IntGaugeVec, 1>,
    counters: GroupCounters,
}

impl GroupMetrics {
    fn register(registry: &Registry) -> Result<Self, Error> {
        let gauges = |name: &str, help: &str| int_gauges(registry, name, help, ["node_group"]);
        let snapshot_age = Gauge::new(
            "magnum_autoscaler_snapshot_age_seconds",
            "Time since OpenStack was last read successfully, or since the start if it never was.",
        )?;
        registry.register(Box::new(snapshot_age.clone()))?;
        Ok(Self {
            snapshot_age,
            min_size: gauges("magnum_autoscaler_node_group_min_size", "Fewest nodes the group may have.")?,
            max_size: gauges("magnum_autoscaler_node_group_max_size", "Most nodes the group may have.")?,
            target_size: gauges(
                "magnum_autoscaler_node_group_target_size",
                "Nodes the group has once everything accepted has taken effect.",
            )?,
            instances: int_gauges(
                registry,
                "magnum_autoscaler_node_group_instances",
                "Instances of the group by state: running, creating, deleting, failed.",
                ["node_group", "state"],
            )?,
            failures: int_gauges(
                registry,
                "magnum_autoscaler_node_group_failures",
                "Instances of the group with an error, by the code that cluster-autoscaler is told, like QuotaExceeded.",
                ["node_group", "error_code"],
            )?,
            unreadable: gauges(
                "magnum_autoscaler_node_group_unreadable",
                "1 if the group could not be read the last time and its numbers are older ones.",
            )?,
            template_guessed: gauges(
                "magnum_autoscaler_node_group_template_guessed",
                "1 if the group's template is the smallest node that can be, since neither its flavor nor the settings tell.",
            )?,
            counters: GroupCounters::register(registry)?,
        })
    }

    fn update(&self, snapshot: &Snapshot) {
        // A group that is gone leaves no number behind.
        for gauges in
            [&self.min_size, &self.max_size, &self.target_size, &self.unreadable, &self.template_guessed]
        {
            gauges.clear();
        }
        self.instances.clear();
        self.failures.clear();
        let now = Instant::now();
        for group in snapshot.groups() {
            self.update_group(group);
            self.counters.show(&group.id, now);
        }
        for id in snapshot.unread() {
            self.unreadable.of([id]).set(1);
        }
        self.counters.remove_gone(now);
    }

    fn update_group(&self, group: &GroupView) {
        let id = group.id.as_str();
        self.min_size.of([id]).set(group.bounds.min.into());
        self.max_size.of([id]).set(group.bounds.max.into());
        self.target_size.of([id]).set(group.target_size.into());
        self.unreadable.of([id]).set(group.read_error.is_some().into());
        self.template_guessed.of([id]).set(group.template.guess().is_some().into());
        for (state, count) in StateCounts::of(&group.instances).by_state() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.instances.of([id, state]).set(count);
        }
        for error in group.instances.iter().filter_map(|instance| instance.error.as_ref()) {
            self.failures.of([id, error.code]).inc();
        }
    }
}

impl RequestObserver for Metrics {
    fn request(
        &self,
        service: Service,
        method: &http::Method,
        kind: &'static str,
        status: Option<http::StatusCode>,
        elapsed: Duration,
    ) {
        let code = status.as_ref().map_or("error", http::StatusCode::as_str);
        self.openstack.requests.of([service.name(), method.as_str(), kind, code]).inc();
        self.openstack.duration.of([service.name(), kind]).observe(elapsed.as_secs_f64());
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
