//! The lives of single resizes, event by event.

mod cluster_api;
mod ending;
mod observing;
mod repeating;
mod requests;
mod sending;
mod settling;
mod situation;

use std::time::{Duration, Instant};

use super::*;
use crate::core::{
    decision::{BlockedBy, Ended, ResizeOutcome},
    instance::InstanceState,
    member::{MemberKey, ServerPresence},
    resize::Resize,
    sample,
    status::Status,
    verify::Verdict,
};

const CALLER: Ticket = Ticket(1);

/// A group that was read long ago, and is at rest.
struct Scene {
    group: Lifecycle,
    now: Instant,
}

impl Scene {
    fn new(reading: Reading) -> Self {
        let now = Instant::now();
        let group = Lifecycle::new(reading.group.uuid, reading.group.id(), Timing::default(), now);
        let mut scene = Self { group, now };
        let reading = Ok(Arc::new(reading));
        scene.step(Event::Observed { reading, begun: now, shared: None });
        scene.wait(Duration::from_secs(3600));
        scene
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        self.group.step(event, self.now)
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn ask(&mut self, caller: Ticket, ask: Ask) -> Vec<Effect> {
        self.step(Event::Asked { caller, ask })
    }

    /// Waits as long as the group asks for.
    fn wake(&mut self) {
        let Work::WakeAt(at) = self.group.work() else { panic!("{:?}", self.group.work()) };
        self.now = at;
        self.step(Event::Tick);
    }

    /// Waits for the next reading, and makes it.
    fn read(&mut self, reading: &Reading) -> Vec<Effect> {
        if self.group.work() != Work::Read {
            self.wake();
        }
        assert_eq!(self.group.work(), Work::Read);
        let begun = self.now;
        self.step(Event::Read { reading: Ok(Arc::new(reading.clone())), begun })
    }

    /// Reads the same until it is not read any more, and returns what came of the last time.
    fn read_to_the_end(&mut self, reading: &Reading) -> Vec<Effect> {
        for _ in 0..10_000 {
            let effects = self.read(reading);
            if !matches!(self.group.phase(), Phase::Following { .. }) {
                return effects;
            }
        }
        panic!("{:?}", self.group.phase());
    }

    /// Reads the group at rest until something is sent.
    fn read_until_sent(&mut self, reading: &Reading) -> Resize {
        for _ in 0..1000 {
            self.read(reading);
            if let Work::Send(resize) = self.group.work() {
                return resize;
            }
        }
        panic!("{:?}", self.group.phase());
    }

    fn accepted(&mut self) -> Vec<Effect> {
        self.step(Event::ResizeAnswered(Ok(())))
    }

    fn shown(&mut self) -> GroupView {
        let (view, _) = self.group.view(&Registrations::default(), self.now);
        view.unwrap()
    }
}

fn nodes(count: u32) -> Reading {
    sample::reading((0..count).map(sample::member).collect())
}

/// The group while Heat makes it as large as this; of the new members each is as `new` makes it.
fn growing(before: &Reading, count: u32, new: impl Fn(u32) -> Member) -> Reading {
    let mut reading = before.clone();
    reading.group.status = Status::parse("UPDATE_IN_PROGRESS");
    reading.group.node_count = count;
    reading.members.extend((before.size()..count).map(new));
    reading
}

fn ends(effects: &[Effect]) -> Vec<Ended> {
    let end = |effect: &Effect| match effect {
        Effect::Tell(Decision { kind: DecisionKind::Ended(ended), .. }) => Some(ended.as_ref().clone()),
        _ => None,
    };
    effects.iter().filter_map(end).collect()
}

fn answers(effects: &[Effect]) -> Vec<(Ticket, bool)> {
    let answer = |effect: &Effect| match effect {
        Effect::Answer(caller, answer) => Some((*caller, answer.is_ok())),
        Effect::Tell(_) => None,
    };
    effects.iter().filter_map(answer).collect()
}

fn delete(number: u32) -> Ask {
    let id = InstanceId::Server(sample::server(number));
    Ask::Delete(vec![(id, id.to_string())])
}

#[test]
fn an_increase_is_gathered_sent_followed_and_done() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    assert_eq!(scene.group.work(), Work::Nothing);
    assert_eq!(answers(&scene.ask(CALLER, Ask::Increase(2))), []);
    scene.wake();
    assert_eq!(scene.read_until_sent(&before), Resize { count: 3, remove: vec![], additions: 2 });
    assert_eq!(answers(&scene.accepted()), [(CALLER, true)]);
    let mut done = nodes(3);
    done.group.updated_at = "2026-01-01T00:01:00+00:00".to_owned();
    let told = scene.read_to_the_end(&done);
    assert_eq!(ends(&told)[0].verdict, Verdict::Done);
    assert_eq!(scene.group.phase(), &Phase::Idle);
}

