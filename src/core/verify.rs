//! What became of a resize: 202 is not done.

use super::{
    capabilities::NamedRemoval,
    cloud::Reading,
    instance::InstanceId,
    member::{Member, MemberKey},
    pending::{Queued, Request},
    resize::{InFlightResize, Removal},
    status::{Action, Progress},
};

/// How a resize ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nodes are gone that nobody named. Must never happen.
    WrongRemoval,
    /// Nothing of what was asked for has happened, and no failure tells why.
    Lost,
    /// Members that were named are still counted.
    PartlyLost,
    /// Somebody else asked for another size meanwhile.
    Superseded,
    /// Fewer nodes than asked for, or some of the new ones failed.
    Failed,
    /// Exactly what was asked for.
    Done,
}

/// A comparison of the group with what a resize asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Whether Magnum or Heat has acted on the group since the request; it may have been on an earlier one. By an old answer of
    /// Magnum only all that was asked for is a sign: one half of it may have come of an earlier request.
    pub seen: bool,
    /// Whether the group's members are those of before although others were asked for.
    pub untouched: bool,
    /// Whether the group tells the end of an earlier resize: it is complete at a count of before, with fewer nodes than this one
    /// asked for. Whatever acts on this one sets its count first.
    pub preceded: bool,
    /// Members that were named and are still counted.
    pub remaining: Vec<Removal>,
    /// Nodes that were there before, that the resize did not name, and that are gone.
    pub missing_unnamed: Vec<Removal>,
    /// Members that were not there before.
    pub newcomers: Vec<MemberKey>,
    /// Newcomers that failed.
    pub failed_newcomers: usize,
    /// Newcomers that have no server while they are still made: in vain, should no more be waited for.
    pub waited_for_in_vain: Vec<MemberKey>,
    /// Nodes that are short of the size asked for.
    pub shortage: u32,
    /// Whether Magnum's count is neither one of before nor the one asked for.
    pub superseded: bool,
    /// Whether the group's last update failed, which is no earlier one.
    pub failed: bool,
    /// Whether it failed to get the new members that Magnum asked of Heat, and Heat shows none of them. Magnum puts the old
    /// count back where Heat refuses an update (docs/openstack-behaviour.md#a-resize-what-is-checked-and-when), and Heat lists
    /// new members whatever becomes of them: unless the update failed before it came to them, Heat's list is old. That what was
    /// named is gone proves nothing: an earlier removal of it may have come late.
    pub unexplained: bool,
}

impl Effect {
    /// Compares.
    #[must_use]
    pub fn of(flight: &InFlightResize, now: &Reading) -> Self {
        let named = &flight.resize.remove;
        let is_there = |removal: &Removal| is_counted(now, removal);
        let remaining: Vec<Removal> = named.iter().copied().filter(is_there).collect();
        let missing = missing_unnamed(flight, now);
        let (remaining, missing_unnamed) = match now.capabilities.removal {
            NamedRemoval::Untargeted => interchangeable(remaining, missing),
            NamedRemoval::Exact | NamedRemoval::Refused(_) => (remaining, missing),
        };
        let is_new = |member: &&Member| !flight.before.counted().any(|other| other.key == member.key);
        let newcomers: Vec<&Member> = now.counted().filter(is_new).collect();
        let additions = usize::try_from(flight.resize.additions).unwrap_or(usize::MAX);
        let adds = additions > 0;
        let asked = !named.is_empty() || adds;
        let (before, after) = (&flight.before.group, &now.group);
        let seen = after.updated_at != before.updated_at
            || after.status != before.status
            || (after.node_count == flight.resize.count && before.node_count != flight.resize.count)
            || (asked && remaining.is_empty() && newcomers.len() >= additions);
        let is_waited_for = |member: &&&Member| {
            let busy = after.status.in_progress() || member.status.in_progress();
            busy && !after.status.failed() && member.is_serverless() && !member.status.failed()
        };
        let keys = |members: Vec<&Member>| members.into_iter().map(|member| member.key).collect();
        let untouched =
            asked && remaining.len() == named.len() && newcomers.is_empty() && missing_unnamed.is_empty();
        let failed = after.status.failed() && !is_failure_of_before(flight, now);
        let has_its_count = after.node_count == flight.resize.count;
        let asked_of_heat = adds && has_its_count;
        let shortage = flight.resize.count.saturating_sub(now.size());
        let has_count_of_before = flight.is_count_of_before(after.node_count);
        let is_complete = after.status.progress == Progress::Complete;
        Self {
            seen,
            untouched,
            preceded: adds && shortage > 0 && !has_its_count && has_count_of_before && is_complete,
            unexplained: failed && asked_of_heat && newcomers.is_empty(),
            shortage,
            superseded: !has_its_count && !has_count_of_before,
            failed,
            failed_newcomers: newcomers.iter().filter(|member| member.status.failed()).count(),
            waited_for_in_vain: keys(newcomers.iter().filter(is_waited_for).copied().collect()),
            newcomers: keys(newcomers),
            remaining,
            missing_unnamed,
        }
    }

    /// Whether nothing of what was asked for has happened, and no failure tells why.
    fn is_without_trace(&self) -> bool {
        self.preceded || (self.untouched && !self.failed)
    }

