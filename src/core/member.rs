//! Members of a node group: what counts towards its size and may become, be or have been a node.

use std::{fmt, str::FromStr};

use super::{
    failure::Reason,
    machine_id::MachineId,
    status::{Action, Progress, Status},
};

/// Marks the key of a member that cannot be named.
const PENDING_PREFIX: &str = "pending-";

/// What identifies a member among those of its group, whatever the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MemberKey {
    /// Its place in a Heat resource group. Places have gaps and may be used again.
    Index(u32),
    /// Its server, where the driver names members by it.
    Server(MachineId),
    /// A member that is counted and has not shown yet: nothing names it, so that it cannot be removed by itself.
    Pending(u32),
}

impl MemberKey {
    /// Whether a resize can name the member by it.
    #[must_use]
    pub const fn names_a_member(self) -> bool {
        !matches!(self, Self::Pending(_))
    }
}

impl fmt::Display for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => index.fmt(f),
            Self::Server(server) => server.fmt(f),
            Self::Pending(number) => write!(f, "{PENDING_PREFIX}{number}"),
        }
    }
}

/// The text is no key of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberKeyError;

impl FromStr for MemberKey {
    type Err = MemberKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(number) = text.strip_prefix(PENDING_PREFIX) {
            return number.parse().map(Self::Pending).map_err(|_| MemberKeyError);
        }
        let server = || text.parse().map(Self::Server).map_err(|_| MemberKeyError);
        text.parse().map(Self::Index).or_else(|_| server())
    }
}

/// What the compute service says of a member's server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerPresence {
    /// It is listed.
    Present,
    /// It is not listed although the member has it on record: somebody deleted it.
    Gone,
    /// Nobody was asked, or nobody answered.
    Unknown,
}

/// One member of a node group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// What names it to the driver.
    pub key: MemberKey,
    /// The name of its server, which it will have or has, and by which its node registers.
    pub name: String,
    /// Its server, as soon as there is one.
    pub server: Option<MachineId>,
    /// Whether that server is there.
    pub presence: ServerPresence,
    /// Whether it is part of the size that a resize counts from. A member being removed is not, though its server may still
    /// run.
    pub counted: bool,
    /// Its status in the driver.
    pub status: Status,
    /// The reason that is given for the status.
    pub reason: Reason,
}

impl Member {
    /// Whether it is the member that had this key and server; without a server then, it may have got one since.
    #[must_use]
    pub fn is(&self, key: MemberKey, server: Option<MachineId>) -> bool {
        self.key == key && (server.is_none() || self.server == server)
    }

    /// Whether it certainly has no server. A member that was ever complete has one, even where no answer tells which. One that
    /// never was may still name a server that could not be made and was deleted for another try.
    #[must_use]
    pub fn is_serverless(&self) -> bool {
        match self.server {
            None => self.was_never_complete() || self.status.failed(),
            Some(_) => self.presence == ServerPresence::Gone && self.was_never_complete(),
        }
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
    fn keys_survive_the_round_trip() {
        let server: MachineId = "ca5b234b-f9a6-42b0-a77d-197636b29d52".parse().unwrap();
        for (key, text) in [
            (MemberKey::Index(17), "17"),
            (MemberKey::Server(server), "ca5b234b-f9a6-42b0-a77d-197636b29d52"),
            (MemberKey::Pending(2), "pending-2"),
        ] {
            assert_eq!(key.to_string(), text);
            assert_eq!(text.parse(), Ok(key));
        }
        for text in ["", "-1", "pending-", "x"] {
            assert_eq!(text.parse::<MemberKey>(), Err(MemberKeyError), "{text}");
        }
    }
}
