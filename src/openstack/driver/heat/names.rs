//! How Magnum's Heat templates name members and their servers.

use std::{fmt, str::FromStr};

use crate::core::member::MemberKey;

/// The name of a member in its `ResourceGroup`: a decimal index.
///
/// Indices have gaps. One that was removed by name is never used again; one that went because the count was
/// lowered is (docs/openstack-behaviour.md#nodes_to_remove).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberIndex(u32);

impl MemberIndex {
    /// The member with this index.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The same for every driver.
    #[must_use]
    pub const fn key(self) -> MemberKey {
        MemberKey::Index(self.0)
    }
}

impl fmt::Display for MemberIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MemberIndex {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A name that no member has: neither an index nor anything that `refs_map` holds. Heat ignores it without a word.
///
/// A stack keeps the names of its last removal until it is given others. Where that removal never came to the nodes, a
/// resize that gives no names carries it out (docs/openstack-behaviour.md#nodes_to_remove).
pub const NOBODY: &str = "nobody";

/// Takes the name that Magnum's templates give to a member's server apart: `<stack>-node-<index>`, or `-minion-` up to
/// Magnum 8.
#[must_use]
pub fn parse_server_name(name: &str) -> Option<(&str, MemberIndex)> {
    let (rest, index) = name.rsplit_once('-')?;
    let stack = rest.strip_suffix("-node").or_else(|| rest.strip_suffix("-minion"))?;
    // As Heat writes it: no sign, no leading zero.
    let number: MemberIndex =
        index.parse().ok().filter(|number: &MemberIndex| number.to_string() == index)?;
    Some((stack, number))
}

/// The name that Magnum's templates give to a member's server, and by which its node registers.
#[must_use]
pub fn server_name(stack: &str, index: MemberIndex) -> String {
    format!("{stack}-node-{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_has_a_stack_and_an_index() {
        let index = MemberIndex::new;
        for (name, parts) in [
            ("k8s-lab-rlthnimsp5dl-node-12", Some(("k8s-lab-rlthnimsp5dl", index(12)))),
            ("k8s-minion-3-abc-minion-0", Some(("k8s-minion-3-abc", index(0)))),
            ("k8s-lab-rlthnimsp5dl-master-0", None),
            ("k8s-lab-node-01", None),
            ("k8s-lab-node-+1", None),
            ("k8s-lab-node-", None),
            ("node", None),
            ("", None),
        ] {
            assert_eq!(parse_server_name(name), parts, "{name}");
        }
    }
}
