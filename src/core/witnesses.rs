//! Whether Heat, Magnum and Nova agree on a group well enough to change its size (I2).
//!
//! A resize is absolute: Heat removes whatever is above the count. A count that was reckoned from a list of too few
//! members (a database replica that lags behind, a restored backup) costs running nodes, even when it was meant to add
//! one. So no count is sent that one of the three supports alone, nor one against a server that Nova lists and Heat does
//! not know. Magnum's count may be wrong for good while the other two agree: its status sync can write an old
//! `node_count` over a newer one (docs/openstack-behaviour.md#magnums-status-sync).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use thiserror::Error;

use super::{
    capabilities::MemberSource,
    cloud::{Observation, Reading},
    machine_id::MachineId,
    member::{Member, MemberKey, ServerPresence},
    node_group::{NodeGroup, NodeGroupUuid},
};

/// How many servers a message names at most.
const MAX_NAMED: usize = 10;

/// How many nodes each service speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Who tells the members.
    pub source: MemberSource,
    /// Members that count.
    pub members: u32,
    /// Magnum's `node_count`.
    pub magnum: u32,
    /// Servers that Nova lists for the group; none when it did not answer.
    pub nova: Option<u32>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, members, magnum, nova } = self;
        write!(f, "{} counts {members} members, Magnum's node_count is {magnum}", source.name())?;
        match (source, nova) {
            (MemberSource::Nova, _) => Ok(()),
            (MemberSource::Heat, Some(nova)) => write!(f, ", Nova lists {nova} servers"),
            (MemberSource::Heat, None) => f.write_str(", Nova did not answer"),
        }
    }
}

/// Why a reading is no ground for a resize.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
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
        servers: Vec<(MemberKey, MachineId)>,
    },
    /// Heat counts more members than there are servers, and Magnum does not bear it out. Either somebody deleted the
    /// servers, or a removal was left half done, or Heat's list is an old one; by it too many nodes could be made, and no
    /// running one be lost.
    #[error(
        "{counts}: the servers of some members are gone. Either somebody deleted them in Nova, or a removal was left half \
         done, or Heat's list is an old one"
    )]
    Outnumbered {
        /// What each service says.
        counts: Counts,
    },
    /// The count of the members is supported by nobody else.
    #[error(
        "{counts}: no two of them agree, so a resize could remove running nodes. See which of them is right and repair the \
         others; a resize to the right size repairs Magnum's count"
    )]
    Unsupported {
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
        heat: MemberKey,
        /// The index in its name.
        nova: MemberKey,
    },
    /// Heat names one server for two members.
    #[error("Heat names server {server} for two members, {first} and {second}")]
    Shared {
        /// The server.
        server: MachineId,
        /// One member.
        first: MemberKey,
        /// The other.
        second: MemberKey,
    },
    /// Two groups have one server.
    #[error(
        "server {server} is a member of this group and of node group {other}, so removing it could remove another node"
    )]
    SharedByGroups {
        /// The server.
        server: MachineId,
        /// The id of the other group.
        other: String,
    },
}

impl Contradiction {
    /// Whether a resize by such a reading could cost a node that nobody named.
    ///
    /// Not where Nova told of each member's server that it is there or gone: then Heat knows all servers there are. A
    /// count of its members less the named ones is no smaller than what is left of the true ones.
    #[must_use]
    pub const fn endangers_nodes(&self) -> bool {
        !matches!(self, Self::Outnumbered { .. })
    }
}

fn list(servers: &[(MemberKey, MachineId)]) -> String {
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
        source: reading.capabilities.source,
        members: reading.size(),
        magnum: reading.group.node_count,
        nova: reading.servers.as_ref().map(|servers| u32::try_from(servers.len()).unwrap_or(u32::MAX)),
    };
    if let Some(servers) = &reading.servers {
        find_unknown_servers(reading, servers, counts)?;
        find_misplaced(&indices, servers)?;
    }
    let nova_bears_out = |word: fn(&Member) -> bool| reading.servers.is_some() && reading.counted().all(word);
    if counts.magnum == counts.members || nova_bears_out(is_there) {
        Ok(())
    } else if nova_bears_out(is_there_or_gone) {
        Err(Contradiction::Outnumbered { counts })
    } else {
        Err(Contradiction::Unsupported { counts })
    }
}

/// The groups of which a server is a member of another group as well.
#[must_use]
pub fn servers_in_two_groups(observation: &Observation) -> BTreeMap<NodeGroupUuid, Contradiction> {
    let mut owners: BTreeMap<MachineId, &NodeGroup> = BTreeMap::new();
    let mut shared = BTreeMap::new();
    for reading in observation.groups.iter().filter_map(|group| group.reading.as_ref().ok()) {
        for server in reading.members.iter().filter_map(|member| member.server) {
            let Some(other) = owners.insert(server, &reading.group) else { continue };
            if other.uuid != reading.group.uuid {
                for (group, other) in [(other, &reading.group), (&reading.group, other)] {
                    shared.insert(group.uuid, Contradiction::SharedByGroups { server, other: other.id() });
                }
            }
        }
    }
    shared
}

/// Whether Nova bears a member out: its server is there, or there never was one.
fn is_there(member: &Member) -> bool {
    member.server.is_none() || member.presence == ServerPresence::Present
}

/// Whether Nova says for sure what has become of a member's server.
fn is_there_or_gone(member: &Member) -> bool {
    is_there(member) || member.presence == ServerPresence::Gone
}

