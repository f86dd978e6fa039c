//! What a version of cluster-autoscaler is to its external provider: the differences, as data.
//!
//! Sources are files of kubernetes/autoscaler, below `cluster-autoscaler/`, in the release branch of the version, and
//! of kubernetes-sigs/cluster-autoscaler (`pkg/…`), where 1.37 lives. Line numbers are those that a running
//! cluster-autoscaler of that version wrote into its log.

/// Which of two forms of a field that was replaced.
///
/// 1.34 introduced new fields beside the ones that embed Kubernetes' own messages, and 1.35 dropped the old ones
/// (`cloudprovider/externalgrpc/protos/externalgrpc.proto`; `externalgrpc_node_group.go` of 1.34 says "deprecated field
/// removed in 1.35" at each fallback).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    /// Template 1, durations 3 to 5, times 2 and 3.
    Old,
    /// Sends both; reads the new one and, where it is missing, the old one.
    Both,
    /// Template 2, durations 8 to 10, timestamps.
    New,
}

/// One version.
#[derive(Debug)]
pub struct Version {
    /// As its release is called.
    pub name: &'static str,
    /// Which fields it sends and reads.
    pub fields: Fields,
    /// Whether UNIMPLEMENTED is `cloudprovider.ErrNotImplemented`, "do without", where a method is optional. To the
    /// clients up to 1.28 it is an error like any other (`externalgrpc_node_group.go`, `TemplateNodeInfo` and
    /// `GetOptions`; `externalgrpc_cloud_provider.go`, `NodePrice` and `PodPrice`; kubernetes/autoscaler#5937).
    pub knows_unimplemented: bool,
    /// Whether the time that a node may take to come is one of the group's options, so that an error of GetOptions
    /// leaves scale-ups unregistered ("Couldn't update scale up request", 1.28.7). 1.25 takes it from its flag
    /// (`clusterstate/clusterstate.go`, `registerOrUpdateScaleUpNoLock`).
    pub provision_time_of_group: bool,
    /// Whether a node whose group cannot be told ends the loop (`processors/nodeinfosprovider/
    /// mixed_nodeinfos_processor.go`, `processNode`; kubernetes/autoscaler#9313).
    pub lookup_error_ends_loop: bool,
    /// Whether a group without node info stops the scale-up of every group: "could not compute total resources: No
    /// node info for" (`core/scaleup/resource/manager.go`, `coresMemoryTotal`; 1.31.5 `static_autoscaler.go:543`). 1.35
    /// counts resources in `pkg/resourcequotas` instead and leaves the group out (1.37 `orchestrator.go:364`).
    pub missing_template_stops_all: bool,
    /// Whether nodes that are missing from a group's target count as on their way without a scale-up of this process.
    /// Not from 1.36 on (`clusterstate.go`, `GetUpcomingNodes`: "no active scale-up request").
    pub upcoming_without_request: bool,
    /// Whether a scale-up that timed out is followed by DecreaseTargetSize over all that was asked for, as from 1.36
    /// on (`clusterstate.go`, `updateScaleRequests`; kubernetes/autoscaler#9132).
    pub reverts_timed_out: bool,
    /// Whether any answer with options makes a node's start-up time 0, since no field carries it
    /// (kubernetes/autoscaler#10245).
    pub options_zero_startup: bool,
}

/// The versions that are played.
pub static VERSIONS: [Version; 6] = [
    Version {
        name: "1.25",
        fields: Fields::Old,
        knows_unimplemented: false,
        provision_time_of_group: false,
        lookup_error_ends_loop: true,
        missing_template_stops_all: true,
        upcoming_without_request: true,
        reverts_timed_out: false,
        options_zero_startup: false,
    },
    Version {
        name: "1.28",
        fields: Fields::Old,
        knows_unimplemented: false,
        provision_time_of_group: true,
        lookup_error_ends_loop: true,
        missing_template_stops_all: true,
        upcoming_without_request: true,
        reverts_timed_out: false,
        options_zero_startup: false,
    },
    Version {
        name: "1.31",
        fields: Fields::Old,
        knows_unimplemented: true,
        provision_time_of_group: true,
        lookup_error_ends_loop: true,
        missing_template_stops_all: true,
        upcoming_without_request: true,
        reverts_timed_out: false,
        options_zero_startup: false,
    },
    Version {
        name: "1.34",
        fields: Fields::Both,
        knows_unimplemented: true,
        provision_time_of_group: true,
        lookup_error_ends_loop: false,
        missing_template_stops_all: true,
        upcoming_without_request: true,
        reverts_timed_out: false,
        options_zero_startup: false,
    },
    Version {
        name: "1.35",
        fields: Fields::New,
        knows_unimplemented: true,
        provision_time_of_group: true,
        lookup_error_ends_loop: false,
        missing_template_stops_all: false,
        upcoming_without_request: true,
        reverts_timed_out: false,
        options_zero_startup: true,
    },
    Version {
        name: "1.37",
        fields: Fields::New,
        knows_unimplemented: true,
        provision_time_of_group: true,
        lookup_error_ends_loop: false,
        missing_template_stops_all: false,
        upcoming_without_request: false,
        reverts_timed_out: true,
        options_zero_startup: true,
    },
];
