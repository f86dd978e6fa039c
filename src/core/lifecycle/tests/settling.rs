//! When a resize is sent: what has to be over first, and for how long.

use std::time::Instant;

use super::*;
use crate::core::{resize::Removal, sample};

const MOMENT: Duration = Duration::from_millis(1);

impl Scene {
    /// A reading now, whether or not one is due.
    fn read_now(&mut self, reading: &Reading) -> Vec<Effect> {
        let begun = self.now;
        self.step(Event::Read { reading: Ok(Arc::new(reading.clone())), begun })
    }

    /// Asks for one node more, and waits until it is due.
    fn wants_one_more(&mut self) {
        self.ask(CALLER, Ask::Increase(1));
        self.wake();
    }

    fn is_sending(&self) -> bool {
        matches!(self.group.work(), Work::Send(_))
    }
}

fn blocked_by(effects: &[Effect]) -> Option<BlockedBy> {
    effects.iter().find_map(|effect| match effect {
        Effect::Tell(Decision { kind: DecisionKind::Waiting(blocked_by), .. }) => Some(blocked_by.clone()),
        _ => None,
    })
}

/// Nova has a server of the group of which Heat does not know.
fn contradicting(mut reading: Reading, server: u32) -> Reading {
    let known = reading.members.iter().filter_map(|member| Some((member.server?, member.key)));
    reading.servers = Some(known.chain([(sample::server(server), MemberKey::Index(server))]).collect());
    reading
}

#[test]
fn a_group_at_rest_is_resized_at_the_first_reading() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    let asked = scene.now;
    scene.wants_one_more();
    assert_eq!(scene.now - asked, Timing::default().coalesce_window);
    assert_eq!(scene.read(&before).len(), 1, "what is sent is told");
    assert!(scene.is_sending());
}

#[test]
fn a_process_that_has_just_started_sends_nothing_yet() {
    let before = nodes(1);
    let now = Instant::now();
    let group = Lifecycle::new(before.group.uuid, before.group.id(), Timing::default(), now);
    let mut scene = Scene { group, now };
    scene.step(Event::Observed { reading: Ok(Arc::new(before.clone())), begun: now, shared: None });
    scene.wants_one_more();
    let told = scene.read(&before);
    assert_eq!((blocked_by(&told), answers(&told)), (Some(BlockedBy::JustStarted), vec![(CALLER, true)]));
    scene.now = now + Timing::default().timeouts.after_start - MOMENT;
    assert_eq!((scene.read_now(&before), scene.is_sending()), (vec![], false), "told once");
    scene.wait(MOMENT);
    scene.read_now(&before);
    assert!(scene.is_sending());
}

/// The list may be one of a replica that lags behind.
#[test]
fn a_member_that_vanished_is_given_time_to_come_back() {
    let (three, two) = (nodes(3), nodes(2));
    let mut scene = Scene::new(three);
    let begun = scene.now;
    scene.step(Event::Observed { reading: Ok(Arc::new(two.clone())), begun, shared: None });
    scene.wants_one_more();
    assert_eq!(blocked_by(&scene.read(&two)), Some(BlockedBy::UnexpectedLoss));
    scene.now = begun + Timing::default().timeouts.stale_read_guard - MOMENT;
    scene.read_now(&two);
    assert!(!scene.is_sending());
    scene.wait(MOMENT);
    scene.read_now(&two);
    assert!(scene.is_sending());
}

/// Nova has no server of theirs to list: that it agrees with Heat proves nothing.
#[test]
fn failed_members_that_vanish_while_magnum_counts_them_are_waited_for() {
    let patience = Timing::default().timeouts.in_progress;
    let mut all = nodes(2);
    all.members.extend([2, 3].map(|number| sample::serverless_member(number, "CREATE_FAILED")));
    all.group.status = Status::parse("UPDATE_FAILED");
    all.group.node_count = 4;
    let mut old = nodes(2);
    old.group = all.group.clone();
    old.servers = Some(sample::servers(0..2));
    let vanished = || {
        let mut scene = Scene::new(all.clone());
        scene.ask(CALLER, delete(1));
        scene.wake();
        assert_eq!(blocked_by(&scene.read(&old)), Some(BlockedBy::UnexpectedLoss));
        scene
    };
    // They are back, or Magnum has heard of it, or nobody ever does.
    let mut scene = vanished();
    assert_eq!(scene.read_until_sent(&all).count, 3);
    let mut scene = vanished();
    let (mut agreed, begun) = (old.clone(), scene.now);
    agreed.group.node_count = 2;
    assert_eq!(scene.read_until_sent(&agreed).count, 1);
    assert!(scene.now - begun < patience);
    let mut scene = vanished();
    let begun = scene.now;
    scene.now = begun + patience - MOMENT;
    scene.read_now(&old);
    assert!(!scene.is_sending());
    scene.wait(MOMENT);
    scene.read_now(&old);
    assert!(scene.is_sending());

    // Of members with a server, Nova tells.
    let mut scene = Scene::new(nodes(4));
    scene.ask(CALLER, delete(1));
    scene.wake();
    let begun = scene.now;
    assert_eq!(scene.read_until_sent(&old).count, 1);
    assert!(scene.now - begun < patience);
}

