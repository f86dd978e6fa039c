//! Who is answered, when, and with what.

use super::*;
use crate::core::{capabilities::Capabilities, instance::Instance, pending::Queued, sample};

#[test]
fn only_so_many_requests_may_wait() {
    let mut scene = Scene::new(nodes(1));
    for number in 0..1000 {
        assert_eq!(scene.ask(Ticket(number), delete(0)), []);
    }
    let busy = RequestError::Busy { group: scene.group.id().to_owned(), waiting: 1000 };
    assert_eq!(scene.ask(Ticket(1000), delete(0)), [Effect::Answer(Ticket(1000), Err(busy))]);
}

/// A cloud so slow that no request would ever live to be sent.
#[test]
fn a_request_is_acknowledged_where_a_reading_takes_longer_than_half_of_its_time() {
    let before = nodes(1);
    let (took, millisecond) = (Duration::from_secs(2), Duration::from_millis(1));
    for (waited, is_acknowledged) in [(2 * took, false), (2 * took - 2 * millisecond, true)] {
        let mut scene = Scene::new(before.clone());
        scene.ask(CALLER, Ask::Increase(1));
        scene.wake();
        let begun = scene.now;
        scene.wait(took);
        let mut unstable = before.clone();
        unstable.servers = Some([(sample::server(9), MemberKey::Index(9))].into());
        scene.step(Event::Read { reading: Ok(Arc::new(unstable)), begun });
        let told = scene.step(Event::CallerOutOfTime { caller: CALLER, waited });
        assert_eq!(answers(&told), [(CALLER, is_acknowledged)], "{waited:?}");
        let waits = scene.group.pending().queued.len();
        assert_eq!(
            (waits, scene.group.phase() == &Phase::Idle),
            if is_acknowledged { (1, false) } else { (0, true) }
        );
        assert_eq!(scene.step(Event::CallerOutOfTime { caller: CALLER, waited }), [], "it was answered");
    }
}

/// Other requests than the one whose time is up go on.
#[test]
fn only_the_request_whose_time_is_up_is_withdrawn() {
    let mut scene = Scene::new(nodes(1));
    scene.ask(CALLER, Ask::Increase(1));
    scene.ask(Ticket(2), Ask::Increase(2));
    scene.step(Event::CallerOutOfTime { caller: CALLER, waited: Duration::from_secs(4) });
    let queued = &scene.group.pending().queued;
    assert_eq!(queued.iter().map(|queued| queued.caller).collect::<Vec<_>>(), [Some(Ticket(2))]);
    scene.step(Event::CallerGone(Ticket(2)));
    assert_eq!(scene.group.pending().queued[0].caller, None);
    assert_ne!(scene.group.phase(), &Phase::Idle, "it is carried out");
}

/// Where nodes are added in another way than they are removed.
#[test]
fn a_decrease_stays_with_the_increase_that_it_takes_back() {
    let mut before = nodes(3);
    before.capabilities = Arc::new(Capabilities { adds_apart: true, ..Capabilities::default() });
    let mut scene = Scene::new(before.clone());
    scene.ask(Ticket(1), Ask::Increase(2));
    scene.ask(Ticket(2), delete(1));
    scene.ask(Ticket(3), Ask::Decrease(1));
    assert_eq!(scene.shown().target_size, 3);
    assert_eq!(scene.read_until_sent(&before), Resize { count: 4, remove: Vec::new(), additions: 1 });
    scene.accepted();
    let mut grown = growing(&before, 4, sample::member);
    grown.group.status = Status::parse("UPDATE_COMPLETE");
    scene.read_to_the_end(&grown);
    let remove = vec![Removal::of(&sample::member(1))];
    assert_eq!(scene.read_until_sent(&grown), Resize { count: 3, remove, additions: 0 });
}

/// Everything else is queued as it comes.
#[test]
fn a_removal_waits_behind_those_that_came_before() {
    for adds_apart in [false, true] {
        let mut before = nodes(3);
        before.capabilities = Arc::new(Capabilities { adds_apart, ..Capabilities::default() });
        let mut scene = Scene::new(before);
        scene.ask(Ticket(1), Ask::Increase(2));
        scene.ask(Ticket(2), delete(1));
        scene.ask(Ticket(3), delete(0));
        let callers = scene.group.pending().queued.iter().map(|queued| queued.caller);
        assert_eq!(callers.collect::<Vec<_>>(), [1, 2, 3].map(|caller| Some(Ticket(caller))));
    }
}

#[test]
fn a_removal_that_was_refused_may_come_late_only_if_it_was_sent() {
    let id = InstanceId::Server(sample::server(1));
    for attempts in [0, 1] {
        let mut scene = Scene::new(nodes(2));
        let queued = Queued { caller: None, request: Request::Delete(vec![id]), attempts };
        let error = RequestError::Busy { group: "pool".to_owned(), waiting: 1000 };
        scene.group.refuse(&queued, &error, scene.now);
        assert_eq!(scene.group.pending().may_still_remove(id), attempts > 0);
    }
}

#[test]
fn whoever_waits_hears_that_the_group_is_gone() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(1));
    scene.wake();
    scene.read_until_sent(&before);
    scene.ask(Ticket(2), Ask::Increase(1));
    let told = scene.step(Event::Ended { is_there: true });
    assert_eq!(answers(&told), [(CALLER, false)], "the other one was acknowledged");
    assert!(told.iter().any(|effect| matches!(
        effect,
        Effect::Tell(Decision { kind: DecisionKind::ScalingEnds { is_there: true }, .. })
    )));
    assert_eq!((scene.group.work(), scene.group.pending().queued.len()), (Work::Nothing, 0));
}

#[test]
fn a_requested_node_that_came_to_nothing_is_shown_until_it_is_forgotten() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(2));
    scene.step(Event::CallerGone(CALLER));
    scene.wake();
    scene.read_until_sent(&before);
    let refused = CloudError::Unsuitable("no".to_owned());
    scene.step(Event::ResizeAnswered(Err(refused)));
    let failed = |scene: &mut Scene| -> Vec<Instance> {
        scene.shown().instances.into_iter().filter(|instance| instance.error.is_some()).collect()
    };
    let shown = failed(&mut scene);
    assert_eq!(
        shown.iter().map(|instance| instance.error.as_ref().unwrap().code).collect::<Vec<_>>(),
        ["ResizeRefused"; 2]
    );
    assert_eq!(scene.shown().target_size, 3);
    scene.step(Event::Forget(vec![1]));
    assert_eq!(failed(&mut scene), shown[1..]);
    scene.step(Event::Forget(vec![2]));
    assert_eq!((failed(&mut scene), scene.shown().target_size), (vec![], 1));
}
