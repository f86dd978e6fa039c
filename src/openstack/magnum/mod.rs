//! Magnum: clusters, node groups and the resize.

mod addresses;
mod microversion;
mod negotiation;
mod records;

use std::{collections::BTreeSet, sync::Arc};

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use self::{addresses::addresses, microversion::WITH_NODE_LABELS, records::ClusterAsGroup};
pub use self::{
    microversion::Microversion,
    records::{BrokenRecord, ClusterRecord, NodeGroupList, NodeGroupRecord, moment},
};
use super::{
    diagnosis::json_error,
    node_labels::KubernetesRecord,
    paging::Pages,
    session::{Call, Session, malformed, redirected},
};
use crate::core::{
    cloud::{CloudError, Service},
    node_group::NodeGroupUuid,
    template::KubernetesFields,
};

/// Groups per page; Magnum's own limit is the same.
const PAGE: &str = "1000";
/// How many names of clusters an error lists.
const NAMES_IN_ERRORS: usize = 20;

#[derive(Deserialize)]
struct Clusters {
    clusters: Vec<Value>,
}

#[derive(Deserialize)]
struct NodeGroups {
    nodegroups: Vec<Value>,
    next: Option<Value>,
}

/// The calls to Magnum.
#[derive(Debug)]
pub struct Magnum {
    session: Arc<Session>,
    newest: OnceCell<Microversion>,
}

impl Magnum {
    /// Calls within a session.
    #[must_use]
    pub fn new(session: Arc<Session>) -> Self {
        Self { session, newest: OnceCell::new() }
    }

    async fn get(&self, kind: &'static str, path: &[&str]) -> Result<Call, CloudError> {
        let version = self.microversion().await?;
        self.get_at(version, kind, path).await
    }

    async fn get_at(
        &self,
        version: Microversion,
        kind: &'static str,
        path: &[&str],
    ) -> Result<Call, CloudError> {
        let (_, api) = addresses(self.session.endpoint(Service::ContainerInfra).await?);
        Ok(Call::get(Service::ContainerInfra, kind, api, path)
            .header("openstack-api-version", format!("container-infra {version}")))
    }

    /// One cluster, by name or UUID.
    ///
    /// # Errors
    /// [`CloudError::Unsuitable`] with the names that there are when there is no such cluster.
    pub async fn cluster(&self, name_or_uuid: &str) -> Result<ClusterRecord, CloudError> {
        let call = self.get("cluster", &["clusters", name_or_uuid]).await?;
        match self.session.fetch(&call).await {
            Err(error) if error.not_found() => Err(self.no_such_cluster(name_or_uuid).await),
            result => result,
        }
    }

    async fn no_such_cluster(&self, name_or_uuid: &str) -> CloudError {
        let visible = match self.get("clusters", &["clusters"]).await {
            Ok(call) => self.session.fetch::<Clusters>(&call).await,
            Err(error) => Err(error),
        };
        let visible = match visible {
            Ok(Clusters { clusters }) if clusters.is_empty() => "none".to_owned(),
            Ok(Clusters { clusters }) => {
                let label = |cluster: &Value| {
                    let text = |key| cluster.get(key).and_then(Value::as_str).map(str::to_owned);
                    text("name").or_else(|| text("uuid")).unwrap_or_else(|| "one without a name".to_owned())
                };
                let names: Vec<_> = clusters.iter().take(NAMES_IN_ERRORS).map(label).collect();
                let more = if clusters.len() > NAMES_IN_ERRORS { ", …" } else { "" };
                format!("{}{more}", names.join(", "))
            }
            Err(error) => format!("cannot be listed ({error})"),
        };
        let project = self.session.project().unwrap_or_else(|| "of the login".to_owned());
        CloudError::Unsuitable(format!(
            "cluster {name_or_uuid:?} not found in project {project}; visible clusters: {visible}"
        ))
    }

    /// All node groups of a cluster, without what only the detail shows.
    ///
    /// # Errors
    /// When the list cannot be read, whole; a single record's trouble is in [`NodeGroupList::broken`].
    pub async fn node_groups(&self, cluster: &str) -> Result<NodeGroupList, CloudError> {
        if !self.microversion().await?.has_node_groups() {
            let groups = vec![self.only_group(cluster).await?];
            return Ok(NodeGroupList { groups, broken: Vec::new() });
        }
        let first = self.get("nodegroups", &["clusters", cluster, "nodegroups"]).await?;
        let mut call = first.clone();
        let mut list = NodeGroupList::default();
        let mut pages = Pages::new();
        let mut seen = BTreeSet::new();
        loop {
            let page: NodeGroups = self.session.fetch(&call).await?;
            let marker =
                page.nodegroups.last().and_then(|record| record.get("uuid")?.as_str().map(str::to_owned));
            for record in &page.nodegroups {
                match NodeGroupRecord::deserialize(record) {
                    Ok(group) if seen.insert(group.uuid) => list.groups.push(group),
                    // Pages overlap where a group was made or deleted meanwhile.
                    Ok(_) => {}
                    Err(error) => list.broken.push(BrokenRecord::new(record, json_error(&error))),
                }
            }
            let more = page.next.is_some_and(|next| !next.is_null());
            match pages.next(more, marker).map_err(|reason| malformed(&call, reason))? {
                Some(marker) => call = first.clone().query("limit", PAGE).query("marker", &marker),
                None => return Ok(list),
            }
        }
    }