/// A conductor that was down carries out both when it is back.
#[test]
fn after_a_resize_that_was_sent_twice_the_next_one_waits() {
    let (three, two) = (nodes(3), {
        let mut reading = nodes(3);
        reading.members.remove(1);
        reading.group.node_count = 2;
        reading
    });
    let mut scene = Scene::new(three.clone());
    scene.ask(CALLER, delete(1));
    scene.wake();
    scene.read_until_sent(&three);
    scene.accepted();
    assert_eq!(ends(&scene.read_to_the_end(&three))[0].verdict, Verdict::Lost);
    let lost_at = scene.now;
    scene.wake();
    let timing = Timing::default();
    assert_eq!(scene.now - lost_at, timing.coalesce_window + timing.poll_interval.1, "after a pause");
    let told = scene.read_now(&three);
    assert!(told.iter().any(|effect| matches!(
        effect,
        Effect::Tell(Decision { kind: DecisionKind::SentAgain { count: 2, losses: 1 }, .. })
    )));
    scene.accepted();
    scene.wait(Duration::from_secs(1));
    let seen_at = scene.now;
    assert_eq!(ends(&scene.read_now(&two))[0].verdict, Verdict::Done);
    scene.wants_one_more();
    assert_eq!(blocked_by(&scene.read_now(&two)), Some(BlockedBy::Repetition));
    scene.now = seen_at + timing.timeouts.after_repetition - MOMENT;
    scene.read_now(&two);
    assert!(!scene.is_sending());
    scene.wait(MOMENT);
    scene.read_now(&two);
    assert!(scene.is_sending());
    // That one was sent once: what comes after it need not wait.
    scene.accepted();
    let mut done = two.clone();
    done.members.push(sample::member(3));
    done.group.node_count = 3;
    scene.read_to_the_end(&done);
    scene.wants_one_more();
    scene.read_now(&done);
    assert!(scene.is_sending());
}

#[test]
fn a_caller_is_refused_when_a_contradiction_shows_twice() {
    let before = nodes(2);
    let contradiction = contradicting(before.clone(), 9);
    let mut scene = Scene::new(before);
    scene.wants_one_more();
    let told = scene.read(&contradiction);
    assert!(matches!(blocked_by(&told), Some(BlockedBy::Contradiction(_))));
    assert_eq!(answers(&told), []);
    let told = scene.read(&contradiction);
    assert_eq!((blocked_by(&told), answers(&told)), (None, vec![(CALLER, false)]));
    assert_eq!(scene.group.work(), Work::Nothing);
}

#[test]
fn what_was_acknowledged_waits_for_the_services_to_agree_for_so_long_and_is_refused_then() {
    let before = nodes(2);
    let (first, other) = (contradicting(before.clone(), 9), contradicting(before.clone(), 8));
    let mut scene = Scene::new(before);
    scene.ask(CALLER, Ask::Increase(1));
    scene.step(Event::CallerGone(CALLER));
    scene.wake();
    scene.read_now(&first);
    scene.wait(Duration::from_secs(60));
    // Another one begins anew.
    assert!(blocked_by(&scene.read_now(&other)).is_some());
    scene.wait(Timing::default().timeouts.in_progress - MOMENT);
    assert_eq!((scene.read_now(&other), scene.is_sending()), (vec![], false));
    scene.wait(MOMENT);
    let told = scene.read_now(&other);
    assert!(matches!(
        &told[..],
        [Effect::Tell(Decision {
            kind: DecisionKind::NotCarriedOut { error: RequestError::Contradiction { .. }, .. },
            ..
        })]
    ));
    assert_eq!(scene.group.work(), Work::Nothing);
    assert_eq!(scene.shown().instances.iter().filter(|instance| instance.error.is_some()).count(), 1);
}

