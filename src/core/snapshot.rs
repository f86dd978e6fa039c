//! The one consistent view that every read is answered from, immutable and replaced whole (I5).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    cloud::Reading,
    instance::{Instance, InstanceError, InstanceErrorClass, InstanceId, InstanceState, SERVER_GONE},
    ledger::Ledger,
    machine_id::{MachineId, PlaceholderId},
    member::{Member, MemberIndex, ServerPresence, parse_node_name},
    node_group::{Bounds, NodeGroupUuid},
    registration::Registrations,
    request::{NodeReference, RequestError},
    status::{Action, Progress},
    template::NodeTemplate,
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
    /// How many of the requested nodes DecreaseTargetSize can cancel: those that will not come, those not sent yet, and
    /// members that have no server and are not being given one.
    pub cancellable: u32,
    /// All instances: those that are there by rising index, then those that were only asked for.
    pub instances: Vec<Instance>,
    /// Whether each node gets a provider ID, so that a name is no identity.
    pub gives_provider_ids: bool,
    /// Prefix of the servers' names.
    pub stack_name: String,
    /// Magnum's status of the group, for people.
    pub status: String,
    /// Why the group could not be read the last time; the view is an older one then.
    pub trouble: Option<String>,
    /// What a new node of the group will be.
    pub template: Arc<NodeTemplate>,
}

impl GroupView {
    /// What the reading shows, with the ledger's accepted requests and what is known of registered nodes laid over it.
    #[must_use]
    pub fn new(reading: &Reading, ledger: &Ledger, registrations: &Registrations, now: Instant) -> Self {
        let group = &reading.group;
        let mut instances = Vec::with_capacity(reading.members.len());
        let (mut staying, mut leaving_later) = (0_u32, 0_u32);
        let cancellations = ledger.queued_cancellations();
        let mut cancelled = members_to_cancel(reading, ledger);
        let idle = cancelled.split_off(length(cancellations.serverless).min(cancelled.len()));
        for member in &reading.members {
            let id = InstanceId::of_member(group.uuid, member.index, member.server);
            let in_flight = ledger.flight_removes(member.index, member.server);
            let queued = ledger.queue_removes(id) || cancelled.contains(&member.index);
            if member.counted && !in_flight {
                *(if queued { &mut leaving_later } else { &mut staying }) += 1;
            }
            instances.extend(instance(member, id, in_flight || queued, group.status.in_progress()));
        }
        for instance in &mut instances {
            registrations.apply(instance);
        }
        if !ledger.may_replace(now) {
            hide_irremovable_errors(&mut instances, group.bounds);
        }
        let unseen = unseen_nodes(reading, ledger, staying + leaving_later);
        let failed: Vec<_> = failed_requests(group.uuid, ledger).skip(length(cancellations.failed)).collect();
        let expected = staying.saturating_add(unseen);
        let failures = u32::try_from(failed.len()).unwrap_or(u32::MAX);
        let unsent = ledger.queued_additions() - cancellations.unsent;
        let idle = u32::try_from(idle.len()).unwrap_or(u32::MAX);
        let spare = expected.saturating_sub(group.bounds.min);
        instances.extend(requested(group.uuid, unseen));
        instances.extend(failed);
        Self {
            uuid: group.uuid,
            id: group.id(),
            bounds: group.bounds,
            target_size: expected.saturating_add(failures),
            cancellable: failures.saturating_add(unsent.saturating_add(idle).min(spare)),
            instances,
            gives_provider_ids: registrations.gives_provider_ids(group),
            stack_name: reading.stack_name.clone(),
            status: group.status.to_string(),
            trouble: None,
            template: Arc::clone(&reading.template),
        }
    }

    /// Which instance a node is.
    ///
    /// # Errors
    /// [`RequestError::AnonymousNode`], [`RequestError::MalformedNode`], [`RequestError::NotIdentifiedYet`] or
    /// [`RequestError::NotAMember`].
    /// That the node is no instance now does not mean that it never was one: see [`Ledger::has_departed`].
    pub fn identify(&self, node: &NodeReference) -> Result<InstanceId, RequestError> {
        if node.label().is_empty() {
            return Err(RequestError::AnonymousNode);
        }
        let identity = node
            .identity()
            .map_err(|source| RequestError::MalformedNode { node: node.label().to_owned(), source })?;
        match identity {
            Some(id) => Ok(id),
            None if self.gives_provider_ids => {
                Err(RequestError::NotIdentifiedYet { node: node.name.clone() })
            }
            None => self
                .by_server_name(&node.name)
                .ok_or_else(|| RequestError::NotAMember { node: node.name.clone(), group: self.id.clone() }),
        }
    }