    /// One node group with its bounds, labels and reasons.
    ///
    /// # Errors
    /// When it cannot be read; [`CloudError::not_found`] when there is none.
    pub async fn node_group(
        &self,
        cluster: &str,
        group: NodeGroupUuid,
    ) -> Result<NodeGroupRecord, CloudError> {
        if !self.microversion().await?.has_node_groups() {
            return self.only_group(cluster).await;
        }
        let call = self.get("nodegroup", &["clusters", cluster, "nodegroups", &group.to_string()]).await?;
        let record: NodeGroupRecord = self.session.fetch(&call).await?;
        if record.uuid == group {
            Ok(record)
        } else {
            Err(malformed(&call, format!("it is another node group: {}", record.uuid)))
        }
    }

    /// The one group of nodes of a cluster that has no node groups.
    async fn only_group(&self, cluster: &str) -> Result<NodeGroupRecord, CloudError> {
        let call = self.get("nodegroup", &["clusters", cluster]).await?;
        Ok(self.session.fetch::<ClusterAsGroup>(&call).await?.into())
    }

    /// The labels and taints that Magnum gives to a group's nodes; none where the server is too old to tell.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) async fn kubernetes_fields(
        &self,
        cluster: &str,
        group: NodeGroupUuid,
    ) -> Result<Option<KubernetesFields>, CloudError> {
        if self.newest().await? < WITH_NODE_LABELS {
            return Ok(None);
        }
        let path = ["clusters", cluster, "nodegroups", &group.to_string()];
        let call = self.get_at(WITH_NODE_LABELS, "nodegroup", &path).await?;
        let record: KubernetesRecord = self.session.fetch(&call).await?;
        Ok(Some(record.into()))
    }

    /// Asks for a count of nodes without the members that the driver knows by these names. Sent once, or again only
    /// where it was certainly not heard. The body of the answer is of no interest: 8.x has none
    /// (docs/openstack-behaviour.md#api-versions).
    ///
    /// # Errors
    /// [`CloudError::certainly_without_effect`] tells whether it may have been heard.
    pub async fn resize(
        &self,
        cluster: &str,
        group: NodeGroupUuid,
        count: u32,
        remove: &[String],
    ) -> Result<(), CloudError> {
        let version = self.microversion().await?;
        if !version.has_resize() {
            return Err(CloudError::Unsuitable(format!(
                "this Magnum (API {version}) has no resize; use --resize-method auto"
            )));
        }
        let mut call = self.get("resize", &["clusters", cluster, "actions", "resize"]).await?;
        call.method = Method::POST;
        let mut body = Map::from_iter([("node_count".to_owned(), json!(count))]);
        if version.has_node_groups() {
            body.insert("nodegroup".to_owned(), json!(group.to_string()));
        }
        if !remove.is_empty() {
            // A named list only: an empty one would be stored as well, and an empty string matches nothing.
            body.insert("nodes_to_remove".to_owned(), json!(remove));
        }
        call.body = Some(body.into());
        self.send_once(&call).await
    }

    /// Asks for a count of nodes by changing the cluster's record, which all versions take and which names no node. The
    /// count must not be lower than what there is: Heat would take the newest. Any status but `…_COMPLETE` makes the
    /// conductor drop it without a word (docs/openstack-behaviour.md#api-versions).
    ///
    /// # Errors
    /// [`CloudError::certainly_without_effect`] tells whether it may have been heard.
    pub async fn set_node_count(&self, cluster: &str, count: u32) -> Result<(), CloudError> {
        let mut call = self.get("set_node_count", &["clusters", cluster]).await?;
        call.method = Method::PATCH;
        // A number: text fails in the releases of Python 3.
        call.body = Some(json!([{"op": "replace", "path": "/node_count", "value": count}]));
        self.send_once(&call).await
    }

    async fn send_once(&self, call: &Call) -> Result<(), CloudError> {
        let answer = self.session.send(call).await?;
        if answer.status().is_success() {
            Ok(())
        } else if answer.status().is_redirection() {
            Err(redirected(call, &answer))
        } else {
            Err(malformed(call, format!("HTTP {} instead of 202", answer.status().as_u16())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_the_lab_are_understood() {
        let list: NodeGroups =
            serde_json::from_str(include_str!("../../../tests/fixtures/magnum-nodegroups-list.json"))
                .unwrap();
        assert_eq!(list.nodegroups.len(), 3);
        let last = NodeGroupRecord::deserialize(&list.nodegroups[2]).unwrap();
        assert_eq!((last.name.as_str(), last.max_node_count), ("pool-b", None));
        assert!(list.next.is_none());
        let group: NodeGroupRecord =
            serde_json::from_str(include_str!("../../../tests/fixtures/magnum-nodegroup-get.json")).unwrap();
        assert_eq!((group.min_node_count, group.max_node_count), (Some(0), Some(10)));
        assert_eq!(group.updated_at.as_deref(), Some("2026-11-22T06:59:44+00:00"));
    }
}
