use std::sync::Arc;

use super::*;
use crate::core::{
    capabilities::Capabilities, member::ServerPresence, node_group::NodeGroupUuid, resize::Resize, sample,
    status::Status,
};

fn nodes(numbers: impl IntoIterator<Item = u32>) -> Reading {
    sample::reading(numbers.into_iter().map(sample::member).collect())
}

/// A resize of this group that removes these members and adds so many.
fn flight(before: &Reading, remove: &[u32], additions: u32) -> InFlightResize {
    let named = remove.iter().map(|number| before.member(MemberKey::Index(*number)).unwrap());
    let remove: Vec<Removal> = named.map(Removal::of).collect();
    let count = before.size() - u32::try_from(remove.len()).unwrap() + additions;
    InFlightResize {
        resize: Resize { count, remove, additions },
        before: Arc::new(before.clone()),
        requests: Vec::new(),
        replaces: false,
        losses: 0,
    }
}

#[test]
fn each_sign_that_magnum_has_acted_is_one_alone() {
    let before = nodes(0..3);
    let seen = |flight: &InFlightResize, change: &dyn Fn(&mut Reading)| {
        let mut now = before.clone();
        change(&mut now);
        Effect::of(flight, &now).seen
    };
    let (removal, increase, both) =
        (flight(&before, &[1], 0), flight(&before, &[], 2), flight(&before, &[1], 1));
    let nothing = flight(&before, &[], 0);
    assert!(![&nothing, &removal, &increase, &both].into_iter().any(|flight| seen(flight, &|_| {})));
    assert!(seen(&removal, &|now| now.group.updated_at.push('9')));
    assert!(seen(&removal, &|now| now.group.status = Status::parse("UPDATE_IN_PROGRESS")));
    assert!(seen(&increase, &|now| now.group.node_count = 5), "the count asked for");
    assert!(!seen(&increase, &|now| now.group.node_count = 4), "somebody else's");
    assert!(!seen(&both, &|now| now.group.node_count = 3), "it was so before");
    assert!(seen(&removal, &|now| now.members[1].counted = false), "what was named has gone");
    assert!(!seen(&both, &|now| now.members[1].counted = false), "an earlier removal may have come late");
    assert!(!seen(&both, &|now| now.members.push(sample::member(3))), "so may an earlier increase");
    assert!(seen(&both, &|now| {
        now.members[1].counted = false;
        now.members.push(sample::member(3));
    }));
    assert!(!seen(&increase, &|now| now.members[1].counted = false), "nothing was named");
    // By an old answer of Magnum, Heat is ahead.
    assert!(
        seen(&increase, &|now| now.members.extend([3, 4].map(sample::member))),
        "the additions are there"
    );
    assert!(!seen(&increase, &|now| now.members.push(sample::member(3))), "one is not both");
}

/// Heat and Nova answer as they did before the last nodes came: Magnum has to act before nodes can go.
#[test]
fn nodes_that_an_old_answer_lacks_are_not_gone_with_a_resize_that_magnum_has_not_begun() {
    let before = nodes(0..5);
    let flight = flight(&before, &[1, 4], 0);
    let mut now = nodes(0..2);
    now.group.node_count = 5;
    assert_eq!(Effect::of(&flight, &now).verdict(), Verdict::Lost);
    now.group.status = Status::parse("UPDATE_FAILED");
    assert_eq!(Effect::of(&flight, &now).verdict(), Verdict::WrongRemoval);
}

/// A group with a failed member has failed, whatever an old answer of Magnum says.
#[test]
fn the_failure_that_a_failed_member_tells_of_is_one_of_before() {
    let failed = |member: Member| {
        let before = sample::reading(vec![sample::member(0), member]);
        let mut now = before.clone();
        now.group.status = Status::parse("UPDATE_FAILED");
        Effect::of(&flight(&before, &[], 1), &now).failed
    };
    assert!(failed(sample::member(1)), "its own");
    assert!(!failed(sample::serverless_member(1, "CREATE_FAILED")));
}

#[test]
fn a_resize_that_asks_for_nothing_new_is_not_untouched() {
    let before = nodes(0..3);
    let untouched = |remove: &[u32], additions, now: &Reading| {
        Effect::of(&flight(&before, remove, additions), now).untouched
    };
    assert!(untouched(&[1], 0, &before) && untouched(&[], 1, &before) && untouched(&[1], 1, &before));
    assert!(!untouched(&[], 0, &before), "a failed deletion that is tried again");
    assert!(!untouched(&[1], 0, &nodes([0, 2])) && !untouched(&[], 1, &nodes(0..4)));
    assert!(!untouched(&[1], 0, &nodes([0, 1])), "another node went");
}

