//! Clusters and node groups as Magnum describes them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::core::{node_group::NodeGroupUuid, status::Status};

/// A cluster's record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClusterRecord {
    /// Its UUID.
    pub uuid: String,
    /// Its name; not unique by force.
    pub name: Option<String>,
    /// Its status: the worst of its groups' (docs/openstack-behaviour.md#reading-a-cluster).
    pub status: Option<String>,
    /// Its labels.
    #[serde(default)]
    pub labels: Value,
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

impl NodeGroupRecord {
    /// Its status, read.
    #[must_use]
    pub fn parsed_status(&self) -> Status {
        Status::parse(self.status.as_deref().unwrap_or_default())
    }

    /// When it was last written, if it says so.
    #[must_use]
    pub fn written_at(&self) -> Option<Timestamp> {
        self.updated_at.as_deref().and_then(moment)
    }
}

/// Magnum and Heat write UTC, some releases without saying so.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

impl ClusterRecord {
    /// Whether a label is set to true, in one of the words that OpenStack takes for it.
    #[must_use]
    pub fn has_label_set(&self, label: &str) -> bool {
        let words = ["true", "1", "t", "y", "yes", "on"];
        match self.labels.get(label) {
            Some(Value::Bool(set)) => *set,
            Some(Value::String(text)) => words.contains(&text.trim().to_ascii_lowercase().as_str()),
            _ => false,
        }
    }

    /// Its status, read.
    #[must_use]
    pub fn parsed_status(&self) -> Status {
        Status::parse(self.status.as_deref().unwrap_or_default())
    }
}

/// The name of the group that a cluster without node groups is taken for, as Magnum names it when it is upgraded.
const ONLY_GROUP: &str = "default-worker";

/// A cluster without node groups, as its one group of nodes.
#[derive(Debug, Deserialize)]
pub(super) struct ClusterAsGroup {
    #[serde(deserialize_with = "from_text")]
    uuid: NodeGroupUuid,
    status: Option<String>,
    status_reason: Option<String>,
    node_count: Option<u32>,
    stack_id: Option<String>,
    flavor_id: Option<String>,
    labels: Option<BTreeMap<String, Value>>,
    updated_at: Option<String>,
}

impl From<ClusterAsGroup> for NodeGroupRecord {
    fn from(cluster: ClusterAsGroup) -> Self {
        Self {
            uuid: cluster.uuid,
            name: ONLY_GROUP.to_owned(),
            role: Some("worker".to_owned()),
            node_count: cluster.node_count,
            status: cluster.status,
            stack_id: cluster.stack_id,
            flavor_id: cluster.flavor_id,
            min_node_count: Some(1),
            max_node_count: None,
            status_reason: cluster.status_reason,
            labels: cluster.labels,
            updated_at: cluster.updated_at,
        }
    }
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
    pub(super) fn new(record: &Value, reason: String) -> Self {
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