/// While it is sent, nothing new is read or planned, so whoever comes then must not wait for an answer.
#[test]
fn a_request_during_the_sending_of_another_is_acknowledged_at_once() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(1));
    scene.wake();
    scene.read_until_sent(&before);
    assert_eq!(answers(&scene.ask(Ticket(2), Ask::Increase(1))), [(Ticket(2), true)]);
    assert_eq!(scene.shown().target_size, 3);
}

/// heat-engine died: the members are on record, and none gets a server.
#[test]
fn members_that_no_server_comes_for_are_failures_in_the_end() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(4));
    scene.wake();
    scene.read_until_sent(&before);
    scene.accepted();
    let hanging = growing(&before, 5, |number| sample::serverless_member(number, "CREATE_IN_PROGRESS"));
    let sent_at = scene.now;
    let told = scene.read_to_the_end(&hanging);
    assert!(scene.now - sent_at >= Timing::default().timeouts.in_progress, "a node may take minutes to boot");
    let ends = ends(&told);
    let [ended] = &ends[..] else { panic!("{told:?}") };
    assert_eq!((ended.verdict, ended.nodes), (Verdict::Failed, 1), "nodes are told, not members");
    assert_eq!(ResizeOutcome::from(ended.verdict), ResizeOutcome::Failed);
    assert!(ended.failed.iter().all(|(_, code)| *code == "CreateTimedOut") && ended.failed.len() == 4);
    let errors = |view: &GroupView| {
        let shown = view.instances.iter().filter_map(|instance| instance.error.as_ref());
        shown.map(|error| error.code).collect::<Vec<_>>()
    };
    assert_eq!(errors(&scene.shown()), ["CreateTimedOut"; 4]);
    // Heat is back: what gets its server after all is a node.
    let mut back = hanging.clone();
    for member in &mut back.members[1..3] {
        let number = if member.key == MemberKey::Index(1) { 1 } else { 2 };
        *member = sample::member(number);
    }
    scene.wait(Duration::from_secs(1));
    let begun = scene.now;
    scene.step(Event::Observed { reading: Ok(Arc::new(back)), begun, shared: None });
    assert_eq!(errors(&scene.shown()), ["CreateTimedOut"; 2]);
}

/// Nova's quota check lost a race: the server is in error, Heat deletes it and tries again, and is refused.
#[test]
fn a_member_that_was_never_complete_tells_its_own_reason_and_can_be_called_off() {
    let mut reading = nodes(2);
    let mut failed = sample::member(2);
    failed.presence = ServerPresence::Gone;
    failed.status = Status::parse("CREATE_FAILED");
    failed.reason.kind = crate::core::failure::FailureKind::Quota;
    reading.members.push(failed);
    reading.group.node_count = 3;
    reading.group.status = Status::parse("UPDATE_FAILED");
    let mut scene = Scene::new(reading.clone());
    let view = scene.shown();
    assert_eq!(view.instances[2].error.as_ref().unwrap().code, "QuotaExceeded");
    assert_eq!(reading.nodes(), 2);
    scene.ask(CALLER, Ask::Decrease(1));
    assert_eq!(scene.shown().target_size, 2);
    scene.wake();
    let resize = scene.read_until_sent(&reading);
    assert_eq!((resize.count, resize.remove.len()), (2, 1));
    // One that is still being made may get another server yet.
    reading.members[2].status = Status::parse("CREATE_IN_PROGRESS");
    reading.group.status = Status::parse("UPDATE_IN_PROGRESS");
    let instance = Scene::new(reading.clone()).shown().instances[2].clone();
    assert_eq!((instance.state, instance.error), (InstanceState::Creating, None));
    // One that was complete has lost its server to somebody.
    reading.members[2].status = Status::parse("UPDATE_COMPLETE");
    let error = Scene::new(reading).shown().instances[2].error.clone().unwrap();
    assert_eq!(error.code, "ServerGone");
}

