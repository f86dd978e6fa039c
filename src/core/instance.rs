//! Instances: the nodes of a group as cluster-autoscaler sees them.

use super::{
    machine_id::{MachineId, PlaceholderId},
    member::MemberIndex,
};

/// What an instance is identified by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceId {
    /// A server.
    Server(MachineId),
    /// No server (yet).
    Placeholder(PlaceholderId),
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
    /// Its place in `kube_minions`; `None` for a node that was only asked for.
    pub member: Option<MemberIndex>,
    /// Its state.
    pub state: InstanceState,
    /// What went wrong, if anything.
    pub error: Option<InstanceError>,
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
