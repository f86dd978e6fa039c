//! A Magnum cluster of the Heat driver as the port [`Cloud`].

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::timeout;

use super::{
    group_reading::{GroupReader, Parts},
    heat::{Heat, StackRef},
    magnum::{ClusterRecord, Magnum, NodeGroupList, NodeGroupRecord},
    members::NovaAnswer,
    memory::{GroupMemory, Memory},
    nova::{Nova, Servers},
    session::Session,
    template_sources::TemplateSources,
};
use crate::{
    config::node_groups::GroupSelection,
    core::{
        cloud::{Cloud, CloudError, Observation, Reading},
        member::{Member, MemberIndex},
        node_group::{Bounds, NodeGroup, NodeGroupUuid},
        nodes::NodeSource,
        settings::Settings,
        status::Status,
        template::NodeTemplate,
    },
};

/// How many answers one after the other an observation may wait for, each as long as a request may take. Then it is given
/// up and begun anew: a cloud that answers on and on without an end would hold it for ever otherwise, and nobody would be
/// told.
const MOST_WAITS: u32 = 12;

/// One cluster and those of its node groups that are scaled.
#[derive(Debug)]
pub struct MagnumCluster {
    name_or_uuid: String,
    pub(super) selection: GroupSelection,
    pub(super) settings: Arc<Settings>,
    region: Option<String>,
    pub(super) sources: TemplateSources,
    pub(super) magnum: Arc<Magnum>,
    pub(super) heat: Heat,
    pub(super) nova: Nova,
    pub(super) memory: Memory,
    /// Counts the observations at rest; see `observation`.
    pub(super) turn: AtomicUsize,
    nova_failing: AtomicBool,
    /// How long an observation may take.
    most_time: Duration,
}

impl MagnumCluster {
    /// A cluster by its name or UUID. Nothing is read yet.
    #[must_use]
    pub fn new(session: Arc<Session>, name_or_uuid: String, selection: GroupSelection) -> Self {
        let magnum = Arc::new(Magnum::new(Arc::clone(&session)));
        Self {
            most_time: session.read_timeout().saturating_mul(MOST_WAITS),
            name_or_uuid,
            selection,
            settings: Arc::default(),
            region: session.region().map(str::to_owned),
            sources: TemplateSources::new(Arc::clone(&session), Arc::clone(&magnum)),
            magnum,
            heat: Heat::new(Arc::clone(&session)),
            nova: Nova::new(session),
            memory: Memory::default(),
            turn: AtomicUsize::new(0),
            nova_failing: AtomicBool::new(false),
        }
    }

    /// With what the operator says of its groups.
    #[must_use]
    pub fn with_settings(self, settings: Arc<Settings>) -> Self {
        Self { settings, ..self }
    }

    /// With Kubernetes' Node objects, which tell what the next node will be like.
    #[must_use]
    pub fn with_nodes(self, nodes: Option<Arc<dyn NodeSource>>) -> Self {
        Self { sources: self.sources.with_nodes(nodes), ..self }
    }

    /// The sizes that a group may have; none for one that is not for scaling.
    pub(super) fn bounds(&self, detail: &NodeGroupRecord) -> Result<Option<Bounds>, CloudError> {
        self.selection.bounds(detail, &self.settings.group(&detail.name))
    }

    /// What a new node of a group will be.
    pub(super) fn template(
        &self,
        group: &NodeGroup,
        members: &[Member],
        detail: &NodeGroupRecord,
    ) -> NodeTemplate {
        let role = detail.role.as_deref().unwrap_or_default();
        self.sources.template(group, members, role, self.region.as_deref(), &self.settings)
    }

    /// The cluster's record and all its groups'. The former is read only if `read_cluster` or it is not known to be
    /// complete. A cluster that was replaced by another of the same name is found again.
    pub(super) async fn list(
        &self,
        read_cluster: bool,
    ) -> Result<(ClusterRecord, bool, NodeGroupList), CloudError> {
        // Before anything goes in parallel: else each would fail at the login by itself.
        self.magnum.microversion().await?;
        if let Some(known) = self.memory.cluster() {
            let read_cluster = read_cluster || !is_complete(&known);
            let (groups, cluster) = tokio::join!(self.magnum.node_groups(&known.uuid), async {
                if read_cluster { Some(self.magnum.cluster(&known.uuid).await) } else { None }
            });
            match groups {
                Err(error) if error.not_found() => self.memory.set_cluster(None),
                groups => {
                    let cluster = cluster.transpose()?;
                    if let Some(cluster) = &cluster {
                        self.memory.set_cluster(Some(cluster.clone()));
                    }
                    return Ok((cluster.unwrap_or(known), read_cluster, groups?));
                }
            }
        }
        let (cluster, groups) = tokio::join!(
            self.magnum.cluster(&self.name_or_uuid),
            self.magnum.node_groups(&self.name_or_uuid)
        );
        let cluster = cluster?;
        self.memory.set_cluster(Some(cluster.clone()));
        Ok((cluster, true, groups?))
    }

    /// The cluster's record as it is now.
    pub(super) async fn cluster(&self) -> Result<ClusterRecord, CloudError> {
        let cluster = self.magnum.cluster(&self.cluster_uuid().await?).await;
        if matches!(cluster, Err(CloudError::Unsuitable(_))) {
            self.memory.set_cluster(None);
        }
        let cluster = cluster?;
        self.memory.set_cluster(Some(cluster.clone()));
        Ok(cluster)
    }

