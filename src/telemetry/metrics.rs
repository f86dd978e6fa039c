//! All metrics. `docs/metrics.md` lists them and a test keeps it true.
//!
//! Own names begin with `magnum_autoscaler_`; `grpc_server_*` are those of the usual gRPC middlewares and
//! `openstack_api_*` those of cloud-provider-openstack. Labels name groups, never nodes.

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use prometheus::{
    Error, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};

use super::{SnapshotSource, process::ProcessMetrics, standard_error};
use crate::{
    core::{
        cloud::Service,
        instance::Tally,
        nodes::NodeSource,
        snapshot::{GroupView, Snapshot},
    },
    engine::{Dropped, Recorder, ResizeOutcome},
    grpc::{call_layer::CallObserver, method::Method},
    openstack::RequestObserver,
};

/// From 100 µs, a read from the snapshot, to 10 s, twice the patience of cluster-autoscaler.
const CALL_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// From 5 ms, a cached answer next door, to a minute, a cloud in trouble.
const OPENSTACK_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// The metrics of the process.
pub struct Metrics {
    registry: Registry,
    /// Held from the update to the end of a scrape, lest another one finds the gauges being replaced.
    scrape: Mutex<()>,
    started_at: Instant,
    snapshots: OnceLock<Arc<dyn SnapshotSource>>,
    nodes: OnceLock<Arc<dyn NodeSource>>,
    kubernetes_nodes_known: IntGaugeVec,
    process: ProcessMetrics,
    lost_log_lines: IntCounter,
    certificate_expiry: IntGaugeVec,
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
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let lost_log_lines = IntCounter::new(
            "magnum_autoscaler_lost_log_lines_total",
            "Lines of the log that could not be written: nobody reads standard error, or not fast enough.",
        )?;
        Ok(Self {
            process: ProcessMetrics::register(&registry)?,
            lost_log_lines: registered(&registry, lost_log_lines)?,
            certificate_expiry: int_gauges(
                &registry,
                "magnum_autoscaler_certificate_expiry_timestamp_seconds",
                "When the first certificate of the file that this option names expires, in seconds since 1970.",
                &["option"],
            )?,
            kubernetes_nodes_known: int_gauges(
                &registry,
                "magnum_autoscaler_kubernetes_nodes_known",
                "1 if Kubernetes' Node objects are watched, 0 if they cannot be; only with --kube-lookup.",
                &[],
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
            self.certificate_expiry.with_label_values(&[option]).set(seconds);
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

    /// Brings what is only read when somebody looks up to date.
    fn update(&self) {
        self.process.update();
        self.lost_log_lines.inc_by(standard_error::lost_lines().saturating_sub(self.lost_log_lines.get()));
        if let Some(nodes) = self.nodes.get() {
            let none: [&str; 0] = [];
            self.kubernetes_nodes_known.with_label_values(&none).set(nodes.nodes().is_some().into());
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
        self.calls.started.with_label_values(&[method.service, method.name]).inc();
    }

    fn call_handled(&self, method: Method, code: &'static str, elapsed: Duration) {
        self.calls.handled.with_label_values(&[method.service, method.name, code]).inc();
        self.calls.duration.with_label_values(&[method.service, method.name]).observe(elapsed.as_secs_f64());
    }

    fn call_panicked(&self, _method: Method) {
        self.calls.panics.inc();
    }
}

impl Recorder for Metrics {
    fn resize_ended(&self, group: &str, outcome: ResizeOutcome) {
        self.groups.resizes.with_label_values(&[group, outcome.label()]).inc();
    }

    fn request_dropped(&self, group: &str, why: Dropped) {
        self.groups.dropped.with_label_values(&[group, why.label()]).inc();
    }

    fn wrong_removals(&self, group: &str, nodes: u64) {
        self.groups.wrong_removals.with_label_values(&[group]).inc_by(nodes);
    }
}

/// gRPC calls.
struct CallMetrics {
    started: IntCounterVec,
    handled: IntCounterVec,
    duration: HistogramVec,
    panics: IntCounter,
}

impl CallMetrics {
    fn register(registry: &Registry) -> Result<Self, Error> {
        let started = int_counters(
            registry,
            "grpc_server_started_total",
            "Calls that came in.",
            &["grpc_service", "grpc_method"],
        )?;
        for method in Method::of_cloud_provider() {
            started.with_label_values(&[method.service, method.name]).reset();
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
                &["grpc_service", "grpc_method", "grpc_code"],
            )?,
            duration: histograms(
                registry,
                "grpc_server_handling_seconds",
                "Time from a call to its answer, in seconds.",
                &["grpc_service", "grpc_method"],
                CALL_BUCKETS,
            )?,
            panics,
        })
    }
}

/// Requests to OpenStack.
struct OpenStackMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
}

impl OpenStackMetrics {
    fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            requests: int_counters(
                registry,
                "openstack_api_requests_total",
                "Requests to OpenStack, retries included, by HTTP status; error if there was no answer.",
                &["service", "method", "request", "code"],
            )?,
            duration: histograms(
                registry,
                "openstack_api_request_duration_seconds",
                "Time from a request to OpenStack to its answer, in seconds.",
                &["service", "request"],
                OPENSTACK_BUCKETS,
            )?,
        })
    }
}

