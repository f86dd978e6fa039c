//! The one consistent view that every read is answered from, immutable and replaced whole (I5).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    cloud::Reading,
    instance::{Instance, InstanceError, InstanceErrorClass, InstanceId, InstanceState},
    ledger::Ledger,
    machine_id::{MachineId, PlaceholderId, ProviderId},
    member::{Member, ServerPresence},
    node_group::{Bounds, NodeGroupUuid},
    request::{NodeReference, RequestError},
    status::{Action, Progress},
};

/// One node group as cluster-autoscaler sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// Magnum's UUID.
    pub uuid: NodeGroupUuid,
    /// The id on the wire.
    pub id: String,
    /// The sizes it may have.
    pub bounds: Bounds,
    /// The size it should have once everything accepted has taken effect, in nodes.
    pub target_size: u32,
    /// All instances: those that are there by rising index, then those that were only asked for.
    pub instances: Vec<Instance>,
    /// Whether each node gets a provider ID, so that a name is no identity.
    pub has_cloud_provider: bool,
    /// Prefix of the servers' names.
    pub stack_name: String,
    /// Magnum's status of the group, for people.
    pub status: String,
    /// Why the group could not be read the last time; the view is an older one then.
    pub trouble: Option<String>,
}

impl GroupView {
    /// What the reading shows, with the ledger's accepted requests laid over it.
    #[must_use]
    pub fn new(reading: &Reading, ledger: &Ledger) -> Self {
        let group = &reading.group;
        let mut instances = Vec::with_capacity(reading.members.len());
        let (mut staying, mut leaving_later) = (0_u32, 0_u32);
        for member in &reading.members {
            let placeholder = PlaceholderId::Member { group: group.uuid, index: member.index };
            let id = member.server.map_or(InstanceId::Placeholder(placeholder), InstanceId::Server);
            let in_flight = ledger.flight_removes(member.index, member.server);
            let queued = ledger.queue_removes(id);
            if member.counted && !in_flight {
                *(if queued { &mut leaving_later } else { &mut staying }) += 1;
            }
            instances.extend(instance(member, id, in_flight || queued, group.status.in_progress()));
        }
        let unseen = unseen_nodes(reading, ledger, staying + leaving_later);
        let (cancelled, _, _) = ledger.queued_cancellations();
        let failed = u32::try_from(ledger.failed().len() - cancelled).unwrap_or(u32::MAX);
        instances.extend(requested(group.uuid, unseen));
        instances.extend(failed_requests(group.uuid, ledger).skip(cancelled));
        Self {
            uuid: group.uuid,
            id: group.id(),
            bounds: group.bounds,
            target_size: staying + unseen + failed,
            instances,
            has_cloud_provider: group.has_cloud_provider(),
            stack_name: reading.stack_name.clone(),
            status: group.status.to_string(),
            trouble: None,
        }
    }

    /// Which instance a node is.
    ///
    /// # Errors
    /// [`RequestError::MalformedNode`], [`RequestError::NotIdentifiedYet`] or [`RequestError::NotAMember`].
    /// That the node is no instance now does not mean that it never was one: see [`Ledger::has_departed`].
    pub fn identify(&self, node: &NodeReference) -> Result<InstanceId, RequestError> {
        let identity = node
            .identity()
            .map_err(|source| RequestError::MalformedNode { node: node.label().to_owned(), source })?;
        match identity {
            Some(ProviderId::Server(machine)) => Ok(InstanceId::Server(machine)),
            Some(ProviderId::Placeholder(placeholder)) => Ok(InstanceId::Placeholder(placeholder)),
            None if self.has_cloud_provider => {
                Err(RequestError::NotIdentifiedYet { node: node.name.clone() })
            }
            None => self
                .by_server_name(&node.name)
                .ok_or_else(|| RequestError::NotAMember { node: node.name.clone(), group: self.id.clone() }),
        }
    }

    /// The instance whose server has this name, `<stack>-node-<index>` (`-minion-` up to Magnum 8).
    fn by_server_name(&self, name: &str) -> Option<InstanceId> {
        let index = server_name_parts(name).filter(|(stack, _)| *stack == self.stack_name)?.1;
        let position = self.instances.iter().find(|instance| match instance.member {
            Some(member) => member.to_string() == index,
            None => false,
        })?;
        matches!(position.id, InstanceId::Server(_)).then_some(position.id)
    }
}

/// Splits a server's name into the stack's name and the index.
fn server_name_parts(name: &str) -> Option<(&str, &str)> {
    let (rest, index) = name.rsplit_once('-')?;
    let stack = rest.strip_suffix("-node").or_else(|| rest.strip_suffix("-minion"))?;
    Some((stack, index))
}

/// Nodes that were asked for and are no members yet: in the queue, in our own flight, or in a resize that
/// somebody else started (or this service before a restart). `remaining` are the members that stay once what
/// was sent is done.
fn unseen_nodes(reading: &Reading, ledger: &Ledger, remaining: u32) -> u32 {
    let sent = match &ledger.flight {
        Some(flight) => flight.resize.count.saturating_sub(remaining),
        None if reading.group.status.in_progress() => reading.group.node_count.saturating_sub(remaining),
        None => 0,
    };
    let (_, cancelled, _) = ledger.queued_cancellations();
    sent + ledger.queued_additions() - cancelled
}

/// Placeholders of requested nodes that are still expected.
fn requested(group: NodeGroupUuid, unseen: u32) -> impl Iterator<Item = Instance> {
    (1..=unseen).map(move |ordinal| Instance {
        id: InstanceId::Placeholder(PlaceholderId::Requested { group, ordinal }),
        member: None,
        state: InstanceState::Creating,
        error: None,
    })
}

