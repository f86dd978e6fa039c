//! The safety kernel: from one fresh reading and the waiting requests, at most one resize and one answer each.
//!
//! - Only counted members that a request named are removed, each by its live key (I1).
//! - `count = counted members − verified removals + additions`, inside the bounds (I2).
//! - What is gone or going already is not removed again and lowers nothing (I3).
//! - Nothing is sent on the word of one service alone (I2, [`super::witnesses`]).

mod acceptance;

use std::{sync::Arc, time::Instant};

pub use self::acceptance::accept;
use super::{
    cloud::Reading,
    instance::{InstanceId, PlaceholderId},
    machine_id::MachineId,
    member::{Member, MemberKey},
    node_group::Bounds,
    pending::{PendingRequests, Queued, Request},
    request::RequestError,
    resize::{InFlightResize, Removal, Resize},
    witnesses::{Contradiction, compare},
};

/// The decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The one resize, or none when nothing is left to do.
    pub resize: Option<Resize>,
    /// One answer for each queued request, in their order; none for those that have to wait for the end of this resize.
    pub answers: Vec<Result<(), RequestError>>,
    /// How many of the failed requests were cancelled.
    pub cancelled_failures: usize,
    /// Whether broken members at the minimum are replaced; see [`PendingRequests::may_replace`].
    pub replaces: bool,
}

/// What a named instance turns out to be in the reading.
enum Resolved {
    Member(Removal),
    /// On its way out or gone.
    Gone,
    /// No member any more, but its deletion failed; the next resize tries it again.
    StuckDeletion,
}

/// Decides what to send for the queue of `pending`.
///
/// The group must have settled: the reading is taken for the whole truth. Requests are judged in their order,
/// each one wholly or not at all, and a refused one leaves no trace in the resize.
#[must_use]
pub fn plan(reading: &Reading, pending: &PendingRequests, now: Instant) -> Plan {
    let mut draft = Draft::new(reading, pending, None, now);
    draft.contradiction = compare(reading).err().filter(Contradiction::endangers_nodes);
    let together = pending.queued.iter().take(in_one_resize(reading, pending));
    let answers: Vec<_> = together.map(|queued| draft.judge(&queued.request)).collect();
    draft.finish(answers)
}

/// How many of the queued requests, from the first on, one resize can carry out.
fn in_one_resize(reading: &Reading, pending: &PendingRequests) -> usize {
    let Some(first) = pending.queued.first() else { return 0 };
    let together = |two: &&[Queued]| match two {
        [last, next] => reading.capabilities.go_together(&first.request, &last.request, &next.request),
        _ => false,
    };
    1 + pending.queued.windows(2).take_while(together).count()
}

struct Draft<'a> {
    reading: &'a Reading,
    pending: &'a PendingRequests,
    group: String,
    current: u32,
    additions: u32,
    remove: Vec<Removal>,
    cancelled_failures: usize,
    /// An update without any change is wanted, so that failed deletions are tried again.
    repeat_update: bool,
    /// Whether broken members at the minimum may be replaced now.
    may_replace: bool,
    /// How many are, in nodes.
    replacements: u32,
    /// Why the reading is no ground for any resize.
    contradiction: Option<Contradiction>,
    /// The resize on its way: what it removes is going, and what it adds is coming.
    flight: Option<&'a InFlightResize>,
    /// How many requested nodes are cancelled.
    cancellations: u32,
    /// Whether all members without a server may be cancelled, not only those that failed.
    any_serverless: bool,
}

impl<'a> Draft<'a> {
    fn new(
        reading: &'a Reading,
        pending: &'a PendingRequests,
        flight: Option<&'a InFlightResize>,
        now: Instant,
    ) -> Self {
        let is_going = |member: &&Member| flight.is_some_and(|flight| flight.resize.removes(member));
        let current = reading.counted().filter(|member| !is_going(member)).count();
        Self {
            reading,
            pending,
            group: reading.group.id(),
            current: u32::try_from(current).unwrap_or(u32::MAX),
            additions: 0,
            remove: Vec::new(),
            cancelled_failures: 0,
            repeat_update: false,
            may_replace: pending.may_replace(now) && reading.capabilities.exchanges_members(),
            replacements: 0,
            contradiction: None,
            flight,
            cancellations: 0,
            any_serverless: true,
        }
    }

