//! The identity of a node: the UUID of the Nova server behind it, or a placeholder where there is no server.

use std::{fmt, str::FromStr};

use thiserror::Error;
use uuid::Uuid;

use super::{instance::InstanceId, member::MemberIndex, node_group::NodeGroupUuid, quote::quoted};

/// Scheme of the provider IDs that the OpenStack cloud provider gives to nodes.
const OPENSTACK_SCHEME: &str = "openstack://";
/// Scheme of the ids of members that have no server; cluster-autoscaler only ever hands them back to us.
const PLACEHOLDER_SCHEME: &str = "fake:///";
/// Marks a placeholder of a node that was asked for and of which the cloud shows nothing yet.
const REQUESTED_PREFIX: &str = "requested-";
/// Marks a placeholder of a node that was asked for and will not come.
const FAILED_PREFIX: &str = "failed-";

/// The UUID of a Nova server.
///
/// Parses the dashed and the dashless form (the machine id of a node) in either case; displays as lower-case
/// dashed, the only form that Heat matches (docs/openstack-behaviour.md#nodes_to_remove).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MachineId(Uuid);

/// The text is no UUID, dashed or dashless.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} is not a server UUID (32 hexadecimal digits, with or without dashes)", quoted(.0))]
pub struct MachineIdError(String);

impl MachineId {
    /// Takes a UUID that is known to be a server's.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for MachineId {
    type Err = MachineIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_uuid(text).map(Self).ok_or_else(|| MachineIdError(text.to_owned()))
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Accepts only the two forms in use; the uuid crate alone would also take braces and URNs.
fn parse_uuid(text: &str) -> Option<Uuid> {
    if !matches!(text.len(), 32 | 36) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

/// Stands for a node that has no server, in the id of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PlaceholderId {
    /// A member of `kube_minions` without a server: `fake:///<node group uuid>/<index>`.
    Member {
        /// The node group.
        group: NodeGroupUuid,
        /// The member's index in `kube_minions`.
        index: MemberIndex,
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
            Self::Member { group, index } => write!(f, "{PLACEHOLDER_SCHEME}{group}/{index}"),
            Self::Requested { group, ordinal } => {
                write!(f, "{PLACEHOLDER_SCHEME}{group}/{REQUESTED_PREFIX}{ordinal}")
            }
            Self::Failed { group, number } => {
                write!(f, "{PLACEHOLDER_SCHEME}{group}/{FAILED_PREFIX}{number}")
            }
        }
    }
}

/// A provider ID that cannot be one of this service's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProviderIdError {
    /// Neither our scheme nor a UUID: a node of another cloud, or no provider ID at all.
    #[error("provider ID {} is of no known form; expected openstack:///UUID or openstack://REGION/UUID", quoted(.0))]
    Foreign(String),
    /// The right scheme with something else than a UUID behind it.
    #[error("provider ID {}: {source}", quoted(.text))]
    NotAServer {
        /// The provider ID as it came.
        text: String,
        /// What is wrong with its last part.
        source: MachineIdError,
    },
    /// Our placeholder scheme with something that we never emit.
    #[error("provider ID {} is not a placeholder of this service (fake:///NODE-GROUP-UUID/INDEX)", quoted(.0))]
    NotAPlaceholder(String),
}

/// Reads a provider ID: `openstack:///UUID`, `openstack://REGION/UUID`, a bare UUID, or one of our own placeholders.
impl FromStr for InstanceId {
    type Err = ProviderIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix(PLACEHOLDER_SCHEME) {
            return parse_placeholder(rest)
                .map(Self::Placeholder)
                .ok_or_else(|| ProviderIdError::NotAPlaceholder(text.to_owned()));
        }
        let Some(rest) = text.strip_prefix(OPENSTACK_SCHEME) else {
            return text.parse().map(Self::Server).map_err(|_| ProviderIdError::Foreign(text.to_owned()));
        };
        // Everything up to the last slash is the region, empty in the common form.
        let uuid = rest.rsplit_once('/').map_or(rest, |(_region, uuid)| uuid);
        uuid.parse()
            .map(Self::Server)
            .map_err(|source| ProviderIdError::NotAServer { text: text.to_owned(), source })
    }
}

fn parse_placeholder(rest: &str) -> Option<PlaceholderId> {
    let (group, member) = rest.split_once('/')?;
    let group = group.parse().ok()?;
    Some(if let Some(ordinal) = member.strip_prefix(REQUESTED_PREFIX) {
        PlaceholderId::Requested { group, ordinal: ordinal.parse().ok()? }
    } else if let Some(number) = member.strip_prefix(FAILED_PREFIX) {
        PlaceholderId::Failed { group, number: number.parse().ok()? }
    } else {
        PlaceholderId::Member { group, index: member.parse().ok()? }
    })
}

