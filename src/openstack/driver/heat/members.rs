//! One picture of a group's members, of what Heat lists, what `refs_map` says and which servers Nova has.

use std::collections::BTreeMap;

use super::{
    api::{ListedMember, RefsMap},
    names::{MemberIndex, server_name},
    servers::Servers,
};
use crate::{
    core::{
        cloud::Reading,
        machine_id::MachineId,
        member::{Member, MemberKey, ServerPresence},
        status::{Action, Progress, Status},
    },
    openstack::failures,
};

/// What Heat says of a group's members at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The resources of `kube_minions` by rising index.
    pub members: Vec<ListedMember>,
    /// Its `refs_map`.
    pub refs_map: RefsMap,
    /// The servers in the members' own stacks, where `refs_map` does not tell them.
    pub servers: BTreeMap<MemberIndex, MachineId>,
}

impl Listing {
    /// Whether `refs_map` and the resources speak of the same members. They do not while Heat is between the two
    /// steps of a change; a member being deleted is listed and correctly absent from `refs_map`.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let listed = |index: &MemberIndex| self.members.iter().any(|member| member.index == *index);
        self.refs_map.keys().all(listed)
            && self.members.iter().all(|member| {
                member.status.action == Action::Delete || self.refs_map.contains_key(&member.index)
            })
    }

    /// The members as `refs_map` has them, for a contradiction that lasts: a Heat whose engine died in the middle of an
    /// update leaves its record of the members behind its definition of the group until the next update. What
    /// `refs_map` lacks is on its way out, and what it has besides is still to be made.
    #[must_use]
    pub fn from_refs_map(mut self) -> Self {
        let unlisted = |index: &MemberIndex| !self.members.iter().any(|member| member.index == *index);
        let to_come: Vec<ListedMember> = self
            .refs_map
            .keys()
            .filter(|index| unlisted(index))
            .map(|index| ListedMember {
                index: *index,
                stack_id: String::new(),
                status: Status::parse("INIT_COMPLETE"),
                reason: String::new(),
                updated_time: String::new(),
                nested: None,
            })
            .collect();
        self.members.extend(to_come);
        self.members.sort_by_key(|member| member.index);
        self
    }

    /// Whether `refs_map` may still be the one that belonged to `earlier`, now that these members are listed:
    /// nobody came, went or changed, and each has its server.
    #[must_use]
    pub fn still_describes(&self, members: &[ListedMember]) -> bool {
        self.members == members && self.members.iter().all(|member| self.server_in_heat(member).is_some())
    }

    /// The server that Heat names for a member. A value of `refs_map` that is no server's is a stage on the way to it, or
    /// the member's own nested stack, which is what Magnum up to 7 puts there (docs/openstack-behaviour.md#refs_map).
    fn server_in_heat(&self, member: &ListedMember) -> Option<MachineId> {
        let value = self.refs_map.get(&member.index)?;
        if *value == member.stack_id { self.servers.get(&member.index).copied() } else { value.parse().ok() }
    }

    /// Whether `refs_map` names the members' stacks instead of their servers.
    #[must_use]
    pub fn names_stacks(&self) -> bool {
        self.members.iter().any(|member| self.names_only_the_stack(member))
    }

    /// Whether the member has a server that Heat does not tell, and none was found for it otherwise.
    #[must_use]
    pub fn has_unknown_server(&self, member: &Member) -> bool {
        let listed = self.members.iter().find(|listed| listed.index.key() == member.key);
        member.counted
            && member.server.is_none()
            && !member.was_never_complete()
            && listed.is_some_and(|listed| self.names_only_the_stack(listed))
    }

    fn names_only_the_stack(&self, member: &ListedMember) -> bool {
        self.refs_map
            .get(&member.index)
            .is_some_and(|value| *value == member.stack_id && value.parse::<MachineId>().is_ok())
    }
}