    /// How many members stay, replaced ones included.
    fn staying(&self) -> i64 {
        let removals = i64::try_from(self.remove.len()).unwrap_or(i64::MAX);
        i64::from(self.current) + i64::from(self.replacements) - removals
    }

    fn count(&self) -> i64 {
        self.staying() + i64::from(self.additions)
    }

    /// Nodes that a resize on its way adds and that are no members yet.
    fn coming(&self) -> u32 {
        coming_nodes(self.reading, self.flight, self.current)
    }

    /// Nodes that somebody else's resize on its way takes, nobody knows which.
    fn leaving_with_others(&self) -> u32 {
        if self.flight.is_some() || !self.reading.group.status.in_progress() {
            return 0;
        }
        self.current.saturating_sub(self.reading.group.node_count)
    }

    /// How many nodes there will be. Those that came to nothing count until cluster-autoscaler has taken them back.
    fn expected(&self) -> i64 {
        let failures = self.pending.failed().len().saturating_sub(self.cancelled_failures);
        self.count() + i64::from(self.coming()) + i64::try_from(failures).unwrap_or(i64::MAX)
    }

    /// The size that cluster-autoscaler is told, in nodes.
    fn target(&self) -> u32 {
        u32::try_from(self.expected().max(0)).unwrap_or(u32::MAX)
    }

    /// How many nodes there are above the minimum.
    fn spare(&self) -> u32 {
        let count = self.count() + i64::from(self.coming());
        u32::try_from(count - i64::from(self.reading.group.bounds.min)).unwrap_or(0)
    }

    fn out_of_bounds(&self, count: i64, bounds: Bounds) -> RequestError {
        RequestError::OutOfBounds { group: self.group.clone(), count, bounds, current: self.target() }
    }

    fn judge(&mut self, request: &Request) -> Result<(), RequestError> {
        if !self.reading.cluster_status.allows_resize() {
            return Err(RequestError::ClusterStatus { status: self.reading.cluster_status.clone() });
        }
        if let Some(contradiction) = &self.contradiction {
            return Err(RequestError::Contradiction {
                group: self.group.clone(),
                contradiction: contradiction.clone(),
            });
        }
        if let Some(reason) = self.reading.capabilities.obstacle(request) {
            return Err(RequestError::Impossible { group: self.group.clone(), reason: Arc::clone(reason) });
        }
        match request {
            Request::Increase(delta) => self.increase(*delta),
            Request::Delete(ids) => self.delete(ids),
            Request::Decrease(delta) => self.decrease(*delta),
        }
    }

    fn increase(&mut self, delta: u32) -> Result<(), RequestError> {
        let count = self.expected() + i64::from(delta);
        if count > i64::from(self.reading.group.bounds.max) {
            return Err(self.out_of_bounds(count, self.reading.group.bounds));
        }
        self.additions += delta;
        Ok(())
    }