/// A reading in between that has nothing against a resize ends the contradiction.
#[test]
fn a_contradiction_that_comes_back_begins_anew() {
    let before = nodes(2);
    let contradiction = contradicting(before.clone(), 9);
    let mut busy = before.clone();
    busy.group.status = Status::parse("UPDATE_IN_PROGRESS");
    let mut scene = Scene::new(before);
    scene.ask(CALLER, Ask::Increase(1));
    scene.step(Event::CallerGone(CALLER));
    scene.wake();
    scene.read_now(&contradiction);
    scene.wait(Duration::from_secs(300));
    assert!(matches!(blocked_by(&scene.read_now(&busy)), Some(BlockedBy::Change { .. })));
    scene.wait(Duration::from_secs(300));
    assert!(blocked_by(&scene.read_now(&contradiction)).is_some());
    scene.wait(Timing::default().timeouts.in_progress - MOMENT);
    assert_eq!(scene.read_now(&contradiction), []);
}

#[test]
fn whoever_waits_hears_that_the_group_cannot_be_read() {
    let mut scene = Scene::new(nodes(1));
    scene.wants_one_more();
    let error = CloudError::Inconsistent("pool".to_owned());
    let begun = scene.now;
    let told = scene.step(Event::Read { reading: Err(error.clone()), begun });
    assert!(told.contains(&Effect::Answer(CALLER, Err(RequestError::Cloud(error)))), "{told:?}");
    assert_eq!(scene.group.work(), Work::Nothing);
}

/// Two replicas answer in turn, and one of them lags behind.
#[test]
fn a_list_that_was_longer_a_moment_ago_is_not_trusted_for_having_been_seen_before() {
    let (three, two) = (nodes(3), nodes(2));
    let mut scene = Scene::new(two.clone());
    scene.wants_one_more();
    let mut busy = two.clone();
    busy.group.status = Status::parse("UPDATE_IN_PROGRESS");
    scene.read_now(&busy);
    let observe = |scene: &mut Scene, reading: &Reading| {
        let begun = scene.now;
        scene.step(Event::Observed { reading: Ok(Arc::new(reading.clone())), begun, shared: None });
    };
    observe(&mut scene, &three);
    scene.wait(Duration::from_secs(600));
    observe(&mut scene, &busy);
    scene.wait(MOMENT);
    scene.read_now(&busy);
    assert!(!scene.is_sending());
}

#[test]
fn a_pause_is_not_cut_short() {
    let mut scene = Scene::new(nodes(1));
    scene.ask(CALLER, Ask::Increase(1));
    let Work::WakeAt(until) = scene.group.work() else { panic!() };
    scene.now = until - MOMENT;
    scene.step(Event::Tick);
    assert_eq!(scene.group.work(), Work::WakeAt(until));
    scene.wait(MOMENT);
    scene.step(Event::Tick);
    assert_eq!(scene.group.work(), Work::Read);
}

/// Whoever asks later does not wait for what the earlier ones wait for.
#[test]
fn a_request_behind_acknowledged_ones_is_acknowledged_at_once() {
    let mut busy = nodes(2);
    busy.group.status = Status::parse("UPDATE_IN_PROGRESS");
    busy.members[0].status = Status::parse("UPDATE_IN_PROGRESS");
    let mut scene = Scene::new(busy.clone());
    scene.wants_one_more();
    let told = scene.read(&busy);
    let moving = vec![(busy.members[0].name.clone(), busy.members[0].status.clone())];
    assert_eq!(blocked_by(&told), Some(BlockedBy::Change { status: busy.group.status.clone(), moving }));
    assert_eq!(answers(&told), [(CALLER, true)]);
    let told = scene.ask(Ticket(2), delete(1));
    let server = InstanceId::Server(sample::server(1));
    let request = RequestedChange::Delete(vec![(Some(busy.members[1].name.clone()), server)]);
    let accepted = DecisionKind::Accepted { request, waits_for: None };
    let group = scene.group.id().to_owned();
    assert_eq!(told, [Effect::Tell(Decision { group, kind: accepted }), Effect::Answer(Ticket(2), Ok(()))]);
}

