//! Instances: the nodes of a group as cluster-autoscaler sees them.

use std::fmt;

use super::{
    failure::{FailureKind, Reason},
    machine_id::MachineId,
    member::MemberKey,
    node_group::NodeGroupUuid,
};

/// Scheme of the ids of members that have no server; cluster-autoscaler only ever hands them back to us.
pub(super) const PLACEHOLDER_SCHEME: &str = "fake:///";
/// Marks a placeholder of a node that was asked for and of which the cloud shows nothing yet.
pub(super) const REQUESTED_PREFIX: &str = "requested-";
/// Marks a placeholder of a node that was asked for and will not come.
pub(super) const FAILED_PREFIX: &str = "failed-";

/// What an instance is identified by, and what a provider ID names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InstanceId {
    /// A server.
    Server(MachineId),
    /// No server (yet).
    Placeholder(PlaceholderId),
}

impl InstanceId {
    /// The member with this key in a group: by its server, if it has one.
    #[must_use]
    pub fn of_member(group: NodeGroupUuid, key: MemberKey, server: Option<MachineId>) -> Self {
        server.map_or(Self::Placeholder(PlaceholderId::Member { group, key }), Self::Server)
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(machine) => machine.fmt(f),
            Self::Placeholder(placeholder) => placeholder.fmt(f),
        }
    }
}

/// Stands for a node that has no server, in the id of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlaceholderId {
    /// A member without a server: `fake:///<node group uuid>/<key>`, the key of Heat's members being their index.
    Member {
        /// The node group.
        group: NodeGroupUuid,
        /// The member.
        key: MemberKey,
    },
    /// A node asked for that is no member yet: `fake:///<node group uuid>/requested-<ordinal>`.
    Requested {
        /// The node group.
        group: NodeGroupUuid,
        /// Counts from 1 within the group.
        ordinal: u32,
    },
    /// A node asked for that the cloud refused or dropped: `fake:///<node group uuid>/failed-<number>`.
    Failed {
        /// The node group.
        group: NodeGroupUuid,
        /// Never used twice for a group in the life of a process.
        number: u32,
    },
}

impl PlaceholderId {
    /// The node group that the placeholder belongs to.
    #[must_use]
    pub const fn group(&self) -> NodeGroupUuid {
        match self {
            Self::Member { group, .. } | Self::Requested { group, .. } | Self::Failed { group, .. } => *group,
        }
    }
}

impl fmt::Display for PlaceholderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member { group, key } => write!(f, "{PLACEHOLDER_SCHEME}{group}/{key}"),
            Self::Requested { group, ordinal } => {
                write!(f, "{PLACEHOLDER_SCHEME}{group}/{REQUESTED_PREFIX}{ordinal}")
            }
            Self::Failed { group, number } => {
                write!(f, "{PLACEHOLDER_SCHEME}{group}/{FAILED_PREFIX}{number}")
            }
        }
    }
}

/// The states that cluster-autoscaler knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// Being made, or failed to be made when there is an error with it.
    Creating,
    /// A node, or about to register as one.
    Running,
    /// On its way out.
    Deleting,
}

/// Error classes of the wire: cluster-autoscaler backs off from a group that is out of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceErrorClass {
    /// Quota or capacity: 1.
    OutOfResources,
    /// Anything else: 99.
    Other,
}

/// Code of the error of an instance whose server was deleted by somebody else: certainly no node any more.
pub const SERVER_GONE: &str = "ServerGone";

/// Code of the error of an instance that the cloud did not manage to delete.
pub const DELETE_FAILED: &str = "DeleteFailed";

/// Why an instance is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstanceError {
    /// A word for the kind of error; never empty, since cluster-autoscaler drops errors without a code.
    pub code: &'static str,
    /// The cloud's own words and what to do. The same for all instances that failed for the same reason:
    /// cluster-autoscaler gathers instances by it.
    pub message: String,
    /// What cluster-autoscaler makes of it.
    pub class: InstanceErrorClass,
}

/// One node of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its server or placeholder.
    pub id: InstanceId,
    /// What cluster-autoscaler knows it by: the provider ID of its node byte for byte, once the node was seen.
    pub provider_id: String,
    /// The member that it is; `None` for a node that was only asked for.
    pub member: Option<MemberKey>,
    /// The name of its server, by which its node registers; empty for a node that was only asked for.
    pub name: String,
    /// Its state.
    pub state: InstanceState,
    /// What went wrong, if anything.
    pub error: Option<InstanceError>,
    /// Whether it is known that its server is no more.
    pub server_is_gone: bool,
}

/// How many instances of a group are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateCounts {
    /// Nodes, or about to register as one.
    pub running: usize,
    /// Being made.
    pub creating: usize,
    /// On their way out.
    pub deleting: usize,
    /// With an error, whatever their state.
    pub failed: usize,
}

impl StateCounts {
    /// Counts each instance once.
    #[must_use]
    pub fn of(instances: &[Instance]) -> Self {
        let mut counts = Self::default();
        for instance in instances {
            let place = match (instance.state, &instance.error) {
                (_, Some(_)) => &mut counts.failed,
                (InstanceState::Running, None) => &mut counts.running,
                (InstanceState::Creating, None) => &mut counts.creating,
                (InstanceState::Deleting, None) => &mut counts.deleting,
            };
            *place += 1;
        }
        counts
    }

    /// The numbers with the names of their states, which are metric labels too.
    #[must_use]
    pub const fn by_state(&self) -> [(&'static str, usize); 4] {
        [
            ("running", self.running),
            ("creating", self.creating),
            ("deleting", self.deleting),
            ("failed", self.failed),
        ]
    }
}

impl InstanceError {
    /// The error of an instance that could not be made.
    #[must_use]
    pub fn of_failed_creation(reason: &Reason) -> Self {
        let (code, class) = match reason.kind {
            FailureKind::Quota => ("QuotaExceeded", InstanceErrorClass::OutOfResources),
            FailureKind::NoHost => ("NoValidHost", InstanceErrorClass::OutOfResources),
            FailureKind::Deployment => ("DeploymentFailed", InstanceErrorClass::Other),
            FailureKind::TimedOut => ("CreateTimedOut", InstanceErrorClass::Other),
            FailureKind::RecordMissing => ("StackMissing", InstanceErrorClass::Other),
            FailureKind::Interrupted | FailureKind::Other => ("CreateFailed", InstanceErrorClass::Other),
        };
        let message = match advice(code) {
            advice if reason.general.is_empty() => advice.to_owned(),
            advice => format!("{}; {advice}", reason.general),
        };
        Self { code, message, class }
    }
}

/// What an error's code means and what to do about it.
#[must_use]
pub fn advice(code: &str) -> &'static str {
    match code {
        "QuotaExceeded" => "the quota of the project is used up: raise it or lower the group's maximum",
        "NoValidHost" => {
            "no compute host has room for the flavor: free or add capacity, or use another flavor"
        }
        "DeploymentFailed" => "the server runs and its set-up failed: its console log says why",
        "CreateTimedOut" => "the node did not report in time: its console log says how far it came",
        "StackMissing" => "its nested stack was deleted, by somebody or by an interrupted update",
        SERVER_GONE => {
            "its server was deleted by somebody else; cluster-autoscaler is told and deletes the rest"
        }
        DELETE_FAILED => "it could not be deleted; the next resize of the group tries it again",
        _ => "openstack stack failures list, with the stack of the node group, says more",
    }
}