/// While Heat updates a member it does not tell its server. What is shown by it can be removed by it.
#[test]
fn the_plan_goes_by_the_reading_that_is_shown() {
    let before = nodes(3);
    let mut scene = Scene::new(before.clone());
    let mut updating = before.clone();
    updating.group.status = Status::parse("UPDATE_IN_PROGRESS");
    updating.members[1].status = Status::parse("UPDATE_IN_PROGRESS");
    updating.members[1].server = None;
    updating.members[1].presence = ServerPresence::Unknown;
    let begun = scene.now;
    scene.step(Event::Observed { reading: Ok(Arc::new(updating.clone())), begun, shared: None });
    assert_eq!(scene.shown().instances[1].id, InstanceId::Server(sample::server(1)));
    scene.ask(CALLER, delete(1));
    scene.wake();
    let asked = scene.now;
    let resize = scene.read_until_sent(&updating);
    assert_eq!((resize.count, resize.remove), (2, vec![Removal::of(&before.members[1])]));
    let took = scene.now - asked;
    assert!(took < Duration::from_secs(40), "nothing but the named one keeps the group busy: {took:?}");
}

/// A lost resize is sent again as it was, whatever was asked for since.
#[test]
fn what_was_lost_is_sent_again_to_the_letter() {
    let before = nodes(3);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, delete(1));
    scene.wake();
    let sent = scene.read_until_sent(&before);
    scene.accepted();
    assert_eq!(answers(&scene.ask(Ticket(2), Ask::Increase(2))), [(Ticket(2), true)]);
    assert_eq!(ends(&scene.read_to_the_end(&before))[0].verdict, Verdict::Lost);
    scene.wake();
    assert_eq!(scene.read_until_sent(&before), sent);
}

/// A removal that was done and is undone: a replica that lags behind all services. The size that it shows is too large.
#[test]
fn a_node_that_had_gone_and_is_back_is_doubted() {
    let before = nodes(3);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, delete(0));
    scene.wake();
    scene.read_until_sent(&before);
    scene.accepted();
    let mut done = before.clone();
    done.members.remove(0);
    done.group.node_count = 2;
    done.group.updated_at = "2026-01-01T00:01:00+00:00".to_owned();
    assert_eq!(ends(&scene.read_to_the_end(&done))[0].verdict, Verdict::Done);
    scene.ask(Ticket(2), delete(1));
    scene.wake();
    let told = scene.read(&before);
    let waits = |effect: &Effect| {
        matches!(
            effect,
            Effect::Tell(Decision { kind: DecisionKind::Waiting(BlockedBy::UnexpectedReturn), .. })
        )
    };
    assert!(told.iter().any(waits), "{told:?}");
    assert_eq!(scene.read_until_sent(&done).count, 1);
}

#[test]
fn a_status_that_nobody_knows_is_no_end() {
    for status in ["", "SOMETHING_NEW"] {
        let mut reading = nodes(1);
        reading.group.status = Status::parse(status);
        let mut scene = Scene::new(reading.clone());
        scene.ask(CALLER, Ask::Increase(1));
        scene.wake();
        let told = scene.read(&reading);
        assert_eq!(answers(&told), [(CALLER, true)], "acknowledged, since it has to wait");
        let waits = |effect: &Effect| {
            let Effect::Tell(decision) = effect else { return false };
            matches!(decision.kind, DecisionKind::Waiting(BlockedBy::Change { .. }))
        };
        assert!(told.iter().any(waits), "{told:?}");
    }
}

