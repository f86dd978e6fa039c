//! A resize without effect is sent again, as far as that can cost no node.

use super::*;
use crate::core::sample;

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
