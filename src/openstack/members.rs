//! One picture of a group's members, of what Heat lists, what `refs_map` says and which servers Nova has.

use std::collections::BTreeMap;

use super::{
    heat::{ListedMember, RefsMap},
    nova::Servers,
};
use crate::core::{
    machine_id::MachineId,
    member::{Member, MemberIndex, ServerPresence},
    status::{Action, Progress, Status},
};

/// What Heat says of a group's members at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The resources of `kube_minions` by rising index.
    pub members: Vec<ListedMember>,
    /// Its `refs_map`.
    pub refs_map: RefsMap,
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
    pub fn by_definition(mut self) -> Self {
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
        self.members == members && self.members.iter().all(|member| self.server_in_refs_map(member).is_some())
    }

    /// The server that `refs_map` names for a member. Any other value is a stage on the way to it, or the
    /// member's own nested stack, which is what Magnum up to 7 puts there (docs/openstack-behaviour.md#refs_map).
    fn server_in_refs_map(&self, member: &ListedMember) -> Option<MachineId> {
        let value = self.refs_map.get(&member.index)?;
        if *value == member.stack_id { None } else { value.parse().ok() }
    }

    /// Whether the member has a server that Heat does not tell, and none was found for it otherwise.
    #[must_use]
    pub fn hides(&self, member: &Member) -> bool {
        let listed = self.members.iter().find(|listed| listed.index == member.index);
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

/// What is known of the members from earlier.
pub type KnownMembers = BTreeMap<MemberIndex, (MachineId, ServerPresence)>;

/// The servers of a reading's members, to be known later.
#[must_use]
pub fn known(members: &[Member]) -> KnownMembers {
    members.iter().filter_map(|member| Some((member.index, (member.server?, member.presence)))).collect()
}

/// What Nova answered.
#[derive(Debug, Clone, Copy)]
pub enum NovaAnswer<'a> {
    /// The list, whole.
    Listed(&'a Servers),
    /// It was not asked this time; what it said before holds.
    NotAsked,
    /// It did not answer.
    Failed,
}

/// Puts the picture together. `stack_name` is the prefix of the servers' names.
///
/// Presence is [`ServerPresence::Gone`] at most where the server was known before: a list read a moment before a
/// server was made correctly lacks it. Nor is anything called gone while the group is `in_progress`.
#[must_use]
pub fn assemble(
    listing: &Listing,
    stack_name: &str,
    nova: NovaAnswer<'_>,
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
            Member {
                index: member.index,
                server,
                presence: presence(server, nova, known.get(&member.index), in_progress),
                // A member on its way out is not counted, even if its refs_map was read a moment too early.
                counted: member.status.action != Action::Delete
                    && listing.refs_map.contains_key(&member.index),
                status: member.status.clone(),
                reason: member.reason.clone(),
            }
        })
        .collect()
}

fn server_of(
    listing: &Listing,
    member: &ListedMember,
    stack_name: &str,
    nova: NovaAnswer<'_>,
    known: &KnownMembers,
) -> Option<MachineId> {
    if let Some(server) = listing.server_in_refs_map(member) {
        return Some(server);
    }
    let leaving = !listing.refs_map.contains_key(&member.index);
    if !leaving && !listing.names_only_the_stack(member) {
        return None;
    }
    let by_name = match nova {
        NovaAnswer::Listed(servers) => servers.of_member(stack_name, member.index),
        NovaAnswer::NotAsked | NovaAnswer::Failed => None,
    };
    let before = known.get(&member.index).map(|(server, _)| *server);
    // A leaving member's name may already be its successor's.
    if leaving { before.or(by_name) } else { by_name.or(before) }
}

