//! What is remembered between observations, so that only what may have changed is read again. It is a convenience,
//! never a source: a restart begins with nothing and reads everything (I7).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::magnum::{ClusterRecord, NodeGroupRecord};
use crate::core::{
    cloud::Reading,
    node_group::NodeGroupUuid,
    status::{Progress, Status},
};

/// The cluster and its groups as last read.
#[derive(Debug, Default)]
pub(super) struct Cache {
    cluster: Mutex<Option<ClusterRecord>>,
    groups: Mutex<BTreeMap<NodeGroupUuid, Arc<CachedGroup>>>,
    missing: Mutex<BTreeSet<String>>,
    broken: Mutex<BTreeSet<String>>,
    idle: Mutex<BTreeSet<String>>,
    found: Mutex<String>,
    tickets: AtomicU64,
}

/// When a reading began: a slower one must not overwrite a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// A group as last read.
#[derive(Debug)]
pub(super) struct CachedGroup {
    pub(super) ticket: Ticket,
    /// Magnum's record, with its detail.
    pub(super) record: NodeGroupRecord,
    /// What was read of it; none for a group that is not scaled.
    pub(super) reading: Option<Arc<Reading>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half-done in here when a holder panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cache {
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn cluster(&self) -> Option<ClusterRecord> {
        lock(&self.cluster).clone()
    }

    pub(super) fn set_cluster(&self, record: Option<ClusterRecord>) {
        *lock(&self.cluster) = record;
    }

    pub(super) fn group(&self, uuid: NodeGroupUuid) -> Option<Arc<CachedGroup>> {
        lock(&self.groups).get(&uuid).cloned()
    }

    pub(super) fn remember(&self, cached: CachedGroup) {
        let mut groups = lock(&self.groups);
        let newer_is_there =
            groups.get(&cached.record.uuid).is_some_and(|existing| existing.ticket > cached.ticket);
        if !newer_is_there {
            groups.insert(cached.record.uuid, Arc::new(cached));
        }
    }

    /// The groups that are scaled, as last read.
    pub(super) fn scaled(&self) -> Vec<Arc<CachedGroup>> {
        lock(&self.groups).values().filter(|cached| cached.reading.is_some()).cloned().collect()
    }

    /// Forgets the groups that do not exist.
    pub(super) fn retain(&self, exists: impl Fn(NodeGroupUuid) -> bool) {
        lock(&self.groups).retain(|uuid, _| exists(*uuid));
    }

    /// Takes note of the groups that were named and are not there; the set, if it is not the same as before.
    pub(super) fn newly_missing(&self, missing: BTreeSet<String>) -> Option<BTreeSet<String>> {
        changed(&self.missing, missing)
    }

    /// Takes note of the records that cannot be read, likewise.
    pub(super) fn newly_broken(&self, broken: BTreeSet<String>) -> Option<BTreeSet<String>> {
        changed(&self.broken, broken)
    }

    /// Takes note of what kind of cloud it is; whether it is not as before.
    pub(super) fn newly_found(&self, found: &str) -> bool {
        let mut before = lock(&self.found);
        let is_new = *before != found;
        if is_new {
            found.clone_into(&mut before);
        }
        is_new
    }

    /// Takes note of the names in the settings file that no group has, likewise.
    pub(super) fn newly_idle(&self, idle: BTreeSet<String>) -> Option<BTreeSet<String>> {
        changed(&self.idle, idle)
    }
}

fn changed(noted: &Mutex<BTreeSet<String>>, now: BTreeSet<String>) -> Option<BTreeSet<String>> {
    let mut before = lock(noted);
    if *before == now {
        return None;
    }
    before.clone_from(&now);
    Some(now)
}

impl CachedGroup {
    /// Whether nothing about the group seems to be going on, by the record in the list, which has no detail.
    pub(super) fn is_at_rest(&self, listed: &NodeGroupRecord) -> bool {
        let Some(reading) = &self.reading else { return true };
        let complete = |status: &Status| status.progress == Progress::Complete;
        self.record.node_count == listed.node_count
            && self.record.status == listed.status
            && self.record.stack_id == listed.stack_id
            && complete(&reading.group.status)
            && reading
                .members
                .iter()
                .all(|member| member.counted && member.server.is_some() && complete(&member.status))
    }
}
