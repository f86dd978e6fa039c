//! The one consistent view that every read is answered from, immutable and replaced whole (I5).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

pub use super::group_view::GroupView;
use super::{
    instance::InstanceId,
    machine_id::MachineId,
    node_name,
    request::{NodeReference, RequestError},
};

/// All groups at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When the cloud was last read successfully.
    pub observed_at: Instant,
    groups: Vec<Arc<GroupView>>,
    unread: BTreeMap<String, String>,
    by_id: HashMap<String, usize>,
    by_machine: HashMap<MachineId, usize>,
    /// Where each member's server is, by its name; nothing for a name that several have, and where there is no server. Made
    /// when it is first asked for, which is never where nodes have provider IDs.
    by_name: OnceLock<HashMap<String, Option<(usize, InstanceId)>>>,
}

impl Snapshot {
    /// Indexes the groups. A lookup takes constant time.
    #[must_use]
    pub fn new(observed_at: Instant, groups: Vec<Arc<GroupView>>) -> Self {
        let mut by_id = HashMap::with_capacity(groups.len());
        let mut by_machine = HashMap::with_capacity(groups.iter().map(|group| group.instances.len()).sum());
        for (position, group) in groups.iter().enumerate() {
            by_id.insert(group.id.clone(), position);
            for instance in &group.instances {
                if let InstanceId::Server(machine) = instance.id {
                    by_machine.insert(machine, position);
                }
            }
        }
        let unread = BTreeMap::new();
        Self { observed_at, groups, unread, by_id, by_machine, by_name: OnceLock::new() }
    }

    /// With the groups that exist and of which no reading has succeeded yet: id and reason.
    #[must_use]
    pub fn with_unread(self, unread: BTreeMap<String, String>) -> Self {
        Self { unread, ..self }
    }

    /// Ids of the groups that exist and are not among [`Snapshot::groups`], since they could not be read.
    pub fn unread(&self) -> impl Iterator<Item = &str> {
        self.unread.keys().map(String::as_str)
    }

    /// The groups in Magnum's order.
    #[must_use]
    pub fn groups(&self) -> &[Arc<GroupView>] {
        &self.groups
    }

    /// The group with this id.
    ///
    /// # Errors
    /// [`RequestError::NoGroupId`]; [`RequestError::UnknownGroup`], with the ids that there are;
    /// [`RequestError::UnreadGroup`].
    pub fn group(&self, id: &str) -> Result<&Arc<GroupView>, RequestError> {
        if id.is_empty() {
            return Err(RequestError::NoGroupId);
        }
        self.by_id.get(id).and_then(|position| self.groups.get(*position)).ok_or_else(|| {
            if let Some(reason) = self.unread.get(id) {
                return RequestError::UnreadGroup { id: id.to_owned(), reason: reason.clone() };
            }
            let known: Vec<&str> = self.groups.iter().map(|group| group.id.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            RequestError::UnknownGroup { id: id.to_owned(), known }
        })
    }

    /// The group that a node is in, and which instance it is; `None` for control-plane and foreign nodes.
    #[must_use]
    pub fn find(&self, node: &NodeReference) -> Option<(&Arc<GroupView>, InstanceId)> {
        let id = match node.identity().ok()? {
            Some(id) => id,
            None => {
                let names = self.by_name.get_or_init(|| self.names());
                let (position, id) = (*node_name::server_of(&node.name, |server| names.get(server))?)?;
                return Some((self.groups.get(position)?, id));
            }
        };
        let group = match id {
            InstanceId::Server(machine) => self.groups.get(*self.by_machine.get(&machine)?)?,
            InstanceId::Placeholder(placeholder) => {
                self.groups.iter().find(|group| group.uuid == placeholder.group())?
            }
        };
        Some((group, id))
    }

    /// Which instance a node is that is to be removed from this group: by its provider ID, or, where the group's nodes get none,
    /// the one that [`Snapshot::find`] finds.
    ///
    /// # Errors
    /// [`RequestError::AnonymousNode`], [`RequestError::MalformedNode`], [`RequestError::NotIdentifiedYet`] or
    /// [`RequestError::NotAMember`].
    /// That the node is no instance now does not mean that it never was one: see
    /// [`has_departed`](super::pending::PendingRequests::has_departed).
    pub fn identify(&self, group: &GroupView, node: &NodeReference) -> Result<InstanceId, RequestError> {
        if node.label().is_empty() {
            return Err(RequestError::AnonymousNode);
        }
        let identity = node
            .identity()
            .map_err(|source| RequestError::MalformedNode { node: node.label().to_owned(), source })?;
        if let Some(id) = identity {
            return Ok(id);
        }
        if group.gives_provider_ids {
            return Err(RequestError::NotIdentifiedYet { node: node.name.clone() });
        }
        let found = self.find(node).filter(|(found, _)| found.uuid == group.uuid);
        let not_a_member = || RequestError::NotAMember { node: node.name.clone(), group: group.id.clone() };
        found.map(|(_, id)| id).ok_or_else(not_a_member)
    }

    /// The group that this server is an instance of.
    #[must_use]
    pub fn group_of_server(&self, server: MachineId) -> Option<&Arc<GroupView>> {
        self.groups.get(*self.by_machine.get(&server)?)
    }

    fn names(&self) -> HashMap<String, Option<(usize, InstanceId)>> {
        let mut names = HashMap::new();
        for (position, group) in self.groups.iter().enumerate() {
            for instance in group.instances.iter().filter(|instance| instance.member.is_some()) {
                let server = matches!(instance.id, InstanceId::Server(_)).then_some((position, instance.id));
                names.entry(instance.name.clone()).and_modify(|other| *other = None).or_insert(server);
            }
        }
        names
    }

    /// Whether this server is one of the instances.
    #[must_use]
    pub fn contains(&self, machine: MachineId) -> bool {
        self.by_machine.contains_key(&machine)
    }

    /// How long ago the cloud was read.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.observed_at)
    }
}