    fn delete(&mut self, ids: &[InstanceId]) -> Result<(), RequestError> {
        let mut removals: Vec<Removal> = Vec::new();
        let mut stuck = false;
        for id in ids {
            match self.resolve(*id)? {
                Resolved::Member(removal) => {
                    if !self.remove.contains(&removal) && !removals.contains(&removal) {
                        removals.push(removal);
                    }
                }
                Resolved::StuckDeletion => stuck = true,
                Resolved::Gone => {}
            }
        }
        // Only what exists counts: what was asked for may fail to come.
        let removed = i64::try_from(removals.len()).unwrap_or(i64::MAX);
        let existing = self.staying() - i64::from(self.leaving_with_others());
        let count = existing - removed;
        // A group that is below its minimum already may not become smaller.
        let missing = i64::from(self.reading.group.bounds.min.min(self.current)) - count;
        if !removals.is_empty() && missing > 0 {
            // At the minimum a broken member can only be replaced: Magnum takes no count below it.
            let broken = self.remove.iter().chain(&removals).filter(|removal| self.is_broken(removal.key));
            let replaceable =
                i64::try_from(broken.count()).unwrap_or(i64::MAX) - i64::from(self.replacements);
            match u32::try_from(missing) {
                Ok(more) if self.may_replace && missing <= replaceable => self.replacements += more,
                _ => {
                    let (group, bounds) = (self.group.clone(), self.reading.group.bounds);
                    let current = u32::try_from(existing.max(0)).unwrap_or(u32::MAX);
                    return Err(RequestError::OutOfBounds { group, count, bounds, current });
                }
            }
        }
        self.remove.append(&mut removals);
        self.repeat_update |= stuck;
        Ok(())
    }

    fn is_broken(&self, key: MemberKey) -> bool {
        self.reading.member(key).is_some_and(Member::is_broken)
    }

    fn resolve(&self, id: InstanceId) -> Result<Resolved, RequestError> {
        match id {
            InstanceId::Server(machine) => self.resolve_server(machine, id),
            InstanceId::Placeholder(placeholder @ PlaceholderId::Member { key, .. }) => {
                self.resolve_placeholder(placeholder, key)
            }
            // What was only asked for is pending, and not in the cloud.
            InstanceId::Placeholder(
                placeholder @ (PlaceholderId::Requested { .. } | PlaceholderId::Failed { .. }),
            ) => Err(self.not_a_member(&placeholder.to_string())),
        }
    }

    fn resolve_server(&self, machine: MachineId, id: InstanceId) -> Result<Resolved, RequestError> {
        let mut members = self.reading.members.iter().filter(|member| member.server == Some(machine));
        match members.next() {
            Some(member) if !member.counted => Ok(already_leaving(member)),
            Some(member) if self.is_in_flight(member) => Ok(Resolved::Gone),
            Some(member) => Ok(Resolved::Member(Removal::of(member))),
            None if self.pending.has_departed(id) => Ok(Resolved::Gone),
            None => Err(self.not_a_member(&machine.to_string())),
        }
    }

    fn resolve_placeholder(
        &self,
        placeholder: PlaceholderId,
        key: MemberKey,
    ) -> Result<Resolved, RequestError> {
        if placeholder.group() != self.reading.group.uuid {
            return Err(self.not_a_member(&placeholder.to_string()));
        }
        match self.reading.member(key) {
            Some(member) if !member.counted => Ok(already_leaving(member)),
            Some(member) if self.is_in_flight(member) => Ok(Resolved::Gone),
            Some(member) if member.is_serverless() && !key.names_a_member() => {
                Err(RequestError::BeingRequested { node: placeholder.to_string(), group: self.group.clone() })
            }
            Some(member) if member.is_serverless() => Ok(Resolved::Member(Removal::of(member))),
            Some(Member { server: None, .. }) => Err(RequestError::ServerUnknown {
                node: placeholder.to_string(),
                group: self.group.clone(),
                member: key.to_string(),
            }),
            Some(Member { server: Some(server), .. }) => Err(RequestError::PlaceholderHasServer {
                node: placeholder.to_string(),
                group: self.group.clone(),
                member: key.to_string(),
                server: server.to_string(),
            }),
            None if self.pending.has_departed(InstanceId::Placeholder(placeholder)) => Ok(Resolved::Gone),
            None => Err(self.not_a_member(&placeholder.to_string())),
        }
    }

    /// Whether the resize on its way removes the member.
    fn is_in_flight(&self, member: &Member) -> bool {
        self.flight.is_some_and(|flight| flight.resize.removes(member))
    }

    fn not_a_member(&self, node: &str) -> RequestError {
        RequestError::NotAMember { node: node.to_owned(), group: self.group.clone() }
    }

