//! Observes all groups, reading no more than what may have changed.
//!
//! At rest an observation costs one request for the list of groups, two a group, and one for the servers of all. A
//! group's bounds are in its detail only, which therefore is read every time; so are its members.

use std::{collections::VecDeque, sync::Arc};

use futures_util::future::{OptionFuture, join_all};

use super::{
    cache::{CachedGroup, Ticket},
    cluster::{MagnumCluster, is_complete},
    driver::{Asked, Driver, Look, only},
    magnum::{BrokenRecord, ClusterRecord, NodeGroupList, NodeGroupRecord},
    selection::Records,
};
use crate::{
    config::node_groups::MASTER_ROLE,
    core::{
        cloud::{CloudError, GroupObservation, Observation, Service, UnscaledGroup},
        quote::named,
    },
};

/// A group within an observation.
struct Work<'a> {
    group: &'a NodeGroupRecord,
    cached: Option<Arc<CachedGroup>>,
}

impl Work<'_> {
    /// A group that was found not to be scaled; only its detail tells when that changes.
    fn is_left_alone(&self) -> bool {
        self.cached.as_ref().is_some_and(|cached| cached.reading.is_none())
    }

    fn is_at_rest(&self) -> bool {
        self.cached.as_ref().is_some_and(|cached| cached.is_at_rest(self.group))
    }

    fn asked(&self) -> Asked<'_> {
        Asked { record: self.group, reuse: self.cached.is_some() }
    }
}

/// What was seen of a group's members; none for one that was not looked at.
type Looked = Option<Result<Box<dyn Look>, CloudError>>;

/// What came of one group.
enum Outcome {
    Scaled(GroupObservation),
    /// It has no maximum.
    Unscaled(UnscaledGroup),
    /// Gone since the list was read.
    Gone,
}

impl MagnumCluster {
    pub(super) async fn observe_all(
        &self,
        previous: Option<&Observation>,
    ) -> Result<Observation, CloudError> {
        let ticket = self.cache.ticket();
        let (mut cluster, cluster_is_fresh, list) = self.list(previous.is_none()).await?;
        let NodeGroupList { groups: all, broken } = list;
        self.note_broken(&broken);
        let unreadable = self.unreadable(&all, &broken);
        if broken.is_empty() {
            self.note_missing(&all);
        }
        let exists = |uuid| {
            all.iter().any(|group| group.uuid == uuid)
                || unreadable.iter().any(|group| group.uuid == uuid)
                || broken.iter().any(|record| record.uuid == Some(uuid))
        };
        self.cache.retain(exists);
        let driver = self.drivers.of_groups(&all);
        self.note_version(driver).await?;
        driver.retain(&exists);
        let work: Vec<_> = all
            .iter()
            .filter(|group| self.selection.may_include(group))
            .map(|group| Work { group, cached: previous.and_then(|_| self.cache.group(group.uuid)) })
            .collect();
        let at_rest = is_complete(&cluster) && work.iter().all(Work::is_at_rest);
        let uuid = cluster.uuid.clone();
        let (record, details, looks, ()) = tokio::join!(
            OptionFuture::from((!at_rest && !cluster_is_fresh).then(|| self.cluster())),
            join_all(work.iter().map(|work| self.magnum.node_group(&uuid, work.group.uuid))),
            look(driver, &work),
            self.sources.keep_fresh(&uuid, work.iter().map(|work| work.group))
        );
        if let Some(record) = record {
            cluster = record?;
        }
        let groups = join_all(work.iter().zip(details).zip(looks).map(|((work, detail), looked)| {
            self.finish_group(work, driver, ticket, &cluster, detail, looked)
        }))
        .await;
        let mut observation = Observation {
            cluster_name: cluster.name.unwrap_or(cluster.uuid),
            groups: Vec::new(),
            unscaled: Vec::new(),
        };
        for outcome in groups {
            match outcome {
                Outcome::Scaled(group) => observation.groups.push(group),
                Outcome::Unscaled(group) => observation.unscaled.push(group),
                Outcome::Gone => {}
            }
        }
        observation.groups.extend(unreadable);
        Ok(observation)
    }

    /// Tells once which Magnum and which driver it is.
    async fn note_version(&self, driver: &dyn Driver) -> Result<(), CloudError> {
        let version = self.magnum.microversion().await?;
        let sizes = if version.least_size() == 0 { "may be empty" } else { "have one node at least" };
        let told = format!("Magnum API {version}, driver {}; node groups {sizes}", driver.describe().await?);
        if self.cache.newly_found(&told) {
            tracing::info!("{told}");
        }
        Ok(())
    }

    fn note_broken(&self, broken: &[BrokenRecord]) {
        let told = broken.iter().map(|record| format!("{}: {}", record.label(), record.reason)).collect();
        for record in self.cache.newly_broken(told).into_iter().flatten() {
            tracing::warn!(
                "Magnum's record of a node group cannot be read; the group is left as it is: {record}"
            );
        }
    }

