//! What is accepted of a group, and what the plan makes of it: single cases, above all while a resize is on its way.

use std::{sync::Arc, time::Instant};

use cluster_autoscaler_provider_magnum::core::{
    cloud::Reading,
    failure::Reason,
    instance::{InstanceError, InstanceId, PlaceholderId},
    member::{Member, MemberKey, ServerPresence},
    node_group::{Bounds, NodeGroupUuid},
    pending::{Ask, PendingRequests, Queued, Request, Ticket},
    plan::{Plan, accept, plan},
    request::RequestError,
    resize::{InFlightResize, Removal, Resize},
    sample,
    status::Status,
};
use uuid::Uuid;

fn group(nodes: u32, min: u32, max: u32) -> Reading {
    with_bounds(sample::reading((0..nodes).map(sample::member).collect()), min, max)
}

fn with_bounds(mut reading: Reading, min: u32, max: u32) -> Reading {
    reading.group.bounds = Bounds { min, max };
    reading.group.magnum_bounds = reading.group.bounds;
    reading
}

fn with_member(mut reading: Reading, member: Member) -> Reading {
    reading.members.push(member);
    reading.group.node_count = reading.size();
    reading
}

fn in_progress(mut reading: Reading, node_count: u32) -> Reading {
    reading.group.status = Status::parse("UPDATE_IN_PROGRESS");
    reading.group.node_count = node_count;
    reading
}

fn server(number: u32) -> InstanceId {
    InstanceId::Server(sample::server(number))
}

fn member(key: MemberKey) -> InstanceId {
    InstanceId::Placeholder(PlaceholderId::Member { group: sample::group().uuid, key })
}

fn delete(id: InstanceId) -> Ask {
    Ask::Delete(vec![(id, id.to_string())])
}

fn queued(caller: Option<u64>, request: Request) -> Queued {
    Queued { caller: caller.map(Ticket), request, attempts: 0 }
}

fn pending(requests: Vec<Request>, failed: u32) -> PendingRequests {
    let mut pending = PendingRequests::default();
    pending.queued = requests.into_iter().map(|request| queued(None, request)).collect();
    pending.fail(failed, &InstanceError::of_failed_creation(&Reason::default()));
    pending
}

fn nothing() -> PendingRequests {
    PendingRequests::default()
}

/// A resize of the group on its way.
fn flight(before: &Reading, remove: &[u32], additions: u32) -> InFlightResize {
    let named = remove.iter().map(|number| before.member(MemberKey::Index(*number)).unwrap());
    let remove: Vec<Removal> = named.map(Removal::of).collect();
    let count = before.size() - u32::try_from(remove.len()).unwrap() + additions;
    let resize = Resize { count, remove, additions };
    InFlightResize {
        resize,
        before: Arc::new(before.clone()),
        requests: Vec::new(),
        replaces: false,
        losses: 0,
    }
}

fn try_on(
    reading: &Reading,
    pending: &PendingRequests,
    flight: Option<&InFlightResize>,
    ask: &Ask,
) -> Result<Option<Request>, RequestError> {
    accept(reading, pending, flight, ask, Instant::now())
}

fn planned(reading: &Reading, pending: &PendingRequests) -> Plan {
    plan(reading, pending, Instant::now())
}

#[test]
fn the_nodes_that_are_coming_count_against_the_maximum() {
    let reading = group(2, 0, 5);
    let on_its_way = flight(&reading, &[], 2);
    for (reading, flight) in [(reading.clone(), Some(&on_its_way)), (in_progress(reading, 4), None)] {
        let grow = |by| try_on(&reading, &nothing(), flight, &Ask::Increase(by));
        assert_eq!(grow(1), Ok(Some(Request::Increase(1))), "up to the maximum");
        assert!(matches!(grow(2), Err(RequestError::OutOfBounds { count: 6, current: 4, .. })));
        // Those that came to nothing as well, until they were taken back.
        let refused = try_on(&reading, &pending(vec![], 1), flight, &Ask::Increase(1));
        assert!(
            matches!(refused, Err(RequestError::OutOfBounds { count: 6, current: 5, .. })),
            "{refused:?}"
        );
    }
}