fn find_unknown_servers(
    reading: &Reading,
    servers: &BTreeMap<MachineId, MemberKey>,
    counts: Counts,
) -> Result<(), Contradiction> {
    let known: BTreeSet<MemberKey> = reading.members.iter().map(|member| member.key).collect();
    let unknown: Vec<_> = servers
        .iter()
        .map(|(server, index)| (*index, *server))
        .filter(|(index, _)| !known.contains(index))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(Contradiction::UnknownServers { counts, servers: unknown }) }
}

fn find_misplaced(
    indices: &BTreeMap<MachineId, MemberKey>,
    servers: &BTreeMap<MachineId, MemberKey>,
) -> Result<(), Contradiction> {
    for (server, nova) in servers {
        if let Some(heat) = indices.get(server).filter(|heat| *heat != nova) {
            return Err(Contradiction::Misplaced { server: *server, heat: *heat, nova: *nova });
        }
    }
    Ok(())
}

fn members_by_server(reading: &Reading) -> Result<BTreeMap<MachineId, MemberKey>, Contradiction> {
    let mut indices = BTreeMap::new();
    for member in &reading.members {
        if let Some(server) = member.server
            && let Some(first) = indices.insert(server, member.key)
        {
            return Err(Contradiction::Shared { server, first, second: member.key });
        }
    }
    Ok(indices)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::core::{
        failure::Reason,
        node_group::{Bounds, NodeGroup, NodeGroupUuid},
        status::Status,
    };

    fn server(number: u128) -> MachineId {
        MachineId::from_uuid(Uuid::from_u128(number))
    }

    /// Members by presence; `None` for one without a server. A member's server has the member's number.
    fn reading(members: &[Option<ServerPresence>], node_count: u32, nova: Option<&[(u128, u32)]>) -> Reading {
        let bounds = Bounds { min: 0, max: 20 };
        let member = |(index, presence): (u32, &Option<ServerPresence>)| Member {
            key: MemberKey::Index(index),
            name: String::new(),
            server: presence.map(|_| server(index.into())),
            presence: presence.unwrap_or(ServerPresence::Unknown),
            counted: true,
            status: Status::parse(if presence.is_some() { "UPDATE_COMPLETE" } else { "CREATE_FAILED" }),
            reason: Reason::default(),
        };
        Reading {
            cluster_status: Status::parse("UPDATE_COMPLETE"),
            group: NodeGroup {
                uuid: NodeGroupUuid::from_uuid(Uuid::from_u128(7)),
                name: "pool".into(),
                bounds,
                magnum_bounds: bounds,
                node_count,
                status: Status::parse("UPDATE_COMPLETE"),
                status_reason: Reason::default(),
                updated_at: String::new(),
                written_at: None,
                flavor_id: String::new(),
                labels: BTreeMap::new(),
            },
            members: (0..).zip(members).map(member).collect(),
            servers: nova.map(|servers| {
                servers.iter().map(|(number, index)| (server(*number), MemberKey::Index(*index))).collect()
            }),
            template: Arc::default(),
            capabilities: Arc::default(),
        }
    }

    #[test]
    fn two_of_three_have_to_agree_and_no_server_may_be_unknown() {
        use ServerPresence::{Gone, Present, Unknown};
        let two = [Some(Present), Some(Present)];
        let four: &[(u128, u32)] = &[(0, 0), (1, 1), (2, 2), (3, 3)];
        let both: &[(u128, u32)] = &[(0, 0), (1, 1)];
        for (what, reading, expected) in [
            ("all agree", reading(&two, 2, Some(both)), Ok(())),
            ("Heat is behind", reading(&two, 4, Some(four)), Err("UnknownServers")),
            ("Heat and Magnum are behind", reading(&two, 2, Some(four)), Err("UnknownServers")),
            ("Magnum is behind", reading(&two, 4, Some(both)), Ok(())),
            ("Nova is silent", reading(&two, 2, None), Ok(())),
            ("Heat alone", reading(&two, 4, None), Err("Unsupported")),
            ("a server is gone", reading(&[Some(Present), Some(Gone)], 2, Some(&[(0, 0)])), Ok(())),
            (
                "gone, or Heat is behind",
                reading(&[Some(Present), Some(Gone)], 1, Some(&[(0, 0)])),
                Err("Outnumbered"),
            ),
            (
                "not confirmed",
                reading(&[Some(Present), Some(Unknown)], 1, Some(&[(0, 0)])),
                Err("Unsupported"),
            ),
            ("a failed member", reading(&[Some(Present), None], 9, Some(&[(0, 0)])), Ok(())),
            ("servers changed places", reading(&two, 2, Some(&[(0, 1), (1, 0)])), Err("Misplaced")),
            ("an empty group", reading(&[], 0, Some(&[])), Ok(())),
        ] {
            let found = compare(&reading).map_err(|contradiction| format!("{contradiction:?}"));
            match (&found, expected) {
                (Ok(()), Ok(())) => {}
                (Err(found), Err(kind)) if found.starts_with(kind) => {}
                _ => panic!("{what}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn one_server_is_one_member() {
        let mut reading = reading(&[Some(ServerPresence::Present), Some(ServerPresence::Present)], 2, None);
        reading.members[1].server = reading.members[0].server;
        assert!(matches!(compare(&reading), Err(Contradiction::Shared { .. })));
    }

    #[test]
    fn the_message_names_the_three_and_the_servers() {
        let present = [Some(ServerPresence::Present)];
        let servers: Vec<_> = (0..12).map(|number| (u128::from(number), number)).collect();
        let words = compare(&reading(&present, 12, Some(&servers))).unwrap_err().to_string();
        assert!(
            words.starts_with(
                "Heat counts 1 members, Magnum's node_count is 12, Nova lists 12 servers, among them"
            ),
            "{words}"
        );
        assert!(
            words.contains("(index 1), ") && words.contains(" and 1 more, which Heat does not know"),
            "{words}"
        );
    }
}