    async fn cluster_uuid(&self) -> Result<String, CloudError> {
        if let Some(known) = self.memory.cluster() {
            return Ok(known.uuid);
        }
        let cluster = self.magnum.cluster(&self.name_or_uuid).await?;
        self.memory.set_cluster(Some(cluster.clone()));
        Ok(cluster.uuid)
    }

    /// What Nova has for these stacks; none when it does not tell, which is logged when it begins and when it ends.
    pub(super) async fn servers(&self, stacks: &[StackRef]) -> Option<Servers> {
        let names: BTreeSet<_> = stacks.iter().map(|stack| stack.name.as_str()).collect();
        if names.is_empty() {
            return Some(Servers::default());
        }
        let names: Vec<_> = names.into_iter().collect();
        match self.nova.servers(&names).await {
            Ok(servers) => {
                if self.nova_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("servers can be listed again");
                }
                Some(servers)
            }
            Err(error) => {
                if !self.nova_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "servers cannot be listed; a server deleted behind Heat's back is not noticed");
                }
                None
            }
        }
    }

    async fn read_selected(
        &self,
        cluster: &str,
        group: NodeGroupUuid,
    ) -> Result<NodeGroupRecord, CloudError> {
        let detail = self.magnum.node_group(cluster, group).await?;
        if self.selection.may_include(&detail) { Ok(detail) } else { Err(not_scaled(&detail)) }
    }
}

fn not_scaled(group: &NodeGroupRecord) -> CloudError {
    CloudError::Unsuitable(format!("node group {} is not among those to be scaled", group.name))
}

pub(super) fn status_of(cluster: &ClusterRecord) -> Status {
    Status::parse(cluster.status.as_deref().unwrap_or_default())
}

pub(super) fn is_complete(cluster: &ClusterRecord) -> bool {
    status_of(cluster).progress == crate::core::status::Progress::Complete
}

/// What was read of Nova, in the terms of [`super::members`].
pub(super) const fn answer(servers: Option<&Servers>) -> NovaAnswer<'_> {
    match servers {
        Some(servers) => NovaAnswer::Listed(servers),
        None => NovaAnswer::Failed,
    }
}

#[async_trait]
impl Cloud for MagnumCluster {
    async fn observe(&self, previous: Option<&Observation>) -> Result<Observation, CloudError> {
        timeout(self.most_time, self.observe_all(previous)).await.unwrap_or_else(|_| {
            Err(CloudError::Incomplete(format!("the cluster could not be read within {:?}", self.most_time)))
        })
    }

    async fn read_group(&self, group: NodeGroupUuid) -> Result<Reading, CloudError> {
        let ticket = self.memory.ticket();
        let memory = self.memory.group(group);
        let before = memory.as_ref().and_then(|memory| memory.picture.as_ref());
        let uuid = self.cluster_uuid().await?;
        let (cluster, detail, found) = match (&memory, before) {
            // The stacks of before are right nearly always; whether they are is seen by the detail read beside.
            (Some(memory), Some(before)) => {
                let reader = GroupReader {
                    heat: &self.heat,
                    group: &memory.record,
                    siblings: &[],
                    before: Some(before),
                    reuse: false,
                };
                let stacks = std::slice::from_ref(&before.stacks.stack);
                let (cluster, detail, listing, servers) = tokio::join!(
                    self.cluster(),
                    self.read_selected(&uuid, group),
                    reader.listing(&before.stacks.stack),
                    self.servers(stacks)
                );
                let detail = detail?;
                let same = detail.stack_id == memory.record.stack_id;
                (cluster?, detail, same.then_some((listing, servers)))
            }
            _ => {
                let (cluster, detail) = tokio::try_join!(self.cluster(), self.read_selected(&uuid, group))?;
                (cluster, detail, None)
            }
        };
        let bounds = self.bounds(&detail)?.ok_or_else(|| not_scaled(&detail))?;
        let (listing, servers) = match found {
            Some(found) => found,
            None => {
                let groups = [detail.clone()];
                let reader = GroupReader {
                    heat: &self.heat,
                    group: &detail,
                    siblings: &groups,
                    before: None,
                    reuse: false,
                };
                let stack = reader.stack().await?;
                tokio::join!(reader.listing(&stack), self.servers(std::slice::from_ref(&stack)))
            }
        };
        let parts = Parts {
            cluster_status: status_of(&cluster),
            detail: &detail,
            bounds,
            listed: listing?,
            nova: answer(servers.as_ref()),
            known: &memory.as_ref().map(|memory| memory.known()).unwrap_or_default(),
            before,
        };
        let picture = parts.picture(self).await?;
        let reading = Reading::clone(&picture.reading);
        self.memory.remember(GroupMemory { ticket, record: detail, picture: Some(picture) });
        Ok(reading)
    }

    async fn resize(
        &self,
        group: NodeGroupUuid,
        count: u32,
        remove: &[MemberIndex],
    ) -> Result<(), CloudError> {
        let cluster = self.cluster_uuid().await?;
        self.magnum.resize(&cluster, group, count, remove).await
    }
}
