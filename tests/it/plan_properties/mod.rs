//! Properties of the safety kernel (I1, I2, I3 and the bounds), over readings and queues of every kind.
//!
//! Each plan is carried out on a model of Heat's `ResourceGroup` (`resource_group.py`;
//! docs/openstack-behaviour.md#nodes_to_remove), so that not the plan's own words are checked but what would happen to
//! the nodes.

mod cases;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use cluster_autoscaler_provider_magnum::core::{
    capabilities::Capabilities,
    cloud::Reading,
    failure::Reason,
    instance::{InstanceError, InstanceId, InstanceState, PlaceholderId},
    machine_id::MachineId,
    member::{Member, MemberKey, ServerPresence},
    node_group::{Bounds, NodeGroup, NodeGroupUuid},
    pending::{Ask, PendingRequests, Queued, Request, Ticket},
    plan::{Plan, accept, plan},
    registration::Registrations,
    request::RequestError,
    resize::{Removal, Resize},
    sample,
    snapshot::GroupView,
    status::Status,
    witnesses::compare,
};
use proptest::prelude::*;
use uuid::Uuid;

fn group_uuid() -> NodeGroupUuid {
    sample::group().uuid
}

fn machine(number: u128) -> MachineId {
    MachineId::from_uuid(Uuid::from_u128(number))
}

fn member(index: u32, kind: u8) -> Member {
    // A server's number is its member's index, so that each test can tell whose it is.
    let server = Some(machine(u128::from(index)));
    let (server, counted, status) = match kind {
        0..=5 => (server, true, "UPDATE_COMPLETE"),
        6 => (server, true, "CREATE_COMPLETE"),
        7 => (None, true, "CREATE_FAILED"),
        8 => (None, true, "CREATE_IN_PROGRESS"),
        9 => (server, true, "CREATE_FAILED"),
        10 => (server, false, "DELETE_IN_PROGRESS"),
        11 => (server, false, "DELETE_FAILED"),
        // A node of which neither Heat nor Nova tells the server.
        12 => (None, true, "UPDATE_COMPLETE"),
        _ => (server, true, "UPDATE_FAILED"),
    };
    match server {
        Some(_) => Member { server, counted, status: Status::parse(status), ..sample::member(index) },
        None => Member { counted, ..sample::serverless_member(index, status) },
    }
}

prop_compose! {
    fn readings()(
        members in prop::collection::btree_map(0_u32..30, 0_u8..14, 0..12),
        min in 0_u32..4,
        room in 0_u32..14,
        slack in prop_oneof![Just(0_u32), 1_u32..20],
        node_count in 0_u32..14,
        witnesses in 0_u8..10,
        cluster in prop::sample::select(vec!["UPDATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"]),
    ) -> Reading {
        let mut reading = Reading {
            cluster_status: Status::parse(cluster),
            group: NodeGroup {
                bounds: Bounds { min, max: min + room },
                magnum_bounds: Bounds { min: min.saturating_sub(slack), max: min + room + slack },
                node_count,
                ..sample::group()
            },
            ..sample::reading(members.into_iter().map(|(index, kind)| member(index, kind)).collect())
        };
        match witnesses {
            // Magnum and Heat agree, and Nova is silent.
            0..=2 => reading.group.node_count = reading.size(),
            // Heat stands alone, unless the count happens to be right.
            3 => {}
            // Nova has a server of which Heat does not know.
            4 => reading.servers = Some(listed(&reading).into_iter().chain([(machine(40), MemberKey::Index(40))]).collect()),
            // Nova and Heat agree, whatever Magnum says.
            _ => reading.servers = Some(listed(&reading)),
        }
        reading
    }
}

/// Nova's list of the servers that Heat names.
fn listed(reading: &Reading) -> BTreeMap<MachineId, MemberKey> {
    reading.members.iter().filter_map(|member| Some((member.server?, member.key))).collect()
}

/// The group after a resize, at rest.
fn afterwards(reading: &Reading, resize: &Resize) -> Reading {
    let mut after = Reading { members: carry_out(reading, resize), ..reading.clone() };
    after.servers = Some(listed(&after));
    after
}