fn presence(
    server: Option<MachineId>,
    nova: NovaAnswer<'_>,
    known: Option<&(MachineId, ServerPresence)>,
    in_progress: bool,
) -> ServerPresence {
    let Some(server) = server else { return ServerPresence::Unknown };
    let before = known.filter(|(known, _)| *known == server).map(|(_, presence)| *presence);
    match nova {
        NovaAnswer::Listed(servers) if servers.contains(server) => ServerPresence::Present,
        NovaAnswer::Listed(_) if before.is_some() && !in_progress => ServerPresence::Gone,
        NovaAnswer::NotAsked => before.unwrap_or(ServerPresence::Unknown),
        NovaAnswer::Listed(_) | NovaAnswer::Failed => ServerPresence::Unknown,
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
        }
    }

    fn listing(members: &[(u32, &str)], refs_map: &[(u32, &str)]) -> Listing {
        Listing {
            members: members.iter().map(|(number, status)| listed(*number, status)).collect(),
            refs_map: refs_map.iter().map(|(number, value)| (index(*number), (*value).to_owned())).collect(),
        }
    }

    fn servers(json: &str) -> Servers {
        crate::openstack::nova::tests_support::servers(&["s"], json)
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
            let members = assemble(
                &listing(&[(16, status)], &[(16, value)]),
                "s",
                NovaAnswer::Failed,
                &KnownMembers::new(),
                true,
            );
            assert_eq!(members[0].server.map(|server| server.to_string()).as_deref(), server, "{value}");
            assert!(members[0].counted);
        }
    }

    #[test]
    fn a_member_being_deleted_keeps_its_server_and_is_not_counted() {
        let leaving = listing(&[(1, "DELETE_IN_PROGRESS"), (2, "UPDATE_COMPLETE")], &[(2, B)]);
        assert!(leaving.is_consistent());
        let before = KnownMembers::from([(index(1), (A.parse().unwrap(), ServerPresence::Present))]);
        for (known, nova) in [
            (&before, NovaAnswer::Failed),
            (&KnownMembers::new(), NovaAnswer::Listed(&servers(&format!(r#"[["{A}", "s-node-1"]]"#)))),
        ] {
            let members = assemble(&leaving, "s", nova, known, true);
            assert_eq!(members[0].server, Some(A.parse().unwrap()));
            assert!(!members[0].counted && members[1].counted);
        }
        let over = listing(&[(1, "DELETE_COMPLETE")], &[]);
        assert!(over.is_consistent());
        assert_eq!(assemble(&over, "s", NovaAnswer::Failed, &before, true), []);
    }

    #[test]
    fn a_refs_map_of_nested_stacks_is_read_by_the_servers_names() {
        let old = listing(&[(3, "UPDATE_COMPLETE")], &[(3, STACK)]);
        let list = servers(&format!(r#"[["{A}", "s-minion-3"]]"#));
        let members = assemble(&old, "s", NovaAnswer::Listed(&list), &KnownMembers::new(), false);
        assert_eq!(members[0].server, Some(A.parse().unwrap()));
        assert_eq!(members[0].presence, ServerPresence::Present);
        assert!(!old.hides(&members[0]));
        let untold = assemble(&old, "s", NovaAnswer::Failed, &KnownMembers::new(), false);
        assert!(untold[0].server.is_none() && old.hides(&untold[0]));
        let unborn = listing(&[(3, "CREATE_FAILED")], &[(3, STACK)]);
        let members = assemble(&unborn, "s", NovaAnswer::Failed, &KnownMembers::new(), false);
        assert!(!unborn.hides(&members[0]));
    }

    #[test]
    fn gone_is_only_what_was_known_and_is_at_rest() {
        let here = listing(&[(1, "UPDATE_COMPLETE")], &[(1, A)]);
        let known = |presence| KnownMembers::from([(index(1), (A.parse().unwrap(), presence))]);
        let other = KnownMembers::from([(index(1), (B.parse().unwrap(), ServerPresence::Present))]);
        let (none, some) = (Servers::default(), servers(&format!(r#"[["{A}", "s-node-1"]]"#)));
        use ServerPresence::{Gone, Present, Unknown};
        for (nova, known, in_progress, expected) in [
            (NovaAnswer::Listed(&none), known(Present), false, Gone),
            (NovaAnswer::Listed(&none), known(Present), true, Unknown),
            (NovaAnswer::Listed(&none), KnownMembers::new(), false, Unknown),
            (NovaAnswer::Listed(&none), other, false, Unknown),
            (NovaAnswer::Listed(&some), KnownMembers::new(), true, Present),
            (NovaAnswer::Listed(&some), known(Gone), false, Present),
            (NovaAnswer::NotAsked, known(Gone), false, Gone),
            (NovaAnswer::NotAsked, KnownMembers::new(), false, Unknown),
            (NovaAnswer::Failed, known(Present), false, Unknown),
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
        let before = KnownMembers::from([(index(15), (A.parse().unwrap(), ServerPresence::Present))]);
        let members = assemble(&left.by_definition(), "s", NovaAnswer::NotAsked, &before, true);
        let told: Vec<_> =
            members.iter().map(|member| (member.index, member.server, member.counted)).collect();
        let server = |text: &str| Some(text.parse().unwrap());
        assert_eq!(
            told,
            [(index(15), server(A), false), (index(20), server(B), true), (index(21), None, true)]
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
