//! Which node groups to scale: the values of `--nodes` and `--node-group-auto-discovery`, with the syntax and meaning
//! that cluster-autoscaler gives them (`config/dynamic/node_group_spec.go`, `cloudprovider/magnum/magnum_auto_discovery.go`).

use std::{collections::BTreeSet, str::FromStr};

use thiserror::Error;

use crate::core::node_group::{Bounds, MAX_NODES};

/// Role of the control plane's groups, which are never scaled.
pub const MASTER_ROLE: &str = "master";

/// A value of one of the two options that breaks its syntax.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NodeGroupOptionError {
    /// `--nodes`.
    #[error("--nodes {value:?}: {reason}; expected MIN:MAX:GROUP, for instance 1:5:default-worker")]
    Nodes {
        /// The value as given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `--node-group-auto-discovery`.
    #[error(
        "--node-group-auto-discovery {value:?}: {reason}; expected magnum:role=ROLE[,ROLE…], for instance magnum:role=worker"
    )]
    AutoDiscovery {
        /// The value as given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Both options.
    #[error("--nodes and --node-group-auto-discovery exclude each other; give one of them")]
    Both,
    /// A group in two `--nodes`.
    #[error("--nodes names node group {0:?} twice")]
    Twice(String),
}

/// One `--nodes MIN:MAX:GROUP`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeGroupSpec {
    /// The sizes it allows; Magnum's own narrow them further.
    pub bounds: Bounds,
    /// Name or UUID of the group.
    pub group: String,
}

impl FromStr for NodeGroupSpec {
    type Err = NodeGroupOptionError;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: String| NodeGroupOptionError::Nodes { value: value.to_owned(), reason };
        let mut parts = value.splitn(3, ':');
        let (Some(min), Some(max), Some(group)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("it does not have three parts".to_owned()));
        };
        let size = |name: &str, text: &str| {
            let size = text.parse::<u32>();
            let size = size.map_err(|_| refuse(format!("{name} {text:?} is not a number of nodes")))?;
            if size > MAX_NODES {
                return Err(refuse(format!("{name} {size} is more than {MAX_NODES} nodes")));
            }
            Ok(size)
        };
        let bounds = Bounds { min: size("MIN", min)?, max: size("MAX", max)? };
        if bounds.max < bounds.min {
            return Err(refuse(format!("MAX {max} is below MIN {min}")));
        }
        if group.is_empty() {
            return Err(refuse("GROUP is empty".to_owned()));
        }
        Ok(Self { bounds, group: group.to_owned() })
    }
}

/// One `--node-group-auto-discovery magnum:role=ROLE[,ROLE…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoDiscovery {
    /// The roles whose groups are scaled.
    pub roles: BTreeSet<String>,
}

impl FromStr for AutoDiscovery {
    type Err = NodeGroupOptionError;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: String| NodeGroupOptionError::AutoDiscovery { value: value.to_owned(), reason };
        let (discoverer, parameter) =
            value.split_once(':').ok_or_else(|| refuse("there is no colon in it".to_owned()))?;
        if discoverer != "magnum" {
            return Err(refuse(format!("discoverer {discoverer:?} is not known")));
        }
        let (key, roles) =
            parameter.split_once('=').ok_or_else(|| refuse("no key=value follows the colon".to_owned()))?;
        if key != "role" {
            return Err(refuse(format!("key {key:?} is not known")));
        }
        let roles: BTreeSet<_> = roles.split(',').map(str::to_owned).collect();
        if roles.contains("") {
            return Err(refuse("a role is empty".to_owned()));
        }
        if roles.contains(MASTER_ROLE) {
            return Err(refuse("groups of role master are never scaled".to_owned()));
        }
        Ok(Self { roles })
    }
}

/// Which node groups are scaled. Groups of role `master` never are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GroupSelection {
    /// Every group that has a maximum in Magnum.
    #[default]
    All,
    /// The groups of these roles that have a maximum in Magnum.
    Roles(BTreeSet<String>),
    /// These groups.
    Explicit(Vec<NodeGroupSpec>),
}

impl GroupSelection {
    /// Makes a selection of the values of both options.
    ///
    /// # Errors
    /// [`NodeGroupOptionError::Both`] and [`NodeGroupOptionError::Twice`].
    pub fn new(
        nodes: Vec<NodeGroupSpec>,
        auto_discovery: Vec<AutoDiscovery>,
    ) -> Result<Self, NodeGroupOptionError> {
        if !nodes.is_empty() && !auto_discovery.is_empty() {
            return Err(NodeGroupOptionError::Both);
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = nodes.iter().find(|spec| !seen.insert(&spec.group)) {
            return Err(NodeGroupOptionError::Twice(twice.group.clone()));
        }
        Ok(if !nodes.is_empty() {
            Self::Explicit(nodes)
        } else if !auto_discovery.is_empty() {
            Self::Roles(auto_discovery.into_iter().flat_map(|discovery| discovery.roles).collect())
        } else {
            Self::All
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_read_as_cluster_autoscaler_reads_them() {
        assert_eq!(
            "0:10:pool-b".parse::<NodeGroupSpec>().unwrap(),
            NodeGroupSpec { bounds: Bounds { min: 0, max: 10 }, group: "pool-b".to_owned() }
        );
        for (value, words) in [
            ("", "three parts"),
            ("1:5", "three parts"),
            ("x:5:g", "MIN \"x\""),
            ("1:-5:g", "MAX \"-5\""),
            ("5:1:g", "below MIN"),
            ("1:5:", "GROUP is empty"),
        ] {
            let error = value.parse::<NodeGroupSpec>().unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("MIN:MAX:GROUP"), "{error}");
        }
    }

    #[test]
    fn auto_discovery_is_read_as_cluster_autoscaler_reads_it() {
        let roles = |value: &str| value.parse::<AutoDiscovery>().map(|discovery| discovery.roles);
        assert_eq!(
            roles("magnum:role=worker,autoscaling").unwrap(),
            BTreeSet::from(["autoscaling".to_owned(), "worker".to_owned()])
        );
        for (value, words) in [
            ("magnum", "no colon"),
            ("asg:role=worker", "asg"),
            ("magnum:worker", "key=value"),
            ("magnum:tag=worker", "tag"),
            ("magnum:role=", "empty"),
            ("magnum:role=worker,", "empty"),
            ("magnum:role=master", "never"),
        ] {
            let error = roles(value).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("magnum:role="), "{error}");
        }
    }

    #[test]
    fn the_options_exclude_each_other() {
        let nodes = || vec!["1:5:a".parse().unwrap()];
        let discovery = || vec!["magnum:role=worker".parse().unwrap(), "magnum:role=gpu".parse().unwrap()];
        assert_eq!(GroupSelection::new(vec![], vec![]).unwrap(), GroupSelection::All);
        assert_eq!(GroupSelection::new(nodes(), discovery()), Err(NodeGroupOptionError::Both));
        assert_eq!(
            GroupSelection::new(vec![], discovery()).unwrap(),
            GroupSelection::Roles(BTreeSet::from(["gpu".to_owned(), "worker".to_owned()]))
        );
        assert_eq!(
            GroupSelection::new([nodes(), nodes()].concat(), vec![]),
            Err(NodeGroupOptionError::Twice("a".to_owned()))
        );
    }
}
