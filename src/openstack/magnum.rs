//! Magnum: clusters, node groups and the resize.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::Arc,
};

use bytes::Bytes;
use http::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    diagnosis::{json_error, shown},
    node_labels::KubernetesRecord,
    paging::Pages,
    session::{Call, Session, extend_path, malformed, parse, redirected},
};
use crate::core::{
    cloud::{CloudError, Service},
    member::MemberIndex,
    node_group::NodeGroupUuid,
    template::KubernetesFields,
};

/// The newest version that is asked for: it has groups of size 0 and everything else that is needed here.
/// Newer ones take `stack_id` from the cluster (Magnum 23, 1.13), so that `latest` would break one day.
const NEWEST: Microversion = Microversion { major: 1, minor: 10 };
/// The oldest that is of use: the first with node groups.
const OLDEST: Microversion = Microversion { major: 1, minor: 9 };
/// The first that tells the labels and taints of a group's nodes (Magnum 23). Asked for that alone.
const WITH_NODE_LABELS: Microversion = Microversion { major: 1, minor: 14 };
/// Groups per page; Magnum's own limit is the same.
const PAGE: &str = "1000";
/// How many names of clusters an error lists.
const NAMES_IN_ERRORS: usize = 20;

/// A version of Magnum's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Microversion {
    major: u16,
    minor: u16,
}

impl FromStr for Microversion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self { major: major.parse().map_err(|_| ())?, minor: minor.parse().map_err(|_| ())? })
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A cluster's record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterRecord {
    /// Its UUID.
    pub uuid: String,
    /// Its name; not unique by force.
    pub name: Option<String>,
    /// Its status: the worst of its groups' (docs/openstack-behaviour.md#reading-a-cluster).
    pub status: Option<String>,
}

/// A node group's record. The list leaves out what is marked «detail» or shows false values for it
/// (docs/openstack-behaviour.md#reading-a-cluster).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeGroupRecord {
    /// Its UUID.
    #[serde(deserialize_with = "from_text")]
    pub uuid: NodeGroupUuid,
    /// Its name.
    pub name: String,
    /// Its role: `master`, `worker` or the creator's own.
    pub role: Option<String>,
    /// The count last asked for.
    pub node_count: Option<u32>,
    /// Its status.
    pub status: Option<String>,
    /// Its stack, in the words of the driver.
    pub stack_id: Option<String>,
    /// The flavor, id or name.
    pub flavor_id: Option<String>,
    /// Fewest nodes; detail.
    pub min_node_count: Option<u32>,
    /// Most nodes; detail.
    pub max_node_count: Option<u32>,
    /// Reason of the status; detail.
    pub status_reason: Option<String>,
    /// Labels; detail.
    pub labels: Option<BTreeMap<String, Value>>,
    /// When the record was last written; detail.
    pub updated_at: Option<String>,
}

fn from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<NodeGroupUuid, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// A record of the list that cannot be read. Its group is there all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRecord {
    /// Its UUID, where that much can be read.
    pub uuid: Option<NodeGroupUuid>,
    /// Its name, likewise.
    pub name: Option<String>,
    /// Its role, likewise.
    pub role: Option<String>,
    /// What is wrong with it.
    pub reason: String,
}

impl BrokenRecord {
    fn new(record: &Value, reason: String) -> Self {
        let text = |key| record.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            uuid: text("uuid").and_then(|uuid| uuid.parse().ok()),
            name: text("name"),
            role: text("role"),
            reason,
        }
    }

    /// Its name or UUID, for messages.
    #[must_use]
    pub fn label(&self) -> String {
        let uuid = || self.uuid.map(|uuid| uuid.to_string());
        self.name.clone().or_else(uuid).unwrap_or_else(|| "without a name".to_owned())
    }
}

/// The node groups of a cluster, each record by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeGroupList {
    /// Those that can be read.
    pub groups: Vec<NodeGroupRecord>,
    /// Those that cannot.
    pub broken: Vec<BrokenRecord>,
}

#[derive(Deserialize)]
struct Clusters {
    clusters: Vec<Value>,
}