/// Somebody else's resize takes some, nobody knows which.
#[test]
fn the_nodes_that_somebody_else_takes_count_against_the_minimum() {
    let shrinking = in_progress(group(4, 1, 5), 2);
    let remove = |ids: &[u32]| {
        let ids = ids.iter().map(|number| (server(*number), String::new())).collect();
        try_on(&shrinking, &nothing(), None, &Ask::Delete(ids))
    };
    assert!(remove(&[0]).is_ok());
    assert!(matches!(remove(&[0, 1]), Err(RequestError::OutOfBounds { count: 0, .. })));
}

/// What waits may rest on the nodes that are coming.
#[test]
fn additions_that_wait_can_be_called_off_down_to_the_minimum() {
    let reading = group(1, 2, 9);
    let on_its_way = flight(&reading, &[], 2);
    let waiting = pending(vec![Request::Increase(3)], 0);
    let call_off = |by| try_on(&reading, &waiting, Some(&on_its_way), &Ask::Decrease(by));
    assert_eq!(call_off(1), Ok(Some(Request::Decrease(1))));
    assert_eq!(call_off(9), Ok(Some(Request::Decrease(3))));
    let at_minimum = group(1, 3, 9);
    let waiting = pending(vec![Request::Increase(3)], 0);
    let called_off = try_on(&at_minimum, &waiting, None, &Ask::Decrease(9));
    assert_eq!(called_off, Ok(Some(Request::Decrease(1))), "three have to stay");
}

/// Magnum's own bounds hold for what there will be.
#[test]
fn magnums_bounds_are_those_of_the_size_that_there_will_be() {
    let reading = group(2, 0, 5);
    let on_its_way = flight(&reading, &[], 3);
    assert!(try_on(&reading, &nothing(), Some(&on_its_way), &delete(server(0))).unwrap().is_some());
    let mut narrow = reading;
    narrow.group.magnum_bounds.max = 3;
    assert!(matches!(
        try_on(&narrow, &nothing(), Some(&on_its_way), &delete(server(0))),
        Err(RequestError::OutOfBounds { count: 4, .. })
    ));
}

#[test]
fn what_the_resize_on_its_way_removes_is_done() {
    let failed = sample::serverless_member(3, "CREATE_FAILED");
    let reading = with_member(group(3, 0, 9), failed);
    let on_its_way = flight(&reading, &[1, 3], 0);
    let accepted = |id| try_on(&reading, &nothing(), Some(&on_its_way), &delete(id));
    let placeholder = member(MemberKey::Index(3));
    assert_eq!((accepted(server(1)), accepted(placeholder)), (Ok(None), Ok(None)));
    assert_eq!(accepted(server(0)), Ok(Some(Request::Delete(vec![server(0)]))));
    assert!(matches!(
        try_on(&reading, &nothing(), Some(&on_its_way), &Ask::Decrease(1)),
        Err(RequestError::NothingToCancel { .. })
    ));
}

/// A request that is not acknowledged may still be refused or withdrawn, so nobody else may rely on it.
#[test]
fn a_removal_that_somebody_else_waits_for_is_asked_for_again() {
    let reading = group(3, 0, 9);
    let again = Ok(Some(Request::Delete(vec![server(1)])));
    let request = || Request::Delete(vec![server(1)]);
    let with = |callers: &[Option<u64>]| {
        let mut pending = nothing();
        pending.queued = callers.iter().map(|caller| queued(*caller, request())).collect();
        try_on(&reading, &pending, None, &delete(server(1)))
    };
    assert_eq!(with(&[Some(1)]), again);
    assert_eq!(with(&[Some(1), Some(2)]), again);
    assert_eq!(with(&[None]), Ok(None));
    assert_eq!(with(&[Some(1), None]), Ok(None));
    let mut on_its_way = flight(&reading, &[1], 0);
    on_its_way.requests = vec![queued(Some(1), request())];
    assert_eq!(try_on(&reading, &nothing(), Some(&on_its_way), &delete(server(1))), again);
    on_its_way.requests = vec![queued(None, request())];
    assert_eq!(try_on(&reading, &nothing(), Some(&on_its_way), &delete(server(1))), Ok(None));
    // One that is leaving, whoever wanted that.
    let leaving = Member { counted: false, status: Status::parse("DELETE_IN_PROGRESS"), ..sample::member(5) };
    let reading = with_member(reading, leaving);
    assert_eq!(try_on(&reading, &nothing(), None, &delete(server(5))), Ok(None));
}

