//! Which member a node is that cluster-autoscaler names, where its provider ID does not say it.
//!
//! A provider ID that names a server always decides. Without one the Node object of that name is asked
//! ([`NodeIndex`], `--kube-lookup`), and where that says nothing the rules of [`Snapshot::find`] and
//! [`Snapshot::identify`] hold. Whatever is known has to agree: the Node object only adds evidence, and a contradiction is
//! refused, never weighed.

use std::sync::Arc;

use super::{
    ambiguity::Ambiguity,
    instance::{InstanceId, InstanceState},
    machine_id::MachineId,
    nodes::{NodeIndex, NodeObject},
    provider_id::{has_foreign_scheme, is_of_openstack},
    quote::named,
    request::{NodeReference, RequestError},
    snapshot::{GroupView, Snapshot},
};

/// How many nodes a message names.
const MAX_NAMED: usize = 5;

/// What Node objects say of the node that is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing that helps.
    Silent,
    /// It is on this member's server.
    Server {
        /// The server.
        server: MachineId,
        /// Whether it waits for a cloud provider that will give it a provider ID.
        awaits_cloud_provider: bool,
    },
    /// It may be on any of these members' servers, or on none.
    Ambiguous {
        /// Why.
        ambiguity: Ambiguity,
        /// The members whose ids it states.
        candidates: Vec<MachineId>,
    },
}

/// Asks the Node objects which server this node is on, one that cluster-autoscaler shows with this provider ID, which names no
/// server. Constant time.
#[must_use]
pub fn look_up(
    nodes: &NodeIndex,
    name: &str,
    shown_provider_id: &str,
    is_member: impl Fn(MachineId) -> bool,
) -> Lookup {
    let Some(node) = nodes.get(name) else { return Lookup::Silent };
    let is_as_shown = node.provider_id == shown_provider_id;
    // Only an empty provider ID is ever replaced; with another one it is another node of the same name.
    if !is_as_shown && !shown_provider_id.is_empty() {
        return Lookup::Silent;
    }
    let candidates = member_ids(node, &is_member);
    // A UUID behind another scheme may be anything's but a member's.
    let provided = node.provided_server().filter(|id| is_of_openstack(&node.provider_id) || is_member(*id));
    let ambiguous = |ambiguity| Lookup::Ambiguous { ambiguity, candidates: candidates.clone() };
    if let Some(provided) = provided
        && candidates != [provided]
    {
        return ambiguous(Ambiguity::RegisteredOtherwise { provider_id: node.provider_id.clone() });
    }
    let stated = node.firmware_ids().into_iter().flatten().chain(candidates.iter().copied());
    for id in stated {
        let others = nodes.stating(id);
        if others.len() > 1 {
            return ambiguous(Ambiguity::Shared { id, nodes: list(others) });
        }
    }
    if let [first, second, ..] = candidates[..] {
        return ambiguous(Ambiguity::IdsContradict {
            machine_id: node.machine_id.clone(),
            system_uuid: node.system_uuid.clone(),
            first,
            second,
        });
    }
    match candidates[..] {
        [server, ..] => Lookup::Server { server, awaits_cloud_provider: node.awaits_cloud_provider() },
        [] => Lookup::Silent,
    }
}

/// The members whose ids a node states, each once. An id counts the other way round only where it is no member's as it is.
fn member_ids(node: &NodeObject, is_member: &impl Fn(MachineId) -> bool) -> Vec<MachineId> {
    let firmware = node.firmware_ids().into_iter().flatten();
    let firmware = firmware.filter_map(|id| [id, id.swapped()].into_iter().find(|id| is_member(*id)));
    let mut found: Vec<MachineId> =
        node.provided_server().filter(|id| is_member(*id)).into_iter().chain(firmware).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let names: Vec<String> = names.take(MAX_NAMED).map(named).collect();
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}

/// The group of a registered node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The group, which is certain.
    pub group: &'a Arc<GroupView>,
    /// The servers that it may be on; one if that is certain. None for an instance without a server.
    pub servers: Vec<MachineId>,
    /// Whether its Node object says that nothing will give it a provider ID any more, so that it is a node of its group
    /// without one.
    pub is_complete: bool,
    /// Why its server is not certain.
    pub ambiguity: Option<Ambiguity>,
}

/// A node that may be one of the members, and of which group is not certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unplaced {
    /// A control-plane or foreign node.
    Foreign,
    /// It may be on one of these servers, which are of different groups.
    Ambiguous {
        /// Why.
        ambiguity: Ambiguity,
        /// The servers.
        servers: Vec<MachineId>,
    },
}

