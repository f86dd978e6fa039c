//! Nova's servers that have a member's name.

use std::collections::BTreeMap;

use super::names::{MemberIndex, parse_server_name};
use crate::{
    core::{machine_id::MachineId, member::MemberKey},
    openstack::nova::ListedServer,
};

/// The servers of some node groups, whole: what is not in it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    names: BTreeMap<MachineId, String>,
    members: BTreeMap<(String, MemberIndex), Vec<MachineId>>,
}

impl Servers {
    /// Those with the names that Magnum's templates give to the members in these stacks. Nova's search is a regular
    /// expression in the database's dialect; what it means is decided here.
    #[must_use]
    pub fn of_stacks(stack_names: &[&str], listed: Vec<ListedServer>) -> Self {
        let mut servers = Self::default();
        for ListedServer { id, name, .. } in listed {
            if let Some((stack, index)) = parse_server_name(&name)
                && stack_names.contains(&stack)
            {
                servers.members.entry((stack.to_owned(), index)).or_default().push(id);
                servers.names.insert(id, name);
            }
        }
        servers
    }

    /// The server's name, if it is there.
    #[must_use]
    pub fn name(&self, server: MachineId) -> Option<&str> {
        self.names.get(&server).map(String::as_str)
    }

    /// The server with the name that Magnum's templates give to a member. None where two have it, as while a member's
    /// index is used again.
    #[must_use]
    pub fn of_member(&self, stack_name: &str, index: MemberIndex) -> Option<MachineId> {
        match self.members.get(&(stack_name.to_owned(), index))?.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The servers that have a member's name in this stack, each with the member in its name.
    #[must_use]
    pub fn of_stack(&self, stack_name: &str) -> BTreeMap<MachineId, MemberKey> {
        let of_stack = self.members.iter().filter(|((stack, _), _)| stack == stack_name);
        of_stack
            .flat_map(|((_, index), servers)| servers.iter().map(|server| (*server, index.key())))
            .collect()
    }
}

/// Anchored at both ends: one group's stack name may begin with another's (docs/openstack-behaviour.md#nova). Optional
/// groups stand for an alternation, since Nova takes `|` literally on MySQL (nova 26.2.2 `db/main/api.py:1957`); the
/// few names that they match beyond it do not exist.
#[must_use]
pub fn name_pattern(stack_names: &[&str]) -> String {
    let names: String = stack_names.iter().map(|name| format!("({})?", name.replace('.', "\\."))).collect();
    format!("^{names}-(node)?(minion)?-[0-9]+$")
}

#[cfg(test)]
pub(super) mod tests_support {
    use super::{ListedServer, Servers};

    /// Servers of `[[id, name], …]`.
    pub(crate) fn servers(stack_names: &[&str], json: &str) -> Servers {
        let listed = serde_json::from_str::<Vec<(String, String)>>(json).unwrap();
        let server = |(id, name): (String, String)| ListedServer {
            id: id.parse().unwrap(),
            name,
            status: String::new(),
            task: None,
        };
        Servers::of_stacks(stack_names, listed.into_iter().map(server).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_groups_own_servers_are_taken() {
        let stacks = ["k8s-lab-abc", "k8s-lab-pool-b-def"];
        let names = [
            "k8s-lab-abc-node-0",
            "k8s-lab-pool-b-def-minion-12",
            "k8s-lab-abc-master-0",
            "k8s-lab-abc-node-",
            "k8s-lab-abc-node-1x",
            "k8s-lab-other-node-1",
            "x-k8s-lab-abc-node-1",
            "k8s-lab-abc-node-7",
            "k8s-lab-abc-node-7",
        ];
        let server = |(number, name): (usize, &str)| ListedServer {
            id: format!("ca5b234b-f9a6-42b0-a77d-19763600000{number}").parse().unwrap(),
            name: name.to_owned(),
            status: "ACTIVE".to_owned(),
            task: None,
        };
        let servers = Servers::of_stacks(&stacks, names.into_iter().enumerate().map(server).collect());
        assert_eq!(servers.names.len(), 4);
        let found = |stack, index| servers.of_member(stack, MemberIndex::new(index)).map(|id| id.to_string());
        assert_eq!(found("k8s-lab-abc", 0).as_deref(), Some("ca5b234b-f9a6-42b0-a77d-197636000000"));
        assert_eq!(found("k8s-lab-pool-b-def", 12).as_deref(), Some("ca5b234b-f9a6-42b0-a77d-197636000001"));
        assert_eq!(found("k8s-lab-abc", 7), None);
        assert_eq!(found("k8s-lab-abc", 1), None);
        assert_eq!(name_pattern(&stacks), "^(k8s-lab-abc)?(k8s-lab-pool-b-def)?-(node)?(minion)?-[0-9]+$");
    }
}
