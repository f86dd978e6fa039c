//! Nova: which servers there are.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::{
    paging::Pages,
    session::{Call, Session, malformed, parse},
};
use crate::core::{
    cloud::{CloudError, Service},
    machine_id::MachineId,
};

/// Servers per page; Nova's own limit is the same unless an operator lowers it.
const PAGE: &str = "1000";

#[derive(Deserialize)]
struct ServersAnswer {
    servers: Vec<Value>,
    #[serde(default)]
    servers_links: Vec<Link>,
}

#[derive(Deserialize)]
struct ServerRecord {
    id: String,
    name: String,
    status: Option<String>,
    #[serde(rename = "OS-EXT-STS:task_state")]
    task: Option<String>,
}

/// A server that Nova lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedServer {
    /// Its id.
    pub id: MachineId,
    /// Its name.
    pub name: String,
    /// Its status in Nova's words; empty where it says none.
    pub status: String,
    /// What is being done to it; only a detailed list tells.
    pub task: Option<String>,
}

impl ListedServer {
    /// A server that is there; none for one that is deleted or whose id is none.
    fn of(record: ServerRecord) -> Option<Self> {
        let ServerRecord { id, name, status, task } = record;
        let status = status.unwrap_or_default();
        let id = id.parse().ok().filter(|_| !is_deleted(&status))?;
        Some(Self { id, name, status, task })
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_being_deleted(&self) -> bool {
        matches!(self.task.as_deref(), Some("deleting" | "soft-deleting"))
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
    fault: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    message: Option<String>,
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

    /// The servers whose names match a regular expression, in the database's dialect.
    ///
    /// # Errors
    /// When the list cannot be read, whole.
    pub async fn servers(&self, name_pattern: &str) -> Result<Vec<ListedServer>, CloudError> {
        self.list(&["servers"], name_pattern).await
    }

    /// The same with their statuses.
    ///
    /// # Errors
    /// When the list cannot be read, whole.
    pub async fn detailed_servers(&self, name_pattern: &str) -> Result<Vec<ListedServer>, CloudError> {
        self.list(&["servers", "detail"], name_pattern).await
    }

    async fn list(&self, path: &[&str], name_pattern: &str) -> Result<Vec<ListedServer>, CloudError> {
        let endpoint = self.session.endpoint(Service::Compute).await?;
        let first = Call::get(Service::Compute, "servers", endpoint, path)
            .query("name", name_pattern)
            .query("limit", PAGE);
        let mut call = first.clone();
        let mut servers = Vec::new();
        let mut pages = Pages::new();
        loop {
            let page: ServersAnswer = self.session.fetch(&call).await?;
            let marker = page.servers.last().and_then(|server| server.get("id")?.as_str().map(str::to_owned));
            let more = page.servers_links.iter().any(|link| link.rel == "next");
            // One that cannot be read is left out: no server is taken for gone before Nova was asked for it by its id.
            let read = page.servers.into_iter().filter_map(|server| ServerRecord::deserialize(server).ok());
            servers.extend(read.filter_map(ListedServer::of));
            match pages.next(more, marker).map_err(|reason| malformed(&call, reason))? {
                Some(marker) => call = first.clone().query("marker", &marker),
                None => return Ok(servers),
            }
        }
    }

    /// Why a server went to ERROR; none where Nova gives no reason.
    ///
    /// # Errors
    /// When Nova does not tell.
    pub async fn fault(&self, server: MachineId) -> Result<Option<String>, CloudError> {
        let endpoint = self.session.endpoint(Service::Compute).await?;
        let call = Call::get(Service::Compute, "server", endpoint, &["servers", &server.to_string()]);
        let ServerAnswer { server } = self.session.fetch(&call).await?;
        Ok(server.fault.and_then(|fault| fault.message))
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
