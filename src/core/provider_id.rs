//! What nodes show as their provider ID, and what it names.

use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

use super::{
    instance::{FAILED_PREFIX, InstanceId, PLACEHOLDER_SCHEME, PlaceholderId, REQUESTED_PREFIX},
    machine_id::{MachineId, MachineIdError, parse_uuid},
    member::MemberKey,
    quote::quoted,
};

/// Scheme of the provider IDs that the OpenStack cloud provider gives to nodes. Like any scheme it may be in capitals.
const OPENSTACK_SCHEME: &str = "openstack";

/// A provider ID that cannot be one of this service's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProviderIdError {
    /// Nothing in it is a UUID: a node of another cloud, or no provider ID at all.
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

impl ProviderIdError {
    /// Whether the node may be any: it has a provider ID, and that names no server. Our own placeholders name none of
    /// the registered nodes.
    #[must_use]
    pub const fn leaves_the_server_open(&self) -> bool {
        matches!(self, Self::Foreign(_) | Self::NotAServer { .. })
    }
}

/// Reads a provider ID: `openstack:///UUID`, `openstack://REGION/UUID`, either with any other scheme, a bare UUID, or one of
/// our own placeholders.
///
/// A UUID behind another scheme names a server only where it is that of a member; no other cloud has given out the same.
impl FromStr for InstanceId {
    type Err = ProviderIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix(PLACEHOLDER_SCHEME) {
            return parse_placeholder(rest)
                .map(Self::Placeholder)
                .ok_or_else(|| ProviderIdError::NotAPlaceholder(text.to_owned()));
        }
        let foreign = || ProviderIdError::Foreign(text.to_owned());
        let Some((scheme, rest)) = split_scheme(text) else {
            return text.parse().map(Self::Server).map_err(|_| foreign());
        };
        // Everything up to the last slash is the region, empty in the common form.
        let uuid = rest.rsplit_once('/').map_or(rest, |(_region, uuid)| uuid);
        uuid.parse().map(Self::Server).map_err(|source| {
            if scheme.eq_ignore_ascii_case(OPENSTACK_SCHEME) {
                ProviderIdError::NotAServer { text: text.to_owned(), source }
            } else {
                foreign()
            }
        })
    }
}

/// The scheme (RFC 3986, 3.1) and what is behind its colon and slash.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(":/")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some((scheme, rest))
}

/// Whether the OpenStack cloud provider gave this provider ID, or something that says so.
#[must_use]
pub fn is_of_openstack(provider_id: &str) -> bool {
    split_scheme(provider_id).is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(OPENSTACK_SCHEME))
}

/// Whether something else than the OpenStack cloud provider gave this provider ID, so that a UUID in it need not be a
/// server's.
#[must_use]
pub fn has_foreign_scheme(provider_id: &str) -> bool {
    split_scheme(provider_id).is_some_and(|(scheme, _)| !scheme.eq_ignore_ascii_case(OPENSTACK_SCHEME))
}

fn parse_placeholder(rest: &str) -> Option<PlaceholderId> {
    let (group, member) = rest.split_once('/')?;
    let group = group.parse().ok()?;
    Some(if let Some(ordinal) = member.strip_prefix(REQUESTED_PREFIX) {
        PlaceholderId::Requested { group, ordinal: ordinal.parse().ok()? }
    } else if let Some(number) = member.strip_prefix(FAILED_PREFIX) {
        PlaceholderId::Failed { group, number: number.parse().ok()? }
    } else {
        let key = member.parse().ok().filter(|key| !matches!(key, MemberKey::Server(_)))?;
        PlaceholderId::Member { group, key }
    })
}

/// The part of a server's provider ID in front of the UUID, which differs between clusters:
/// `openstack:///`, or `openstack://REGION/` where the cloud provider runs with `OS_CCM_REGIONAL`.
///
/// A mismatch would make cluster-autoscaler take every node for an unregistered one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderIdPrefix(String);

