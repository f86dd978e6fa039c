//! The drivers that make nodes by Cluster API: magnum-cluster-api and magnum-capi-helm. There is no Heat; their management
//! cluster is not to be seen, and Nova's servers are all that is (docs/openstack-behaviour.md#cluster-api-drivers).

mod members;
mod names;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};

use self::{
    members::{assemble, find_missing, find_reasons},
    names::{group_of, name_pattern},
};
use super::{
    DriverKind, DriverOptions,
    port::{Asked, Driver, Look, Members, Progress},
};
use crate::{
    config::node_groups::MASTER_ROLE,
    core::{
        capabilities::{Capabilities, MemberSource, NamedRemoval},
        cloud::{CloudError, Reading},
        member::{Member, MemberKey},
        node_group::NodeGroupUuid,
        resize::Resize,
        status::Status,
    },
    openstack::{
        magnum::{ClusterRecord, Magnum, NodeGroupRecord},
        nova::{ListedServer, Nova},
        session::Session,
    },
};

/// How long after one group's resize no other group is resized, where the cluster is one Helm release: time for Magnum to
/// show the first.
const GAP: Duration = Duration::from_secs(3);

/// The label that gives a cluster an autoscaler of its own.
const AUTO_SCALING: &str = "auto_scaling_enabled";

/// One of the two drivers.
#[derive(Debug)]
pub(super) struct ClusterApiDriver {
    kind: DriverKind,
    options: DriverOptions,
    magnum: Arc<Magnum>,
    shared: Arc<Shared>,
    /// When the last resize of any group was sent.
    sent: tokio::sync::Mutex<Option<(NodeGroupUuid, Instant)>>,
}

/// What the looks need as well.
#[derive(Debug)]
struct Shared {
    nova: Nova,
    known: Mutex<Known>,
    auto_scaling_told: AtomicBool,
}

/// What Magnum's list of groups tells.
#[derive(Debug, Default)]
struct Known {
    /// The name of the cluster to Cluster API, with which all servers' names begin.
    cluster: Option<String>,
    /// The worker groups.
    groups: BTreeMap<NodeGroupUuid, String>,
    /// How many members of each group had not shown when it was last read.
    pending: BTreeMap<NodeGroupUuid, usize>,
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is left half-done in here when a holder panics.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClusterApiDriver {
    pub(super) fn new(
        kind: DriverKind,
        session: Arc<Session>,
        magnum: Arc<Magnum>,
        options: DriverOptions,
    ) -> Self {
        let shared = Shared {
            nova: Nova::new(session),
            known: Mutex::default(),
            auto_scaling_told: AtomicBool::new(false),
        };
        Self { kind, options, magnum, shared: Arc::new(shared), sent: tokio::sync::Mutex::new(None) }
    }

    fn removal(&self) -> NamedRemoval {
        match (self.kind, self.options.allow_untargeted_removal) {
            (DriverKind::CapiHelm, false) => NamedRemoval::Refused(
                "the driver magnum-capi-helm ignores which nodes are named and removes others, so no node is removed by name \
                 on this cloud. Use Cluster API's own autoscaler (label auto_scaling_enabled=true), ask the cloud for the \
                 driver magnum-cluster-api, or accept with --allow-untargeted-removal that another node goes than the one \
                 that was drained; scaling up works"
                    .into(),
            ),
            (DriverKind::CapiHelm, true) => NamedRemoval::Untargeted,
            _ => NamedRemoval::Exact,
        }
    }

    /// Waits until no other group's resize may be under way unseen. Helm fails at two at once.
    async fn take_turn(
        &self,
        group: NodeGroupUuid,
    ) -> tokio::sync::MutexGuard<'_, Option<(NodeGroupUuid, Instant)>> {
        let turn = self.sent.lock().await;
        if let Some((last, at)) = *turn
            && last != group
            && self.kind == DriverKind::CapiHelm
        {
            sleep_until(at + GAP).await;
        }
        turn
    }
}

#[async_trait]
impl Driver for ClusterApiDriver {
    async fn describe(&self) -> Result<String, CloudError> {
        let removal = match self.removal() {
            NamedRemoval::Exact => "named nodes are removed",
            NamedRemoval::Untargeted => {
                "it REMOVES OTHER NODES than the named ones, which --allow-untargeted-removal accepts"
            }
            NamedRemoval::Refused(_) => "it cannot remove named nodes, so that removals are refused",
        };
        Ok(format!("{}, {removal}", self.kind.name()))
    }

    fn learn(&self, groups: &[NodeGroupRecord]) {
        let mut known = self.shared.known();
        let id = groups.iter().filter_map(|group| group.stack_id.as_deref()).find(|id| !id.is_empty());
        if let Some(id) = id {
            known.cluster = Some(id.to_owned());
        }
        let workers = groups.iter().filter(|group| group.role.as_deref() != Some(MASTER_ROLE));
        known.groups = workers.map(|group| (group.uuid, group.name.clone())).collect();
    }