#[test]
fn the_end_of_an_earlier_resize_is_told_by_its_count() {
    let mut before = nodes(0..2);
    before.group.node_count = 3;
    let (increase, removal) = (flight(&before, &[], 2), flight(&before, &[1], 0));
    let preceded = |flight: &InFlightResize, size: u32, count: u32, status: &str| {
        let mut now = nodes(0..size);
        now.group.node_count = count;
        now.group.status = Status::parse(status);
        Effect::of(flight, &now).preceded
    };
    assert!(preceded(&increase, 3, 3, "UPDATE_COMPLETE"));
    assert!(preceded(&increase, 3, 2, "UPDATE_COMPLETE"), "the size of before");
    assert!(!preceded(&increase, 3, 3, "UPDATE_FAILED"));
    assert!(!preceded(&increase, 3, 3, "UPDATE_IN_PROGRESS"));
    assert!(!preceded(&increase, 3, 4, "UPDATE_COMPLETE"), "its own count");
    assert!(!preceded(&increase, 3, 5, "UPDATE_COMPLETE"), "somebody else's");
    assert!(!preceded(&increase, 4, 3, "UPDATE_COMPLETE"), "all that it asked for is there");
    assert!(!preceded(&removal, 0, 3, "UPDATE_COMPLETE"), "it adds nothing");
}

#[test]
fn members_that_are_still_made_are_waited_for() {
    let before = nodes(0..1);
    let waited_for = |group: &str, member: Member| {
        let mut now = nodes(0..1);
        now.members.push(member);
        now.group.status = Status::parse(group);
        Effect::of(&flight(&before, &[], 1), &now).waited_for_in_vain.len()
    };
    let (busy, done, failed) = ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED");
    let making = || sample::serverless_member(1, "CREATE_IN_PROGRESS");
    assert_eq!(
        (waited_for(busy, making()), waited_for(done, making()), waited_for(failed, making())),
        (1, 1, 0)
    );
    assert_eq!(waited_for(busy, sample::serverless_member(1, "INIT_COMPLETE")), 1);
    assert_eq!(waited_for(done, sample::serverless_member(1, "INIT_COMPLETE")), 0, "nobody makes it");
    assert_eq!(waited_for(busy, sample::serverless_member(1, "CREATE_FAILED")), 0);
    assert_eq!(waited_for(busy, sample::member(1)), 0, "it has a server");
}

#[test]
fn each_failure_makes_a_resize_a_failed_one() {
    let before = nodes(0..1);
    let verdict = |members: Vec<Member>| {
        let mut now = sample::reading(members);
        now.group.node_count = 2;
        now.group.updated_at.clear();
        let effect = Effect::of(&flight(&before, &[], 1), &now);
        (effect.verdict(), effect.shortage)
    };
    let with = |member| vec![sample::member(0), member];
    assert_eq!(verdict(with(sample::member(1))), (Verdict::Done, 0));
    assert_eq!(verdict(with(sample::serverless_member(1, "CREATE_FAILED"))), (Verdict::Failed, 0));
    assert_eq!(verdict(with(sample::serverless_member(1, "CREATE_IN_PROGRESS"))), (Verdict::Failed, 0));
    let mut short = nodes(0..1);
    short.group.updated_at.clear();
    short.group.status = Status::parse("UPDATE_FAILED");
    assert_eq!(Effect::of(&flight(&before, &[], 1), &short).verdict(), Verdict::Failed);
}

/// A broken member was no node, and one that nothing names cannot be told from another.
#[test]
fn only_nodes_can_be_missed() {
    let mut before = nodes(0..4);
    before.members[1].presence = ServerPresence::Gone;
    before.members[2].key = MemberKey::Pending(0);
    let missed = |now: &Reading| -> Vec<MemberKey> {
        let missing = Effect::of(&flight(&before, &[0], 0), now).missing_unnamed;
        missing.into_iter().map(|removal| removal.key).collect()
    };
    assert_eq!(missed(&nodes([])), [MemberKey::Index(3)]);
    assert_eq!(missed(&nodes([3])), []);
}

/// Heat gives another server to a member whose update failed only where the first one is in error.
#[test]
fn a_member_may_be_made_anew_only_where_it_was_not_finished() {
    for (group, status, may_be) in [
        ("UPDATE_COMPLETE", "CREATE_IN_PROGRESS", true),
        ("UPDATE_COMPLETE", "CREATE_COMPLETE", false),
        ("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", false),
        ("UPDATE_FAILED", "UPDATE_IN_PROGRESS", true),
        ("UPDATE_FAILED", "UPDATE_COMPLETE", false),
        ("UPDATE_COMPLETE", "UPDATE_FAILED", true),
    ] {
        let mut before = nodes(0..2);
        before.group.status = Status::parse(group);
        before.members[1].status = Status::parse(status);
        let mut now = before.clone();
        now.members[1].server = Some(sample::server(9));
        let missing = Effect::of(&flight(&before, &[0], 0), &now).missing_unnamed;
        assert_eq!(missing.is_empty(), may_be, "{status}");
        // Not if the member itself is on its way out.
        now.members[1].counted = false;
        assert_eq!(Effect::of(&flight(&before, &[0], 0), &now).missing_unnamed.len(), 1, "{status}");
    }
}