#[test]
fn requested_nodes_are_known_by_their_numbers() {
    let reading = group(2, 0, 9);
    let (ours, other) = (reading.group.uuid, NodeGroupUuid::from_uuid(Uuid::from_u128(8)));
    let on_its_way = flight(&reading, &[], 1);
    let waiting = pending(vec![Request::Increase(2)], 2);
    let accepted = |pending: &PendingRequests, id| {
        try_on(&reading, pending, Some(&on_its_way), &delete(InstanceId::Placeholder(id)))
    };
    let is_no_member = |answer| matches!(answer, Err(RequestError::NotAMember { .. }));
    let failed = |group, number| PlaceholderId::Failed { group, number };
    assert_eq!(
        (accepted(&waiting, failed(ours, 1)), accepted(&waiting, failed(ours, 2))),
        (Ok(None), Ok(None))
    );
    assert!(is_no_member(accepted(&waiting, failed(ours, 3))));
    assert!(is_no_member(accepted(&waiting, failed(other, 1))));
    let mut forgotten = waiting.clone();
    forgotten.forget_failure(ours, 1, Instant::now());
    assert_eq!(accepted(&forgotten, failed(ours, 1)), Ok(None), "it was deleted before");
    let requested = |group, ordinal| PlaceholderId::Requested { group, ordinal };
    for ordinal in 1..=3 {
        let answer = accepted(&waiting, requested(ours, ordinal));
        assert!(matches!(answer, Err(RequestError::BeingRequested { .. })), "{ordinal}: {answer:?}");
    }
    assert!(is_no_member(accepted(&waiting, requested(ours, 4))));
    assert!(is_no_member(accepted(&waiting, requested(other, 1))));
}

/// While a change goes on a node without a server may be about to get one.
#[test]
fn only_at_rest_is_a_node_without_a_server_called_off() {
    let making = with_member(group(2, 0, 9), sample::serverless_member(2, "CREATE_IN_PROGRESS"));
    let call_off = |reading: &Reading, flight| try_on(reading, &nothing(), flight, &Ask::Decrease(1));
    assert_eq!(call_off(&making, None), Ok(Some(Request::Decrease(1))));
    let key = MemberKey::Index(2);
    let resize = planned(&making, &pending(vec![Request::Decrease(1)], 0)).resize.unwrap();
    assert_eq!((resize.count, resize.remove), (2, vec![Removal { key, server: None }]));
    let other = flight(&making, &[0], 0);
    for refused in [call_off(&in_progress(making.clone(), 3), None), call_off(&making, Some(&other))] {
        assert!(matches!(refused, Err(RequestError::NothingToCancel { .. })), "{refused:?}");
    }
    let failed = with_member(group(2, 0, 9), sample::serverless_member(2, "CREATE_FAILED"));
    assert_eq!(call_off(&in_progress(failed, 3), None), Ok(Some(Request::Decrease(1))), "nobody makes it");
}

#[test]
fn a_broken_node_at_the_minimum_is_replaced_at_rest_alone_and_not_at_once_again() {
    let mut broken = group(1, 1, 9);
    broken.members[0].presence = ServerPresence::Gone;
    let now = Instant::now();
    assert!(try_on(&broken, &nothing(), None, &delete(server(0))).is_ok());
    let mut replaced = nothing();
    replaced.note_replacement(now);
    let refused = [
        accept(&broken, &replaced, None, &delete(server(0)), now),
        try_on(&in_progress(broken.clone(), 1), &nothing(), None, &delete(server(0))),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(RequestError::OutOfBounds { count: 0, .. })), "{refused:?}");
    }
    // Down to the minimum no replacement is needed.
    let two = group(2, 1, 9);
    assert!(accept(&two, &replaced, None, &delete(server(0)), now).is_ok());
}

/// Each broken node is replaced once: a sound one does not go in its place.
#[test]
fn a_sound_node_is_not_replaced_for_a_broken_one() {
    let mut reading = group(2, 2, 9);
    reading.members[0].presence = ServerPresence::Gone;
    let requests = [0, 1].map(|number| Request::Delete(vec![server(number)])).to_vec();
    let plan = planned(&reading, &pending(requests, 0));
    assert!(
        plan.answers[0].is_ok() && matches!(plan.answers[1], Err(RequestError::OutOfBounds { count: 1, .. }))
    );
    let resize = plan.resize.unwrap();
    assert_eq!((resize.count, resize.remove.len(), resize.additions), (2, 1, 1));
}