    /// Cancels, in this order, requests that failed, requests not sent yet, and members that never got a server.
    /// As much as there is: since 1.36 cluster-autoscaler takes back a whole increase after a time-out even if
    /// some of its nodes came.
    fn decrease(&mut self, delta: u32) -> Result<(), RequestError> {
        let mut left = delta;
        while left > 0 && self.cancelled_failures < self.pending.failed().len() {
            self.cancelled_failures += 1;
            left -= 1;
        }
        // What was accepted before may count on them.
        let unsent = left.min(self.additions).min(self.spare());
        self.additions -= unsent;
        left -= unsent;
        let mut serverless: Vec<Removal> = self.free_members();
        serverless.truncate(usize::try_from(left.min(self.spare())).unwrap_or(usize::MAX));
        left -= u32::try_from(serverless.len()).unwrap_or(left);
        self.remove.append(&mut serverless);
        if left == delta {
            return Err(RequestError::NothingToCancel { group: self.group.clone(), current: self.target() });
        }
        self.cancellations += delta - left;
        Ok(())
    }

    /// The members that may be cancelled and are not removed already.
    fn free_members(&self) -> Vec<Removal> {
        let free = free_members(self.reading, self.flight, self.any_serverless).map(Removal::of);
        free.filter(|removal| !self.remove.contains(removal)).collect()
    }

    /// Whether nothing is to be sent.
    fn is_idle(&self) -> bool {
        self.remove.is_empty() && self.additions == 0 && !self.repeat_update
    }

    fn finish(mut self, mut answers: Vec<Result<(), RequestError>>) -> Plan {
        self.remove.sort_unstable();
        let count = self.count();
        let idle = self.is_idle();
        // Somebody lowered the maximum below what there is: Magnum takes no count above it, however many go.
        let bounds = self.reading.group.magnum_bounds;
        if !idle && !bounds.contain_wide(count) {
            let error = self.out_of_bounds(count, bounds);
            for (answer, queued) in answers.iter_mut().zip(&self.pending.queued) {
                if answer.is_ok() && self.touches_members(&queued.request) {
                    *answer = Err(error.clone());
                }
            }
            return Plan {
                resize: None,
                answers,
                cancelled_failures: self.cancelled_failures,
                replaces: false,
            };
        }
        let resize = match u32::try_from(count) {
            Ok(count) if !idle => {
                Some(Resize { count, remove: self.remove, additions: self.additions + self.replacements })
            }
            _ => None,
        };
        Plan { resize, answers, cancelled_failures: self.cancelled_failures, replaces: self.replacements > 0 }
    }

    /// Whether a request would change the group, rather than find its work done.
    fn touches_members(&self, request: &Request) -> bool {
        match request {
            Request::Increase(_) | Request::Decrease(_) => true,
            Request::Delete(ids) => ids
                .iter()
                .any(|id| matches!(self.resolve(*id), Ok(Resolved::Member(_) | Resolved::StuckDeletion))),
        }
    }
}

/// The members that may be cancelled, in that order: without a server, and none is being made for them. While a change goes
/// on that is certain only of those that failed.
pub(super) fn free_members<'a>(
    reading: &'a Reading,
    flight: Option<&'a InFlightResize>,
    at_rest: bool,
) -> impl Iterator<Item = &'a Member> {
    let is_leaving = move |member: &Member| flight.is_some_and(|flight| flight.resize.removes(member));
    let serverless = reading.serverless().into_iter();
    serverless.filter(move |member| (at_rest || member.status.failed()) && !is_leaving(member))
}

/// Nodes that a resize adds that is on its way, this service's or another's, and that are no members yet. `staying` are
/// the members that it leaves.
pub(super) fn coming_nodes(reading: &Reading, flight: Option<&InFlightResize>, staying: u32) -> u32 {
    match flight {
        Some(flight) => flight.resize.count.saturating_sub(staying),
        None if reading.group.status.in_progress() => reading.group.node_count.saturating_sub(staying),
        None => 0,
    }
}

fn already_leaving(member: &Member) -> Resolved {
    if member.status.failed() { Resolved::StuckDeletion } else { Resolved::Gone }
}
