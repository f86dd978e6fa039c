//! The reckoning after the chaos: who went, who named him, and whether the sizes come out.

use std::collections::BTreeSet;

use super::record::{Naming, Outcome, Record, Seen};
use crate::openstack::{Group, index};

/// The reckoning of a group's size.
pub(super) struct Size {
    pub(super) group: String,
    /// The largest size that the calls explain.
    pub(super) most: usize,
    /// The size it has.
    pub(super) is: usize,
    /// Requested nodes that failed and were taken back.
    pub(super) cancelled: usize,
    /// Failed members that were removed. At the minimum each of them has been replaced.
    pub(super) replaceable: usize,
}

impl Size {
    pub(super) fn of(record: &Record, group: &Group, first: usize) -> Self {
        let asked = |outcome| record.asked.get(&(group.id.clone(), outcome)).copied().unwrap_or_default();
        let of_group = |seen: &&Seen| group.has(&seen.name);
        let names = |gone: bool| {
            let servers = record.servers.values().filter(of_group).filter(|seen| seen.gone.is_some() == gone);
            servers.filter_map(|seen| index(&seen.name)).collect::<BTreeSet<_>>()
        };
        let (there, gone) = (names(false), names(true));
        // Members that went without ever having a server.
        let prefix = format!("fake:///{}/", group.uuid);
        let acknowledged = |namings: &[Naming]| {
            namings.iter().filter(|naming| naming.outcome == Outcome::Acknowledged).count()
        };
        let placeholders = || {
            let named =
                record.named.iter().map(|(id, namings)| (id.strip_prefix(&prefix), acknowledged(namings)));
            named.filter_map(|(rest, count)| Some((rest?, count))).filter(|(_, count)| *count > 0)
        };
        let removed: BTreeSet<u32> =
            gone.into_iter().chain(placeholders().filter_map(|(rest, _)| rest.parse().ok())).collect();
        Self {
            group: group.id.clone(),
            most: first + asked(Outcome::Acknowledged) + asked(Outcome::Unknown)
                - removed.difference(&there).count(),
            is: there.len(),
            replaceable: record
                .failed
                .iter()
                .filter(|id| record.named.contains_key(*id) && record.is_of(group, id))
                .count(),
            cancelled: placeholders()
                .filter(|(rest, _)| rest.starts_with("failed"))
                .map(|(_, count)| count)
                .sum(),
        }
    }
}

/// The reckoning of the servers.
pub(super) struct Verdict {
    pub(super) removed: usize,
    /// Gone, and named by nobody.
    pub(super) unnamed: Vec<String>,
    /// Gone, and named only by calls that were refused.
    pub(super) refused: Vec<String>,
    /// Gone, and another server of the same name is there or, where this one never ran a node, was named: Heat made the
    /// member anew.
    pub(super) replaced: Vec<String>,
    /// Deleted in Nova behind everybody's back.
    pub(super) by_hand: usize,
    /// There, although a call that named it was acknowledged and the service lived on.
    pub(super) spared: Vec<String>,
    /// There, because the service was killed before it sent what it had acknowledged.
    pub(super) forgotten: usize,
}

impl Verdict {
    pub(super) fn of(record: &Record, groups: &[Group]) -> Self {
        let mut verdict = Self {
            removed: 0,
            unnamed: Vec::new(),
            refused: Vec::new(),
            replaced: Vec::new(),
            by_hand: 0,
            spared: Vec::new(),
            forgotten: 0,
        };
        for (id, seen) in &record.servers {
            let namings = namings(record, groups, id, &seen.name);
            if seen.gone.is_some() {
                verdict.removed += 1;
                let label = format!("{id} {} (ran: {})", seen.name, record.ran.contains(id));
                let successor =
                    record.servers.values().any(|other| other.gone.is_none() && other.name == seen.name);
                // Heat made a failed member anew while it took it away: the member was named, by its first server.
                let named_before = !record.ran.contains(id)
                    && record.servers.iter().any(|(other, of_member)| {
                        of_member.name == seen.name
                            && self::namings(record, groups, other, &of_member.name)
                                .iter()
                                .any(|naming| naming.outcome != Outcome::Refused)
                    });
                if record.deleted_in_nova.contains(id) {
                    verdict.by_hand += 1;
                } else if namings.is_empty() && (successor || named_before) {
                    verdict.replaced.push(label);
                } else if namings.is_empty() {
                    verdict.unnamed.push(label);
                } else if namings.iter().all(|naming| naming.outcome == Outcome::Refused) {
                    verdict.refused.push(label);
                }
            } else if let Some(naming) =
                namings.iter().rev().find(|naming| naming.outcome == Outcome::Acknowledged)
            {
                if record.crashes.iter().any(|crash| *crash > naming.at) {
                    verdict.forgotten += 1;
                } else {
                    verdict.spared.push(format!("{id} {}", seen.name));
                }
            }
        }
        verdict
    }
}

/// The calls that named a server: by its provider ID, or by the placeholder of its member before it was there.
fn namings(record: &Record, groups: &[Group], id: &str, name: &str) -> Vec<Naming> {
    let group = groups.iter().find(|group| group.has(name));
    let placeholder = group.zip(index(name)).map(|(group, index)| format!("fake:///{}/{index}", group.uuid));
    let names = |named: &str| named.ends_with(id) || Some(named) == placeholder.as_deref();
    let named = record.named.iter().filter(|(named, _)| names(named.as_str()));
    let mut namings: Vec<_> = named.flat_map(|(_, namings)| namings.iter().copied()).collect();
    namings.sort_by_key(|naming| naming.at);
    namings
}
