//! Whether Heat, Magnum and Nova agree on a group well enough to change its size (I2).
//!
//! A resize is absolute: Heat removes whatever is above the count. A count that was reckoned from a list of too few
//! members (a database replica that lags behind, a restored backup) costs running nodes, even when it was meant to add
//! one. So no count is sent that one of the three supports alone, nor one against a server that Nova lists and Heat does
//! not know. Magnum's count may be wrong for good while the other two agree: its status sync can write an old
//! `node_count` over a newer one (FINDINGS-versions, A resize soon after the last one).

use std::{collections::BTreeMap, fmt};

use thiserror::Error;

use super::{
    cloud::Reading,
    machine_id::MachineId,
    member::{Member, MemberIndex, ServerPresence},
};

/// How many servers a message names at most.
const MAX_NAMED: usize = 10;

/// How many nodes each service speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Members that Heat counts.
    pub heat: u32,
    /// Magnum's `node_count`.
    pub magnum: u32,
    /// Servers that Nova lists for the group; none when it did not answer.
    pub nova: Option<u32>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { heat, magnum, nova } = self;
        write!(f, "Heat counts {heat} members, Magnum's node_count is {magnum}, ")?;
        match nova {
            Some(nova) => write!(f, "Nova lists {nova} servers"),
            None => f.write_str("Nova did not answer"),
        }
    }
}

/// Why a reading is no ground for a resize.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Contradiction {
    /// Nova has servers of the group of which Heat does not know: Heat's list may be an old one.
    #[error(
        "{counts}, among them {}, which Heat does not know. A resize by Heat's count could remove them; if they are no nodes \
         any more, delete them in Nova, else repair Heat's record of the stack",
        list(servers)
    )]
    UnknownServers {
        /// What each service says.
        counts: Counts,
        /// The servers, with the index in their names.
        servers: Vec<(MemberIndex, MachineId)>,
    },
    /// Heat's count is supported by neither of the others.
    #[error(
        "{counts}: no two of them agree, so a resize could remove running nodes. See which of them is right and repair the \
         others; a resize to the right size repairs Magnum's count"
    )]
    HeatAlone {
        /// What each service says.
        counts: Counts,
    },
    /// Heat and Nova name different members for one server.
    #[error(
        "server {server} is member {heat} to Heat and member {nova} by its name in Nova, so removing it by its index could \
         remove another node"
    )]
    Misplaced {
        /// The server.
        server: MachineId,
        /// Heat's index of it.
        heat: MemberIndex,
        /// The index in its name.
        nova: MemberIndex,
    },
    /// Heat names one server for two members.
    #[error("Heat names server {server} for two members, {first} and {second}")]
    Shared {
        /// The server.
        server: MachineId,
        /// One member.
        first: MemberIndex,
        /// The other.
        second: MemberIndex,
    },
}

fn list(servers: &[(MemberIndex, MachineId)]) -> String {
    let named = servers.iter().take(MAX_NAMED).map(|(index, server)| format!("{server} (index {index})"));
    let named = named.collect::<Vec<_>>().join(", ");
    match servers.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// Compares what the three services say of a group at rest.
///
/// # Errors
/// The first contradiction that forbids a resize.
pub fn compare(reading: &Reading) -> Result<(), Contradiction> {
    let indices = members_by_server(reading)?;
    let counts = Counts {
        heat: reading.size(),
        magnum: reading.group.node_count,
        nova: reading.servers.as_ref().map(|servers| u32::try_from(servers.len()).unwrap_or(u32::MAX)),
    };
    let supported_by_nova = match &reading.servers {
        None => false,
        Some(servers) => {
            let known = |index: MemberIndex| reading.members.iter().any(|member| member.index == index);
            let unknown: Vec<_> = servers
                .iter()
                .map(|(server, index)| (*index, *server))
                .filter(|(index, _)| !known(*index))
                .collect();
            if !unknown.is_empty() {
                return Err(Contradiction::UnknownServers { counts, servers: unknown });
            }
            for (server, nova) in servers {
                if let Some(heat) = indices.get(server).filter(|heat| *heat != nova) {
                    return Err(Contradiction::Misplaced { server: *server, heat: *heat, nova: *nova });
                }
            }
            reading.counted().all(is_borne_out)
        }
    };
    if supported_by_nova || counts.magnum == counts.heat {
        Ok(())
    } else {
        Err(Contradiction::HeatAlone { counts })
    }
}

/// Whether Nova bears a member out: its server is there, or there never was one. A server that is gone may have been
/// deleted by somebody, and just as well with a member that only Heat's old list still has.
fn is_borne_out(member: &Member) -> bool {
    member.server.is_none() || member.presence == ServerPresence::Present
}

fn members_by_server(reading: &Reading) -> Result<BTreeMap<MachineId, MemberIndex>, Contradiction> {
    let mut indices = BTreeMap::new();
    for member in &reading.members {
        if let Some(server) = member.server
            && let Some(first) = indices.insert(server, member.index)
        {
            return Err(Contradiction::Shared { server, first, second: member.index });
        }
    }
    Ok(indices)
}
