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
    /// (docs/openstack-behaviour.md#failures; Heat's are in `engine/resources` and `common/exception.py`).
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
        let reason = without_particulars(reason);
        let message = match advice(code) {
            advice if reason.is_empty() => advice.to_owned(),
            advice => format!("{reason}; {advice}"),
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
            "its server was deleted outside of Heat; cluster-autoscaler is told and deletes the rest"
        }
        "DeleteFailed" => "Heat could not delete it and tries again with the next resize of the group",
        _ => "openstack stack failures list, with the stack of the node group, says more",
    }
}

/// The reason without what differs from node to node: the place in the stack, ids of requests and of everything else.
fn without_particulars(reason: &str) -> String {
    let mut words = Vec::new();
    for word in reason.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != ']');
        let is_place = word.contains("resources[") || word.starts_with("resources.");
        let is_request = bare.eq_ignore_ascii_case("request-id") || bare.starts_with("req-");
        if is_place || is_request {
            continue;
        }
        let is_id = bare.len() == UUID_LENGTH && uuid::Uuid::try_parse(bare).is_ok();
        words.push(if is_id { word.replace(bare, "…") } else { word.to_owned() });
    }
    words.join(" ")
}

/// With its dashes.
const UUID_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_failed_alike_have_the_same_message() {
        let reason = |index: u32, request: &str| {
            format!(
                "Forbidden: resources[{index}].resources.kube-minion: Quota exceeded for instances: Requested 1, but \
                 already used 4 of 4 instances (HTTP 403) (Request-ID: req-{request})"
            )
        };
        let one = reason(6, "52d1b3b9-4f1e-4b39-8a13-0c21f9b0a6d3");
        let other = reason(7, "b02c4e0a-7f55-4d8b-9c51-15b4b1f3f0aa");
        let error = InstanceError::of_failed_creation(&one);
        assert_eq!(error, InstanceError::of_failed_creation(&other));
        assert_eq!(
            error.message,
            "Forbidden: Quota exceeded for instances: Requested 1, but already used 4 of 4 instances (HTTP 403); the \
             quota of the project is used up: raise it or lower the group's maximum"
        );
        let missing = |uuid: &str| format!("NotFound: resources[3]: The Stack ({uuid}) could not be found.");
        let one = InstanceError::of_failed_creation(&missing("06e60740-d665-497a-9b14-07ee2abcaa03"));
        assert_eq!(one, InstanceError::of_failed_creation(&missing("79b2486f-b142-42fa-9e4f-7f009002aeaf")));
        assert!(one.message.starts_with("NotFound: The Stack (…) could not be found.; "), "{}", one.message);
    }
}