#[derive(Deserialize)]
struct NodeGroups {
    nodegroups: Vec<Value>,
    next: Option<Value>,
}

#[derive(Deserialize)]
struct Root {
    versions: Vec<RootVersion>,
}

#[derive(Deserialize)]
struct RootVersion {
    id: String,
    max_version: Option<String>,
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

    /// The version that is spoken: the server's newest, but not beyond 1.10. Asked for once.
    ///
    /// # Errors
    /// [`CloudError::Unsuitable`] when the server is too old to know node groups.
    pub async fn microversion(&self) -> Result<Microversion, CloudError> {
        Ok(self.newest().await?.min(NEWEST))
    }

    /// The newest version that the server speaks.
    async fn newest(&self) -> Result<Microversion, CloudError> {
        self.newest.get_or_try_init(|| self.negotiate()).await.copied()
    }

    async fn negotiate(&self) -> Result<Microversion, CloudError> {
        let (root, api) = addresses(self.session.endpoint(Service::ContainerInfra).await?);
        let newest = match self.newest_by_root(&root).await {
            Ok(newest) => newest,
            // Nobody answers: asking elsewhere would only take longer.
            Err(error @ CloudError::Unreachable { .. }) => return Err(error),
            Err(error) => self.newest_by_answers(&api, error).await?,
        };
        if newest < OLDEST {
            return Err(CloudError::Unsuitable(format!(
                "magnum at {} speaks API {newest}, which has no node groups; {OLDEST} is needed (Magnum 9.1, Train, \
                 or newer)",
                shown(&root)
            )));
        }
        Ok(newest)
    }

    /// What the version document at the root says; it needs no token.
    async fn newest_by_root(&self, root: &Url) -> Result<Microversion, CloudError> {
        let call = Call::get(Service::ContainerInfra, "versions", root.clone(), &[""]);
        let document: Root = parse(&call, &self.session.send_without_token(&call).await?)?;
        let v1 = document.versions.iter().find(|version| version.id == "v1");
        v1.and_then(|version| version.max_version.as_deref()?.parse().ok())
            .ok_or_else(|| malformed(&call, "the version document has no max_version of v1".to_owned()))
    }

