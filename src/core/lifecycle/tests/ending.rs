//! When a resize is over, and what is done about what it left undone.

use super::*;
use crate::core::{node_group::NodeGroup, sample};

const MOMENT: Duration = Duration::from_millis(1);

impl Scene {
    /// A reading this long after the resize was sent; whether it ended the resize.
    pub(super) fn ends_at(&mut self, sent: Instant, after: Duration, reading: &Reading) -> Option<Ended> {
        self.now = sent + after;
        let begun = self.now;
        let told = self.step(Event::Read { reading: Ok(Arc::new(reading.clone())), begun });
        ends(&told).pop()
    }

    pub(super) fn sent(before: &Reading, ask: Ask) -> (Self, Instant) {
        let mut scene = Self::new(before.clone());
        scene.ask(CALLER, ask);
        scene.wake();
        scene.read_until_sent(before);
        scene.accepted();
        let sent = scene.now;
        (scene, sent)
    }
}

/// A resize that removes node 1 and adds another.
fn exchange(before: &Reading) -> (Scene, Instant) {
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, delete(1));
    scene.ask(Ticket(2), Ask::Increase(1));
    scene.wake();
    assert_eq!(scene.read_until_sent(before).count, before.size());
    scene.accepted();
    let sent = scene.now;
    (scene, sent)
}

/// Magnum has heard of it, and Heat has not begun.
fn touched(reading: &Reading) -> Reading {
    let mut reading = reading.clone();
    reading.group.updated_at = "2026-01-01T00:01:00+00:00".to_owned();
    reading
}

#[test]
fn a_resize_without_effect_is_lost_when_its_time_is_up() {
    let (before, timeout) = (nodes(3), Timing::default().effect_timeout);
    for shown in [before.clone(), touched(&before)] {
        let (mut scene, sent) = Scene::sent(&before, delete(1));
        scene.ends_at(sent, Duration::from_secs(1), &shown);
        assert_eq!(scene.ends_at(sent, timeout - MOMENT, &shown), None);
        let ended = scene.ends_at(sent, timeout, &shown).unwrap();
        assert_eq!((ended.verdict, ended.took), (Verdict::Lost, timeout));
    }
}

#[test]
fn an_end_that_is_not_as_asked_has_to_show_for_a_while() {
    let (before, guard) = (nodes(1), Timing::default().timeouts.stale_read_guard);
    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(2));
    let mut short = touched(&nodes(2));
    short.group.status = Status::parse("UPDATE_FAILED");
    short.group.node_count = 3;
    short.servers = Some(sample::servers(0..2));
    let seen = Duration::from_secs(10);
    assert_eq!(scene.ends_at(sent, seen, &short), None);
    assert_eq!(scene.ends_at(sent, seen + guard - MOMENT, &short), None);
    let ended = scene.ends_at(sent, seen + guard, &short).unwrap();
    assert_eq!((ended.verdict, ended.shortage), (Verdict::Failed, 1));
    let failed: Vec<_> = scene.shown().instances.into_iter().filter_map(|instance| instance.error).collect();
    assert_eq!(failed.len(), 1, "the one that is missing");
    assert!(failed[0].message.contains("resized the group to 3 nodes"), "{}", failed[0].message);
    assert_eq!(failed[0].code, "ResizeFailed");
}

/// Heat lists new members whatever becomes of them, so that its list must be an old one.
#[test]
fn a_failure_of_which_heat_shows_nothing_is_no_end_for_long() {
    let (before, patience) = (nodes(2), Timing::default().timeouts.in_progress);
    let mut old = touched(&before);
    old.group.status = Status::parse("UPDATE_FAILED");
    old.group.node_count = 5;
    old.servers = Some(sample::servers(0..2));
    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(3));
    let seen = Duration::from_secs(10);
    assert_eq!(scene.ends_at(sent, seen, &old), None);
    assert_eq!(scene.ends_at(sent, seen + patience - MOMENT, &old), None);
    assert_eq!(scene.ends_at(sent, seen + patience, &old).unwrap().shortage, 3);

    // Where Heat refuses the update itself, Magnum puts the old count back.
    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(3));
    let timing = Timing::default();
    old.group.node_count = 2;
    assert_eq!(scene.ends_at(sent, seen, &old), None);
    let ended = scene.ends_at(sent, timing.effect_timeout, &old).unwrap();
    assert_eq!((ended.verdict, ended.shortage), (Verdict::Failed, 3));
}