/// Two groups have one server: whose it is, nobody can tell.
#[test]
fn a_group_that_shares_a_server_is_not_resized() {
    let reading = nodes(2);
    let mut other = nodes(1);
    other.group.name = "other".to_owned();
    other.group.uuid = "531cd801-d372-468e-b865-e775c513c86f".parse().unwrap();
    let observed = |reading: &Reading| crate::core::cloud::GroupObservation {
        uuid: reading.group.uuid,
        name: reading.group.name.clone(),
        reading: Ok(Arc::new(reading.clone())),
    };
    let observation = crate::core::cloud::Observation {
        cluster_name: "k8s".to_owned(),
        groups: vec![observed(&reading), observed(&other)],
        unscaled: Vec::new(),
    };
    let shared = crate::core::witnesses::servers_in_two_groups(&observation);
    assert_eq!(shared.len(), 2);
    let mut scene = Scene::new(reading.clone());
    let (begun, shared) = (scene.now, shared.get(&reading.group.uuid).cloned());
    assert!(shared.as_ref().unwrap().to_string().contains(&other.group.id()));
    scene.step(Event::Observed { reading: Ok(Arc::new(reading.clone())), begun, shared });
    scene.ask(CALLER, delete(0));
    scene.wake();
    scene.read(&reading);
    let told = scene.read(&reading);
    assert_eq!(answers(&told), [(CALLER, false)], "{told:?}");
    assert_eq!(scene.group.work(), Work::Nothing);
}

/// Whoever hangs up is not told; what becomes of the request shows.
#[test]
fn a_caller_who_hangs_up_changes_nothing() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(1));
    assert_eq!(scene.step(Event::CallerGone(CALLER)), []);
    scene.wake();
    scene.read_until_sent(&before);
    assert_eq!(answers(&scene.accepted()), []);
}

#[test]
fn a_caller_without_time_is_withdrawn_while_nothing_was_sent() {
    let before = nodes(1);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(1));
    let out_of_time = |caller| Event::CallerOutOfTime { caller, waited: Duration::from_secs(4) };
    assert_eq!(scene.step(out_of_time(CALLER)), [Effect::Answer(CALLER, Err(RequestError::Deadline))]);
    assert_eq!(scene.group.work(), Work::Nothing, "nothing is left to do");
    scene.ask(Ticket(2), Ask::Increase(1));
    scene.wake();
    scene.read_until_sent(&before);
    assert_eq!(scene.step(out_of_time(Ticket(2))), [Effect::Answer(Ticket(2), Ok(()))], "it is on its way");
}

/// A sync of Magnum that was under way writes the failure of before once more, over a resize that waits for its conductor.
#[test]
fn an_old_failure_told_again_is_no_end() {
    let mut before = nodes(2);
    before.group.status = Status::parse("UPDATE_FAILED");
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, Ask::Increase(2));
    scene.read_until_sent(&before);
    scene.accepted();
    let mut again = before.clone();
    again.group.updated_at.push('+');
    let ended = ends(&scene.read_to_the_end(&again));
    assert_eq!(ended.iter().map(|ended| ended.verdict).collect::<Vec<_>>(), [Verdict::Lost]);
    assert_eq!(scene.shown().target_size, 4, "it is sent again, and nothing is taken back");
    assert!(scene.shown().instances.iter().all(|instance| instance.error.is_none()));
    // Nor is the failure of an update that was hidden by an old answer, or that goes on when this one is sent.
    let mut other = again.clone();
    other.group.status_reason.text = "Deployment failed".to_owned();
    assert_eq!(scene.read_until_sent(&before).count, 4);
    scene.accepted();
    let ended = ends(&scene.read_to_the_end(&other));
    assert_eq!(ended.iter().map(|ended| ended.verdict).collect::<Vec<_>>(), [Verdict::Lost]);
    // Once Magnum has acted on it, a failure is its own.
    again.group.node_count = 4;
    assert_eq!(scene.read_until_sent(&before).count, 4);
    scene.accepted();
    let ended = ends(&scene.read_to_the_end(&again));
    assert_eq!(ended.iter().map(|ended| ended.verdict).collect::<Vec<_>>(), [Verdict::Failed]);
}