/// Placeholders of requested nodes that will not come.
fn failed_requests(group: NodeGroupUuid, ledger: &Ledger) -> impl Iterator<Item = Instance> + '_ {
    ledger.failed().iter().map(move |(number, error)| Instance {
        id: InstanceId::Placeholder(PlaceholderId::Failed { group, number: *number }),
        member: None,
        state: InstanceState::Creating,
        error: Some(error.clone()),
    })
}

/// What a member is to cluster-autoscaler; `None` once it is gone.
fn instance(member: &Member, id: InstanceId, doomed: bool, group_in_progress: bool) -> Option<Instance> {
    if (member.status.action, member.status.progress) == (Action::Delete, Progress::Complete) {
        return None;
    }
    let (state, error) = if doomed && member.counted {
        (InstanceState::Deleting, None)
    } else {
        member_state(member, group_in_progress)
    };
    Some(Instance { id, member: Some(member.index), state, error })
}

/// State and error of a member that no accepted request removes.
///
/// An instance that is creating with an error is deleted by cluster-autoscaler without a drain, so only members
/// that certainly never became a node, or whose server is gone, are shown like that. A member with a server whose
/// *update* failed may be a healthy node at work: it stays running.
fn member_state(member: &Member, group_in_progress: bool) -> (InstanceState, Option<InstanceError>) {
    use InstanceState::{Creating, Deleting, Running};
    if member.status.action == Action::Delete || !member.counted {
        return (Deleting, member.status.failed().then(|| deletion_failed(member)));
    }
    if member.presence == ServerPresence::Gone {
        return (Creating, Some(server_gone(member)));
    }
    let failed = || Some(InstanceError::of_failed_creation(&member.reason));
    // Another update interrupted this one; what it interrupted goes on in the new one
    // (FINDINGS, A second resize while UPDATE_IN_PROGRESS).
    let cancelled = member.reason.to_ascii_lowercase().contains("cancelled");
    match (member.status.action, member.status.progress) {
        (Action::Create, Progress::Failed) if cancelled && (group_in_progress || member.server.is_some()) => {
            (Creating, None)
        }
        (Action::Create, Progress::Failed) => (Creating, failed()),
        (Action::Create | Action::Init, Progress::InProgress) | (Action::Init, _) => (Creating, None),
        _ if member.server.is_some() => (Running, None),
        (Action::Update, Progress::Failed) if !(cancelled && group_in_progress) => (Creating, failed()),
        _ => (Creating, None),
    }
}

fn server_gone(member: &Member) -> InstanceError {
    let server = member.server.map(|server| server.to_string()).unwrap_or_default();
    InstanceError {
        code: "ServerGone",
        message: format!(
            "server {server} was deleted outside of Heat; its record, member {} of the stack, is still there",
            member.index
        ),
        class: InstanceErrorClass::Other,
    }
}

fn deletion_failed(member: &Member) -> InstanceError {
    InstanceError {
        code: "DeleteFailed",
        message: format!("Heat could not delete member {}: {}", member.index, member.reason),
        class: InstanceErrorClass::Other,
    }
}

/// All groups at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Name of the cluster.
    pub cluster_name: String,
    /// When the cloud was last read successfully.
    pub observed_at: Instant,
    groups: Vec<Arc<GroupView>>,
    unread: BTreeMap<String, String>,
    by_id: HashMap<String, usize>,
    by_machine: HashMap<MachineId, usize>,
    by_stack: HashMap<String, usize>,
}

impl Snapshot {
    /// Indexes the groups. Lookups take constant time whatever the number of nodes.
    #[must_use]
    pub fn new(cluster_name: String, observed_at: Instant, groups: Vec<Arc<GroupView>>) -> Self {
        let mut by_id = HashMap::with_capacity(groups.len());
        let mut by_stack = HashMap::with_capacity(groups.len());
        let mut by_machine = HashMap::with_capacity(groups.iter().map(|group| group.instances.len()).sum());
        for (position, group) in groups.iter().enumerate() {
            by_id.insert(group.id.clone(), position);
            by_stack.insert(group.stack_name.clone(), position);
            for instance in &group.instances {
                if let InstanceId::Server(machine) = instance.id {
                    by_machine.insert(machine, position);
                }
            }
        }
        let unread = BTreeMap::new();
        Self { cluster_name, observed_at, groups, unread, by_id, by_machine, by_stack }
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
    /// [`RequestError::UnknownGroup`], with the ids that there are; [`RequestError::UnreadGroup`].
    pub fn group(&self, id: &str) -> Result<&Arc<GroupView>, RequestError> {
        self.by_id.get(id).and_then(|position| self.groups.get(*position)).ok_or_else(|| {
            if let Some(reason) = self.unread.get(id) {
                return RequestError::UnreadGroup { id: id.to_owned(), reason: reason.clone() };
            }
            let known: Vec<&str> = self.groups.iter().map(|group| group.id.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            RequestError::UnknownGroup { id: id.to_owned(), known }
        })
    }

    /// The group that a node is in; `None` for control-plane and foreign nodes.
    #[must_use]
    pub fn group_of(&self, node: &NodeReference) -> Option<&Arc<GroupView>> {
        let position = match node.identity().ok()? {
            Some(ProviderId::Server(machine)) => *self.by_machine.get(&machine)?,
            Some(ProviderId::Placeholder(placeholder)) => {
                self.groups.iter().position(|group| group.uuid == placeholder.group())?
            }
            None => {
                let (stack, _) = server_name_parts(&node.name)?;
                let position = *self.by_stack.get(stack)?;
                self.groups.get(position)?.by_server_name(&node.name)?;
                position
            }
        };
        self.groups.get(position)
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
