//! What is sent for which requests, and what becomes of an answer.

use super::*;
use crate::core::{cloud::Service, decision::NodeName, sample};

/// A group of which so many requested nodes were refused.
fn with_failures(reading: &Reading, failures: u32) -> Scene {
    let mut scene = Scene::new(reading.clone());
    scene.ask(CALLER, Ask::Increase(failures));
    scene.step(Event::CallerGone(CALLER));
    scene.wake();
    scene.read_until_sent(reading);
    scene.step(Event::ResizeAnswered(Err(CloudError::Unsuitable("no".to_owned()))));
    assert_eq!(scene.group.work(), Work::Nothing);
    scene
}

/// A group whose removal of node 1 was acknowledged, since another change went on.
fn waiting(before: &Reading) -> Scene {
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, delete(1));
    scene.wake();
    let mut busy = before.clone();
    busy.group.status = Status::parse("UPDATE_IN_PROGRESS");
    assert_eq!(answers(&scene.read(&busy)), [(CALLER, true)]);
    scene
}

fn sent_requests(scene: &Scene) -> Vec<Request> {
    let sent = scene.group.phase().in_flight().unwrap();
    sent.flight.requests.iter().map(|queued| queued.request.clone()).collect()
}

#[test]
fn what_is_sent_is_told_with_the_names_of_those_that_go() {
    let before = nodes(3);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, delete(1));
    scene.ask(Ticket(2), Ask::Increase(3));
    scene.wake();
    let told = scene.read(&before);
    let remove = vec![NodeName::of(&before.members[1])];
    let kind = DecisionKind::Sent { size: 3, count: 5, remove, additions: 3 };
    assert_eq!(told, [Effect::Tell(Decision { group: scene.group.id().to_owned(), kind })]);
}

#[test]
fn what_needs_no_resize_is_answered_without_one() {
    let before = nodes(1);
    let mut scene = with_failures(&before, 2);
    assert_eq!(scene.shown().target_size, 3);
    scene.ask(CALLER, Ask::Decrease(1));
    scene.wake();
    assert_eq!(answers(&scene.read(&before)), [(CALLER, true)]);
    assert_eq!((scene.group.work(), scene.shown().target_size), (Work::Nothing, 2));
}

/// What is cancelled must not be cancelled again should the resize be lost.
#[test]
fn what_was_cancelled_without_a_resize_is_no_part_of_it() {
    let before = nodes(1);
    let mut scene = with_failures(&before, 1);
    scene.ask(CALLER, Ask::Decrease(1));
    scene.ask(Ticket(2), Ask::Increase(1));
    scene.wake();
    assert_eq!(answers(&scene.read(&before)), [(CALLER, true)]);
    assert_eq!(sent_requests(&scene), [Request::Increase(1)]);

    let mut before = before;
    before.members.push(sample::serverless_member(1, "CREATE_FAILED"));
    before.group.node_count = 2;
    let mut scene = with_failures(&before, 2);
    for (caller, size) in [(1, 1), (2, 2)] {
        scene.ask(Ticket(caller), Ask::Decrease(size));
    }
    scene.wake();
    let told = scene.read(&before);
    assert_eq!(answers(&told), [(Ticket(1), true)]);
    assert_eq!(sent_requests(&scene), [Request::Decrease(1)], "of two one is left");
}

/// A service that cannot check its callers' tokens for a moment, say. A caller who waits is told; whoever was told OK is not
/// told anything any more.
#[test]
fn what_was_acknowledged_outlasts_a_refusal_that_passes() {
    let before = nodes(2);
    let refused = || {
        Event::ResizeAnswered(Err(CloudError::Refused {
            service: Service::ContainerInfra,
            request: "POST /actions/resize".to_owned(),
            status: 401,
            message: "no".to_owned(),
            request_id: None,
        }))
    };
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(1));
    scene.read_until_sent(&before);
    assert_eq!(answers(&scene.step(refused())), [(CALLER, false)]);
    assert_eq!(scene.group.work(), Work::Nothing);

    let mut scene = waiting(&before);
    let id = InstanceId::Server(sample::server(1));
    for attempt in 1.. {
        assert_eq!(scene.read_until_sent(&before).count, 1);
        assert_eq!(sent_requests(&scene), [Request::Delete(vec![id])]);
        let told = scene.step(refused());
        let not_carried_out = told.iter().any(|effect| {
            matches!(effect, Effect::Tell(Decision { kind: DecisionKind::NotCarriedOut { .. }, .. }))
        });
        assert_eq!(not_carried_out, attempt == Timing::default().max_attempts, "{told:?}");
        if not_carried_out {
            break;
        }
    }
    assert_eq!(scene.group.work(), Work::Nothing);
}

/// Only what happens to the group can tell whether Magnum has heard it.
#[test]
fn a_resize_without_an_answer_is_followed() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(1));
    scene.wake();
    scene.read_until_sent(&before);
    let (url, reason) = ("http://magnum".to_owned(), "timed out".to_owned());
    let error = CloudError::Unreachable { service: Service::ContainerInfra, url, reason };
    let kind = DecisionKind::AnswerUnclear { error: error.clone() };
    let group = scene.group.id().to_owned();
    assert_eq!(scene.step(Event::ResizeAnswered(Err(error))), [Effect::Tell(Decision { group, kind })]);
    assert!(matches!(scene.group.phase(), Phase::Following { .. }));
    // Once the group is busy, nobody needs to be kept waiting any more.
    let busy = growing(&before, 2, |number| sample::serverless_member(number, "CREATE_IN_PROGRESS"));
    assert_eq!(answers(&scene.read(&busy)), [(CALLER, true)]);
}
