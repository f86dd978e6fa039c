//! One node group as cluster-autoscaler sees it.

use std::{sync::Arc, time::Instant};

use super::{
    capabilities::Capabilities,
    cloud::Reading,
    failure::FailureKind,
    instance::{
        DELETE_FAILED, Instance, InstanceError, InstanceErrorClass, InstanceId, InstanceState, PlaceholderId,
        SERVER_GONE,
    },
    member::{Member, MemberKey, ServerPresence},
    node_group::{Bounds, NodeGroupUuid},
    node_name,
    pending::PendingRequests,
    plan::{coming_nodes, free_members},
    registration::Registrations,
    resize::InFlightResize,
    status::{Action, Progress},
    template::NodeTemplate,
};

/// One node group at one moment.
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
    /// What that node shows as its provider ID.
    pub template_provider_id: String,
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
        if !pending.may_replace(now) || !reading.capabilities.exchanges_members() {
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
            template_provider_id: registrations.template_provider_id(group, &reading.template),
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
