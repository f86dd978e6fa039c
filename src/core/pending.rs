//! What was accepted for a node group and is not yet visible in the cloud.
//!
//! This is bookkeeping for display and for verification; the cloud stays the memory (I7). Losing it in a restart loses no
//! node: what was sent shows in the next reading, what was not sent shows as not done.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{Hash, Hasher},
    time::{Duration, Instant},
};

pub use super::queue::{Ask, Queued, Request, Ticket};
use super::{
    instance::{InstanceError, InstanceId, PlaceholderId},
    member::{Member, MemberKey},
    node_group::NodeGroupUuid,
    reading::Reading,
};

/// How long a member that left is remembered, to answer a repeated removal with the same OK, and a removal that was given up.
const REMEMBER_DEPARTED: Duration = Duration::from_secs(24 * 60 * 60);

/// How often the broken members of a group at its minimum are replaced at most. Where each new one fails as well,
/// cluster-autoscaler would have them replaced at every loop, without end.
const REPLACE_INTERVAL: Duration = Duration::from_secs(5 * 60);

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
pub struct PendingRequests {
    /// Accepted, not sent yet, in order of arrival.
    pub queued: Vec<Queued>,
    failed: BTreeMap<u32, InstanceError>,
    failures: u32,
    replaced_at: Option<Instant>,
    departed: BTreeMap<InstanceId, Instant>,
    given_up: BTreeSet<MemberKey>,
    abandoned: BTreeMap<InstanceId, Instant>,
}

impl PendingRequests {
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

    /// Whether a request that is not sent yet removes this instance.
    #[must_use]
    pub fn queue_removes(&self, id: InstanceId) -> bool {
        self.queued.iter().any(|queued| queued.request.removals().contains(&id))
    }

    /// Remembers a removal that was sent and is given up: whoever has it still may carry it out.
    pub fn abandon(&mut self, removals: &[InstanceId], now: Instant) {
        self.abandoned.extend(removals.iter().map(|id| (*id, now)));
    }

    /// Whether somebody asked for the removal of this instance and it may yet be carried out, because it waits here or was
    /// sent in vain.
    #[must_use]
    pub fn may_still_remove(&self, id: InstanceId) -> bool {
        self.queue_removes(id) || self.abandoned.contains_key(&id)
    }

    /// Acknowledges everything that waits, and returns who waited. A removal of several nodes is refused or accepted as a
    /// whole until then.
    pub fn acknowledge(&mut self) -> Vec<Ticket> {
        let callers = self.queued.iter_mut().filter_map(|queued| queued.caller.take()).collect();
        self.queued = std::mem::take(&mut self.queued).into_iter().flat_map(Queued::node_by_node).collect();
        callers
    }

