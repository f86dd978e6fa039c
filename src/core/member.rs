//! Members of `kube_minions`, the Heat `ResourceGroup` that holds the nodes of a node group.

use std::{fmt, str::FromStr};

use super::{
    machine_id::MachineId,
    status::{Action, Status},
};

/// The name of a member in its `ResourceGroup`: a decimal index.
///
/// Indices have gaps. One that was removed by name is never used again; one that went because the count was
/// lowered is (FINDINGS, `nodes_to_remove`).
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
    /// once, while its server still runs (FINDINGS, `refs_map`).
    pub counted: bool,
    /// Status of the member's nested stack.
    pub status: Status,
    /// The reason that Heat gives for the status.
    pub reason: String,
}

impl Member {
    /// Whether it certainly is no node: its server is gone, or it was never completed.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.presence == ServerPresence::Gone
            || (self.status.failed() && (self.server.is_none() || self.status.action == Action::Create))
    }
}