    async fn look(&self, groups: &[Asked<'_>]) -> Vec<Result<Box<dyn Look>, CloudError>> {
        let Some(cluster) = self.shared.known().cluster.clone() else {
            let error =
                CloudError::Incomplete("Magnum tells no name of the cluster to Cluster API".to_owned());
            return groups.iter().map(|_| Err(error.clone())).collect();
        };
        let servers = match self.shared.nova.detailed_servers(&name_pattern(&cluster)).await {
            Ok(servers) => servers,
            Err(error) => return groups.iter().map(|_| Err(error.clone())).collect(),
        };
        let version = match self.magnum.microversion().await {
            Ok(version) => version,
            Err(error) => return groups.iter().map(|_| Err(error.clone())).collect(),
        };
        let summary = format!("Magnum API {version}, driver {}", self.kind.name());
        let known = self.shared.known();
        let of_group = |group: &str| {
            let names = || known.groups.values().map(String::as_str);
            let is_of =
                |server: &&ListedServer| group_of(self.kind, &cluster, names(), &server.name) == Some(group);
            servers.iter().filter(is_of).cloned().collect()
        };
        let look = |asked: &Asked<'_>| -> Box<dyn Look> {
            Box::new(ServerLook {
                kind: self.kind,
                summary: summary.clone(),
                ignore_auto_scaling: self.options.ignore_auto_scaling,
                removal: self.removal(),
                servers: of_group(&asked.record.name),
                shared: Arc::clone(&self.shared),
            })
        };
        groups.iter().map(|asked| Ok(look(asked))).collect()
    }

    async fn resize(&self, cluster: &str, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        let mut turn = self.take_turn(group).await;
        let removal = self.removal();
        let pending = self.shared.known().pending.get(&group).copied().unwrap_or_default();
        if !resize.remove.is_empty() && pending > 0 && removal == NamedRemoval::Exact {
            // The driver fails at a machine without a server when it looks for the named ones.
            return Err(CloudError::Incomplete(format!(
                "{pending} nodes of the group have no server yet, and magnum-cluster-api removes no node before they have"
            )));
        }
        let servers = resize.remove.iter().filter_map(|removal| removal.server);
        let mut names: Vec<String> = servers.map(|server| server.to_string()).collect();
        if removal == NamedRemoval::Untargeted && !names.is_empty() {
            let group = self.shared.known().groups.get(&group).map(|name| group.wire_id(name));
            tracing::warn!(
                "{}: the driver takes nodes of its own choice, {} of them, not those that were named: {}",
                group.unwrap_or_default(),
                names.len(),
                names.join(", ")
            );
            names.clear();
        }
        *turn = Some((group, Instant::now()));
        self.magnum.resize(cluster, group, resize.count, &names).await
    }

    fn retain(&self, exists: &dyn Fn(NodeGroupUuid) -> bool) {
        self.shared.known().pending.retain(|uuid, _| exists(*uuid));
    }
}

/// What Nova has of one group.
#[derive(Debug)]
struct ServerLook {
    kind: DriverKind,
    summary: String,
    ignore_auto_scaling: bool,
    removal: NamedRemoval,
    servers: Vec<ListedServer>,
    shared: Arc<Shared>,
}

#[async_trait]
impl Look for ServerLook {
    async fn members(
        self: Box<Self>,
        cluster: &ClusterRecord,
        detail: &NodeGroupRecord,
        before: Option<&Reading>,
    ) -> Result<Members, CloudError> {
        let no_resize = self.obstacle(cluster);
        let Self { kind, summary, removal, servers, shared, .. } = *self;
        let missing = match before {
            Some(before) => find_missing(&shared.nova, before, &servers).await,
            None => Vec::new(),
        };
        let mut members = assemble(servers, missing, detail, before);
        find_reasons(&shared.nova, &mut members).await;
        let pending = |member: &&Member| matches!(member.key, MemberKey::Pending(_));
        let count = members.iter().filter(pending).count();
        shared.known().pending.insert(detail.uuid, count);
        let source = MemberSource::Nova;
        let capabilities = Capabilities { summary, source, no_resize, removal, ..Capabilities::default() };
        // One Helm release: another group's change is one of this group, too.
        let busy = kind == DriverKind::CapiHelm && cluster.parsed_status().in_progress();
        let progress = (busy && !detail.parsed_status().in_progress()).then(|| Progress {
            status: Status::parse("UPDATE_IN_PROGRESS"),
            reason: "another node group of the cluster is being changed".to_owned(),
            updated_at: detail.updated_at.clone().unwrap_or_default(),
            node_count: detail.node_count.unwrap_or_default(),
        });
        Ok(Members { members, servers: None, capabilities: Arc::new(capabilities), progress })
    }
}

impl ServerLook {
    /// Why the cluster takes no resize, if so; told when it is first seen.
    fn obstacle(&self, cluster: &ClusterRecord) -> Option<Arc<str>> {
        if !cluster.has_label_set(AUTO_SCALING) {
            return None;
        }
        let reason = format!(
            "the cluster has the label {AUTO_SCALING}=true, so that the driver {} runs Cluster API's own autoscaler, and \
             Magnum's resize has no effect. Use only one of the two: make the cluster without the label, or do not run this \
             service for it; --ignore-auto-scaling overrides this",
            self.kind.name()
        );
        if !self.shared.auto_scaling_told.swap(true, Ordering::Relaxed) {
            tracing::warn!("{reason}");
        }
        (!self.ignore_auto_scaling).then(|| reason.into())
    }
}
