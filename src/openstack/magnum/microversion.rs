//! Versions of Magnum's API.

use std::{fmt, str::FromStr};

/// The newest version that is asked for: it has groups of size 0 and everything else that is needed here.
/// Newer ones take `stack_id` from the cluster (Magnum 23, 1.13), so that `latest` would break one day.
pub(super) const NEWEST: Microversion = Microversion { major: 1, minor: 10 };
/// The oldest that is of use: that of Magnum 5 to 7 (docs/openstack-behaviour.md#api-versions).
pub(super) const OLDEST: Microversion = Microversion { major: 1, minor: 6 };
/// The first with a resize (Magnum 8).
const WITH_RESIZE: Microversion = Microversion { major: 1, minor: 7 };
/// The first with node groups (Magnum 9.1). Before it a cluster has its masters and one group of nodes.
const WITH_NODE_GROUPS: Microversion = Microversion { major: 1, minor: 9 };
/// The first that takes a size of 0 (Magnum 12).
const WITH_SIZE_ZERO: Microversion = Microversion { major: 1, minor: 10 };
/// The first that tells the labels and taints of a group's nodes (Magnum 23). Asked for that alone.
pub(super) const WITH_NODE_LABELS: Microversion = Microversion { major: 1, minor: 14 };

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

impl Microversion {
    /// Whether there is a resize, which names the nodes that go.
    #[must_use]
    pub fn has_resize(self) -> bool {
        self >= WITH_RESIZE
    }

    /// Whether a cluster has node groups.
    #[must_use]
    pub fn has_node_groups(self) -> bool {
        self >= WITH_NODE_GROUPS
    }

    /// Fewest nodes that a group may have.
    #[must_use]
    pub fn least_size(self) -> u32 {
        u32::from(self < WITH_SIZE_ZERO)
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<Microversion>().unwrap();
        assert!(version("1.9") < version("1.10"));
        assert_eq!(version("1.12").min(NEWEST).to_string(), "1.10");
        assert_eq!("latest".parse::<Microversion>(), Err(()));
    }
}