/// The group, with an answer of Heat that is older than the server of member 2, which Nova lists.
fn before_the_server_of_member_2() -> Reading {
    let mut old = nodes(3);
    old.members[2] = sample::serverless_member(2, "CREATE_IN_PROGRESS");
    old.group.status = Status::parse("UPDATE_FAILED");
    old.servers = Some(sample::servers(0..3));
    old
}

#[test]
fn a_removal_waits_for_a_member_that_only_an_old_answer_of_heat_lacks() {
    let (now, old) = (nodes(3), before_the_server_of_member_2());
    let mut scene = Scene::new(now.clone());
    scene.ask(CALLER, delete(2));
    scene.wake();
    let begun = scene.now;
    scene.step(Event::Observed { reading: Ok(Arc::new(old.clone())), begun, shared: None });
    assert!(scene.group.pending().has_departed(InstanceId::Server(sample::server(2))));
    scene.read(&old);
    scene.wait(Duration::from_secs(60));
    let told = scene.read_now(&old);
    assert_eq!(blocked_by(&told), None, "told at the first reading");
    assert!(!scene.is_sending());
    scene.wait(Duration::from_secs(60));
    let remove = vec![Removal::of(&sample::member(2))];
    assert_eq!(scene.read_until_sent(&now), Resize { count: 2, remove, additions: 0 });
}

#[test]
fn a_removal_is_accepted_while_only_an_old_answer_of_heat_lacks_its_member() {
    let (now, old) = (nodes(3), before_the_server_of_member_2());
    let mut scene = Scene::new(now.clone());
    let begun = scene.now;
    scene.step(Event::Observed { reading: Ok(Arc::new(old.clone())), begun, shared: None });
    assert_eq!(scene.ask(CALLER, delete(2)), [], "not done yet");
    let told = scene.read(&old);
    assert_eq!(answers(&told), [(CALLER, true)]);
    scene.wait(Duration::from_secs(60));
    assert_eq!(scene.read_until_sent(&now).count, 2);
}

/// Heat has replaced the member's server, and Nova does not get rid of the first one.
#[test]
fn a_server_that_stays_without_a_member_is_gone_in_the_end() {
    let (before, replaced) = (nodes(3), before_the_server_of_member_2());
    let mut scene = Scene::new(before);
    scene.ask(CALLER, delete(2));
    scene.step(Event::CallerGone(CALLER));
    scene.wake();
    let asked = scene.now;
    for _ in 0..1000 {
        if scene.group.work() == Work::Nothing {
            break;
        }
        scene.read(&replaced);
    }
    assert_eq!(scene.group.work(), Work::Nothing, "nothing is left to do");
    assert!(scene.now - asked >= Timing::default().timeouts.in_progress);
}

/// By Heat's old answer members have failed that it has made anew since; by index the new servers would go.
#[test]
fn a_member_in_whose_place_there_is_another_server_is_not_removed_yet() {
    let patience = Timing::default().timeouts.in_progress;
    let mut old = nodes(3);
    old.group.status = Status::parse("UPDATE_FAILED");
    old.members[2].status = Status::parse("CREATE_FAILED");
    let other = sample::server(7);
    for server in [Some(sample::server(2)), None] {
        old.members[2].server = server;
        old.members[2].presence = ServerPresence::Gone;
        old.servers = Some(sample::servers(0..2));
        let named = InstanceId::of_member(old.group.uuid, MemberKey::Index(2), server);
        let mut scene = Scene::new(old.clone());
        scene.ask(CALLER, Ask::Delete(vec![(named, named.to_string())]));
        scene.wake();
        assert_eq!(scene.read_until_sent(&old).count, 2, "there is no other server");

        old.servers = Some(sample::servers(0..2));
        old.servers.as_mut().unwrap().insert(other, MemberKey::Index(2));
        let mut scene = Scene::new(old.clone());
        scene.ask(CALLER, Ask::Delete(vec![(named, named.to_string())]));
        scene.wake();
        let told = scene.read(&old);
        let is_told = |effect: &Effect| match effect {
            Effect::Tell(Decision { kind: DecisionKind::Waiting(blocked), .. }) => {
                *blocked == BlockedBy::AnotherServer { server: other }
            }
            _ => false,
        };
        assert!(told.iter().any(is_told), "{told:?}");
        let begun = scene.now;
        assert_eq!(scene.read_until_sent(&old).count, 2);
        assert!(scene.now >= begun + patience, "for as long as no answer is old");
    }
}