    /// What it comes to, the worst first.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        // What is gone before Magnum has acted is gone for another reason, or missing in an old answer.
        if !self.seen {
            Verdict::Lost
        } else if !self.missing_unnamed.is_empty() && !self.superseded {
            Verdict::WrongRemoval
        } else if self.is_without_trace() && !self.superseded {
            Verdict::Lost
        } else if !self.remaining.is_empty() {
            Verdict::PartlyLost
        } else if self.superseded {
            Verdict::Superseded
        } else if self.shortage > 0 || self.failed_newcomers > 0 || !self.waited_for_in_vain.is_empty() {
            Verdict::Failed
        } else {
            Verdict::Done
        }
    }

    /// New nodes that were asked for and are not there, in nodes.
    #[must_use]
    pub fn missing_additions(&self, flight: &InFlightResize) -> u32 {
        flight.resize.additions.saturating_sub(u32::try_from(self.newcomers.len()).unwrap_or(u32::MAX))
    }

    /// The removals that did not happen, to be planned anew.
    #[must_use]
    pub fn removals_left(&self, flight: &InFlightResize) -> Vec<Queued> {
        let group = flight.before.group.uuid;
        let mut still_there: Vec<InstanceId> =
            self.remaining.iter().map(|removal| removal.instance_id(group)).collect();
        let mut again = Vec::new();
        let mut removal = |queued: &Queued, ids: Vec<InstanceId>| {
            if !ids.is_empty() {
                let attempts = queued.attempts + 1;
                again.push(Queued { caller: None, request: Request::Delete(ids), attempts });
            }
        };
        for queued in &flight.requests {
            if let Request::Delete(named) = &queued.request {
                let (ids, others) = still_there.into_iter().partition(|id| named.contains(id));
                still_there = others;
                removal(queued, ids);
            }
        }
        // What nobody named is a member without a server that was to be cancelled.
        let cancellation = |queued: &&Queued| matches!(queued.request, Request::Decrease(_));
        if let Some(queued) = flight.requests.iter().find(cancellation) {
            removal(queued, still_there);
        }
        again
    }

    /// Whether what was asked for is there, so that no later reading is needed to be sure.
    #[must_use]
    pub fn complete(&self) -> bool {
        !self.is_without_trace()
            && self.remaining.is_empty()
            && self.missing_unnamed.is_empty()
            && self.shortage == 0
    }
}

/// Whether Magnum tells of the failure of an earlier update: of one that went on when the resize was sent, or of one before,
/// which a sync that comes late writes once more (docs/openstack-behaviour.md#magnums-status-sync) and an old answer hides.
/// Whatever acts on the resize sets its count, unless Heat refuses it, which is tried again then. Where that is the count of
/// before, it tells nothing.
fn is_failure_of_before(flight: &InFlightResize, now: &Reading) -> bool {
    let (before, after) = (&flight.before.group, &now.group);
    let is_count_of_before = match after.node_count == flight.resize.count {
        true => before.node_count == flight.resize.count,
        false => flight.is_count_of_before(after.node_count),
    };
    // A group with a failed member has failed, whatever an old answer says.
    let may_have_failed = before.status.progress != Progress::Complete
        || flight.before.counted().any(|member| member.status.failed());
    may_have_failed && is_count_of_before
}

/// Whether the member is counted, as it was when its removal was planned.
fn is_counted(now: &Reading, removal: &Removal) -> bool {
    now.member(removal.key).is_some_and(|member| member.counted && member.is(removal.key, removal.server))
}

/// Nodes that were there before, that the resize did not name, and that are gone.
fn missing_unnamed(flight: &InFlightResize, now: &Reading) -> Vec<Removal> {
    let has_failed = flight.before.group.status.failed();
    let is_made_anew = |member: &&Member| {
        may_be_made_anew(member, has_failed) && now.member(member.key).is_some_and(|member| member.counted)
    };
    let nodes = flight
        .before
        .counted()
        .filter(|member| !member.is_broken() && member.key.names_a_member())
        .filter(|member| !is_made_anew(member))
        .map(Removal::of)
        .filter(|removal| !flight.resize.remove.contains(removal) && !is_counted(now, removal));
    nodes.chain(servers_lost_unknown_to_the_driver(flight, now)).collect()
}

/// Servers that Nova listed before and does not list now, and of which the driver knew and knows nothing: nobody named them, and
/// nobody but a resize by a count that was too small took them.
fn servers_lost_unknown_to_the_driver<'a>(
    flight: &'a InFlightResize,
    now: &'a Reading,
) -> impl Iterator<Item = Removal> + 'a {
    let both = flight.before.servers.as_ref().zip(now.servers.as_ref());
    both.into_iter().flat_map(move |(before, after)| {
        let lost = before.iter().filter(|(server, _)| !after.contains_key(*server));
        let lost = lost.map(|(server, key)| Removal { key: *key, server: Some(*server) });
        lost.filter(move |removal| {
            let is_known = |reading: &Reading| reading.member(removal.key).is_some();
            !is_known(&flight.before) && !is_known(now)
        })
    })
}

/// Where the driver chooses who goes, each node that went is one of those that were to go, whoever it was.
fn interchangeable(mut remaining: Vec<Removal>, gone: Vec<Removal>) -> (Vec<Removal>, Vec<Removal>) {
    let (remain, went) = (remaining.len(), gone.len());
    remaining.truncate(remain.saturating_sub(went));
    (remaining, gone.into_iter().skip(remain).collect())
}

/// Whether Heat may give the member another server without a node being lost, as long as the member itself is there:
/// it was still being made, or its last update failed. Of the latter Heat replaces only servers that are in error. Where the
/// group has failed, a member still in progress is told by an old answer, and may have failed like it.
fn may_be_made_anew(member: &Member, has_group_failed: bool) -> bool {
    let unfinished = member.status.action == Action::Create && member.status.progress != Progress::Complete;
    unfinished || member.status.failed() || (has_group_failed && member.status.in_progress())
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
