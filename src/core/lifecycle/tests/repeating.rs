//! A resize without effect is sent again, as far as that can cost no node.

use super::*;
use crate::core::{decision::GoneWith, sample};

/// A removal that was lost, and that is due to be sent again.
fn lost_removal(before: &Reading) -> Scene {
    let mut scene = Scene::new(before.clone());
    scene.ask(CALLER, delete(1));
    scene.wake();
    scene.read_until_sent(before);
    scene.accepted();
    assert_eq!(ends(&scene.read_to_the_end(before))[0].verdict, Verdict::Lost);
    scene.wake();
    scene
}

fn refusals(effects: &[Effect]) -> Vec<RequestError> {
    let refusal = |effect: &Effect| match effect {
        Effect::Tell(Decision { kind: DecisionKind::ResizeRefused { error }, .. }) => Some(error.clone()),
        _ => None,
    };
    effects.iter().filter_map(refusal).collect()
}

/// Reads the same for as long as contradictions are waited for.
fn read_patiently(scene: &mut Scene, reading: &Reading) -> Vec<Effect> {
    scene.read(reading);
    scene.wait(Timing::default().timeouts.in_progress);
    let begun = scene.now;
    scene.step(Event::Read { reading: Ok(Arc::new(reading.clone())), begun })
}

/// By its count Heat would take the node that somebody else has added.
#[test]
fn a_resize_is_not_repeated_where_it_would_take_another_node() {
    let mut scene = lost_removal(&nodes(3));
    let told = scene.read(&nodes(4));
    let group = scene.group.id().to_owned();
    assert_eq!(refusals(&told), [RequestError::ChangedMeanwhile { group, count: 2, current: 4 }]);
    assert_eq!(scene.group.work(), Work::Nothing);
}

#[test]
fn a_resize_is_not_repeated_where_nova_has_servers_that_heat_does_not_know() {
    let before = nodes(3);
    let mut scene = lost_removal(&before);
    let mut unknown = before;
    unknown.servers = Some(sample::servers(0..4));
    let told = read_patiently(&mut scene, &unknown);
    assert!(matches!(refusals(&told)[..], [RequestError::Contradiction { .. }]), "{told:?}");
    assert_eq!(scene.group.work(), Work::Nothing);
}

/// Heat knows all servers there are: no other node can go.
#[test]
fn a_resize_is_repeated_where_only_servers_have_gone() {
    let before = nodes(3);
    let mut scene = lost_removal(&before);
    let mut outnumbered = before;
    outnumbered.members[2].presence = ServerPresence::Gone;
    outnumbered.group.node_count = 9;
    outnumbered.servers = Some(sample::servers(0..2));
    let told = read_patiently(&mut scene, &outnumbered);
    assert_eq!(refusals(&told), []);
    assert!(matches!(scene.group.work(), Work::Send(Resize { count: 2, .. })), "{told:?}");
}

/// That Magnum refuses it now says nothing of what it took before.
#[test]
fn a_repetition_that_is_refused_is_no_end() {
    let before = nodes(3);
    let mut scene = lost_removal(&before);
    let sent = scene.read_until_sent(&before);
    scene.step(Event::ResizeAnswered(Err(CloudError::Unsuitable("no".to_owned()))));
    assert!(matches!(scene.group.phase(), Phase::Following { .. }));
    let mut done = before.clone();
    done.members.remove(1);
    done.group.node_count = 2;
    assert_eq!(ends(&scene.read_to_the_end(&done))[0].verdict, Verdict::Done);

    // As often as anything is tried.
    let mut scene = lost_removal(&before);
    let told = loop {
        assert_eq!(scene.read_until_sent(&before), sent);
        let told = scene.step(Event::ResizeAnswered(Err(CloudError::Unsuitable("no".to_owned()))));
        if !refusals(&told).is_empty() {
            break told;
        }
        scene.read_to_the_end(&before);
    };
    assert_eq!(refusals(&told), [RequestError::Cloud(CloudError::Unsuitable("no".to_owned()))]);
    assert_eq!(scene.group.work(), Work::Nothing);
}

/// Magnum has come to it after all.
#[test]
fn a_resize_that_shows_an_effect_is_followed_and_not_repeated() {
    let before = nodes(3);
    let mut scene = lost_removal(&before);
    let mut done = before;
    done.members.remove(1);
    done.group.node_count = 2;
    scene.read(&done);
    assert!(matches!(scene.group.phase(), Phase::Following { .. }));
    assert_eq!(ends(&scene.read_to_the_end(&done))[0].verdict, Verdict::Done);
}

/// A stopped conductor carries it out when it is back, after all.
#[test]
fn a_removal_that_was_given_up_and_comes_late_is_no_wrong_one() {
    let mut scene = lost_removal(&nodes(3));
    let grown = nodes(4);
    assert_eq!(refusals(&scene.read(&grown)).len(), 1);
    scene.ask(Ticket(2), delete(2));
    scene.wake();
    assert_eq!(scene.read_until_sent(&grown).count, 3);
    scene.accepted();
    let mut both_gone = grown;
    both_gone.members.retain(|member| ![1, 2].map(MemberKey::Index).contains(&member.key));
    both_gone.group.node_count = 3;
    both_gone.servers = Some(sample::servers([0, 3]));
    let told = scene.read(&both_gone);
    let gone = told.iter().find_map(|effect| match effect {
        Effect::Tell(Decision { kind: DecisionKind::NodesGone { nodes, with }, .. }) => {
            Some((nodes.len(), with))
        }
        _ => None,
    });
    assert_eq!(gone, Some((1, &GoneWith::GivenUpRemoval)));
    let ended = ends(&scene.read_to_the_end(&both_gone)).pop().unwrap();
    assert_eq!(ended.verdict, Verdict::Failed, "one node is missing");
}

/// A node of an earlier increase, which was taken for over, comes while the conductor that has the next one is dead.
#[test]
fn the_end_of_an_earlier_increase_is_no_end_of_the_next() {
    let timeout = Timing::default().effect_timeout;
    let mut before = nodes(2);
    before.servers = Some(sample::servers(0..2));
    before.group.node_count = 3;
    let (mut scene, sent) = Scene::sent(&before, Ask::Increase(2));
    let mut earlier = nodes(3);
    earlier.group.updated_at = "2026-01-01T00:01:00+00:00".to_owned();
    earlier.servers = Some(sample::servers(0..3));
    earlier.group.status = Status::parse("UPDATE_COMPLETE");
    assert_eq!(scene.ends_at(sent, Duration::from_secs(10), &earlier), None);
    assert_eq!(scene.ends_at(sent, timeout - Duration::from_millis(1), &earlier), None);
    let ended = scene.ends_at(sent, timeout, &earlier).unwrap();
    assert_eq!((ended.verdict, ended.shortage), (Verdict::Lost, 1));
    assert!(scene.shown().instances.iter().all(|instance| instance.error.is_none()), "it is sent again");
    assert_eq!(scene.read_until_sent(&earlier).count, 4);
}
