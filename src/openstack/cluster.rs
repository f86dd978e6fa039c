//! A Magnum cluster as the port [`Cloud`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;

use super::{
    cache::Cache,
    driver::{Asked, DriverOptions, Drivers, only},
    magnum::{ClusterRecord, Magnum, NodeGroupList, NodeGroupRecord},
    selection::Records,
    session::Session,
    template_sources::TemplateSources,
};
use crate::{
    config::node_groups::GroupSelection,
    core::{
        cloud::{Cloud, CloudError, Observation, Reading},
        member::Member,
        node_group::{Bounds, NodeGroup, NodeGroupUuid},
        nodes::NodeSource,
        resize::Resize,
        settings::Settings,
        status::Progress,
        template::NodeTemplate,
    },
};

/// How many answers one after the other an observation may wait for, each as long as a request may take. Then it is given
/// up and begun anew: a cloud that answers on and on without an end would hold it for ever otherwise, and nobody would be
/// told.
const MAX_WAITS: u32 = 12;

/// One cluster and those of its node groups that are scaled.
#[derive(Debug)]
pub struct MagnumCluster {
    name_or_uuid: String,
    pub(super) selection: GroupSelection,
    pub(super) settings: Arc<Settings>,
    session: Arc<Session>,
    region: Option<String>,
    pub(super) sources: TemplateSources,
    pub(super) magnum: Arc<Magnum>,
    pub(super) drivers: Drivers,
    pub(super) cache: Cache,
    /// How long an observation may take.
    most_time: Duration,
}

impl MagnumCluster {
    /// A cluster by its name or UUID. Nothing is read yet.
    #[must_use]
    pub fn new(session: Arc<Session>, name_or_uuid: String, selection: GroupSelection) -> Self {
        let magnum = Arc::new(Magnum::new(Arc::clone(&session)));
        Self {
            most_time: session.read_timeout().saturating_mul(MAX_WAITS),
            name_or_uuid,
            selection,
            settings: Arc::default(),
            region: session.region().map(str::to_owned),
            sources: TemplateSources::new(Arc::clone(&session), Arc::clone(&magnum)),
            drivers: Drivers::new(Arc::clone(&session), Arc::clone(&magnum), DriverOptions::default()),
            magnum,
            session,
            cache: Cache::default(),
        }
    }

    /// With what the operator decides about its driver.
    #[must_use]
    pub fn with_driver_options(self, options: DriverOptions) -> Self {
        let drivers = Drivers::new(Arc::clone(&self.session), Arc::clone(&self.magnum), options);
        Self { drivers, ..self }
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
    pub(super) async fn bounds(&self, detail: &NodeGroupRecord) -> Result<Option<Bounds>, CloudError> {
        let least = self.magnum.microversion().await?.least_size();
        self.selection.bounds(detail, &self.settings.group(&detail.name), least)
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
        if let Some(known) = self.cache.cluster() {
            let read_cluster = read_cluster || !is_complete(&known);
            let (groups, cluster) = tokio::join!(self.magnum.node_groups(&known.uuid), async {
                if read_cluster { Some(self.magnum.cluster(&known.uuid).await) } else { None }
            });
            match groups {
                Err(error) if error.not_found() => self.cache.set_cluster(None),
                groups => {
                    let cluster = cluster.transpose()?;
                    if let Some(cluster) = &cluster {
                        self.cache.set_cluster(Some(cluster.clone()));
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
        self.cache.set_cluster(Some(cluster.clone()));
        Ok((cluster, true, groups?))
    }

    /// The cluster's record as it is now.
    pub(super) async fn cluster(&self) -> Result<ClusterRecord, CloudError> {
        let cluster = self.magnum.cluster(&self.cluster_uuid().await?).await;
        if matches!(cluster, Err(CloudError::Unsuitable(_))) {
            self.cache.set_cluster(None);
        }
        let cluster = cluster?;
        self.cache.set_cluster(Some(cluster.clone()));
        Ok(cluster)
    }

    async fn cluster_uuid(&self) -> Result<String, CloudError> {
        if let Some(known) = self.cache.cluster() {
            return Ok(known.uuid);
        }
        let cluster = self.magnum.cluster(&self.name_or_uuid).await?;
        self.cache.set_cluster(Some(cluster.clone()));
        Ok(cluster.uuid)
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

pub(super) fn is_complete(cluster: &ClusterRecord) -> bool {
    cluster.parsed_status().progress == Progress::Complete
}

#[async_trait]
impl Cloud for MagnumCluster {
    async fn observe(&self, previous: Option<&Observation>) -> Result<Observation, CloudError> {
        timeout(self.most_time, self.observe_all(previous)).await.unwrap_or_else(|_| {
            Err(CloudError::Incomplete(format!("the cluster could not be read within {:?}", self.most_time)))
        })
    }

    async fn read_group(&self, group: NodeGroupUuid) -> Result<Reading, CloudError> {
        let ticket = self.cache.ticket();
        let cached = self.cache.group(group);
        let uuid = self.cluster_uuid().await?;
        let driver = self.drivers.of_last_reading();
        let (cluster, detail, looks) = match cached.as_ref().filter(|cached| cached.reading.is_some()) {
            // The group's stack is the one of before nearly always; whether it is shows the detail read beside.
            Some(cached) => {
                let asked = [Asked { record: &cached.record, reuse: false }];
                let (cluster, detail, looks) =
                    tokio::join!(self.cluster(), self.read_selected(&uuid, group), driver.look(&asked));
                let detail = detail?;
                let same = detail.stack_id == cached.record.stack_id;
                (cluster?, detail, same.then_some(looks))
            }
            None => {
                let (cluster, detail) = tokio::try_join!(self.cluster(), self.read_selected(&uuid, group))?;
                (cluster, detail, None)
            }
        };
        let bounds = self.bounds(&detail).await?.ok_or_else(|| not_scaled(&detail))?;
        let looks = match looks {
            Some(looks) => looks,
            None => {
                let asked = [Asked { record: &detail, reuse: false }];
                driver.look(&asked).await
            }
        };
        let records = Records { cluster: &cluster, detail, bounds };
        let reading = self.complete(driver, ticket, records, only(looks)?, cached.as_deref()).await?;
        Ok(Reading::clone(&reading))
    }

    async fn resize(&self, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        let cluster = self.cluster_uuid().await?;
        self.drivers.of_last_reading().resize(&cluster, group, resize).await
    }
}
