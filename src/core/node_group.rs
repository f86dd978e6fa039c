//! Node groups of a Magnum cluster.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::Timestamp;
use uuid::Uuid;

use super::{failure::Reason, status::Status};

/// Magnum's UUID of a node group.
///
/// Requests always name a group by it: an integer-like name would be taken for a database id
/// (Magnum `objects/nodegroup.py:81-86`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeGroupUuid(Uuid);

impl NodeGroupUuid {
    /// Takes a UUID that is known to be a node group's.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id on the wire of the group with this name: `<name>-<first 8 of uuid>`, as the in-tree provider has it
    /// (`magnum_manager_impl.go:74`), so that priority-expander settings survive a migration.
    #[must_use]
    pub fn wire_id(self, name: &str) -> String {
        let uuid = self.0.as_simple().to_string();
        format!("{name}-{}", uuid.get(..8).unwrap_or_default())
    }
}

impl fmt::Display for NodeGroupUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for NodeGroupUuid {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::try_parse(text).map(Self)
    }
}

/// The largest size of a group that is believed or asked for, in nodes: more than any Kubernetes cluster takes. A record or
/// a request of more is a mistake, and would cost memory for each node that does not exist.
pub const MAX_NODES: u32 = 10_000;

/// The sizes that a group may have, in nodes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Fewest nodes.
    pub min: u32,
    /// Most nodes.
    pub max: u32,
}

impl Bounds {
    /// Whether the group may have this many nodes.
    #[must_use]
    pub const fn contain(&self, count: u32) -> bool {
        self.min <= count && count <= self.max
    }

    /// The same of a count that may be below zero.
    #[must_use]
    pub fn contain_wide(&self, count: i64) -> bool {
        u32::try_from(count).is_ok_and(|count| self.contain(count))
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}–{}", self.min, self.max)
    }
}

/// A node group as Magnum describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeGroup {
    /// Magnum's UUID.
    pub uuid: NodeGroupUuid,
    /// Magnum's name, unique within the cluster.
    pub name: String,
    /// The sizes that may be asked for: Magnum's, narrowed by `--nodes` where that names the group.
    pub bounds: Bounds,
    /// The sizes that Magnum takes. A group outside of `--nodes` may come nearer to it step by step.
    pub magnum_bounds: Bounds,
    /// The count that was last asked for; not what exists
    /// (docs/openstack-behaviour.md#a-resize-what-is-checked-and-when).
    pub node_count: u32,
    /// The group's own status; the cluster's may be another group's.
    pub status: Status,
    /// Why the status is what it is; empty where Magnum says nothing.
    pub status_reason: Reason,
    /// When Magnum last wrote the record, as it says it; with `--resize-method heat` Heat's own time follows. Compared, never
    /// read.
    pub updated_at: String,
    /// When Magnum last wrote the record, by the clock of its conductor; none where it does not say.
    pub written_at: Option<Timestamp>,
    /// The flavor of its nodes, an id or a name: whatever the creator wrote.
    pub flavor_id: String,
    /// Magnum labels: driver options, not node labels.
    pub labels: BTreeMap<String, String>,
}

impl NodeGroup {
    /// The id on the wire.
    #[must_use]
    pub fn id(&self) -> String {
        self.uuid.wire_id(&self.name)
    }

    /// Whether the OpenStack cloud provider gives the nodes their provider ID. Then a node without one is
    /// not ready to be identified, and its name is no substitute.
    #[must_use]
    pub fn has_cloud_provider(&self) -> bool {
        self.labels.get("cloud_provider_enabled").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}