    /// Takes out the requests whose callers still wait.
    pub fn take_unanswered(&mut self) -> Vec<Queued> {
        self.queued.extract_if(.., |queued| queued.caller.is_some()).collect()
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

    /// Forgets this many requested nodes that will not come, the oldest first. Returns how many there were.
    pub fn forget_failures(&mut self, group: NodeGroupUuid, count: usize, now: Instant) -> u32 {
        let numbers: Vec<u32> = self.failed.keys().copied().take(count).collect();
        for number in &numbers {
            self.forget_failure(group, *number, now);
        }
        u32::try_from(numbers.len()).unwrap_or(u32::MAX)
    }

    /// Forgets a requested node that will not come, if it is known.
    pub fn forget_failure(&mut self, group: NodeGroupUuid, number: u32, now: Instant) -> bool {
        let known = self.failed.remove(&number).is_some();
        if known {
            self.departed.insert(InstanceId::Placeholder(PlaceholderId::Failed { group, number }), now);
        }
        known
    }

    /// Remembers members of which a server has been waited for in vain: they will not come.
    pub fn give_up(&mut self, members: impl IntoIterator<Item = MemberKey>) {
        self.given_up.extend(members);
    }

    /// Whether the server of this member has been waited for in vain.
    #[must_use]
    pub fn is_given_up(&self, member: &Member) -> bool {
        member.is_serverless() && self.given_up.contains(&member.key)
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

    /// What will come of it, into `hasher`: the same for two that only differ in when it was.
    pub(super) fn hash_at(&self, now: Instant, hasher: &mut impl Hasher) {
        let Self { queued, failed, failures, replaced_at, departed, given_up, abandoned } = self;
        (queued, failed, failures, given_up).hash(hasher);
        replaced_at.map(|at| now.saturating_duration_since(at).min(REPLACE_INTERVAL)).hash(hasher);
        for remembered in [departed, abandoned] {
            remembered.len().hash(hasher);
            for (id, since) in remembered {
                (id, now.saturating_duration_since(*since).min(REMEMBER_DEPARTED)).hash(hasher);
            }
        }
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
        self.given_up
            .retain(|index| after.counted().any(|member| member.key == *index && member.is_serverless()));
        let is_remembered =
            |_: &InstanceId, since: &mut Instant| now.saturating_duration_since(*since) < REMEMBER_DEPARTED;
        self.departed.retain(is_remembered);
        self.abandoned.retain(is_remembered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{failure::Reason, sample};

    const DAY: Duration = Duration::from_secs(86_400);

    fn queued(caller: u64, request: Request) -> Queued {
        Queued { caller: Some(Ticket(caller)), request, attempts: 0 }
    }

    fn server(number: u32) -> InstanceId {
        InstanceId::Server(sample::server(number))
    }

    fn pending(requests: Vec<Request>, failed: u32) -> PendingRequests {
        let queued = (0..).zip(requests).map(|(caller, request)| queued(caller, request)).collect();
        let mut pending = PendingRequests { queued, ..PendingRequests::default() };
        pending.fail(failed, &InstanceError::of_failed_creation(&Reason::default()));
        pending
    }

    #[test]
    fn what_waits_is_added_up() {
        let requests = vec![
            Request::Increase(2),
            Request::Delete(vec![server(1), server(2)]),
            Request::Decrease(4),
            Request::Increase(1),
            Request::Decrease(3),
        ];
        let pending_with = |failed| pending(requests.clone(), failed);
        assert_eq!(pending_with(0).queued_additions(), 3);
        for (failures, failed, unsent, serverless) in [(0, 0, 3, 4), (3, 3, 3, 1), (5, 5, 2, 0), (9, 7, 0, 0)]
        {
            let expected = Cancellations { failed, unsent, serverless };
            assert_eq!(pending_with(failures).queued_cancellations(), expected, "{failures} failures");
        }
        let removed = [0, 1, 2, 3].map(|number| pending_with(0).queue_removes(server(number)));
        assert_eq!(removed, [false, true, true, false]);
    }

    /// A removal of several nodes was checked as a whole; what becomes of each of them is its own matter.
    #[test]
    fn what_is_acknowledged_is_answered_once_and_stands_node_by_node() {
        let requests = vec![Request::Increase(2), Request::Delete(vec![server(1), server(2)])];
        let mut pending = pending(requests, 0);
        assert_eq!(pending.acknowledge(), [Ticket(0), Ticket(1)]);
        assert_eq!(pending.acknowledge(), []);
        let parts =
            [Request::Increase(2), Request::Delete(vec![server(1)]), Request::Delete(vec![server(2)])];
        assert_eq!(pending.queued, parts.map(|request| Queued { caller: None, request, attempts: 0 }));
        pending.queued.insert(1, queued(7, Request::Decrease(1)));
        assert_eq!(pending.take_unanswered(), [queued(7, Request::Decrease(1))]);
        assert_eq!(pending.queued.len(), 3);
    }

    #[test]
    fn requested_nodes_that_will_not_come_are_forgotten_the_oldest_first() {
        let (mut pending, now) = (pending(Vec::new(), 3), Instant::now());
        let group = sample::group().uuid;
        let numbers = |pending: &PendingRequests| pending.failed().keys().copied().collect::<Vec<_>>();
        assert_eq!(numbers(&pending), [1, 2, 3]);
        assert_eq!(pending.forget_failures(group, 2, now), 2);
        assert_eq!(numbers(&pending), [3]);
        let placeholder = |number| InstanceId::Placeholder(PlaceholderId::Failed { group, number });
        assert!(pending.has_departed(placeholder(1)) && !pending.has_departed(placeholder(3)));
        assert!(!pending.forget_failure(group, 1, now) && !pending.forget_failure(group, 9, now));
        assert!(!pending.has_departed(placeholder(9)), "it never was one");
        // A number is not used again: cluster-autoscaler may still name the first one.
        pending.fail(1, &InstanceError::of_failed_creation(&Reason::default()));
        assert_eq!(numbers(&pending), [3, 4]);
        assert_eq!(pending.forget_failures(group, 5, now), 2);
        assert!(numbers(&pending).is_empty());
    }

    #[test]
    fn who_left_is_remembered_for_a_day_and_until_it_is_back() {
        let (mut pending, now) = (PendingRequests::default(), Instant::now());
        let both = sample::reading(vec![sample::member(0), sample::member(1)]);
        let one = sample::reading(vec![sample::member(0)]);
        let placeholder = InstanceId::of_member(both.group.uuid, MemberKey::Index(1), None);
        let departed = |pending: &PendingRequests| {
            [server(0), server(1), placeholder].map(|id| pending.has_departed(id))
        };
        pending.note_departures(&both, &one, now);
        assert_eq!(departed(&pending), [false, true, true]);
        pending.note_departures(&one, &one, now + DAY - Duration::from_secs(1));
        assert_eq!(departed(&pending), [false, true, true]);
        pending.note_departures(&one, &one, now + DAY);
        assert_eq!(departed(&pending), [false; 3]);
        pending.note_departures(&both, &one, now);
        pending.note_departures(&one, &both, now);
        assert_eq!(departed(&pending), [false; 3], "it is a member again");
        // The member is there, and has another server.
        let mut anew = both.clone();
        anew.members[1].server = Some(sample::server(9));
        pending.note_departures(&both, &anew, now);
        assert_eq!(departed(&pending), [false, true, false]);
    }

    #[test]
    fn a_removal_that_was_given_up_may_still_come_for_a_day() {
        let (mut pending, now) = (PendingRequests::default(), Instant::now());
        let both = sample::reading(vec![sample::member(0), sample::member(1)]);
        pending.abandon(&[server(1)], now);
        let may_come =
            |pending: &PendingRequests| [0, 1].map(|number| pending.may_still_remove(server(number)));
        pending.note_departures(&both, &both, now + DAY - Duration::from_secs(1));
        assert_eq!(may_come(&pending), [false, true]);
        assert!(!pending.queue_removes(server(1)), "it does not wait");
        pending.note_departures(&both, &both, now + DAY);
        assert_eq!(may_come(&pending), [false; 2]);
        pending.queued.push(queued(1, Request::Delete(vec![server(0)])));
        assert_eq!(may_come(&pending), [true, false]);
    }

    #[test]
    fn a_member_is_given_up_until_it_gets_a_server_or_goes() {
        let waiting = |number| sample::serverless_member(number, "CREATE_IN_PROGRESS");
        let before = sample::reading(vec![waiting(0), waiting(1), waiting(2)]);
        let mut pending = PendingRequests::default();
        pending.give_up([0, 1, 3].map(MemberKey::Index));
        let given_up =
            |pending: &PendingRequests| [0, 1, 2].map(|number| pending.is_given_up(&waiting(number)));
        assert_eq!(given_up(&pending), [true, true, false]);
        assert!(!pending.is_given_up(&sample::member(0)), "it has a server");
        let after = sample::reading(vec![sample::member(0), waiting(1), waiting(2)]);
        pending.note_departures(&before, &after, Instant::now());
        assert_eq!(given_up(&pending), [false, true, false]);
        pending.note_departures(&after, &sample::reading(vec![waiting(2)]), Instant::now());
        assert_eq!(given_up(&pending), [false; 3]);
    }
}