#[test]
fn services_that_contradict_each_other_do_not_tell_an_end() {
    let (before, patience) = (nodes(2), Timing::default().timeouts.in_progress);
    let (mut scene, sent) = Scene::sent(&before, delete(1));
    let mut done = touched(&nodes(1));
    // Nova has it still, and neither Heat's list has it nor Magnum's count.
    done.servers = Some(sample::servers(0..2));
    assert_eq!(scene.ends_at(sent, Duration::ZERO, &done), None);
    assert_eq!(scene.ends_at(sent, patience - MOMENT, &done), None);
    assert_eq!(scene.ends_at(sent, patience, &done).unwrap().verdict, Verdict::Done);
}

/// Sends a resize of two additions and lets it be lost, as often as it is sent, up to this often.
fn lose(
    before: &Reading,
    mut show: impl FnMut(usize) -> Reading,
    most: usize,
) -> (Scene, usize, Vec<Effect>) {
    let (mut scene, _) = Scene::sent(before, Ask::Increase(2));
    for sent in 1..most {
        let shown = &show(sent);
        let told = scene.read_to_the_end(shown);
        assert_eq!(ends(&told)[0].verdict, Verdict::Lost);
        if scene.group.work() == Work::Nothing {
            return (scene, sent, told);
        }
        scene.read_until_sent(shown);
        scene.accepted();
    }
    (scene, most, Vec::new())
}

#[test]
fn a_resize_that_magnum_acts_upon_in_vain_is_given_up_after_so_many_times() {
    let before = nodes(1);
    let acted_upon = |times: usize| {
        let mut reading = before.clone();
        reading.group.updated_at = format!("2026-01-01T00:{times:02}:00+00:00");
        reading
    };
    let (mut scene, times, told) = lose(&before, acted_upon, 20);
    assert_eq!(u32::try_from(times).unwrap(), Timing::default().max_attempts);
    let given_up =
        |effect: &Effect| matches!(effect, Effect::Tell(Decision { kind: DecisionKind::GivenUp { .. }, .. }));
    assert_eq!(told.iter().filter(|effect| given_up(effect)).count(), 1);
    let failed: Vec<_> = scene.shown().instances.into_iter().filter_map(|instance| instance.error).collect();
    assert_eq!(failed.iter().map(|error| error.code).collect::<Vec<_>>(), ["ResizeRefused"; 2]);
    assert!(failed[0].message.contains("several times without any effect"));
    assert_eq!(scene.shown().target_size, 3, "until cluster-autoscaler has taken them back");
}

/// It may still carry out what it was sent, so that a smaller target would be a lie.
#[test]
fn a_resize_that_magnum_shows_nothing_of_is_never_given_up() {
    let before = nodes(1);
    assert_eq!(lose(&before, |_| before.clone(), 12).1, 12);
}

#[test]
fn a_removal_that_did_not_happen_is_sent_again_so_many_times() {
    let before = nodes(9);
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, delete(8));
    let mut reading = before;
    let mut times = 0;
    // Each time another node goes, and this one stays.
    for other in 0..7 {
        scene.ask(Ticket(2), delete(other));
        scene.wake();
        let resize = scene.read_until_sent(&reading);
        if resize.remove.len() == 1 {
            break;
        }
        times += 1;
        scene.accepted();
        reading.members.retain(|member| member.key != MemberKey::Index(other));
        reading.group.node_count -= 1;
        reading = touched(&reading);
        assert_eq!(ends(&scene.read_to_the_end(&reading))[0].verdict, Verdict::PartlyLost);
        reading.group.updated_at.clear();
    }
    assert_eq!(times, Timing::default().max_attempts);
}

/// At the minimum, a broken node is replaced; the next one has to wait.
#[test]
fn a_replacement_that_was_carried_out_is_remembered() {
    let mut before = nodes(1);
    before.group.bounds.min = 1;
    before.group.magnum_bounds.min = 1;
    before.members[0].presence = ServerPresence::Gone;
    let (mut scene, _) = Scene::sent(&before, delete(0));
    assert!(scene.group.pending().may_replace(scene.now));
    let mut done = touched(&before);
    done.members = vec![sample::member(1)];
    assert_eq!(ends(&scene.read_to_the_end(&done))[0].verdict, Verdict::Done);
    assert!(!scene.group.pending().may_replace(scene.now));
}

/// Magnum may not have heard of the end of the update before: Heat begins with this one when that is over.
#[test]
fn a_resize_into_an_update_that_goes_on_is_not_lost_before_that_is_given_up() {
    let mut before = nodes(2);
    before.group.status = Status::parse("UPDATE_IN_PROGRESS");
    let (mut scene, sent) = Scene::sent(&before, delete(1));
    let timing = Timing::default();
    assert_eq!(scene.ends_at(sent, Duration::ZERO, &before), None);
    assert_eq!(scene.ends_at(sent, timing.effect_timeout, &before), None);
    assert_eq!(scene.ends_at(sent, timing.timeouts.in_progress - MOMENT, &before), None);
    let ended = scene.ends_at(sent, timing.timeouts.in_progress, &before).unwrap();
    assert_eq!(ended.verdict, Verdict::Lost);
}