fn ids() -> impl Strategy<Value = InstanceId> {
    let group = group_uuid();
    let stranger = NodeGroupUuid::from_uuid(Uuid::from_u128(8));
    prop_oneof![
        // Of the group or not, by index: 30 and more are strangers.
        8 => (0_u128..36).prop_map(|number| InstanceId::Server(machine(number))),
        2 => (0_u32..30).prop_map(move |index| {
            InstanceId::Placeholder(PlaceholderId::Member { group, key: MemberKey::Index(index) })
        }),
        1 => (0_u32..30).prop_map(move |index| {
            InstanceId::Placeholder(PlaceholderId::Member { group: stranger, key: MemberKey::Index(index) })
        }),
        1 => (1_u32..4).prop_map(move |ordinal| InstanceId::Placeholder(PlaceholderId::Requested { group, ordinal })),
    ]
}

fn requests() -> impl Strategy<Value = Request> {
    prop_oneof![
        5 => prop::collection::vec(ids(), 1..4).prop_map(Request::Delete),
        2 => (1_u32..6).prop_map(Request::Increase),
        1 => (1_u32..6).prop_map(Request::Decrease),
    ]
}

fn asks() -> impl Strategy<Value = Ask> {
    requests().prop_map(|request| match request {
        Request::Increase(delta) => Ask::Increase(delta),
        Request::Decrease(delta) => Ask::Decrease(delta),
        Request::Delete(ids) => Ask::Delete(ids.into_iter().map(|id| (id, id.to_string())).collect()),
    })
}

fn pending_with(requests: Vec<Request>, failed: usize) -> PendingRequests {
    let queued = (0..)
        .map(Ticket)
        .zip(requests)
        .map(|(ticket, request)| Queued { caller: Some(ticket), request, attempts: 0 })
        .collect();
    let mut pending = PendingRequests::default();
    pending.queued = queued;
    pending.fail(u32::try_from(failed).unwrap(), &InstanceError::of_failed_creation(&Reason::default()));
    pending
}

/// What Heat makes of a resize: the named go, then the group is brought to the count, highest index first.
fn carry_out(reading: &Reading, resize: &Resize) -> Vec<Member> {
    let mut members: Vec<Member> = reading.counted().cloned().collect();
    let named: BTreeSet<MemberKey> = resize.remove.iter().map(|removal| removal.key).collect();
    members.retain(|member| !named.contains(&member.key));
    let count = usize::try_from(resize.count).unwrap();
    members.truncate(count);
    let mut fresh = 100;
    while members.len() < count {
        members.push(member(fresh, 6));
        fresh += 1;
    }
    members
}

/// The members that an accepted request may take away: those it names, and for a decrease those without a server.
fn may_go(reading: &Reading, request: &Request) -> BTreeSet<MemberKey> {
    let id = |member: &Member| InstanceId::of_member(group_uuid(), member.key, member.server);
    reading
        .counted()
        .filter(|member| match request {
            _ if member.server.is_none() && member.status == Status::parse("UPDATE_COMPLETE") => false,
            Request::Delete(ids) => ids.contains(&id(member)),
            Request::Decrease(_) => member.server.is_none(),
            Request::Increase(_) => false,
        })
        .map(|member| member.key)
        .collect()
}