/// A server that Nova lists and Heat does not know is a node as well.
#[test]
fn a_server_that_the_driver_never_knew_is_missed() {
    let before = Reading { servers: Some(sample::servers([0, 1, 7])), ..nodes(0..2) };
    let missed = |before: &Reading, now: Option<&[u32]>, members: Reading| -> Vec<Removal> {
        let now = Reading { servers: now.map(|now| sample::servers(now.iter().copied())), ..members };
        Effect::of(&flight(before, &[0], 0), &now).missing_unnamed
    };
    let unknown = [Removal { key: MemberKey::Index(7), server: Some(sample::server(7)) }];
    assert_eq!(missed(&before, Some(&[1]), nodes([1])), unknown);
    assert_eq!(missed(&before, Some(&[1, 7]), nodes([1])), [], "it is there");
    assert_eq!(missed(&before, None, nodes([1])), [], "Nova did not answer");
    // Heat has come to know it since.
    assert_eq!(missed(&before, Some(&[1]), nodes([1, 7])), []);
    // It knew it before, and what became of it is known from its list.
    let known = Reading { servers: Some(sample::servers([0, 1, 7])), ..nodes([0, 1, 7]) };
    assert_eq!(missed(&known, Some(&[1]), nodes([1])), unknown, "missed once, not twice");
}

/// magnum-capi-helm takes away whom it likes.
#[test]
fn where_the_driver_chooses_who_goes_one_node_is_as_good_as_another() {
    let capabilities = Capabilities { removal: NamedRemoval::Untargeted, ..Capabilities::default() };
    let untargeted = |numbers: &[u32]| Reading {
        capabilities: Arc::new(capabilities.clone()),
        ..nodes(numbers.iter().copied())
    };
    let before = untargeted(&[0, 1, 2, 3]);
    let outcome = |now: &[u32]| {
        let effect = Effect::of(&flight(&before, &[0, 1], 0), &untargeted(now));
        (effect.remaining.len(), effect.missing_unnamed.len())
    };
    assert_eq!(outcome(&[2, 3]), (0, 0));
    assert_eq!(outcome(&[0, 1]), (0, 0), "two went");
    assert_eq!(outcome(&[0, 3]), (0, 0));
    assert_eq!(outcome(&[0, 1, 2]), (1, 0), "one is still to go");
    assert_eq!(outcome(&[0, 1, 2, 3]), (2, 0));
    assert_eq!(outcome(&[0]), (0, 1), "one too many");
    assert_eq!(outcome(&[]), (0, 2));
}

#[test]
fn what_is_left_of_a_resize_goes_back_to_the_requests_that_named_it() {
    let mut before = nodes(0..3);
    before.members.push(sample::serverless_member(3, "CREATE_FAILED"));
    let group: NodeGroupUuid = before.group.uuid;
    let server = |number| InstanceId::Server(sample::server(number));
    let placeholder = InstanceId::of_member(group, MemberKey::Index(3), None);
    let queued = |request, attempts| Queued { caller: None, request, attempts };
    let mut flight = flight(&before, &[0, 1, 2, 3], 1);
    flight.requests = vec![
        queued(Request::Increase(1), 0),
        queued(Request::Delete(vec![server(0)]), 2),
        queued(Request::Delete(vec![server(1), server(2)]), 0),
        queued(Request::Decrease(1), 1),
    ];
    let left = |now: &Reading| Effect::of(&flight, now).removals_left(&flight);
    let (mut two, stranger) = (nodes([0, 2, 9]), InstanceId::Server(sample::server(9)));
    assert_eq!(
        left(&two),
        [queued(Request::Delete(vec![server(0)]), 3), queued(Request::Delete(vec![server(2)]), 1)]
    );
    two.members.push(before.members[3].clone());
    assert_eq!(left(&two).last(), Some(&queued(Request::Delete(vec![placeholder]), 2)));
    assert!(!left(&two).iter().any(|queued| queued.request == Request::Delete(vec![stranger])));
    assert_eq!(left(&nodes([9])), []);
    assert_eq!(Effect::of(&flight, &nodes([9])).missing_additions(&flight), 0);
    assert_eq!(Effect::of(&flight, &nodes([])).missing_additions(&flight), 1);
}