    /// Whether one of the members has this name.
    #[must_use]
    pub fn has_node(&self, name: &str) -> bool {
        parse_node_name(name).is_some_and(|(stack, index)| {
            stack == self.stack_name && self.instances.iter().any(|instance| instance.member == Some(index))
        })
    }

    /// The instance whose server has this name.
    fn by_server_name(&self, name: &str) -> Option<InstanceId> {
        let (_, index) = parse_node_name(name).filter(|(stack, _)| *stack == self.stack_name)?;
        let found = self.instances.iter().find(|instance| instance.member == Some(index))?;
        matches!(found.id, InstanceId::Server(_)).then_some(found.id)
    }
}

fn length(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The members that DecreaseTargetSize may take: without a server, and none is being made for them. While a change goes
/// on that is certain only of those that failed.
fn members_to_cancel(reading: &Reading, ledger: &Ledger) -> Vec<MemberIndex> {
    let at_rest = ledger.flight.is_none() && !reading.group.status.in_progress();
    let is_free = |member: &&Member| {
        let id = InstanceId::of_member(reading.group.uuid, member.index, member.server);
        (at_rest || member.status.failed())
            && !ledger.queue_removes(id)
            && !ledger.flight_removes(member.index, member.server)
    };
    reading.serverless().into_iter().filter(is_free).map(|member| member.index).collect()
}

/// Shows broken members that cannot be removed now as still being made: at the minimum they are only replaced, and not
/// without end ([`Ledger::may_replace`]). cluster-autoscaler expects an instance that it is told is broken to go at its
/// word; while one stays, it finds the size of the group wrong, tries to lower the target, and ends its loop for all
/// groups at the refusal.
fn hide_irremovable_errors(instances: &mut [Instance], bounds: Bounds) {
    let staying = instances.iter().filter(|instance| instance.state != InstanceState::Deleting).count();
    let minimum = usize::try_from(bounds.min).unwrap_or(usize::MAX);
    let broken = instances.iter_mut().filter(|instance| instance.state == InstanceState::Creating);
    for instance in broken.filter(|instance| instance.error.is_some()).skip(staying.saturating_sub(minimum)) {
        instance.error = None;
    }
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
    sent.saturating_add(ledger.queued_additions() - ledger.queued_cancellations().unsent)
}

/// Placeholders of requested nodes that are still expected.
fn requested(group: NodeGroupUuid, unseen: u32) -> impl Iterator<Item = Instance> {
    (1..=unseen).map(move |ordinal| placeholder(PlaceholderId::Requested { group, ordinal }, None))
}

/// Placeholders of requested nodes that will not come.
fn failed_requests(group: NodeGroupUuid, ledger: &Ledger) -> impl Iterator<Item = Instance> + '_ {
    ledger.failed().iter().map(move |(number, error)| {
        placeholder(PlaceholderId::Failed { group, number: *number }, Some(error.clone()))
    })
}

fn placeholder(id: PlaceholderId, error: Option<InstanceError>) -> Instance {
    Instance {
        id: InstanceId::Placeholder(id),
        provider_id: id.to_string(),
        member: None,
        state: InstanceState::Creating,
        error,
    }
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
    Some(Instance { id, provider_id: String::new(), member: Some(member.index), state, error })
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
        code: SERVER_GONE,
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
    /// Indexes the groups. A lookup by provider ID takes constant time, one by name a walk through the group.
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
                let (stack, _) = parse_node_name(&node.name)?;
                let group = self.groups.get(*self.by_stack.get(stack)?)?;
                return Some((group, group.by_server_name(&node.name)?));
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

    /// The group that this server is an instance of.
    #[must_use]
    pub fn group_of_server(&self, server: MachineId) -> Option<&Arc<GroupView>> {
        self.groups.get(*self.by_machine.get(&server)?)
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
