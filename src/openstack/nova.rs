//! Nova: which servers there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    paging::Pages,
    session::{Call, Session, malformed, parse},
};
use crate::core::{
    cloud::{CloudError, Service},
    machine_id::MachineId,
    member::{MemberIndex, parse_server_name},
};

/// Servers per page; Nova's own limit is the same unless an operator lowers it.
const PAGE: &str = "1000";

/// The servers of some node groups, whole: what is not in it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    ids: BTreeSet<MachineId>,
    members: BTreeMap<(String, MemberIndex), Vec<MachineId>>,
}

impl Servers {
    /// Whether the server is there.
    #[must_use]
    pub fn contains(&self, server: MachineId) -> bool {
        self.ids.contains(&server)
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

    /// The servers that have a member's name in this stack, each with the index in its name.
    #[must_use]
    pub fn of_stack(&self, stack_name: &str) -> BTreeMap<MachineId, MemberIndex> {
        let of_stack = self.members.iter().filter(|((stack, _), _)| stack == stack_name);
        of_stack.flat_map(|((_, index), servers)| servers.iter().map(|server| (*server, *index))).collect()
    }

    fn insert(&mut self, stack_names: &[&str], server: &ListedServer) {
        if server.is_deleted() {
            return;
        }
        // Nova's search is a regular expression in the database's dialect; what it means is decided here.
        let Some((stack, index)) = parse_server_name(&server.name) else { return };
        if !stack_names.contains(&stack) {
            return;
        }
        if let Ok(id) = server.id.parse() {
            self.ids.insert(id);
            self.members.entry((stack.to_owned(), index)).or_default().push(id);
        }
    }
}

#[derive(Deserialize)]
struct ServersAnswer {
    servers: Vec<Value>,
    #[serde(default)]
    servers_links: Vec<Link>,
}

#[derive(Deserialize)]
struct ListedServer {
    id: String,
    name: String,
    status: Option<String>,
}

impl ListedServer {
    fn is_deleted(&self) -> bool {
        self.status.as_deref().is_some_and(is_deleted)
    }
}

/// Whether a server with this status is no more, though Nova still knows it: it was deleted, and is kept for a while where
/// `reclaim_instance_interval` is set.
fn is_deleted(status: &str) -> bool {
    matches!(status, "DELETED" | "SOFT_DELETED")
}

#[derive(Deserialize)]
struct ServerAnswer {
    server: ShownServer,
}

#[derive(Deserialize)]
struct ShownServer {
    status: Option<String>,
}

#[derive(Deserialize)]
struct Link {
    rel: String,
}

/// The calls to Nova.
#[derive(Debug)]
pub struct Nova {
    session: Arc<Session>,
}

impl Nova {
    /// Calls within a session.
    #[must_use]
    pub const fn new(session: Arc<Session>) -> Self {
        Self { session }
    }

    /// The servers of the groups with these stacks, by the names that Magnum's templates give them.
    ///
    /// # Errors
    /// When the list cannot be read, whole.
    pub async fn servers(&self, stack_names: &[&str]) -> Result<Servers, CloudError> {
        let endpoint = self.session.endpoint(Service::Compute).await?;
        let first = Call::get(Service::Compute, "servers", endpoint, &["servers"])
            .query("name", &name_pattern(stack_names))
            .query("limit", PAGE);
        let mut call = first.clone();
        let mut servers = Servers::default();
        let mut pages = Pages::new();
        loop {
            let page: ServersAnswer = self.session.fetch(&call).await?;
            // One that cannot be read is left out: no server is taken for gone before Nova was asked for it by its id.
            for server in page.servers.iter().filter_map(|server| ListedServer::deserialize(server).ok()) {
                servers.insert(stack_names, &server);
            }
            let marker = page.servers.last().and_then(|server| server.get("id")?.as_str().map(str::to_owned));
            let more = page.servers_links.iter().any(|link| link.rel == "next");
            match pages.next(more, marker).map_err(|reason| malformed(&call, reason))? {
                Some(marker) => call = first.clone().query("marker", &marker),
                None => return Ok(servers),
            }
        }
    }

    /// Whether there is a server, whatever its name. One that is deleted and only kept for a while is not there.
    ///
    /// # Errors
    /// When Nova does not tell.
    pub async fn server_exists(&self, server: MachineId) -> Result<bool, CloudError> {
        let endpoint = self.session.endpoint(Service::Compute).await?;
        let call = Call::get(Service::Compute, "server", endpoint, &["servers", &server.to_string()]);
        match self.session.send(&call).await {
            Ok(answer) => {
                let ServerAnswer { server } = parse(&call, &answer)?;
                Ok(!server.status.as_deref().is_some_and(is_deleted))
            }
            Err(error) if error.not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Anchored at both ends: one group's stack name may begin with another's (docs/openstack-behaviour.md#nova). Optional
/// groups stand for an alternation, since Nova takes `|` literally on MySQL (nova 26.2.2 `db/main/api.py:1957`); the
/// few names that they match beyond it do not exist.
fn name_pattern(stack_names: &[&str]) -> String {
    let names: String = stack_names.iter().map(|name| format!("({})?", name.replace('.', "\\."))).collect();
    format!("^{names}-(node)?(minion)?-[0-9]+$")
}

#[cfg(test)]
pub(super) mod tests_support {
    use super::{ListedServer, Servers};

    /// Servers of `[[id, name], …]`.
    pub(crate) fn servers(stack_names: &[&str], json: &str) -> Servers {
        let mut servers = Servers::default();
        for (id, name) in serde_json::from_str::<Vec<(String, String)>>(json).unwrap() {
            servers.insert(stack_names, &ListedServer { id, name, status: None });
        }
        servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_groups_own_servers_are_taken() {
        let stacks = ["k8s-lab-abc", "k8s-lab-pool-b-def"];
        let mut servers = Servers::default();
        for (number, name) in [
            "k8s-lab-abc-node-0",
            "k8s-lab-pool-b-def-minion-12",
            "k8s-lab-abc-master-0",
            "k8s-lab-abc-node-",
            "k8s-lab-abc-node-1x",
            "k8s-lab-other-node-1",
            "x-k8s-lab-abc-node-1",
            "k8s-lab-abc-node-7",
            "k8s-lab-abc-node-7",
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("ca5b234b-f9a6-42b0-a77d-19763600000{number}");
            servers.insert(&stacks, &ListedServer { id, name: name.to_owned(), status: None });
        }
        assert_eq!(servers.ids.len(), 4);
        let found = |stack, index| servers.of_member(stack, MemberIndex::new(index)).map(|id| id.to_string());
        assert_eq!(found("k8s-lab-abc", 0).as_deref(), Some("ca5b234b-f9a6-42b0-a77d-197636000000"));
        assert_eq!(found("k8s-lab-pool-b-def", 12).as_deref(), Some("ca5b234b-f9a6-42b0-a77d-197636000001"));
        assert_eq!(found("k8s-lab-abc", 7), None);
        assert_eq!(found("k8s-lab-abc", 1), None);
        assert_eq!(name_pattern(&stacks), "^(k8s-lab-abc)?(k8s-lab-pool-b-def)?-(node)?(minion)?-[0-9]+$");
    }
}
