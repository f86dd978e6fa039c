//! Observes all groups, reading no more than what may have changed.
//!
//! At rest an observation costs one request for the list of groups and two a group. A group's bounds are in its
//! detail only, which therefore is read every time; so are its members. To have Nova's list of servers as well, the
//! members of one group in turn are not read: Magnum's record says that nothing was done to it. With a single group
//! the turns alternate between its members and Nova.

use std::{collections::BTreeMap, sync::Arc, sync::atomic::Ordering};

use futures_util::future::{OptionFuture, join_all};

use super::{
    cluster::{MagnumCluster, answer, is_complete, status_of},
    group_reading::{GroupReader, Parts},
    heat::StackRef,
    magnum::{BrokenRecord, NodeGroupList, NodeGroupRecord},
    members::{Listing, NovaAnswer, known},
    memory::{GroupMemory, Picture, Ticket},
    stacks::GroupStacks,
};
use crate::{
    config::node_groups::MASTER_ROLE,
    core::{
        cloud::{CloudError, GroupObservation, Observation, Reading, Service, UnscaledGroup},
        node_group::NodeGroupUuid,
        status::Status,
    },
};

/// A group within an observation.
struct Work<'a> {
    group: &'a NodeGroupRecord,
    memory: Option<Arc<GroupMemory>>,
    previous: Option<Arc<Reading>>,
}

impl Work<'_> {
    fn before(&self) -> Option<&Picture> {
        self.memory.as_ref()?.picture.as_ref()
    }

    /// A group that was found not to be scaled; only its detail tells when that changes.
    fn is_left_alone(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.picture.is_none())
    }

    fn is_at_rest(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.is_at_rest(self.group))
    }
}

/// What is left out of this observation.
#[derive(Default)]
struct Turn {
    skipped: Option<NodeGroupUuid>,
    without_nova: bool,
}

/// What came of one group.
enum Outcome {
    Scaled(GroupObservation),
    /// It has no maximum.
    Unscaled(UnscaledGroup),
    /// Gone since the list was read.
    Gone,
}

type Listed = Result<(GroupStacks, Listing), CloudError>;