/// The text cannot be what provider IDs begin with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{} cannot be what provider IDs begin with; expected a scheme and a slash at the end: openstack:/// or \
     openstack://REGION/, without the UUID",
    quoted(.0)
)]
pub struct ProviderIdPrefixError(String);

impl Default for ProviderIdPrefix {
    fn default() -> Self {
        Self(format!("{OPENSTACK_SCHEME}:///"))
    }
}

impl FromStr for ProviderIdPrefix {
    type Err = ProviderIdPrefixError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let prefix = Self(text.to_owned());
        let machine = MachineId::from_uuid(Uuid::nil());
        // cluster-autoscaler hands the ids of nodes that never registered back: they have to be understood then.
        let is_understood = prefix.provider_id(machine).parse() == Ok(InstanceId::Server(machine));
        let is_plain = text.chars().all(|c| c.is_ascii_graphic());
        if text.ends_with('/') && is_plain && is_understood && split_scheme(text).is_some() {
            Ok(prefix)
        } else {
            Err(ProviderIdPrefixError(text.to_owned()))
        }
    }
}

impl ProviderIdPrefix {
    /// The prefix of a registered node's provider ID; `None` unless that is a server's in the common form, with a scheme
    /// and the UUID last.
    #[must_use]
    pub fn of(provider_id: &str) -> Option<Self> {
        let (prefix, uuid) = provider_id.rsplit_once('/')?;
        parse_uuid(uuid)?;
        format!("{prefix}/").parse().ok()
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
    use crate::core::node_group::NodeGroupUuid;

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
            "openstack:///CA5B234BF9A642B0A77D197636B29D52",
            "OpenStack://RegionOne/ca5b234b-f9a6-42b0-a77d-197636b29d52",
            "openstack://ca5b234b-f9a6-42b0-a77d-197636b29d52",
            "openstack:/ca5b234b-f9a6-42b0-a77d-197636b29d52",
            "ovh:///ca5b234b-f9a6-42b0-a77d-197636b29d52",
            "my-cloud.v2+x://a/b/ca5b234b-f9a6-42b0-a77d-197636b29d52",
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
            "k3s://ca5b234b-f9a6-42b0-a77d-197636b29d52.example.org",
            ":///ca5b234b-f9a6-42b0-a77d-197636b29d52",
            "a b:///ca5b234b-f9a6-42b0-a77d-197636b29d52",
        ] {
            assert!(matches!(text.parse::<InstanceId>(), Err(ProviderIdError::Foreign(_))), "{text}");
        }
        for text in
            ["openstack:///", "openstack:///nope", "OPENSTACK:///nope", "openstack:///k8s-lab-abc-node-1"]
        {
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
            PlaceholderId::Member { group, key: MemberKey::Index(17) },
            PlaceholderId::Member { group, key: MemberKey::Pending(2) },
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
        assert_eq!(ProviderIdPrefix::of("aws:///eu-west-1a/i-0123"), None);
        assert_eq!(ProviderIdPrefix::of(DASHED), None);
    }

    #[test]
    fn a_prefix_is_one_whose_ids_are_understood() {
        let machine: MachineId = DASHED.parse().unwrap();
        for text in ["openstack:///", "openstack://RegionOne/", "ovh:///", "OPENSTACK:///"] {
            let prefix: ProviderIdPrefix = text.parse().unwrap();
            assert_eq!(prefix.provider_id(machine), format!("{text}{DASHED}"));
            assert_eq!(prefix.provider_id(machine).parse(), Ok(InstanceId::Server(machine)));
        }
        for text in [
            "",
            "/",
            "openstack",
            "openstack:",
            "openstack://RegionOne",
            "fake:///",
            "://",
            "open stack:///",
            "openstack://Région/",
            "openstack:///\n/",
            "openstack:///ca5b234b-f9a6-42b0-a77d-197636b29d52",
        ] {
            assert_eq!(text.parse::<ProviderIdPrefix>(), Err(ProviderIdPrefixError(text.to_owned())));
        }
    }
}