/// Node groups, as the snapshot has them and as resizes went.
struct GroupMetrics {
    snapshot_age: Gauge,
    min_size: IntGaugeVec,
    max_size: IntGaugeVec,
    target_size: IntGaugeVec,
    instances: IntGaugeVec,
    failures: IntGaugeVec,
    unreadable: IntGaugeVec,
    template_guessed: IntGaugeVec,
    resizes: IntCounterVec,
    dropped: IntCounterVec,
    wrong_removals: IntCounterVec,
}

impl GroupMetrics {
    fn register(registry: &Registry) -> Result<Self, Error> {
        let gauges = |name: &str, help: &str| int_gauges(registry, name, help, &["node_group"]);
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
                &["node_group", "state"],
            )?,
            failures: int_gauges(
                registry,
                "magnum_autoscaler_node_group_failures",
                "Instances of the group with an error, by the code that cluster-autoscaler is told, like QuotaExceeded.",
                &["node_group", "error_code"],
            )?,
            unreadable: gauges(
                "magnum_autoscaler_node_group_unreadable",
                "1 if the group could not be read the last time and its numbers are older ones.",
            )?,
            template_guessed: gauges(
                "magnum_autoscaler_node_group_template_guessed",
                "1 if the group's template is the smallest node that can be, since neither its flavor nor the settings tell.",
            )?,
            resizes: int_counters(
                registry,
                "magnum_autoscaler_resizes_total",
                "Resizes that ended, by outcome: done, failed, lost (no effect), superseded (changed by others).",
                &["node_group", "outcome"],
            )?,
            dropped: int_counters(
                registry,
                "magnum_autoscaler_dropped_requests_total",
                "Acknowledged requests that are not carried out: refused when their turn came, or lost several times.",
                &["node_group", "reason"],
            )?,
            wrong_removals: int_counters(
                registry,
                "magnum_autoscaler_wrong_removals_total",
                "Nodes that went with a resize although nobody named them. Anything but 0 is worth an alert.",
                &["node_group"],
            )?,
        })
    }

    fn update(&self, snapshot: &Snapshot) {
        // A group that is gone leaves no number behind.
        for gauges in [
            &self.min_size,
            &self.max_size,
            &self.target_size,
            &self.instances,
            &self.failures,
            &self.unreadable,
            &self.template_guessed,
        ] {
            gauges.reset();
        }
        for group in snapshot.groups() {
            self.update_group(group);
        }
        for id in snapshot.unread() {
            self.unreadable.with_label_values(&[id]).set(1);
        }
    }

    fn update_group(&self, group: &GroupView) {
        let id = group.id.as_str();
        self.min_size.with_label_values(&[id]).set(group.bounds.min.into());
        self.max_size.with_label_values(&[id]).set(group.bounds.max.into());
        self.target_size.with_label_values(&[id]).set(group.target_size.into());
        self.unreadable.with_label_values(&[id]).set(group.trouble.is_some().into());
        self.template_guessed.with_label_values(&[id]).set(group.template.guess().is_some().into());
        for (state, count) in Tally::of(&group.instances).by_state() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.instances.with_label_values(&[id, state]).set(count);
        }
        for error in group.instances.iter().filter_map(|instance| instance.error.as_ref()) {
            self.failures.with_label_values(&[id, error.code]).inc();
        }
        // A counter that appears with its first event has no rate to alert on.
        self.wrong_removals.with_label_values(&[id]).inc_by(0);
        for why in Dropped::ALL {
            self.dropped.with_label_values(&[id, why.label()]).inc_by(0);
        }
        for outcome in ResizeOutcome::ALL {
            self.resizes.with_label_values(&[id, outcome.label()]).inc_by(0);
        }
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn int_counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, Error> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
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
        self.openstack.requests.with_label_values(&[service.name(), method.as_str(), kind, code]).inc();
        self.openstack.duration.with_label_values(&[service.name(), kind]).observe(elapsed.as_secs_f64());
    }
}

fn int_gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, Error> {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> Result<HistogramVec, Error> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(options, labels)?)
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