fn accepted<'a>(pending: &'a PendingRequests, plan: &'a Plan) -> impl Iterator<Item = &'a Request> {
    pending
        .queued
        .iter()
        .zip(&plan.answers)
        .filter(|(_, answer)| answer.is_ok())
        .map(|(queued, _)| &queued.request)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// I1: whoever is gone after Heat has carried out the resize was named by a request that got an OK.
    #[test]
    fn only_the_named_go(reading in readings(), requests in prop::collection::vec(requests(), 0..8), failed in 0_usize..3) {
        let pending = pending_with(requests, failed);
        let plan = plan(&reading, &pending, Instant::now());
        let Some(resize) = &plan.resize else { return Ok(()) };
        let after = carry_out(&reading, resize);
        let allowed: BTreeSet<MemberKey> =
            accepted(&pending, &plan).flat_map(|request| may_go(&reading, request)).collect();
        for member in reading.counted() {
            prop_assert!(
                allowed.contains(&member.key) || after.contains(member),
                "member {} went and nobody named it: {resize:?}", member.key
            );
        }
    }

    /// I2: the arithmetic, the bounds, and one answer for each request.
    #[test]
    fn the_count_is_verified(reading in readings(), requests in prop::collection::vec(requests(), 0..8), failed in 0_usize..3) {
        let pending = pending_with(requests, failed);
        let plan = plan(&reading, &pending, Instant::now());
        prop_assert_eq!(plan.answers.len(), pending.queued.len());
        prop_assert!(plan.cancelled_failures <= failed);
        let Some(resize) = &plan.resize else { return Ok(()) };
        let size = u32::try_from(reading.counted().count()).unwrap();
        let removals = u32::try_from(resize.remove.len()).unwrap();
        prop_assert_eq!(resize.count, size - removals + resize.additions);
        prop_assert!(reading.group.magnum_bounds.contain(resize.count));
        // A group outside of its bounds comes nearer to them, and no other leaves them.
        let Bounds { min, max } = reading.group.bounds;
        prop_assert!((min.min(size)..=max.max(size)).contains(&resize.count));
        prop_assert!(reading.cluster_status.allows_resize());
        let mut indices: Vec<_> = resize.remove.iter().map(|removal| removal.key).collect();
        indices.dedup();
        prop_assert_eq!(indices.len(), resize.remove.len(), "a member is named twice");
        let asked: u32 = accepted(&pending, &plan).map(|request| match request {
            Request::Increase(delta) => *delta,
            Request::Delete(_) | Request::Decrease(_) => 0,
        }).sum();
        // At the minimum, broken members are replaced.
        let replaced = resize.additions.saturating_sub(asked);
        prop_assert!(replaced <= removals);
        prop_assert!(replaced == 0 || size - removals < reading.group.bounds.min);
    }

    /// I2: what is sent has two of the three services behind it, and nothing that Nova lists is left out of the count.
    #[test]
    fn no_count_rests_on_one_service(reading in readings(), requests in prop::collection::vec(requests(), 0..8)) {
        let plan = plan(&reading, &pending_with(requests, 0), Instant::now());
        let Some(resize) = &plan.resize else { return Ok(()) };
        let heat: BTreeSet<MachineId> = reading.members.iter().filter_map(|member| member.server).collect();
        let nova = reading.servers.as_ref().map(|servers| servers.keys().copied().collect::<BTreeSet<_>>());
        prop_assert!(reading.group.node_count == reading.size() || nova.is_some());
        prop_assert!(nova.iter().flatten().all(|server| heat.contains(server)), "Heat does not know them all");
        if resize.remove.is_empty() {
            let staying = |server: &&MachineId| reading.counted().any(|member| member.server == Some(**server));
            let present = nova.iter().flatten().filter(staying).count();
            prop_assert!(usize::try_from(resize.count).unwrap() >= present);
        }
    }

    /// One rule: what is accepted on a group at rest, the plan takes on the same reading.
    #[test]
    fn what_is_accepted_the_plan_takes(
        mut reading in readings(),
        asks in prop::collection::vec(asks(), 1..6),
        failed in 0_usize..3,
    ) {
        reading.cluster_status = Status::parse("UPDATE_COMPLETE");
        reading.group.node_count = reading.size();
        reading.servers = Some(listed(&reading));
        prop_assume!(compare(&reading).is_ok());
        let mut pending = pending_with(Vec::new(), failed);
        for (number, ask) in (0..).zip(asks) {
            if let Ok(Some(request)) = accept(&reading, &pending, None, &ask, Instant::now()) {
                pending.queued.push(Queued { caller: Some(Ticket(number)), request, attempts: 0 });
                let plan = plan(&reading, &pending, Instant::now());
                prop_assert!(plan.answers.iter().all(Result::is_ok), "{:?}: {:?}", pending.queued, plan.answers);
            }
        }
    }

    /// A decrease that is accepted lowers the target at once, by as much as was accepted, and is carried out.
    #[test]
    fn a_decrease_lowers_the_target_at_once(
        mut reading in readings(),
        requests in prop::collection::vec(requests(), 0..5),
        failed in 0_usize..3,
        delta in 1_u32..6,
    ) {
        reading.cluster_status = Status::parse("UPDATE_COMPLETE");
        reading.group.node_count = reading.size();
        reading.servers = Some(listed(&reading));
        // Above a maximum that somebody lowered, Magnum takes no count at all.
        reading.group.bounds.max = reading.group.bounds.max.max(reading.size());
        reading.group.magnum_bounds = reading.group.bounds;
        // What waits has been accepted as well.
        let requests = requests.into_iter().filter(|request| !matches!(request, Request::Decrease(_))).collect();
        let mut pending = pending_with(requests, failed);
        let mut answers = plan(&reading, &pending, Instant::now()).answers.into_iter();
        pending.queued.retain(|_| answers.next().unwrap().is_ok());
        let view = |pending: &PendingRequests| GroupView::new(&reading, pending, None, &Registrations::default(), Instant::now());
        let alive = |view: &GroupView| {
            let alive = view.instances.iter().filter(|instance| instance.state != InstanceState::Deleting).count();
            u32::try_from(alive).unwrap()
        };
        let before = view(&pending);
        prop_assert_eq!(before.target_size, alive(&before));
        let Ok(Some(request)) = accept(&reading, &pending, None, &Ask::Decrease(delta), Instant::now()) else {
            return Ok(());
        };
        let Request::Decrease(accepted) = request else { panic!("{request:?}") };
        pending.queued.push(Queued { caller: Some(Ticket(100)), request, attempts: 0 });
        let after = view(&pending);
        prop_assert_eq!(after.target_size, before.target_size - accepted);
        prop_assert_eq!(after.target_size, alive(&after));
        let plan = plan(&reading, &pending, Instant::now());
        prop_assert!(plan.answers.iter().all(Result::is_ok), "{:?}", plan.answers);
        let failures_left = u32::try_from(failed - plan.cancelled_failures).unwrap();
        // A broken member that is deleted at the minimum is replaced, which the target does not count.
        prop_assume!(!plan.replaces);
        let size = plan.resize.map_or(reading.size(), |resize| resize.count);
        prop_assert!(size <= after.target_size.saturating_sub(failures_left).max(reading.group.bounds.min));
    }

    /// Where nodes are added in another way than they are removed, no removal makes the group larger.
    #[test]
    fn nothing_is_added_by_a_removal(mut reading in readings(), requests in prop::collection::vec(requests(), 0..8)) {
        reading.capabilities = Arc::new(Capabilities { adds_apart: true, ..Capabilities::default() });
        let plan = plan(&reading, &pending_with(requests, 0), Instant::now());
        if let Some(resize) = plan.resize.filter(|resize| !resize.remove.is_empty()) {
            prop_assert!(resize.count <= reading.size(), "{resize:?}");
        }
    }

    /// A delete of something that is no member, or of another group's, is refused as a whole and leaves no trace.
    #[test]
    fn strangers_are_refused(reading in readings(), ids in prop::collection::vec(ids(), 1..4)) {
        let known = |id: &InstanceId| match id {
            InstanceId::Server(machine) => reading.members.iter().any(|member| member.server == Some(*machine)),
            InstanceId::Placeholder(PlaceholderId::Member { group, key }) => {
                *group == group_uuid() && reading.members.iter().any(|member| member.key == *key)
            }
            InstanceId::Placeholder(PlaceholderId::Requested { .. } | PlaceholderId::Failed { .. }) => false,
        };
        prop_assume!(!ids.iter().all(known));
        let pending = pending_with(vec![Request::Delete(ids)], 0);
        let plan = plan(&reading, &pending, Instant::now());
        prop_assert!(plan.answers[0].is_err());
        prop_assert_eq!(plan.resize, None);
    }

    /// I3: the same requests twice in one queue, or again after they took effect, remove nothing more.
    #[test]
    fn deletes_are_idempotent(reading in readings(), deletes in prop::collection::vec(prop::collection::vec(ids(), 1..3), 1..4)) {
        let once: Vec<Request> = deletes.iter().cloned().map(Request::Delete).collect();
        let twice: Vec<Request> = once.iter().flat_map(|request| [request.clone(), request.clone()]).collect();
        let pending_once = pending_with(once.clone(), 0);
        let plan_once = plan(&reading, &pending_once, Instant::now());
        prop_assert_eq!(&plan(&reading, &pending_with(twice, 0), Instant::now()).resize, &plan_once.resize);

        let Some(resize) = &plan_once.resize else { return Ok(()) };
        let after = afterwards(&reading, resize);
        let done: Vec<Request> = accepted(&pending_once, &plan_once).cloned().collect();
        let mut again = pending_with(done, 0);
        again.note_departures(&reading, &after, Instant::now());
        let plan_again = plan(&after, &again, Instant::now());
        prop_assert_eq!(plan_again.resize, None);
        prop_assert!(plan_again.answers.iter().all(Result::is_ok), "{:?}", plan_again.answers);
    }

    /// A refused request leaves no trace: without it the same resize is sent.
    #[test]
    fn the_refused_leave_no_trace(mut reading in readings(), requests in prop::collection::vec(requests(), 0..8)) {
        // A maximum below the present size refuses by the total, not one by one.
        let size = u32::try_from(reading.counted().count()).unwrap();
        reading.group.bounds.max = reading.group.bounds.max.max(size);
        reading.group.magnum_bounds = reading.group.bounds;
        let with = pending_with(requests, 0);
        let plan_with = plan(&reading, &with, Instant::now());
        let without = pending_with(accepted(&with, &plan_with).cloned().collect(), 0);
        prop_assert_eq!(plan(&reading, &without, Instant::now()).resize, plan_with.resize);
    }
}