/// The part of a server's provider ID in front of the UUID, which differs between clusters:
/// `openstack:///`, or `openstack://REGION/` where the cloud provider runs with `OS_CCM_REGIONAL`.
///
/// A mismatch would make cluster-autoscaler take every node for an unregistered one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderIdPrefix(String);

impl Default for ProviderIdPrefix {
    fn default() -> Self {
        Self(format!("{OPENSTACK_SCHEME}/"))
    }
}

impl ProviderIdPrefix {
    /// The prefix of a registered node's provider ID; `None` unless it is an `openstack://` one.
    #[must_use]
    pub fn of(provider_id: &str) -> Option<Self> {
        let (prefix, uuid) = provider_id.rsplit_once('/')?;
        (prefix.starts_with(OPENSTACK_SCHEME) && parse_uuid(uuid).is_some())
            .then(|| Self(format!("{prefix}/")))
    }

    /// The provider ID of a server.
    #[must_use]
    pub fn provider_id(&self, machine: MachineId) -> String {
        format!("{}{machine}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DASHED: &str = "ca5b234b-f9a6-42b0-a77d-197636b29d52";

    fn server(text: &str) -> InstanceId {
        InstanceId::Server(text.parse().unwrap())
    }

    #[test]
    fn every_form_of_a_server_is_the_same_machine() {
        let expected = server(DASHED);
        for text in [
            "openstack:///ca5b234b-f9a6-42b0-a77d-197636b29d52",
            "openstack://RegionOne/ca5b234b-f9a6-42b0-a77d-197636b29d52",
            "openstack:///CA5B234B-F9A6-42B0-A77D-197636B29D52",
            "openstack:///ca5b234bf9a642b0a77d197636b29d52",
            "ca5b234bf9a642b0a77d197636b29d52",
            DASHED,
        ] {
            assert_eq!(text.parse::<InstanceId>().unwrap(), expected, "{text}");
        }
        assert_eq!("ca5b234bf9a642b0a77d197636b29d52".parse::<MachineId>().unwrap().to_string(), DASHED);
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            "k8s-lab-abc-node-1",
            "10.0.1.110",
            "aws:///eu-west-1a/i-0123",
            "{ca5b234b-f9a6-42b0-a77d-197636b29d52}",
            "urn:uuid:ca5b234b-f9a6-42b0-a77d-197636b29d52",
        ] {
            assert!(matches!(text.parse::<InstanceId>(), Err(ProviderIdError::Foreign(_))), "{text}");
        }
        for text in ["openstack:///", "openstack:///nope", "openstack:///k8s-lab-abc-node-1"] {
            assert!(matches!(text.parse::<InstanceId>(), Err(ProviderIdError::NotAServer { .. })), "{text}");
        }
        for text in ["fake:///", "fake:///x/1", "fake:///ca5b234b-f9a6-42b0-a77d-197636b29d52/-1"] {
            assert!(matches!(text.parse::<InstanceId>(), Err(ProviderIdError::NotAPlaceholder(_))), "{text}");
        }
    }

    #[test]
    fn placeholders_survive_the_round_trip() {
        let group: NodeGroupUuid = DASHED.parse().unwrap();
        for placeholder in [
            PlaceholderId::Member { group, index: MemberIndex::new(17) },
            PlaceholderId::Requested { group, ordinal: 3 },
            PlaceholderId::Failed { group, number: 4 },
        ] {
            assert_eq!(
                placeholder.to_string().parse::<InstanceId>().unwrap(),
                InstanceId::Placeholder(placeholder)
            );
        }
    }

    #[test]
    fn emits_the_prefix_that_nodes_show() {
        let machine: MachineId = DASHED.parse().unwrap();
        assert_eq!(
            ProviderIdPrefix::default().provider_id(machine),
            "openstack:///ca5b234b-f9a6-42b0-a77d-197636b29d52"
        );
        let regional = "openstack://RegionOne/ca5b234b-f9a6-42b0-a77d-197636b29d52";
        assert_eq!(ProviderIdPrefix::of(regional).unwrap().provider_id(machine), regional);
        assert_eq!(ProviderIdPrefix::of("aws:///x/ca5b234b-f9a6-42b0-a77d-197636b29d52"), None);
    }
}
