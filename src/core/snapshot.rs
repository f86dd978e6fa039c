//! The one consistent view that every read is answered from, immutable and replaced whole (I5).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use super::{
    capabilities::Capabilities,
    cloud::Reading,
    failure::FailureKind,
    instance::{
        DELETE_FAILED, Instance, InstanceError, InstanceErrorClass, InstanceId, InstanceState, SERVER_GONE,
    },
    machine_id::{MachineId, PlaceholderId},
    member::{Member, MemberKey, ServerPresence},
    node_group::{Bounds, NodeGroupUuid},
    node_name,
    pending::PendingRequests,
    plan::{coming_nodes, free_members},
    registration::Registrations,
    request::{NodeReference, RequestError},
    resize::InFlightResize,
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
    /// All instances: those that are there by rising key, then those that were only asked for.
    pub instances: Vec<Instance>,
    /// Whether each node gets a provider ID, so that a name is no identity.
    pub gives_provider_ids: bool,
    /// What can be done to it.
    pub capabilities: Arc<Capabilities>,
    /// Magnum's status of the group, for people.
    pub status: String,
    /// Why the group could not be read the last time; the view is an older one then.
    pub read_error: Option<String>,
    /// What a new node of the group will be.
    pub template: Arc<NodeTemplate>,
}

impl GroupView {
    /// What the reading shows, with the accepted requests, the resize on its way and what is known of registered nodes laid
    /// over it.
    #[must_use]
    pub fn new(
        reading: &Reading,
        pending: &PendingRequests,
        flight: Option<&InFlightResize>,
        registrations: &Registrations,
        now: Instant,
    ) -> Self {
        let group = &reading.group;
        let mut instances = Vec::with_capacity(reading.members.len());
        let (mut staying, mut leaving_later) = (0_u32, 0_u32);
        let cancellations = pending.queued_cancellations();
        let cancelled = members_to_cancel(reading, pending, flight, cancellations.serverless);
        for member in &reading.members {
            let id = InstanceId::of_member(group.uuid, member.key, member.server);
            let in_flight = flight.is_some_and(|flight| flight.resize.removes(member));
            let queued = pending.queue_removes(id) || cancelled.contains(&member.key);
            if member.counted && !in_flight {
                *(if queued { &mut leaving_later } else { &mut staying }) += 1;
            }
            let given_up = pending.is_given_up(member);
            instances.extend(instance(member, id, in_flight || queued, given_up, group.status.in_progress()));
        }
        for instance in &mut instances {
            registrations.apply(instance);
        }
        if !pending.may_replace(now) {
            hide_irremovable_errors(&mut instances, group.bounds);
        }
        let unsent = pending.queued_additions() - cancellations.unsent;
        let unseen = coming_nodes(reading, flight, staying + leaving_later).saturating_add(unsent);
        let failed: Vec<_> =
            failed_requests(group.uuid, pending).skip(length(cancellations.failed)).collect();
        let failures = u32::try_from(failed.len()).unwrap_or(u32::MAX);
        instances.extend(requested(group.uuid, unseen));
        instances.extend(failed);
        Self {
            uuid: group.uuid,
            id: group.id(),
            bounds: group.bounds,
            target_size: staying.saturating_add(unseen).saturating_add(failures),
            instances,
            gives_provider_ids: registrations.gives_provider_ids(group),
            capabilities: Arc::clone(&reading.capabilities),
            status: group.status.to_string(),
            read_error: None,
            template: Arc::clone(&reading.template),
        }
    }

    /// Whether one of the members has this name.
    #[must_use]
    pub fn has_node(&self, name: &str) -> bool {
        let named = |server: &str| {
            self.instances.iter().find(|instance| instance.member.is_some() && instance.name == server)
        };
        node_name::server_of(name, named).is_some()
    }
}