/// The group that a node is in. Constant time for every foreign node.
///
/// # Errors
/// [`Unplaced`].
pub fn group_of<'a>(
    snapshot: &'a Snapshot,
    nodes: Option<&NodeIndex>,
    node: &NodeReference,
) -> Result<Found<'a>, Unplaced> {
    let lookup = match nodes {
        Some(nodes) if leaves_the_server_open(node, snapshot) => {
            look_up(nodes, &node.name, &node.provider_id, |id| snapshot.contains(id))
        }
        _ => Lookup::Silent,
    };
    let by_name = snapshot.find(node);
    match (with_name(lookup, by_name.as_ref().map(|(_, id)| *id)), by_name) {
        (Lookup::Silent, by_name) => {
            let (group, id) = by_name.ok_or(Unplaced::Foreign)?;
            let servers = match id {
                InstanceId::Server(server) => vec![server],
                InstanceId::Placeholder(_) => Vec::new(),
            };
            Ok(Found { group, servers, is_complete: false, ambiguity: None })
        }
        (Lookup::Server { server, awaits_cloud_provider }, _) => {
            let group = snapshot.group_of_server(server).ok_or(Unplaced::Foreign)?;
            let is_complete = !awaits_cloud_provider;
            Ok(Found { group, servers: vec![server], is_complete, ambiguity: None })
        }
        // Whatever is wrong with it, it is none of the members.
        (Lookup::Ambiguous { candidates, .. }, _) if candidates.is_empty() => Err(Unplaced::Foreign),
        (Lookup::Ambiguous { ambiguity, candidates }, _) => {
            let mut groups = candidates.iter().filter_map(|server| snapshot.group_of_server(*server));
            match groups.next() {
                Some(group) if groups.all(|other| other.uuid == group.uuid) => {
                    Ok(Found { group, servers: candidates, is_complete: false, ambiguity: Some(ambiguity) })
                }
                _ => Err(Unplaced::Ambiguous { ambiguity, servers: candidates }),
            }
        }
    }
}

/// Which instance a node is that is to be removed from this group.
///
/// # Errors
/// Those of [`Snapshot::identify`], [`RequestError::AmbiguousNode`] and [`RequestError::RegisteredMeanwhile`].
pub fn identify(
    snapshot: &Snapshot,
    view: &GroupView,
    nodes: Option<&NodeIndex>,
    node: &NodeReference,
) -> Result<InstanceId, RequestError> {
    let Some(nodes) = nodes else { return snapshot.identify(view, node) };
    if !leaves_the_server_open(node, snapshot) {
        let id = snapshot.identify(view, node)?;
        return match registered_meanwhile(view, nodes, node, id) {
            Some(name) => Err(RequestError::RegisteredMeanwhile {
                instance: node.provider_id.clone(),
                node: name.to_owned(),
            }),
            None => Ok(id),
        };
    }
    let lookup = look_up(nodes, &node.name, &node.provider_id, |id| snapshot.contains(id));
    let by_name = snapshot.find(node).map(|(_, id)| id);
    match with_name(lookup, by_name) {
        Lookup::Silent => snapshot.identify(view, node),
        Lookup::Server { server, .. } => Ok(InstanceId::Server(server)),
        Lookup::Ambiguous { ambiguity, .. } => {
            Err(RequestError::AmbiguousNode { node: node.name.clone(), ambiguity })
        }
    }
}

/// The node of an instance that cluster-autoscaler takes for unregistered and that works. It compares provider IDs, and takes it
/// for that if the node shows another one than the instance had, or none, and it never asked for the node by its name.
fn registered_meanwhile<'a>(
    view: &GroupView,
    nodes: &'a NodeIndex,
    node: &NodeReference,
    id: InstanceId,
) -> Option<&'a str> {
    let InstanceId::Server(server) = id else { return None };
    if node.name != node.provider_id {
        return None;
    }
    let instance = view.instances.iter().find(|instance| instance.id == id)?;
    let works = instance.state == InstanceState::Running && instance.error.is_none();
    nodes.stating(server).next().filter(|_| works)
}

/// Whether a registered node's provider ID names no server, so that others have to.
fn leaves_the_server_open(node: &NodeReference, snapshot: &Snapshot) -> bool {
    // Instances that never registered are asked for by the name that was emitted for them.
    node.name != node.provider_id
        && match node.identity() {
            Ok(None) => true,
            Ok(Some(InstanceId::Server(server))) => {
                has_foreign_scheme(&node.provider_id) && !snapshot.contains(server)
            }
            Ok(Some(InstanceId::Placeholder(_))) => false,
            Err(error) => error.leaves_the_server_open(),
        }
}

/// The name's word added to that of the Node object.
fn with_name(lookup: Lookup, by_name: Option<InstanceId>) -> Lookup {
    let Some(InstanceId::Server(by_name)) = by_name else { return lookup };
    match lookup {
        Lookup::Server { server, .. } if server != by_name => Lookup::Ambiguous {
            ambiguity: Ambiguity::NameContradicts { by_name, by_ids: server },
            candidates: vec![server, by_name],
        },
        Lookup::Ambiguous { ambiguity, mut candidates } => {
            if !candidates.contains(&by_name) {
                candidates.push(by_name);
            }
            Lookup::Ambiguous { ambiguity, candidates }
        }
        lookup => lookup,
    }
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
