//! What became of a resize: 202 is not done.

use std::collections::HashMap;

use super::{
    cloud::Reading,
    ledger::Flight,
    member::{Member, MemberIndex, ServerPresence},
    plan::Removal,
    status::{Action, Progress},
};

/// A comparison of the group with what a resize asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Whether Magnum has acted on the group since the request; it may have been on an earlier one.
    pub seen: bool,
    /// Whether nothing of what was asked for has happened.
    pub untouched: bool,
    /// Whether nothing of what was asked for has happened, and no failure tells why.
    pub nothing: bool,
    /// Members that were named and are still counted.
    pub remaining: Vec<Removal>,
    /// Members that were there before, that the resize did not name, and that are gone.
    pub missing_bystanders: Vec<Removal>,
    /// Members that were not there before.
    pub newcomers: Vec<MemberIndex>,
    /// Newcomers that failed.
    pub failed_newcomers: usize,
    /// Nodes that are short of the size asked for.
    pub shortage: u32,
    /// Whether somebody else asked for another size meanwhile.
    pub superseded: bool,
}

impl Effect {
    /// Compares.
    #[must_use]
    pub fn of(flight: &Flight, now: &Reading) -> Self {
        let counted: HashMap<MemberIndex, &Member> =
            now.counted().map(|member| (member.index, member)).collect();
        let is_there = |removal: &Removal| {
            counted
                .get(&removal.index)
                .is_some_and(|member| removal.server.is_none() || member.server == removal.server)
        };
        let named = &flight.resize.remove;
        let remaining: Vec<Removal> = named.iter().copied().filter(is_there).collect();
        let missing_bystanders: Vec<Removal> = flight
            .before
            .counted()
            // Heat replaces what is broken anyway.
            .filter(|member| !member.status.failed() && member.presence != ServerPresence::Gone)
            .filter(|member| !(is_unfinished(member) && counted.contains_key(&member.index)))
            .map(|member| Removal { index: member.index, server: member.server })
            .filter(|removal| !named.contains(removal) && !is_there(removal))
            .collect();
        let newcomers: Vec<MemberIndex> = now
            .counted()
            .filter(|member| !flight.before.counted().any(|other| other.index == member.index))
            .map(|member| member.index)
            .collect();
        let failed_newcomers = newcomers
            .iter()
            .filter(|index| counted.get(index).is_some_and(|member| member.status.failed()))
            .count();
        let size = u32::try_from(counted.len()).unwrap_or(u32::MAX);
        let (before, after) = (&flight.before.group, &now.group);
        let seen = after.updated_at != before.updated_at
            || after.status != before.status
            || (after.node_count == flight.resize.count && before.node_count != flight.resize.count)
            || (!named.is_empty() && remaining.is_empty());
        let asked = !named.is_empty() || flight.resize.additions > 0;
        let untouched = asked && remaining.len() == named.len() && newcomers.is_empty();
        Self {
            seen,
            untouched,
            nothing: untouched && !after.status.failed(),
            shortage: flight.resize.count.saturating_sub(size),
            superseded: ![before.node_count, flight.resize.count].contains(&after.node_count),
            remaining,
            missing_bystanders,
            newcomers,
            failed_newcomers,
        }
    }

    /// New nodes that were asked for and are not there, in nodes.
    #[must_use]
    pub fn owed(&self, flight: &Flight) -> u32 {
        flight.resize.additions.saturating_sub(u32::try_from(self.newcomers.len()).unwrap_or(u32::MAX))
    }

    /// Whether exactly what was asked for has happened.
    #[must_use]
    pub fn complete(&self) -> bool {
        !self.nothing && self.remaining.is_empty() && self.missing_bystanders.is_empty() && self.shortage == 0
    }
}

/// Whether the member was still being made. When that fails after all, Heat makes it anew with another server: no node
/// is lost, as long as the member is there.
fn is_unfinished(member: &Member) -> bool {
    member.status.action == Action::Create && member.status.progress != Progress::Complete
}
