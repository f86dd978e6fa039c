//! Single cases of the properties.

use super::*;

fn settled_group(count: u32) -> Reading {
    let mut reading = sample::reading((0..count).map(sample::member).collect());
    reading.group.bounds = Bounds { min: 1, max: 6 };
    reading.group.magnum_bounds = reading.group.bounds;
    reading
}

fn server(number: u128) -> InstanceId {
    InstanceId::Server(machine(number))
}

#[test]
fn the_minimum_holds_for_each_request_in_its_turn() {
    let pending =
        pending_with(vec![Request::Delete(vec![server(0)]), Request::Delete(vec![server(1), server(2)])], 0);
    let plan = plan(&settled_group(3), &pending, Instant::now());
    assert!(plan.answers[0].is_ok());
    assert!(matches!(plan.answers[1], Err(RequestError::OutOfBounds { count: 0, .. })));
    assert_eq!(plan.resize.unwrap().count, 2);
}

/// What is asked for and not there yet may fail to come: a removal does not count on it, nor does its refusal.
#[test]
fn the_refusal_of_a_removal_tells_how_many_nodes_there_are() {
    let pending = pending_with(vec![Request::Increase(3), Request::Delete(vec![server(0), server(1)])], 0);
    let refused = &plan(&settled_group(2), &pending, Instant::now()).answers[1];
    assert!(matches!(refused, Err(RequestError::OutOfBounds { count: 0, current: 2, .. })), "{refused:?}");
}

#[test]
fn at_the_minimum_a_broken_member_is_replaced_and_a_sound_one_stays() {
    let mut reading = settled_group(1);
    let pending = pending_with(vec![Request::Delete(vec![server(0)])], 0);
    assert!(matches!(
        plan(&reading, &pending, Instant::now()).answers[0],
        Err(RequestError::OutOfBounds { count: 0, .. })
    ));

    reading.members[0].presence = ServerPresence::Gone;
    let removal = Removal { key: MemberKey::Index(0), server: Some(machine(0)) };
    assert_eq!(
        plan(&reading, &pending, Instant::now()).resize,
        Some(Resize { count: 1, remove: vec![removal], additions: 1 })
    );

    // Not at every loop of cluster-autoscaler, should each new one fail as well.
    let mut pending = pending;
    let now = Instant::now();
    pending.note_replacement(now);
    let soon = plan(&reading, &pending, now + Duration::from_secs(299));
    assert!(matches!(soon.answers[0], Err(RequestError::OutOfBounds { .. })));
    assert!(plan(&reading, &pending, now + Duration::from_secs(300)).replaces);
}

#[test]
fn a_decrease_never_takes_a_node_that_exists() {
    let pending = pending_with(vec![Request::Decrease(2)], 0);
    assert!(matches!(
        plan(&settled_group(3), &pending, Instant::now()).answers[0],
        Err(RequestError::NothingToCancel { current: 3, .. })
    ));

    let mut reading = settled_group(3);
    reading.members.push(member(9, 7));
    reading.group.node_count = 4;
    let plan = plan(&reading, &pending, Instant::now());
    assert!(plan.answers[0].is_ok(), "the full increase is taken back although some of its nodes came");
    let resize = plan.resize.unwrap();
    assert_eq!(
        (resize.count, resize.remove.iter().map(|removal| removal.key).collect::<Vec<_>>()),
        (3, vec![MemberKey::Index(9)])
    );
}

#[test]
fn a_group_outside_of_the_configured_bounds_comes_nearer_to_them() {
    let outside = |size, bounds| {
        let mut reading = settled_group(size);
        reading.group.bounds = bounds;
        reading.group.magnum_bounds = Bounds { min: 0, max: 20 };
        reading
    };
    let count = |reading: &Reading, request: Request| {
        let plan = plan(reading, &pending_with(vec![request], 0), Instant::now());
        plan.resize.map(|resize| resize.count)
    };
    let large = outside(8, Bounds { min: 1, max: 5 });
    assert_eq!(count(&large, Request::Delete(vec![server(0)])), Some(7));
    assert_eq!(count(&large, Request::Increase(1)), None);
    let mut small = outside(1, Bounds { min: 3, max: 10 });
    assert_eq!(count(&small, Request::Increase(1)), Some(2));
    assert_eq!(count(&small, Request::Delete(vec![server(0)])), None);
    small.members[0].presence = ServerPresence::Gone;
    assert_eq!(count(&small, Request::Delete(vec![server(0)])), Some(1), "replaced");
}

#[test]
fn a_failed_deletion_is_tried_again_without_lowering_the_count() {
    let mut reading = settled_group(3);
    reading.members.push(member(9, 11));
    let pending = pending_with(vec![Request::Delete(vec![server(9)])], 0);
    let plan = plan(&reading, &pending, Instant::now());
    assert_eq!(plan.resize, Some(Resize { count: 3, remove: vec![], additions: 0 }));
}

#[test]
fn a_placeholder_that_became_a_node_is_not_removed_by_its_old_name() {
    let placeholder = PlaceholderId::Member { group: group_uuid(), key: MemberKey::Index(1) };
    let pending = pending_with(vec![Request::Delete(vec![InstanceId::Placeholder(placeholder)])], 0);
    let refused = plan(&settled_group(3), &pending, Instant::now());
    assert!(matches!(refused.answers[0], Err(RequestError::PlaceholderHasServer { .. })));
    assert_eq!(refused.resize, None);

    let mut reading = settled_group(3);
    reading.members[1] = member(1, 12);
    let plan = plan(&reading, &pending, Instant::now());
    assert!(matches!(plan.answers[0], Err(RequestError::ServerUnknown { .. })));
    assert_eq!(plan.resize, None);
}