/// For so long in each form, whatever of it has changed.
#[test]
fn an_end_that_still_changes_is_not_the_end() {
    let (before, guard) = (nodes(1), Timing::default().timeouts.stale_read_guard);
    let mut short = touched(&nodes(2));
    short.group.node_count = 3;
    short.servers = Some(sample::servers(0..2));
    let mut other_group = short.clone();
    other_group.group.status_reason.general = "quota".to_owned();
    let mut other_members = short.clone();
    other_members.members[1].reason.general = "quota".to_owned();
    for changed in [other_group, other_members] {
        let (mut scene, sent) = Scene::sent(&before, Ask::Increase(2));
        let seen = Duration::from_secs(10);
        assert_eq!(scene.ends_at(sent, seen, &short), None);
        assert_eq!(scene.ends_at(sent, seen + guard - MOMENT, &changed), None);
        assert_eq!(scene.ends_at(sent, seen + guard, &changed), None);
        assert!(scene.ends_at(sent, seen + 2 * guard - MOMENT, &changed).is_some());
    }
}

#[test]
fn the_members_that_still_move_at_the_end_are_told() {
    let before = nodes(1);
    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(1));
    let hanging = growing(&before, 2, |number| sample::serverless_member(number, "CREATE_IN_PROGRESS"));
    scene.ends_at(sent, Duration::ZERO, &hanging);
    let placeholder = InstanceId::of_member(before.group.uuid, MemberKey::Index(1), None);
    scene.ask(Ticket(2), Ask::Delete(vec![(placeholder, placeholder.to_string())]));
    let patience = Timing::default().timeouts.hanging_removal;
    assert_eq!(scene.ends_at(sent, patience - MOMENT, &hanging), None);
    let ended = scene.ends_at(sent, patience, &hanging).unwrap();
    assert!(ended.moving_are_named && ended.moving.len() == 1, "{ended:?}");

    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(1));
    scene.ends_at(sent, Duration::ZERO, &hanging);
    let ended = scene.ends_at(sent, Timing::default().timeouts.in_progress, &hanging).unwrap();
    assert!(!ended.moving_are_named && ended.moving.len() == 1, "{ended:?}");

    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(1));
    let ended = scene.ends_at(sent, Duration::from_secs(9), &touched(&nodes(2))).unwrap();
    assert!(!ended.moving_are_named && ended.moving.is_empty(), "nothing moves");
    assert!(scene.group.pending().may_replace(scene.now), "nothing was replaced");
}

/// Of a resize by which the count stays, the count does not tell whether Magnum has acted on it.
#[test]
fn the_failure_of_the_update_before_is_no_end_of_an_exchange() {
    let mut before = nodes(3);
    before.group.status = Status::parse("UPDATE_IN_PROGRESS");
    before.members[2].status = Status::parse("CREATE_IN_PROGRESS");
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, delete(2));
    scene.ask(Ticket(2), Ask::Increase(1));
    scene.wake();
    assert_eq!(scene.read_until_sent(&before).count, 3);
    scene.accepted();
    let mut failed = touched(&before);
    failed.group.status = Status::parse("UPDATE_FAILED");
    failed.members[2].status = Status::parse("CREATE_FAILED");
    assert_eq!(ends(&scene.read_to_the_end(&failed))[0].verdict, Verdict::Lost);
    assert_eq!(scene.read_until_sent(&failed).count, 3);
}

/// An old answer of Magnum catches up once; it has not acted each time that the resize is sent.
#[test]
fn what_magnum_told_when_the_resize_was_sent_again_is_no_sign_of_it() {
    let before = nodes(1);
    let (mut scene, times, _) = lose(&before, |_| touched(&before), 20);
    assert_eq!(times, 20, "it may still carry out what it was sent");
    assert_eq!(scene.shown().target_size, 3);
}

/// Heat lists new members whatever becomes of them, of an exchange as well.
#[test]
fn a_failure_of_an_exchange_of_which_heat_shows_nothing_is_no_end_for_long() {
    let (before, patience) = (nodes(3), Timing::default().timeouts.in_progress);
    let (mut scene, sent) = exchange(&before);
    let mut failed = touched(&before);
    failed.group.status = Status::parse("UPDATE_FAILED");
    let seen = Duration::from_secs(10);
    for after in [seen, Duration::from_secs(70), seen + patience - MOMENT] {
        assert_eq!(scene.ends_at(sent, after, &failed), None, "{after:?}");
    }
    assert_eq!(scene.ends_at(sent, seen + patience, &failed).unwrap().verdict, Verdict::PartlyLost);
}