fn length(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The members that accepted cancellations take: without a server, those that failed first. While a change goes on only
/// those that failed.
fn members_to_cancel(
    reading: &Reading,
    pending: &PendingRequests,
    flight: Option<&InFlightResize>,
    count: u32,
) -> Vec<MemberKey> {
    let at_rest = flight.is_none() && !reading.group.status.in_progress();
    let is_queued = |member: &&Member| {
        pending.queue_removes(InstanceId::of_member(reading.group.uuid, member.key, member.server))
    };
    let free = free_members(reading, flight, at_rest).filter(|member| !is_queued(member));
    free.map(|member| member.key).take(length(count)).collect()
}

/// Shows broken members that cannot be removed now as still being made: at the minimum they are only replaced, and not
/// without end ([`PendingRequests::may_replace`]). cluster-autoscaler expects an instance that it is told is broken to go at its
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

/// Placeholders of requested nodes that are still expected.
fn requested(group: NodeGroupUuid, unseen: u32) -> impl Iterator<Item = Instance> {
    (1..=unseen).map(move |ordinal| placeholder(PlaceholderId::Requested { group, ordinal }, None))
}

/// Placeholders of requested nodes that will not come.
fn failed_requests(group: NodeGroupUuid, pending: &PendingRequests) -> impl Iterator<Item = Instance> + '_ {
    pending.failed().iter().map(move |(number, error)| {
        placeholder(PlaceholderId::Failed { group, number: *number }, Some(error.clone()))
    })
}

fn placeholder(id: PlaceholderId, error: Option<InstanceError>) -> Instance {
    Instance {
        id: InstanceId::Placeholder(id),
        provider_id: id.to_string(),
        member: None,
        name: String::new(),
        state: InstanceState::Creating,
        error,
        server_is_gone: false,
    }
}

/// What a member is to cluster-autoscaler; `None` once it is gone.
fn instance(
    member: &Member,
    id: InstanceId,
    removal_accepted: bool,
    given_up: bool,
    group_in_progress: bool,
) -> Option<Instance> {
    if (member.status.action, member.status.progress) == (Action::Delete, Progress::Complete) {
        return None;
    }
    let (state, error) = if removal_accepted && member.counted {
        (InstanceState::Deleting, None)
    } else if given_up && !member.status.failed() && member.counted {
        (InstanceState::Creating, Some(timed_out(member)))
    } else {
        member_state(member, group_in_progress)
    };
    let server_is_gone = member.presence == ServerPresence::Gone;
    let (member, name) = (Some(member.key), member.name.clone());
    Some(Instance { id, provider_id: String::new(), member, name, state, error, server_is_gone })
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
    // Of a member that was never complete Heat itself deletes the server before it tries again.
    if member.presence == ServerPresence::Gone && !member.was_never_complete() {
        return (Creating, Some(server_gone(member)));
    }
    let failed = || Some(InstanceError::of_failed_creation(&member.reason));
    // Another update interrupted this one; what it interrupted goes on in the new one
    // (docs/openstack-behaviour.md#overlapping-resizes).
    let cancelled = member.reason.kind == FailureKind::Interrupted;
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

fn timed_out(member: &Member) -> InstanceError {
    InstanceError {
        code: "CreateTimedOut",
        message: format!(
            "its creation does not go on: {} for too long, and there is no server",
            member.status
        ),
        class: InstanceErrorClass::Other,
    }
}

fn server_gone(member: &Member) -> InstanceError {
    let server = member.server.map(|server| server.to_string()).unwrap_or_default();
    InstanceError {
        code: SERVER_GONE,
        message: format!(
            "server {server} was deleted by somebody else; its record, member {} of the group, is still there",
            member.key
        ),
        class: InstanceErrorClass::Other,
    }
}

fn deletion_failed(member: &Member) -> InstanceError {
    InstanceError {
        code: DELETE_FAILED,
        message: format!("member {} could not be deleted: {}", member.key, member.reason),
        class: InstanceErrorClass::Other,
    }
}

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
    /// That the node is no instance now does not mean that it never was one: see [`PendingRequests::has_departed`].
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
