//! Members of `kube_minions`, the Heat `ResourceGroup` that holds the nodes of a node group.

use std::{fmt, str::FromStr};

use super::{
    machine_id::MachineId,
    status::{Action, Progress, Status},
};

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

/// Takes a node's name apart as [`parse_server_name`] does a server's. Where DHCP gives out a domain, nodes are named with
/// it: `<server>.novalocal`. A name that can be read in two such ways is not read at all.
#[must_use]
pub fn parse_node_name(name: &str) -> Option<(&str, MemberIndex)> {
    if let Some(parts) = parse_server_name(name) {
        return Some(parts);
    }
    // A stack's name may have dots itself.
    let mut servers = name.match_indices('.').filter_map(|(dot, _)| parse_server_name(name.get(..dot)?));
    let found = servers.next()?;
    servers.next().is_none().then_some(found)
}

/// The name that Magnum's templates give to a member's server, and by which its node registers.
#[must_use]
pub fn server_name(stack: &str, index: MemberIndex) -> String {
    format!("{stack}-node-{index}")
}

/// What Nova says of a member's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerPresence {
    /// Nova lists it.
    Present,
    /// Nova does not list it although Heat has it on record: somebody deleted it behind Heat's back.
    Gone,
    /// Nova was not asked, or did not answer.
    Unknown,
}

/// One member of `kube_minions` as Heat shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its name in the `ResourceGroup`.
    pub index: MemberIndex,
    /// Its server, as soon as there is one.
    pub server: Option<MachineId>,
    /// Whether Nova has that server.
    pub presence: ServerPresence,
    /// Whether it is in `refs_map`, that is, counted by Heat. A member being removed leaves `refs_map` at
    /// once, while its server still runs (docs/openstack-behaviour.md#refs_map).
    pub counted: bool,
    /// Status of the member's nested stack.
    pub status: Status,
    /// The reason that Heat gives for the status.
    pub reason: String,
}

impl Member {
    /// Whether it is the member that had this index and server; without a server then, it may have got one since.
    #[must_use]
    pub fn is(&self, index: MemberIndex, server: Option<MachineId>) -> bool {
        self.index == index && (server.is_none() || self.server == server)
    }

    /// Whether it certainly has no server. A member that was ever complete has one, even where no answer tells which:
    /// Nova may be silent, and `refs_map` may name the nested stack instead (docs/openstack-behaviour.md#refs_map).
    #[must_use]
    pub fn is_serverless(&self) -> bool {
        self.server.is_none() && (self.was_never_complete() || self.status.failed())
    }

    /// Whether its status says that it was never complete.
    #[must_use]
    pub fn was_never_complete(&self) -> bool {
        matches!(
            (self.status.action, self.status.progress),
            (Action::Init, _) | (Action::Create, Progress::InProgress | Progress::Failed)
        )
    }

    /// Whether it certainly is no node: its server is gone, or it was never completed.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.presence == ServerPresence::Gone
            || (self.status.failed() && (self.server.is_none() || self.status.action == Action::Create))
    }
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
    #[test]
    fn a_node_name_may_end_with_the_domain_of_its_network() {
        let index = MemberIndex::new;
        for (name, parts) in [
            ("k8s-abc-node-12", Some(("k8s-abc", index(12)))),
            ("k8s-abc-node-12.novalocal", Some(("k8s-abc", index(12)))),
            ("k8s-abc-minion-0.openstack.example.org", Some(("k8s-abc", index(0)))),
            ("my.k8s-abc-node-3", Some(("my.k8s-abc", index(3)))),
            ("my.k8s-abc-node-3.novalocal", Some(("my.k8s-abc", index(3)))),
            ("k8s-node-1.a-node-2.novalocal", None),
            ("k8s-abc-node-1x.novalocal", None),
            ("k8s-abc-master-0.novalocal", None),
            (".novalocal", None),
            ("", None),
        ] {
            assert_eq!(parse_node_name(name), parts, "{name}");
        }
    }
}