    /// What the answers below `/v1` say, each of which names the newest version
    /// (docs/openstack-behaviour.md#api-versions): some clouds show nothing but that to the outside. `of_root` is why
    /// the root does not tell.
    async fn newest_by_answers(&self, api: &Url, of_root: CloudError) -> Result<Microversion, CloudError> {
        tracing::debug!("magnum's root does not tell its versions: {of_root}");
        let document = Call::get(Service::ContainerInfra, "versions", api.clone(), &[]);
        let list =
            Call::get(Service::ContainerInfra, "versions", api.clone(), &["clusters"]).query("limit", "1");
        let mut failure = of_root;
        for call in [document, list] {
            match self.session.send(&call).await {
                Ok(answer) => match newest_in(&answer) {
                    Some(newest) => return Ok(newest),
                    None => {
                        failure = malformed(&call, "it names no OpenStack-API-Maximum-Version".to_owned());
                    }
                },
                Err(error) => failure = error,
            }
        }
        // That the root says 404 does not mean that there is no cluster.
        Err(match failure {
            CloudError::Refused { status: 404, request, message, .. } => CloudError::Unsuitable(format!(
                "there is no magnum at {} ({request}: HTTP 404: {message}); its URL in the service catalog is wrong",
                shown(api)
            )),
            other => other,
        })
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
        let call = self.get("nodegroup", &["clusters", cluster, "nodegroups", &group.to_string()]).await?;
        let record: NodeGroupRecord = self.session.fetch(&call).await?;
        if record.uuid == group {
            Ok(record)
        } else {
            Err(malformed(&call, format!("it is another node group: {}", record.uuid)))
        }
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

    /// Asks for a count of nodes without the members named. Sent once, or again only where it was certainly not
    /// heard. The body of the answer is of no interest: 8.x has none (docs/openstack-behaviour.md#api-versions).
    ///
    /// # Errors
    /// [`CloudError::certainly_without_effect`] tells whether it may have been heard.
    pub async fn resize(
        &self,
        cluster: &str,
        group: NodeGroupUuid,
        count: u32,
        remove: &[MemberIndex],
    ) -> Result<(), CloudError> {
        let mut call = self.get("resize", &["clusters", cluster, "actions", "resize"]).await?;
        call.method = Method::POST;
        let mut body = json!({"node_count": count, "nodegroup": group.to_string()});
        if !remove.is_empty() {
            // A named list only: an empty one would be stored as well, and an empty string matches nothing.
            let names: Vec<_> = remove.iter().map(ToString::to_string).collect();
            if let Some(body) = body.as_object_mut() {
                body.insert("nodes_to_remove".to_owned(), json!(names));
            }
        }
        call.body = Some(body);
        let answer = self.session.send(&call).await?;
        if answer.status().is_success() {
            Ok(())
        } else if answer.status().is_redirection() {
            Err(redirected(&call, &answer))
        } else {
            Err(malformed(&call, format!("HTTP {} instead of 202", answer.status().as_u16())))
        }
    }
}

/// The newest version that an answer names: `container-infra 1.10`.
fn newest_in(answer: &Response<Bytes>) -> Option<Microversion> {
    let newest = answer.headers().get("openstack-api-maximum-version")?.to_str().ok()?;
    newest.split_whitespace().last()?.parse().ok()
}

/// The root with the version document and the `/v1` below it, of an endpoint that may name either.
fn addresses(endpoint: Url) -> (Url, Url) {
    let mut root = endpoint.clone();
    let mut api = endpoint;
    let ends_with_v1 = api
        .path_segments()
        .and_then(|mut segments| segments.rfind(|segment| !segment.is_empty()))
        .is_some_and(|last| last == "v1");
    if ends_with_v1 {
        if let Ok(mut segments) = root.path_segments_mut() {
            segments.pop_if_empty().pop();
        }
    } else {
        extend_path(&mut api, &["v1"]);
    }
    (root, api)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_either_form() {
        for (endpoint, root, api) in [
            ("http://h:9511/v1", "http://h:9511/", "http://h:9511/v1"),
            ("http://h:9511/v1/", "http://h:9511/", "http://h:9511/v1/"),
            ("http://h:9511", "http://h:9511/", "http://h:9511/v1"),
            ("https://h/container-infra", "https://h/container-infra", "https://h/container-infra/v1"),
            ("https://h/container-infra/v1", "https://h/container-infra", "https://h/container-infra/v1"),
        ] {
            let (actual_root, actual_api) = addresses(endpoint.parse().unwrap());
            assert_eq!((actual_root.as_str(), actual_api.as_str()), (root, api), "{endpoint}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<Microversion>().unwrap();
        assert!(version("1.9") < version("1.10"));
        assert_eq!(version("1.12").min(NEWEST).to_string(), "1.10");
        assert_eq!("latest".parse::<Microversion>(), Err(()));
    }

    #[test]
    fn records_of_the_lab_are_understood() {
        let list: NodeGroups =
            serde_json::from_str(include_str!("../../tests/fixtures/magnum-nodegroups-list.json")).unwrap();
        assert_eq!(list.nodegroups.len(), 3);
        let last = NodeGroupRecord::deserialize(&list.nodegroups[2]).unwrap();
        assert_eq!((last.name.as_str(), last.max_node_count), ("pool-b", None));
        assert!(list.next.is_none());
        let group: NodeGroupRecord =
            serde_json::from_str(include_str!("../../tests/fixtures/magnum-nodegroup-get.json")).unwrap();
        assert_eq!((group.min_node_count, group.max_node_count), (Some(0), Some(10)));
        assert_eq!(group.updated_at.as_deref(), Some("2026-11-22T06:59:44+00:00"));
        let root: Root =
            serde_json::from_str(include_str!("../../tests/fixtures/magnum-root-versions.json")).unwrap();
        assert_eq!(root.versions[0].max_version.as_deref(), Some("1.10"));
    }
}