/// What is known of a member's server from earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownServer {
    /// Which one.
    pub id: MachineId,
    /// Whether it was there.
    pub presence: ServerPresence,
    /// Its name.
    pub name: String,
    /// Whether Nova lists it in any answer, however old, as long as it is there.
    pub is_in_any_answer: bool,
}

/// What is known of the members from earlier.
pub type KnownMembers = BTreeMap<MemberKey, KnownServer>;

/// The servers of a reading's members. `is_in_any_answer` tells [`KnownServer::is_in_any_answer`].
#[must_use]
pub fn known(reading: &Reading, is_in_any_answer: impl Fn(MachineId) -> bool) -> KnownMembers {
    let known = |member: &Member| {
        let (presence, name, id) = (member.presence, member.name.clone(), member.server?);
        Some((member.key, KnownServer { id, presence, name, is_in_any_answer: is_in_any_answer(id) }))
    };
    reading.members.iter().filter_map(known).collect()
}

/// Puts the picture together. `stack_name` is the prefix of the servers' names; `nova` is none where it did not answer.
///
/// Presence is [`ServerPresence::Gone`] at most where the server was known before and is in any answer: a list read a moment
/// before a server was made correctly lacks it, and that of a lagging replica lacks it for minutes. Nor is anything called
/// gone while the group is `in_progress`.
#[must_use]
pub fn assemble(
    listing: &Listing,
    stack_name: &str,
    nova: Option<&Servers>,
    known: &KnownMembers,
    in_progress: bool,
) -> Vec<Member> {
    let is_over = |member: &&ListedMember| {
        member.status.action == Action::Delete
            && member.status.progress == Progress::Complete
            && !listing.refs_map.contains_key(&member.index)
    };
    listing
        .members
        .iter()
        .filter(|member| !is_over(member))
        .map(|member| {
            let server = server_of(listing, member, stack_name, nova, known);
            let known = server.and_then(|id| known.get(&member.index.key()).filter(|known| known.id == id));
            let name =
                server.and_then(|server| nova?.name(server)).or(known.map(|known| known.name.as_str()));
            Member {
                key: member.index.key(),
                name: name.map_or_else(|| server_name(stack_name, member.index), str::to_owned),
                server,
                presence: presence(server, nova, known, in_progress),
                // A member on its way out is not counted, even if its refs_map was read a moment too early.
                counted: member.status.action != Action::Delete
                    && listing.refs_map.contains_key(&member.index),
                status: member.status.clone(),
                reason: failures::reason(&member.reason),
            }
        })
        .collect()
}

fn server_of(
    listing: &Listing,
    member: &ListedMember,
    stack_name: &str,
    nova: Option<&Servers>,
    known: &KnownMembers,
) -> Option<MachineId> {
    if let Some(server) = listing.server_in_heat(member) {
        return Some(server);
    }
    let leaving = !listing.refs_map.contains_key(&member.index);
    if !leaving && !listing.names_only_the_stack(member) {
        return None;
    }
    let by_name = nova.and_then(|servers| servers.of_member(stack_name, member.index));
    let before = known.get(&member.index.key()).map(|known| known.id);
    // A leaving member's name may already be its successor's.
    if leaving { before.or(by_name) } else { by_name.or(before) }
}