/// A removal that had been taken for lost shows late, and Magnum has not begun with the resize that repeats it and adds a node.
#[test]
fn a_member_that_an_earlier_resize_removed_tells_no_end_of_an_exchange() {
    let (before, patience) = (nodes(3), Timing::default().timeouts.in_progress);
    let (mut scene, sent) = exchange(&before);
    let mut failed = touched(&before);
    failed.group.status = Status::parse("UPDATE_FAILED");
    failed.members.remove(1);
    failed.servers = Some(sample::servers([0, 2]));
    let seen = Duration::from_secs(10);
    assert_eq!(scene.ends_at(sent, seen, &failed), None);
    assert_eq!(scene.ends_at(sent, seen + patience - MOMENT, &failed), None);
    let ended = scene.ends_at(sent, seen + patience, &failed).unwrap();
    assert_eq!((ended.verdict, ended.shortage), (Verdict::Failed, 1));
}

/// Heat's answer is of before the resize, although an earlier one showed what came of it.
#[test]
fn members_that_are_back_do_not_tell_an_end() {
    let before = nodes(3);
    let (mut scene, sent) = exchange(&before);
    let mut going_on = touched(&before);
    going_on.members[1] = sample::serverless_member(3, "CREATE_IN_PROGRESS");
    going_on.group.status = Status::parse("UPDATE_IN_PROGRESS");
    assert_eq!(scene.ends_at(sent, Duration::from_secs(5), &going_on), None);
    let mut back = before;
    back.group = NodeGroup { status: Status::parse("UPDATE_FAILED"), ..going_on.group.clone() };
    for seconds in [60, 64, 120, 300] {
        assert_eq!(scene.ends_at(sent, Duration::from_secs(seconds), &back), None, "{seconds}");
    }
    let mut done = going_on;
    done.members[1] = sample::member(3);
    done.group.status = Status::parse("UPDATE_COMPLETE");
    assert_eq!(scene.ends_at(sent, Duration::from_secs(301), &done).unwrap().verdict, Verdict::Done);
}

/// An update of Heat that was left half done, and is finished with this one, removes what it was told then. Whoever asked for
/// that has asked again after a restart.
#[test]
fn nodes_whose_removal_waits_are_named() {
    let before = nodes(3);
    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(1));
    scene.ask(Ticket(2), delete(1));
    let mut done = touched(&nodes(5));
    done.members.remove(1);
    done.group.node_count = 4;
    let ended = scene.ends_at(sent, Duration::from_secs(5), &done);
    assert_eq!(ended.map(|ended| (ended.verdict, ended.gone_unnamed)), Some((Verdict::Done, Vec::new())));
}

/// Magnum answers from a replica that is minutes behind: its failure is that of an earlier update.
#[test]
fn an_answer_of_magnum_that_is_older_than_the_last_does_not_tell_an_end() {
    let mut before = nodes(1);
    before.group.written_at = "2026-01-01T00:09:00+00:00".parse().ok();
    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(2));
    let mut old = before.clone();
    old.group.status = Status::parse("UPDATE_FAILED");
    for (after, at) in [(5, "00:05:00"), (70, "00:06:00"), (100, "00:06:00"), (130, "00:08:49")] {
        old.group.written_at = format!("2026-01-01T{at}+00:00").parse().ok();
        assert_eq!(scene.ends_at(sent, Duration::from_secs(after), &old), None, "{at}");
    }
    // The clocks of Magnum's conductors may be so far apart.
    old.group.written_at = "2026-01-01T00:08:50+00:00".parse().ok();
    scene.ends_at(sent, Duration::from_secs(135), &old);
    assert!(scene.ends_at(sent, Duration::from_secs(139), &old).is_some());
}

/// It was accepted as a whole, and what becomes of each node then is its own matter.
#[test]
fn of_a_removal_that_did_not_happen_each_node_is_tried_alone() {
    let before = nodes(3);
    let mut scene = Scene::new(before.clone());
    let ids = [1, 2].map(|number| InstanceId::Server(sample::server(number)));
    scene.ask(CALLER, Ask::Delete(ids.map(|id| (id, id.to_string())).to_vec()));
    scene.wake();
    assert_eq!(scene.read_until_sent(&before).count, 1);
    scene.accepted();
    let mut failed = before.clone();
    failed.group.status = Status::parse("UPDATE_FAILED");
    failed.group.node_count = 1;
    failed.group.updated_at = "2026-01-01T00:01:00+00:00".to_owned();
    failed.servers = Some(sample::servers(0..3));
    // Somebody has raised the minimum meanwhile.
    failed.group.bounds.min = 2;
    assert_eq!(ends(&scene.read_to_the_end(&failed))[0].remaining.len(), 2);
    let resize = scene.read_until_sent(&failed);
    assert_eq!((resize.count, resize.remove), (2, vec![Removal::of(&sample::member(1))]));
}