    /// The groups that are scaled, or may be, and whose records cannot be read. They are there all the same: who is not
    /// in an observation is taken for gone.
    fn unreadable(&self, all: &[NodeGroupRecord], broken: &[BrokenRecord]) -> Vec<GroupObservation> {
        let error = |record: &BrokenRecord, name: &str| CloudError::Malformed {
            service: Service::ContainerInfra,
            request: "the list of node groups".to_owned(),
            reason: format!("the record of {name}: {}", record.reason),
        };
        let mut unreadable: Vec<GroupObservation> = Vec::new();
        for record in broken {
            let Some(uuid) = record.uuid else { continue };
            let cached = self.cache.group(uuid);
            let is_left_alone = cached.as_ref().is_some_and(|cached| cached.reading.is_none());
            let known = all.iter().any(|group| group.uuid == uuid);
            if known || is_left_alone || (cached.is_none() && !self.selection.may_include_broken(record)) {
                continue;
            }
            let name = cached.map_or_else(|| record.label(), |cached| cached.record.name.clone());
            unreadable.push(GroupObservation { uuid, reading: Err(error(record, &name)), name });
        }
        // Whose record does not even tell its UUID may be any of those that are missed.
        if let Some(anonymous) = broken.iter().find(|record| record.uuid.is_none()) {
            for cached in self.cache.scaled() {
                let (uuid, name) = (cached.record.uuid, cached.record.name.clone());
                let is_there = all.iter().any(|group| group.uuid == uuid)
                    || unreadable.iter().any(|group| group.uuid == uuid);
                if !is_there {
                    unreadable.push(GroupObservation { uuid, reading: Err(error(anonymous, &name)), name });
                }
            }
        }
        unreadable
    }

    fn note_missing(&self, all: &[NodeGroupRecord]) {
        if let Some(missing) = self.cache.newly_missing(self.selection.missing(all))
            && !missing.is_empty()
        {
            let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(missing, "node groups named by --nodes are not in the cluster, or are masters");
        }
        let workers: Vec<_> = all
            .iter()
            .filter(|group| group.role.as_deref() != Some(MASTER_ROLE))
            .map(|group| group.name.as_str())
            .collect();
        for idle in self.cache.newly_idle(self.settings.idle_patterns(&workers)).into_iter().flatten() {
            let workers = workers.join(", ");
            tracing::warn!("{idle:?} in the settings file is the name of no node group; there is: {workers}");
        }
    }

    /// How a group gets a maximum.
    async fn remedy(&self, cluster: &ClusterRecord, group: &str) -> String {
        if self.magnum.microversion().await.is_ok_and(|version| !version.has_node_groups()) {
            return format!("--nodes MIN:MAX:{group}, since this Magnum has no node groups");
        }
        let (cluster, group) = (named(cluster.name.as_deref().unwrap_or(&cluster.uuid)), named(group));
        format!(
            "openstack coe nodegroup update {cluster} {group} --max-nodes NUMBER (before python-magnumclient 5: replace \
             max_node_count=NUMBER)"
        )
    }

    /// What came of one group.
    async fn finish_group(
        &self,
        work: &Work<'_>,
        driver: &dyn Driver,
        ticket: Ticket,
        cluster: &ClusterRecord,
        detail: Result<NodeGroupRecord, CloudError>,
        looked: Looked,
    ) -> Outcome {
        let (uuid, name) = (work.group.uuid, work.group.name.clone());
        let observation = |reading| Outcome::Scaled(GroupObservation { uuid, name: name.clone(), reading });
        let detail = match detail {
            Ok(detail) => detail,
            Err(error) if error.not_found() => return Outcome::Gone,
            Err(error) => return observation(Err(error)),
        };
        let bounds = match self.bounds(&detail).await {
            Ok(Some(bounds)) => bounds,
            Ok(None) => {
                self.cache.remember(CachedGroup { ticket, record: detail, reading: None });
                let remedy = self.remedy(cluster, &name).await;
                return Outcome::Unscaled(UnscaledGroup { uuid, name, remedy });
            }
            Err(error) => return observation(Err(error)),
        };
        let looked = match looked {
            Some(looked) => looked,
            // It has just got a maximum.
            None => only(driver.look(&[work.asked()]).await),
        };
        let records = Records { cluster, detail, bounds };
        observation(match looked {
            Ok(look) => self.complete(driver, ticket, records, look, work.cached.as_deref()).await,
            Err(error) => Err(error),
        })
    }
}

/// Looks at the members of all groups that are scaled or may be.
async fn look(driver: &dyn Driver, work: &[Work<'_>]) -> Vec<Looked> {
    let asked: Vec<_> = work.iter().filter(|work| !work.is_left_alone()).map(Work::asked).collect();
    let mut looks = VecDeque::from(driver.look(&asked).await);
    work.iter().map(|work| if work.is_left_alone() { None } else { looks.pop_front() }).collect()
}