#[test]
fn several_cancellations_are_told_apart() {
    let failed = |number| sample::serverless_member(number, "CREATE_FAILED");
    let reading = with_member(with_member(group(2, 0, 9), failed(2)), failed(3));
    let waiting = pending(vec![Request::Decrease(1)], 0);
    assert_eq!(try_on(&reading, &waiting, None, &Ask::Decrease(1)), Ok(Some(Request::Decrease(1))));
    // First what came to nothing, then what was not sent, then members.
    let plan = |requests, failures| planned(&reading, &pending(requests, failures));
    let first = plan(vec![Request::Decrease(2)], 3);
    assert_eq!((first.cancelled_failures, first.resize), (2, None));
    let then = plan(vec![Request::Increase(3), Request::Decrease(2)], 0);
    assert_eq!(then.resize, Some(Resize { count: 5, remove: vec![], additions: 1 }));
    let last = plan(vec![Request::Increase(1), Request::Decrease(3)], 1);
    let resize = last.resize.unwrap();
    assert_eq!((last.cancelled_failures, resize.count, resize.remove.len(), resize.additions), (1, 3, 1, 0));
}

#[test]
fn a_placeholder_of_a_member_that_is_leaving_is_not_removed_again() {
    let plan = |status, id| {
        let leaving = Member { counted: false, ..sample::serverless_member(2, status) };
        let reading = with_member(group(2, 0, 9), leaving);
        planned(&reading, &pending(vec![Request::Delete(vec![id])], 0))
    };
    let id = member(MemberKey::Index(2));
    let going = plan("DELETE_IN_PROGRESS", id);
    assert_eq!((going.answers, going.resize), (vec![Ok(())], None));
    let stuck = plan("DELETE_FAILED", id);
    assert_eq!(stuck.answers, [Ok(())]);
    assert_eq!(stuck.resize, Some(Resize { count: 2, remove: vec![], additions: 0 }), "tried again");
}

/// Cluster API counts members that have not shown yet: nothing names them to the driver.
#[test]
fn a_member_that_nothing_names_cannot_be_removed_yet() {
    let plan = |key| {
        let making = Member { key, ..sample::serverless_member(2, "CREATE_IN_PROGRESS") };
        let reading = with_member(group(2, 0, 9), making);
        let mut plan = planned(&reading, &pending(vec![Request::Delete(vec![member(key)])], 0));
        (plan.answers.remove(0), plan.resize.map(|resize| resize.count))
    };
    assert!(matches!(plan(MemberKey::Pending(0)), (Err(RequestError::BeingRequested { .. }), None)));
    assert_eq!(plan(MemberKey::Index(2)), (Ok(()), Some(2)));
}

/// Somebody lowered Magnum's maximum below what there is.
#[test]
fn above_magnums_maximum_what_changes_nothing_is_still_answered() {
    let (reading, now) = (group(8, 0, 5), Instant::now());
    let before = with_member(reading.clone(), sample::member(8));
    let mut pending = pending([0, 8, 30].map(|number| Request::Delete(vec![server(number)])).to_vec(), 0);
    pending.note_departures(&before, &reading, now);
    let plan = plan(&reading, &pending, now);
    assert_eq!(plan.resize, None);
    assert!(matches!(plan.answers[0], Err(RequestError::OutOfBounds { count: 7, .. })));
    assert_eq!(plan.answers[1], Ok(()), "it is gone already");
    assert!(matches!(plan.answers[2], Err(RequestError::NotAMember { .. })), "{:?}", plan.answers[2]);
}

/// Heat knows all servers, and some of its members have none any more: nobody else can go.
#[test]
fn servers_that_somebody_deleted_keep_no_node_from_being_removed() {
    let mut reading = group(3, 0, 9);
    reading.members[2].presence = ServerPresence::Gone;
    reading.group.node_count = 2;
    reading.servers = Some(sample::servers(0..2));
    let plan = planned(&reading, &pending(vec![Request::Delete(vec![server(2)])], 0));
    assert_eq!(plan.answers, [Ok(())]);
    assert_eq!(plan.resize.map(|resize| resize.count), Some(2));
}

#[test]
fn a_resize_is_repeated_only_where_it_takes_nobody_else() {
    let before = group(3, 0, 9);
    let lost = flight(&before, &[1], 0);
    assert!(lost.is_safe_to_repeat(&before));
    assert!(lost.is_safe_to_repeat(&group(2, 0, 9)), "the named one has gone");
    assert!(!lost.is_safe_to_repeat(&group(4, 0, 9)), "somebody else has added one: Heat would take it");
}