impl MagnumCluster {
    pub(super) async fn observe_all(
        &self,
        previous: Option<&Observation>,
    ) -> Result<Observation, CloudError> {
        let ticket = self.memory.ticket();
        let (mut cluster, cluster_is_fresh, list) = self.list(previous.is_none()).await?;
        let NodeGroupList { groups: all, broken } = list;
        self.note_broken(&broken);
        let unreadable = self.unreadable(&all, &broken);
        if broken.is_empty() {
            self.note_missing(&all);
        }
        self.memory.retain(|uuid| {
            all.iter().any(|group| group.uuid == uuid)
                || unreadable.iter().any(|group| group.uuid == uuid)
                || broken.iter().any(|record| record.uuid == Some(uuid))
        });
        let readings = readings_of(previous);
        let work: Vec<_> = all
            .iter()
            .filter(|group| self.selection.may_include(group))
            .map(|group| Work {
                group,
                memory: previous.and_then(|_| self.memory.group(group.uuid)),
                previous: readings.get(&group.uuid).cloned(),
            })
            .collect();
        let at_rest = is_complete(&cluster) && work.iter().all(Work::is_at_rest);
        let turn = if at_rest { self.next_turn(&work) } else { Turn::default() };
        let uuid = cluster.uuid.clone();
        let (record, details, (listed, servers), ()) = tokio::join!(
            OptionFuture::from((!at_rest && !cluster_is_fresh).then(|| self.cluster())),
            join_all(work.iter().map(|work| self.magnum.node_group(&uuid, work.group.uuid))),
            self.read_members(&work, &all, &turn),
            self.sources.keep_fresh(&uuid, work.iter().map(|work| work.group))
        );
        if let Some(record) = record {
            cluster = record?;
        }
        let nova = if turn.without_nova { NovaAnswer::NotAsked } else { answer(servers.as_ref()) };
        let status = status_of(&cluster);
        let groups = join_all(work.iter().zip(details).zip(listed).map(|((work, detail), listed)| {
            self.conclude(work, &all, ticket, status.clone(), detail, listed, nova)
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

    fn note_broken(&self, broken: &[BrokenRecord]) {
        let told = broken.iter().map(|record| format!("{}: {}", record.label(), record.reason)).collect();
        for record in self.memory.newly_broken(told).into_iter().flatten() {
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
            let memory = self.memory.group(uuid);
            let is_left_alone = memory.as_ref().is_some_and(|memory| memory.picture.is_none());
            let known = all.iter().any(|group| group.uuid == uuid);
            if known || is_left_alone || (memory.is_none() && !self.selection.may_include_broken(record)) {
                continue;
            }
            let name = memory.map_or_else(|| record.label(), |memory| memory.record.name.clone());
            unreadable.push(GroupObservation { uuid, reading: Err(error(record, &name)), name });
        }
        // Whose record does not even tell its UUID may be any of those that are missed.
        if let Some(anonymous) = broken.iter().find(|record| record.uuid.is_none()) {
            for memory in self.memory.scaled() {
                let (uuid, name) = (memory.record.uuid, memory.record.name.clone());
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
        if let Some(missing) = self.memory.newly_missing(self.selection.missing(all))
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
        for idle in self.memory.newly_idle(self.settings.idle_patterns(&workers)).into_iter().flatten() {
            let workers = workers.join(", ");
            tracing::warn!("{idle:?} in the settings file is the name of no node group; there is: {workers}");
        }
    }

    /// Leaves out one group's members per observation, round robin; with one group, every other time.
    fn next_turn(&self, work: &[Work<'_>]) -> Turn {
        let scaled: Vec<_> = work.iter().filter(|work| !work.is_left_alone()).collect();
        let number = self.turn.fetch_add(1, Ordering::Relaxed) % scaled.len().max(2);
        // What could not be read last time is not left out now.
        let skipped = scaled.get(number).filter(|work| work.previous.is_some()).map(|work| work.group.uuid);
        Turn { skipped, without_nova: skipped.is_none() }
    }

    /// The members of all groups that are scaled or may be, and beside them Nova's servers.
    async fn read_members(
        &self,
        work: &[Work<'_>],
        all: &[NodeGroupRecord],
        turn: &Turn,
    ) -> (Vec<Option<Listed>>, Option<super::nova::Servers>) {
        let readers: Vec<_> =
            work.iter().map(|work| (!work.is_left_alone()).then(|| self.reader(work, all))).collect();
        let stacks = join_all(
            readers.iter().map(|reader| OptionFuture::from(reader.as_ref().map(GroupReader::stack))),
        )
        .await;
        let found: Vec<StackRef> = stacks.iter().flatten().filter_map(|stack| stack.clone().ok()).collect();
        let listings = readers.iter().zip(stacks).map(async |(reader, stack)| {
            let (reader, stack) = (reader.as_ref()?, stack?);
            if turn.skipped == Some(reader.group.uuid) {
                return None;
            }
            Some(match stack {
                Ok(stack) => reader.listing(&stack).await,
                Err(error) => Err(error),
            })
        });
        let (listings, servers) = tokio::join!(
            join_all(listings),
            OptionFuture::from((!turn.without_nova).then(|| self.servers(&found)))
        );
        (listings, servers.flatten())
    }

    fn reader<'a>(&'a self, work: &'a Work<'_>, all: &'a [NodeGroupRecord]) -> GroupReader<'a> {
        GroupReader { heat: &self.heat, group: work.group, siblings: all, before: work.before(), reuse: true }
    }

    /// What came of one group.
    #[expect(clippy::too_many_arguments, reason = "the parts of one picture, each read on its own")]
    async fn conclude(
        &self,
        work: &Work<'_>,
        all: &[NodeGroupRecord],
        ticket: Ticket,
        cluster_status: Status,
        detail: Result<NodeGroupRecord, CloudError>,
        listed: Option<Listed>,
        nova: NovaAnswer<'_>,
    ) -> Outcome {
        let (uuid, name) = (work.group.uuid, work.group.name.clone());
        let observation = |reading| Outcome::Scaled(GroupObservation { uuid, name: name.clone(), reading });
        let detail = match detail {
            Ok(detail) => detail,
            Err(error) if error.not_found() => return Outcome::Gone,
            Err(error) => return observation(Err(error)),
        };
        let bounds = match self.bounds(&detail) {
            Ok(Some(bounds)) => bounds,
            Ok(None) => {
                self.memory.remember(GroupMemory { ticket, record: detail, picture: None });
                return Outcome::Unscaled(UnscaledGroup { uuid, name });
            }
            Err(error) => return observation(Err(error)),
        };
        let listed = match self.listed(work, all, &detail, listed).await {
            Ok(listed) => listed,
            Err(error) => return observation(Err(error)),
        };
        let mut known_members = work.memory.as_ref().map(|memory| memory.known()).unwrap_or_default();
        for (index, known) in work.previous.iter().flat_map(|reading| known(&reading.members)) {
            known_members.entry(index).or_insert(known);
        }
        let parts = Parts {
            cluster_status,
            detail: &detail,
            bounds,
            listed,
            nova,
            known: &known_members,
            before: work.before(),
        };
        match parts.picture(self).await {
            Ok(picture) => {
                let reading = Arc::clone(&picture.reading);
                self.memory.remember(GroupMemory { ticket, record: detail, picture: Some(picture) });
                observation(Ok(reading))
            }
            Err(error) => observation(Err(error)),
        }
    }

    /// The members as read, or those of before where they were left out and Magnum has written nothing since.
    async fn listed(
        &self,
        work: &Work<'_>,
        all: &[NodeGroupRecord],
        detail: &NodeGroupRecord,
        listed: Option<Listed>,
    ) -> Listed {
        if let Some(listed) = listed {
            return listed;
        }
        let unchanged = work.memory.as_ref().filter(|memory| memory.is_unchanged(detail));
        if let Some(picture) = unchanged.and_then(|memory| memory.picture.as_ref()) {
            return Ok((picture.stacks.clone(), picture.listing.clone()));
        }
        let reader = self.reader(work, all);
        let stack = reader.stack().await?;
        reader.listing(&stack).await
    }
}

fn readings_of(previous: Option<&Observation>) -> BTreeMap<NodeGroupUuid, Arc<Reading>> {
    previous
        .iter()
        .flat_map(|previous| &previous.groups)
        .filter_map(|group| Some((group.uuid, Arc::clone(group.reading.as_ref().ok()?))))
        .collect()
}
