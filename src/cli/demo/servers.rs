//! Nova's list of servers, read over HTTP as any OpenStack client reads it, and what has become of it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde::Deserialize;
use tokio::time::timeout;

use super::error::DemoError;
use crate::{
    core::cloud::Service,
    openstack::{HttpTransport, Session, Transport as _},
};

/// How long Nova may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A server of Nova's list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedServer {
    /// Its UUID.
    pub id: String,
    pub name: String,
    /// `ACTIVE` and the like.
    pub status: String,
    /// When it was made, as Nova writes it: the oldest sorts first.
    pub created: String,
}

#[derive(Deserialize)]
struct Answer {
    servers: Vec<ListedServer>,
}

/// The demonstration's own login: it does not take the service's word for what there is.
#[derive(Debug)]
pub struct Nova {
    session: Session,
    network: HttpTransport,
}

impl Nova {
    /// With a login of its own over this network.
    #[must_use]
    pub const fn new(session: Session, network: HttpTransport) -> Self {
        Self { session, network }
    }

    /// All servers of the project, the oldest first.
    ///
    /// # Errors
    /// When Nova does not tell.
    pub async fn servers(&self) -> Result<Vec<ListedServer>, DemoError> {
        let answer = timeout(ANSWER_TIME, self.read()).await;
        let mut servers = answer.map_err(|_| {
            DemoError::Unexpected(format!(
                "Nova's list of servers did not come within {} s",
                ANSWER_TIME.as_secs()
            ))
        })??;
        servers.sort_by(|one, other| (&one.created, &one.name).cmp(&(&other.created, &other.name)));
        Ok(servers)
    }

    async fn read(&self) -> Result<Vec<ListedServer>, DemoError> {
        let token = self.session.token().await?;
        let endpoint = self.session.endpoint(Service::Compute).await?;
        let unusable = |reason: String| {
            DemoError::Unexpected(format!("Nova's list of servers cannot be read: {reason}"))
        };
        let request = Request::get(format!("{endpoint}/servers/detail"))
            .header("x-auth-token", token.header.clone())
            .body(Bytes::new())
            .map_err(|error| unusable(error.to_string()))?;
        let answer = self.network.send(request).await.map_err(|error| unusable(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(unusable(format!("HTTP {}", answer.status())));
        }
        let answer: Answer =
            serde_json::from_slice(answer.body()).map_err(|error| unusable(error.to_string()))?;
        Ok(answer.servers)
    }
}

/// Whether the one server is gone and everything else is as it was.
///
/// # Errors
/// Which other server has come or gone.
pub fn only_this_one_went(
    before: &[ListedServer],
    after: &[ListedServer],
    id: &str,
) -> Result<bool, DemoError> {
    let has = |servers: &[ListedServer], id: &str| servers.iter().any(|server| server.id == id);
    if let Some(lost) = before.iter().find(|server| server.id != id && !has(after, &server.id)) {
        return Err(DemoError::Unexpected(format!(
            "{} ({}) is gone, and nobody had named it",
            lost.name, lost.id
        )));
    }
    if let Some(new) = after.iter().find(|server| !has(before, &server.id)) {
        return Err(DemoError::Unexpected(format!(
            "{} ({}) has come, and nobody had asked for it",
            new.name, new.id
        )));
    }
    Ok(!has(after, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(ids: &[&str]) -> Vec<ListedServer> {
        let server = |id: &&str| ListedServer {
            id: (*id).to_owned(),
            name: format!("node-{id}"),
            status: "ACTIVE".to_owned(),
            created: "2026-11-25T05:00:00Z".to_owned(),
        };
        ids.iter().map(server).collect()
    }

    #[test]
    fn exactly_the_named_one_has_to_go() {
        let before = servers(&["a", "b", "c"]);
        let verdict = |after: &[&str]| only_this_one_went(&before, &servers(after), "a");
        assert!(matches!(verdict(&["c", "b"]), Ok(true)));
        assert!(matches!(verdict(&["a", "b", "c"]), Ok(false)));
        for (after, culprit) in
            [(&["a", "b"][..], "node-c"), (&["b"], "node-c"), (&["b", "c", "d"], "node-d")]
        {
            let error = verdict(after).unwrap_err().to_string();
            assert!(error.starts_with(culprit), "{error}");
        }
    }
}
