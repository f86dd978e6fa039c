//! What was accepted for a node group and is not yet visible in the cloud.
//!
//! The ledger is bookkeeping for display and for verification; the cloud stays the memory (I7). Losing it in a
//! restart loses no node: what was sent shows in the next reading, what was not sent shows as not done.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    cloud::Reading,
    instance::{InstanceError, InstanceId},
    machine_id::{MachineId, PlaceholderId},
    member::{Member, MemberKey},
    node_group::NodeGroupUuid,
    plan::{Removal, Resize},
};

/// How long a member that left is remembered, to answer a repeated removal with the same OK.
const REMEMBER_DEPARTED: Duration = Duration::from_secs(24 * 60 * 60);

/// How often the broken members of a group at its minimum are replaced at most. Where each new one fails as well,
/// cluster-autoscaler would have them replaced at every loop, without end.
const REPLACE_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A request that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Add this many nodes.
    Increase(u32),
    /// Remove exactly these.
    Delete(Vec<InstanceId>),
    /// Cancel up to this many requested nodes that never got a server.
    Decrease(u32),
}

/// Tells the requests of one group apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A request in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Which one.
    pub ticket: Ticket,
    /// What is asked for.
    pub request: Request,
    /// How often a resize left it undone already.
    pub attempts: u32,
}

/// A resize on its way: sent, its effect not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// What was sent.
    pub resize: Resize,
    /// The reading that it was computed from.
    pub before: Arc<Reading>,
    /// The requests that it carries out.
    pub requests: Vec<Queued>,
    /// Whether it replaces broken members at the minimum.
    pub replaces: bool,
    /// How often it was sent and showed no effect in time.
    pub losses: u32,
}

impl Flight {
    /// Whether Heat would leave all members alone that the resize does not name, were it sent once more into the group
    /// as it is now.
    #[must_use]
    pub fn is_safe_to_repeat(&self, now: &Reading) -> bool {
        let unnamed =
            now.counted().filter(|member| !self.resize.remove.contains(&Removal::of(member))).count();
        u32::try_from(unnamed).is_ok_and(|unnamed| unnamed <= self.resize.count)
    }
}

/// How many requested nodes are to be cancelled, in the order in which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancellations {
    /// Of those that the cloud refused or dropped.
    pub failed: u32,
    /// Of those not sent yet.
    pub unsent: u32,
    /// Of the members that never got a server, as far as there are any.
    pub serverless: u32,
}

/// What was accepted for one group.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Accepted, not sent yet, in order of arrival.
    pub queued: Vec<Queued>,
    /// Sent, not verified yet.
    pub flight: Option<Flight>,
    failed: BTreeMap<u32, InstanceError>,
    failures: u32,
    replaced_at: Option<Instant>,
    departed: HashMap<InstanceId, Instant>,
}

impl Ledger {
    /// Whether nothing is to be done or to be followed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty() && self.flight.is_none()
    }

    /// Additions not sent yet, in nodes.
    #[must_use]
    pub fn queued_additions(&self) -> u32 {
        self.queued
            .iter()
            .map(|queued| match queued.request {
                Request::Increase(delta) => delta,
                Request::Delete(_) | Request::Decrease(_) => 0,
            })
            .fold(0, u32::saturating_add)
    }

    /// What the queue cancels, as far as it can be told before a fresh reading.
    #[must_use]
    pub fn queued_cancellations(&self) -> Cancellations {
        let asked: u32 = self
            .queued
            .iter()
            .map(|queued| match queued.request {
                Request::Decrease(delta) => delta,
                Request::Increase(_) | Request::Delete(_) => 0,
            })
            .fold(0, u32::saturating_add);
        let failed = asked.min(u32::try_from(self.failed.len()).unwrap_or(u32::MAX));
        let unsent = (asked - failed).min(self.queued_additions());
        Cancellations { failed, unsent, serverless: asked - failed - unsent }
    }

    /// Whether the resize on its way removes this member.
    #[must_use]
    pub fn flight_removes(&self, key: MemberKey, server: Option<MachineId>) -> bool {
        let removal = Removal { key, server };
        self.flight.as_ref().is_some_and(|flight| flight.resize.remove.contains(&removal))
    }

    /// Whether a request that is not sent yet removes this instance.
    #[must_use]
    pub fn queue_removes(&self, id: InstanceId) -> bool {
        self.queued.iter().any(|queued| match &queued.request {
            Request::Delete(ids) => ids.contains(&id),
            Request::Increase(_) | Request::Decrease(_) => false,
        })
    }

    /// Makes of each queued removal of several nodes one for each. A call is refused as a whole; but once it was
    /// acknowledged, each of its nodes has a right of its own.
    pub fn part_deletes(&mut self) {
        let parts = std::mem::take(&mut self.queued).into_iter().flat_map(|queued| match queued.request {
            Request::Delete(ids) => {
                let part = |id| Queued { request: Request::Delete(vec![id]), ..queued };
                ids.into_iter().map(part).collect()
            }
            request @ (Request::Increase(_) | Request::Decrease(_)) => vec![Queued { request, ..queued }],
        });
        self.queued = parts.collect();
    }

    /// Requested nodes that the cloud refused or dropped, by number; shown until they are deleted.
    #[must_use]
    pub fn failed(&self) -> &BTreeMap<u32, InstanceError> {
        &self.failed
    }

    /// Remembers that `count` requested nodes will not come.
    pub fn fail(&mut self, count: u32, error: &InstanceError) {
        for _ in 0..count {
            self.failures += 1;
            self.failed.insert(self.failures, error.clone());
        }
    }

    /// Forgets a requested node that will not come, if it is known.
    pub fn forget_failure(&mut self, group: NodeGroupUuid, number: u32, now: Instant) -> bool {
        let known = self.failed.remove(&number).is_some();
        if known {
            self.departed.insert(InstanceId::Placeholder(PlaceholderId::Failed { group, number }), now);
        }
        known
    }

    /// Whether broken members at the minimum may be replaced now.
    #[must_use]
    pub fn may_replace(&self, now: Instant) -> bool {
        self.replaced_at.is_none_or(|at| now.saturating_duration_since(at) >= REPLACE_INTERVAL)
    }

    /// Remembers that they are being replaced.
    pub fn note_replacement(&mut self, now: Instant) {
        self.replaced_at = Some(now);
    }

    /// Whether this instance was a member once and has left, on request or not. Removing it again is no work (I3).
    #[must_use]
    pub fn has_departed(&self, id: InstanceId) -> bool {
        self.departed.contains_key(&id)
    }

    /// Compares two readings and remembers who left between them.
    pub fn note_departures(&mut self, before: &Reading, after: &Reading, now: Instant) {
        let group = before.group.uuid;
        // A member answers to its server and to its placeholder, whichever it was last shown by.
        let ids = |member: &Member| {
            [None, member.server].map(|server| InstanceId::of_member(group, member.key, server))
        };
        for member in &before.members {
            // A placeholder that got a server did not leave.
            // Nor did a server of which nobody tells for a moment.
            let stays = |other: &Member| {
                let untold = other.server.is_none() && !other.is_serverless();
                other.is(member.key, member.server) || (other.key == member.key && untold)
            };
            if !after.members.iter().any(stays) {
                self.departed.extend(ids(member).map(|id| (id, now)));
            }
        }
        for id in after.members.iter().flat_map(ids) {
            self.departed.remove(&id);
        }
        self.departed.retain(|_, left| now.saturating_duration_since(*left) < REMEMBER_DEPARTED);
    }
}
