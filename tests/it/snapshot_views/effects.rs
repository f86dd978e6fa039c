//! What a resize comes to, as it is told from two readings.

use super::*;

#[test]
fn the_effect_of_a_resize_is_told_from_its_absence() {
    let before = Arc::new(reading("UPDATE_COMPLETE", 3, healthy(3)));
    let pending = queue(vec![Request::Delete(vec![InstanceId::Server(machine(1))])]);
    let flight = InFlightResize {
        resize: plan(&before, &pending, Instant::now()).resize.unwrap(),
        before: Arc::clone(&before),
        requests: pending.queued,
        replaces: false,
        losses: 0,
    };
    let effect = Effect::of(&flight, &before);
    assert!(!effect.seen && !effect.complete());
    assert_eq!(effect.verdict(), Verdict::Lost);

    let without = |gone: &[u32]| {
        let mut members = healthy(3);
        members.retain(|member| !gone.iter().any(|index| member.key == MemberKey::Index(*index)));
        members
    };
    let done = Effect::of(&flight, &reading("UPDATE_COMPLETE", 2, without(&[1])));
    assert!(done.seen && done.complete() && !done.superseded);
    assert_eq!(done.verdict(), Verdict::Done);

    // Two overlapping resizes: the later was dropped, and everything reads UPDATE_COMPLETE.
    let mut lost = reading("UPDATE_COMPLETE", 3, healthy(3));
    lost.group.updated_at = "2026-11-22T07:01:00+00:00".into();
    let lost = Effect::of(&flight, &lost);
    assert!(lost.seen && lost.remaining.len() == 1);
    assert_eq!(lost.verdict(), Verdict::Lost);

    let operator = Effect::of(&flight, &reading("UPDATE_COMPLETE", 1, without(&[1, 2])));
    assert_eq!((operator.missing_unnamed.len(), operator.verdict()), (1, Verdict::Superseded));
    let mut operator = reading("UPDATE_COMPLETE", 1, without(&[2]));
    operator.group.updated_at = "2026-11-22T07:01:00+00:00".into();
    let operator = Effect::of(&flight, &operator);
    assert_eq!((operator.missing_unnamed.len(), operator.verdict()), (1, Verdict::PartlyLost));
}

#[test]
fn a_count_of_magnum_that_catches_up_is_nobody_elses_resize() {
    // Magnum's answer was old when the resize was sent.
    let before = Arc::new(reading("UPDATE_COMPLETE", 3, healthy(4)));
    let resize = Resize { count: 6, remove: vec![], additions: 2 };
    let flight = InFlightResize { resize, before, requests: vec![], replaces: false, losses: 0 };
    let mut after = reading("UPDATE_COMPLETE", 4, healthy(4));
    after.group.updated_at = "2026-11-22T07:01:00+00:00".into();
    let effect = Effect::of(&flight, &after);
    assert_eq!((effect.superseded, effect.verdict()), (false, Verdict::Lost));
    after.group.node_count = 5;
    assert_eq!(Effect::of(&flight, &after).verdict(), Verdict::Superseded);
}

#[test]
fn a_node_that_went_in_place_of_the_named_one_is_a_wrong_removal() {
    let mut members = healthy(3);
    members[2].status = Status::parse("UPDATE_FAILED");
    for before in [healthy(3), members] {
        let before = Arc::new(reading("UPDATE_COMPLETE", 3, before));
        let pending = queue(vec![Request::Delete(vec![InstanceId::Server(machine(1))])]);
        let resize = plan(&before, &pending, Instant::now()).resize.unwrap();
        let flight = InFlightResize { resize, before, requests: pending.queued, replaces: false, losses: 0 };
        let effect = Effect::of(&flight, &reading("UPDATE_COMPLETE", 2, healthy(2)));
        assert_eq!((effect.missing_unnamed.len(), effect.remaining.len()), (1, 1));
        assert_eq!(effect.verdict(), Verdict::WrongRemoval);
        assert!(!effect.untouched, "another node went");
    }
}

#[test]
fn a_member_that_heat_makes_anew_is_no_wrong_removal() {
    let mut members = healthy(2);
    members.push(member(2, true, "CREATE_IN_PROGRESS", ""));
    let before = Arc::new(reading("UPDATE_FAILED", 3, members));
    let pending = queue(vec![Request::Delete(vec![InstanceId::Server(machine(1))])]);
    let resize = plan(&before, &pending, Instant::now()).resize.unwrap();
    let flight = InFlightResize {
        resize,
        before: Arc::clone(&before),
        requests: pending.queued,
        replaces: false,
        losses: 0,
    };

    let anew = Member { server: Some(machine(9)), ..member(2, true, "CREATE_COMPLETE", "") };
    let after = |members| Effect::of(&flight, &reading("UPDATE_COMPLETE", 2, members)).missing_unnamed;
    assert_eq!(after(vec![member(0, true, "UPDATE_COMPLETE", ""), anew.clone()]), []);
    // A node that was complete, or a member that is gone altogether, is another matter.
    assert_eq!(after(vec![member(0, true, "UPDATE_COMPLETE", "")]).len(), 1);
    let other = Member { server: Some(machine(8)), ..member(0, true, "CREATE_COMPLETE", "") };
    assert_eq!(after(vec![other, anew]).len(), 1);
}

#[test]
fn a_cancellation_that_left_its_member_is_sent_again_for_that_member() {
    let mut members = healthy(2);
    members.push(member(2, false, "CREATE_FAILED", QUOTA));
    let before = Arc::new(reading("UPDATE_FAILED", 3, members.clone()));
    let mut pending =
        queue(vec![Request::Delete(vec![InstanceId::Server(machine(1))]), Request::Decrease(1)]);
    let resize = plan(&before, &pending, Instant::now()).resize.unwrap();
    assert_eq!(resize.count, 1);
    let requests = std::mem::take(&mut pending.queued);
    let flight = InFlightResize { resize, before, requests, replaces: false, losses: 0 };
    members.remove(1);
    let effect = Effect::of(&flight, &reading("UPDATE_COMPLETE", 1, members));
    assert_eq!(effect.verdict(), Verdict::PartlyLost);
    let placeholder = PlaceholderId::Member { group: group_uuid(), key: MemberKey::Index(2) };
    let again = effect.removals_left(&flight);
    let removal = Request::Delete(vec![InstanceId::Placeholder(placeholder)]);
    assert_eq!(again, [Queued { caller: None, request: removal, attempts: 1 }]);
}