fn presence(
    server: Option<MachineId>,
    nova: Option<&Servers>,
    known: Option<&KnownServer>,
    in_progress: bool,
) -> ServerPresence {
    match (server, nova) {
        (Some(server), Some(servers)) if servers.name(server).is_some() => ServerPresence::Present,
        (Some(_), Some(_)) if known.is_some_and(|known| known.is_in_any_answer) && !in_progress => {
            ServerPresence::Gone
        }
        _ => ServerPresence::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ca5b234b-f9a6-42b0-a77d-197636b29d52";
    const B: &str = "588d1f0e-661a-4aae-a7d7-607df3ea5a85";
    const STACK: &str = "06e60740-d665-497a-9b14-07ee2abcaa03";

    fn index(index: u32) -> MemberIndex {
        MemberIndex::new(index)
    }

    fn listed(number: u32, status: &str) -> ListedMember {
        ListedMember {
            index: index(number),
            stack_id: STACK.to_owned(),
            status: Status::parse(status),
            reason: "state changed".to_owned(),
            updated_time: "2026-11-22T07:05:32Z".to_owned(),
            nested: None,
        }
    }

    fn listing(members: &[(u32, &str)], refs_map: &[(u32, &str)]) -> Listing {
        Listing {
            members: members.iter().map(|(number, status)| listed(*number, status)).collect(),
            refs_map: refs_map.iter().map(|(number, value)| (index(*number), (*value).to_owned())).collect(),
            servers: BTreeMap::new(),
        }
    }

    fn known_as(number: u32, server: &str, presence: ServerPresence) -> KnownMembers {
        let name = format!("s-node-{number}");
        let known = KnownServer { id: server.parse().unwrap(), presence, name, is_in_any_answer: true };
        KnownMembers::from([(index(number).key(), known)])
    }

    fn servers(json: &str) -> Servers {
        crate::openstack::driver::heat::servers::tests_support::servers(&["s"], json)
    }

    #[test]
    fn every_value_of_refs_map() {
        for (value, status, server) in [
            ("16", "INIT_COMPLETE", None),
            ("kube-minion", "CREATE_IN_PROGRESS", None),
            ("kube-minion-bfv", "CREATE_IN_PROGRESS", None),
            (A, "CREATE_IN_PROGRESS", Some(A)),
            (A, "UPDATE_COMPLETE", Some(A)),
            ("kube-minion", "CREATE_FAILED", None),
            (A, "CREATE_FAILED", Some(A)),
            ("arn:openstack:heat::3a7e:stacks/x/79b2486f-b142-42fa-9e4f-7f009002aeaf", "UPDATE_FAILED", None),
            (STACK, "UPDATE_COMPLETE", None),
            ("", "UPDATE_COMPLETE", None),
        ] {
            let members =
                assemble(&listing(&[(16, status)], &[(16, value)]), "s", None, &KnownMembers::new(), true);
            assert_eq!(members[0].server.map(|server| server.to_string()).as_deref(), server, "{value}");
            assert!(members[0].counted);
        }
    }

    #[test]
    fn a_member_being_deleted_keeps_its_server_and_is_not_counted() {
        let leaving = listing(&[(1, "DELETE_IN_PROGRESS"), (2, "UPDATE_COMPLETE")], &[(2, B)]);
        assert!(leaving.is_consistent());
        let before = known_as(1, A, ServerPresence::Present);
        for (known, nova) in
            [(&before, None), (&KnownMembers::new(), Some(&servers(&format!(r#"[["{A}", "s-node-1"]]"#))))]
        {
            let members = assemble(&leaving, "s", nova, known, true);
            assert_eq!(members[0].server, Some(A.parse().unwrap()));
            assert!(!members[0].counted && members[1].counted);
        }
        let over = listing(&[(1, "DELETE_COMPLETE")], &[]);
        assert!(over.is_consistent());
        assert_eq!(assemble(&over, "s", None, &before, true), []);
    }

    #[test]
    fn a_refs_map_of_nested_stacks_is_read_by_the_servers_names() {
        let old = listing(&[(3, "UPDATE_COMPLETE")], &[(3, STACK)]);
        let list = servers(&format!(r#"[["{A}", "s-minion-3"]]"#));
        let members = assemble(&old, "s", Some(&list), &KnownMembers::new(), false);
        assert_eq!(members[0].server, Some(A.parse().unwrap()));
        assert_eq!(members[0].presence, ServerPresence::Present);
        assert_eq!(members[0].name, "s-minion-3");
        assert!(!old.has_unknown_server(&members[0]));
        let untold = assemble(&old, "s", None, &KnownMembers::new(), false);
        assert!(untold[0].server.is_none() && old.has_unknown_server(&untold[0]));
        let told_by_heat = Listing { servers: [(index(3), B.parse().unwrap())].into(), ..old.clone() };
        let members = assemble(&told_by_heat, "s", None, &KnownMembers::new(), false);
        assert_eq!(members[0].server, Some(B.parse().unwrap()));
        assert!(told_by_heat.still_describes(&told_by_heat.members));
        let unborn = listing(&[(3, "CREATE_FAILED")], &[(3, STACK)]);
        let members = assemble(&unborn, "s", None, &KnownMembers::new(), false);
        assert!(!unborn.has_unknown_server(&members[0]));
    }

    #[test]
    fn gone_is_only_what_was_known_and_old_and_is_at_rest() {
        let here = listing(&[(1, "UPDATE_COMPLETE")], &[(1, A)]);
        let known = |presence| known_as(1, A, presence);
        let other = known_as(1, B, ServerPresence::Present);
        let new = known(ServerPresence::Present)
            .into_iter()
            .map(|(key, known)| (key, KnownServer { is_in_any_answer: false, ..known }))
            .collect();
        let (none, some) = (Servers::default(), servers(&format!(r#"[["{A}", "s-node-1"]]"#)));
        use ServerPresence::{Gone, Present, Unknown};
        for (nova, known, in_progress, expected) in [
            (Some(&none), known(Present), false, Gone),
            (Some(&none), known(Present), true, Unknown),
            (Some(&none), KnownMembers::new(), false, Unknown),
            (Some(&none), other, false, Unknown),
            (Some(&none), new, false, Unknown),
            (Some(&some), KnownMembers::new(), true, Present),
            (Some(&some), known(Gone), false, Present),
            (None, known(Present), false, Unknown),
        ] {
            let members = assemble(&here, "s", nova, &known, in_progress);
            assert_eq!(members[0].presence, expected, "{nova:?} {known:?} {in_progress}");
        }
    }

    #[test]
    fn a_lasting_contradiction_is_read_by_definition() {
        // As a crash of heat-engine left it: 15 was on its way out, 21 on its way in.
        let left = listing(&[(15, "UPDATE_IN_PROGRESS"), (20, "CREATE_COMPLETE")], &[(20, B), (21, "21")]);
        assert!(!left.is_consistent());
        let before = known_as(15, A, ServerPresence::Present);
        let members = assemble(&left.from_refs_map(), "s", None, &before, true);
        let told: Vec<_> = members.iter().map(|member| (member.key, member.server, member.counted)).collect();
        let server = |text: &str| Some(text.parse().unwrap());
        assert_eq!(
            told,
            [
                (index(15).key(), server(A), false),
                (index(20).key(), server(B), true),
                (index(21).key(), None, true)
            ]
        );
    }

    #[test]
    fn contradictions_and_changes_are_seen() {
        assert!(!listing(&[(1, "UPDATE_COMPLETE")], &[]).is_consistent());
        assert!(!listing(&[], &[(1, A)]).is_consistent());
        assert!(listing(&[], &[]).is_consistent());
        let before = listing(&[(1, "UPDATE_COMPLETE")], &[(1, A)]);
        assert!(before.still_describes(&before.members));
        assert!(!before.still_describes(&[]));
        assert!(!before.still_describes(&[listed(1, "UPDATE_IN_PROGRESS")]));
        let mut newer = listed(1, "UPDATE_COMPLETE");
        newer.updated_time = "2026-11-22T07:05:33Z".to_owned();
        assert!(!before.still_describes(&[newer]));
        let unfinished = listing(&[(1, "CREATE_FAILED")], &[(1, "kube-minion")]);
        assert!(!unfinished.still_describes(&unfinished.members));
    }
}
