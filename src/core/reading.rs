//! What is read of one node group.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::{
    capabilities::Capabilities,
    machine_id::MachineId,
    member::{Member, MemberKey},
    node_group::NodeGroup,
    status::{Action, Status},
    template::NodeTemplate,
};

/// One node group with its members, read within one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Status of the whole cluster; Magnum refuses a resize by it without telling.
    pub cluster_status: Status,
    /// The group.
    pub group: NodeGroup,
    /// Its members by rising key.
    pub members: Vec<Member>,
    /// The servers that Nova lists by the names that the group's members have, each with the member in its name; none when
    /// Nova did not answer, or when it is the only one who tells the members.
    pub servers: Option<BTreeMap<MachineId, MemberKey>>,
    /// What a new node of it will be.
    pub template: Arc<NodeTemplate>,
    /// What can be done to it.
    pub capabilities: Arc<Capabilities>,
}

/// Without what no decision on a size looks at.
impl Hash for Reading {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { cluster_status, group, members, servers, template: _, capabilities: _ } = self;
        (cluster_status, group, members, servers).hash(hasher);
    }
}

impl Reading {
    /// The members that count: what a resize's count is computed from (I2).
    pub fn counted(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.counted)
    }

    /// How many members count.
    #[must_use]
    pub fn size(&self) -> u32 {
        u32::try_from(self.counted().count()).unwrap_or(u32::MAX)
    }

    /// How many of them are nodes: neither broken nor without a server.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        let nodes = self.counted().filter(|member| !member.is_broken() && !member.is_serverless());
        u32::try_from(nodes.count()).unwrap_or(u32::MAX)
    }

    /// The member with this key.
    #[must_use]
    pub fn member(&self, key: MemberKey) -> Option<&Member> {
        self.members.iter().find(|member| member.key == key)
    }

    /// Whether Nova lists this server although no member has it: it was replaced and is not deleted yet, or the list of the
    /// members is an old one.
    #[must_use]
    pub fn lists_without_member(&self, server: MachineId) -> bool {
        self.servers.as_ref().is_some_and(|servers| servers.contains_key(&server))
            && !self.members.iter().any(|member| member.server == Some(server))
    }

    /// A server that Nova lists in the place of a member's own, which it does not list: the member was made anew, and the list of
    /// the members is an old one.
    #[must_use]
    pub fn server_in_place_of(&self, member: &Member) -> Option<MachineId> {
        let servers = self.servers.as_ref()?;
        if member.server.is_some_and(|server| servers.contains_key(&server)) {
            return None;
        }
        let mut others = servers.iter().filter(|(_, key)| **key == member.key).map(|(server, _)| *server);
        others.find(|server| self.lists_without_member(*server))
    }

    /// The counted members that certainly have no server and can be removed, in the order in which they are cancelled: what
    /// failed first, and of each kind the newest first, which is the least likely to come.
    #[must_use]
    pub fn serverless(&self) -> Vec<&Member> {
        let mut members: Vec<&Member> =
            self.counted().filter(|member| member.is_serverless() && member.key.names_a_member()).collect();
        members.sort_by_key(|member| (!member.status.failed(), std::cmp::Reverse(member.key)));
        members
    }

    /// Whether a member that `before` counted is not counted any more, apart from those that `expected` names.
    #[must_use]
    pub fn lost_any_of(&self, before: &Self, expected: impl Fn(&Member) -> bool) -> bool {
        before.counted().any(|member| {
            member.key.names_a_member()
                && !expected(member)
                && !self.counted().any(|other| other.is(member.key, member.server))
        })
    }

    /// Fills in the servers that are not told while a member is updated, from what was known before.
    #[must_use]
    pub fn with_servers_of(mut self, before: &Self) -> Self {
        for member in &mut self.members {
            if member.server.is_none() && member.status.action == Action::Update {
                let known = before.member(member.key);
                member.server = known.and_then(|known| known.server);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::sample;

    #[test]
    fn members_without_a_server_are_cancelled_failed_ones_first_and_of_those_the_newest() {
        let [made, failed] = ["CREATE_IN_PROGRESS", "CREATE_FAILED"];
        let statuses = [(1, made), (2, failed), (3, failed), (4, made)];
        let mut members = vec![sample::member(0)];
        members.extend(statuses.map(|(number, status)| sample::serverless_member(number, status)));
        let reading = sample::reading(members);
        let keys = reading.serverless().iter().map(|member| member.key).collect::<Vec<_>>();
        assert_eq!(keys, [3, 2, 4, 1].map(MemberKey::Index));
    }

    #[test]
    fn a_server_without_a_member_is_one_that_nova_lists_and_no_member_has() {
        let mut reading = sample::reading(vec![sample::member(0), sample::member(1)]);
        let is_one = |reading: &Reading| {
            [0, 1, 2, 3].map(|number| reading.lists_without_member(sample::server(number)))
        };
        assert_eq!(is_one(&reading), [false; 4], "Nova did not answer");
        reading.servers = Some(sample::servers([0, 2]));
        assert_eq!(is_one(&reading), [false, false, true, false]);
    }

    #[test]
    fn a_server_in_the_place_of_a_members_own_is_one_of_its_index_alone() {
        let mut reading =
            sample::reading(vec![sample::member(0), sample::serverless_member(1, "CREATE_FAILED")]);
        let others = |reading: &Reading| [0, 1].map(|at| reading.server_in_place_of(&reading.members[at]));
        let (own, other) = (sample::server(0), sample::server(7));
        assert_eq!(others(&reading), [None, None], "Nova did not answer");
        for (nova, seen) in [
            (vec![(other, 0)], [Some(other), None]),
            (vec![(other, 1)], [None, Some(other)]),
            (vec![(other, 2)], [None, None]),
            (vec![(own, 0), (other, 0)], [None, None]),
            (vec![(own, 1)], [None, None]),
            (vec![], [None, None]),
        ] {
            reading.servers =
                Some(nova.iter().map(|(server, index)| (*server, MemberKey::Index(*index))).collect());
            assert_eq!(others(&reading), seen, "{nova:?}");
        }
    }

    #[test]
    fn only_a_member_that_is_updated_keeps_its_server_while_nobody_tells_it() {
        let (zero, one) = (Some(sample::server(0)), Some(sample::server(1)));
        let before = sample::reading(vec![sample::member(0)]);
        for (server, status, kept) in [
            (None, "UPDATE_IN_PROGRESS", zero),
            (None, "CREATE_IN_PROGRESS", None),
            (one, "UPDATE_IN_PROGRESS", one),
        ] {
            let member = Member { server, status: Status::parse(status), ..sample::member(0) };
            let reading = sample::reading(vec![member]).with_servers_of(&before);
            assert_eq!(reading.members[0].server, kept, "{server:?} {status}");
        }
    }
}
