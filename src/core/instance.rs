//! Instances: the nodes of a group as cluster-autoscaler sees them.

use std::fmt;

use super::{
    machine_id::{MachineId, PlaceholderId},
    member::MemberIndex,
    node_group::NodeGroupUuid,
};

/// What an instance is identified by, and what a provider ID names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceId {
    /// A server.
    Server(MachineId),
    /// No server (yet).
    Placeholder(PlaceholderId),
}

impl InstanceId {
    /// The member of this index in a group: by its server, if it has one.
    #[must_use]
    pub fn of_member(group: NodeGroupUuid, index: MemberIndex, server: Option<MachineId>) -> Self {
        server.map_or(Self::Placeholder(PlaceholderId::Member { group, index }), Self::Server)
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

/// Code of the error of an instance whose server was deleted outside of Heat: certainly no node any more.
pub const SERVER_GONE: &str = "ServerGone";

/// Why an instance is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstanceError {
    /// A word for the kind of error; never empty, since cluster-autoscaler drops errors without a code.
    pub code: &'static str,
    /// The cloud's own words.
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
    /// Its place in `kube_minions`; `None` for a node that was only asked for.
    pub member: Option<MemberIndex>,
    /// Its state.
    pub state: InstanceState,
    /// What went wrong, if anything.
    pub error: Option<InstanceError>,
}

/// How many instances of a group are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nodes, or about to register as one.
    pub running: usize,
    /// Being made.
    pub creating: usize,
    /// On their way out.
    pub deleting: usize,
    /// With an error, whatever their state.
    pub failed: usize,
}

impl Tally {
    /// Counts each instance once.
    #[must_use]
    pub fn of(instances: &[Instance]) -> Self {
        let mut tally = Self::default();
        for instance in instances {
            let place = match (instance.state, &instance.error) {
                (_, Some(_)) => &mut tally.failed,
                (InstanceState::Running, None) => &mut tally.running,
                (InstanceState::Creating, None) => &mut tally.creating,
                (InstanceState::Deleting, None) => &mut tally.deleting,
            };
            *place += 1;
        }
        tally
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
    /// Sorts the reason of a failed creation by the texts of Heat and Nova
    /// (FINDINGS, Failures; Heat's are in `engine/resources` and `common/exception.py`).
    #[must_use]
    pub fn of_failed_creation(reason: &str) -> Self {
        let lower = reason.to_ascii_lowercase();
        let (code, class) = if lower.contains("quota") {
            ("QuotaExceeded", InstanceErrorClass::OutOfResources)
        } else if ["no valid host", "not enough", "exhausted all hosts"]
            .iter()
            .any(|words| lower.contains(words))
        {
            ("NoValidHost", InstanceErrorClass::OutOfResources)
        } else if lower.contains("deployment to server failed") {
            ("DeploymentFailed", InstanceErrorClass::Other)
        } else if lower.contains("timed out") {
            ("CreateTimedOut", InstanceErrorClass::Other)
        } else if lower.contains("could not be found") {
            ("StackMissing", InstanceErrorClass::Other)
        } else {
            ("CreateFailed", InstanceErrorClass::Other)
        };
        Self { code, message: reason.to_owned(), class }
    }
}
