//! Readings that come out of turn, and readings that do not come.

use std::time::Instant;

use super::*;
use crate::core::{cloud::Service, sample};

impl Scene {
    fn observe(&mut self, reading: Result<&Reading, CloudError>, begun: Instant) -> Vec<Effect> {
        let reading = reading.cloned().map(Arc::new);
        self.step(Event::Observed { reading, begun, shared: None })
    }
}

fn kinds(effects: Vec<Effect>) -> Vec<DecisionKind> {
    let kind = |effect| match effect {
        Effect::Tell(decision) => Some(decision.kind),
        Effect::Answer(..) => None,
    };
    effects.into_iter().filter_map(kind).collect()
}

#[test]
fn a_reading_that_was_begun_before_the_known_one_changes_nothing() {
    let (two, three) = (nodes(2), nodes(3));
    let mut scene = Scene::new(three.clone());
    let now = scene.now;
    scene.observe(Ok(&two), now);
    assert_eq!(scene.shown().target_size, 2);
    let second = Duration::from_secs(1);
    assert_eq!(scene.observe(Ok(&three), now - second), []);
    assert_eq!(scene.shown().target_size, 2);
    assert!(
        scene.group.pending().has_departed(InstanceId::Server(sample::server(2))),
        "it did not come back"
    );
    // Of two that were begun at once the one that ended later counts.
    scene.observe(Ok(&three), now);
    assert_eq!(scene.shown().target_size, 3);
    assert!(!scene.group.pending().has_departed(InstanceId::Server(sample::server(2))));
    // What it lacks is filled in nevertheless, for whoever decides by it.
    let mut updating = three.clone();
    updating.group.status = Status::parse("UPDATE_IN_PROGRESS");
    updating.members[1] = Member { server: None, ..sample::serverless_member(1, "UPDATE_IN_PROGRESS") };
    scene.observe(Ok(&updating), now + second);
    assert_eq!(scene.shown().instances[1].id, InstanceId::Server(sample::server(1)));
    // At rest whatever is read counts as it is.
    let mut at_rest = updating;
    at_rest.group.status = Status::parse("UPDATE_COMPLETE");
    scene.observe(Ok(&at_rest), now + 2 * second);
    assert_ne!(scene.shown().instances[1].id, InstanceId::Server(sample::server(1)));
}

#[test]
fn trouble_with_reading_is_told_once_for_each_kind_and_when_it_ends() {
    let down = |service| CloudError::Unreachable {
        service,
        url: "http://heat".to_owned(),
        reason: "timed out".to_owned(),
    };
    let (heat, nova) = (down(Service::Orchestration), down(Service::Compute));
    let reading = nodes(1);
    let mut scene = Scene::new(reading.clone());
    let unreadable =
        |error: &CloudError| vec![DecisionKind::Unreadable { error: error.clone(), is_served: true }];
    let observe = |scene: &mut Scene, reading: Result<&Reading, CloudError>| {
        scene.wait(Duration::from_secs(10));
        let now = scene.now;
        kinds(scene.observe(reading, now))
    };
    assert_eq!(observe(&mut scene, Err(heat.clone())), unreadable(&heat));
    assert_eq!(observe(&mut scene, Err(heat.clone())), []);
    assert_eq!(scene.group.read_error(), Some(heat.to_string()));
    assert_eq!(scene.shown().read_error, Some(heat.to_string()));
    assert_eq!(observe(&mut scene, Err(nova.clone())), unreadable(&nova));
    assert_eq!(observe(&mut scene, Err(nova)), []);
    let after = Duration::from_secs(40);
    assert_eq!(observe(&mut scene, Ok(&reading)), [DecisionKind::ReadableAgain { after }]);
    assert_eq!(observe(&mut scene, Ok(&reading)), []);
    assert_eq!(scene.shown().read_error, None);

    // A group that was never read is not shown, and says why.
    let now = Instant::now();
    let group = Lifecycle::new(reading.group.uuid, reading.group.id(), Timing::default(), now);
    let mut scene = Scene { group, now };
    assert_eq!(
        kinds(scene.observe(Err(heat.clone()), now)),
        [DecisionKind::Unreadable { error: heat.clone(), is_served: false }]
    );
    assert!(scene.group.view(&Registrations::default(), now).0.is_none());
    let refused = Err(RequestError::UnreadGroup { id: reading.group.id(), reason: heat.to_string() });
    assert_eq!(scene.ask(CALLER, Ask::Increase(1)), [Effect::Answer(CALLER, refused)]);
    assert!(matches!(
        kinds(scene.observe(Ok(&reading), now))[..],
        [DecisionKind::ReadableAgain { .. }, DecisionKind::ScalingBegins { nodes: 1, .. }]
    ));
}

#[test]
fn a_failure_that_was_begun_before_the_last_good_reading_is_no_news() {
    let mut scene = Scene::new(nodes(1));
    let failed = |begun| Event::Observed {
        reading: Err(CloudError::Inconsistent("pool".to_owned())),
        begun,
        shared: None,
    };
    let (now, moment) = (scene.now, Duration::from_secs(1));
    scene.step(Event::Observed { reading: Ok(Arc::new(nodes(1))), begun: now, shared: None });
    assert_eq!(scene.step(failed(now - moment)), []);
    assert_eq!(scene.group.read_error(), None);
    for begun in [now, now + moment] {
        let mut scene = Scene { group: scene.group.clone(), now };
        scene.step(failed(begun));
        assert!(scene.group.read_error().is_some(), "{begun:?}");
    }
}

#[test]
fn members_that_stay_while_another_one_leaves_are_not_back() {
    let (before, moment) = (nodes(3), Duration::from_secs(1));
    let (mut scene, sent) = Scene::sent(&before, delete(0));
    let mut leaving = before;
    leaving.group.status = Status::parse("UPDATE_IN_PROGRESS");
    leaving.group.node_count = 2;
    leaving.members[0].counted = false;
    assert_eq!(scene.ends_at(sent, moment, &leaving), None);
    let mut gone = leaving;
    gone.group.status = Status::parse("UPDATE_COMPLETE");
    gone.members.remove(0);
    assert_eq!(scene.ends_at(sent, 2 * moment, &gone).unwrap().verdict, Verdict::Done);
}
