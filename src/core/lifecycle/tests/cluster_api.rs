//! Resizes of a group whose machines Cluster API makes.

use super::*;
use crate::core::{
    capabilities::{Capabilities, MemberSource},
    sample,
};

fn of_cluster_api(count: u32) -> Reading {
    let capabilities = Capabilities { source: MemberSource::Nova, ..Capabilities::default() };
    Reading { capabilities: Arc::new(capabilities), ..nodes(count) }
}

/// Cluster API deletes a marked machine only when there is one too many; one that stays takes the next one's place.
#[test]
fn cluster_api_is_never_asked_to_remove_and_to_add_at_once() {
    let before = of_cluster_api(3);
    let mut scene = Scene::new(before.clone());
    scene.ask(Ticket(1), Ask::Increase(1));
    scene.ask(Ticket(2), delete(1));
    scene.ask(Ticket(3), delete(2));
    let sent = scene.read_until_sent(&before);
    assert_eq!(sent, Resize { count: 4, remove: Vec::new(), additions: 1 });
    scene.accepted();
    assert_eq!(scene.shown().target_size, 2, "what waits is shown");
    let mut grown = growing(&before, 4, sample::member);
    grown.group.status = Status::parse("UPDATE_COMPLETE");
    scene.read_to_the_end(&grown);
    let sent = scene.read_until_sent(&grown);
    let remove = [1, 2].map(|number| Removal::of(&sample::member(number))).to_vec();
    assert_eq!(sent, Resize { count: 2, remove, additions: 0 });

    // At its minimum a broken node cannot be replaced by its removal either.
    let mut at_minimum = nodes(1);
    at_minimum.members[0].status = Status::parse("CREATE_FAILED");
    at_minimum.group.bounds.min = 1;
    at_minimum.capabilities = before.capabilities;
    let mut scene = Scene::new(at_minimum.clone());
    assert_eq!(scene.shown().instances[0].error, None, "nobody is asked to delete what cannot go");
    let refused = scene.ask(CALLER, delete(0));
    assert_eq!(answers(&refused), [(CALLER, false)]);
}

/// Nova tells of Cluster API's machines alone, and an old answer of it lacks the newest.
#[test]
fn a_node_that_an_old_answer_of_nova_may_lack_is_not_gone_yet() {
    let moment = Duration::from_secs(1);
    let (before, timeouts) = (of_cluster_api(3), Timing::default().timeouts);
    let mut old = of_cluster_api(2);
    old.group.updated_at = "2026-01-01T00:01:00+00:00".to_owned();
    let mut done = old.clone();
    done.members = vec![sample::member(1), sample::member(2)];

    let (mut scene, sent) = Scene::sent(&before, delete(0));
    assert_eq!(scene.ends_at(sent, moment, &old), None);
    assert_eq!(scene.ends_at(sent, timeouts.oldest_answer - moment, &old), None);
    assert_eq!(scene.ends_at(sent, timeouts.oldest_answer, &done), None, "which of them is old?");
    let unchanged = timeouts.oldest_answer + timeouts.in_progress;
    assert_eq!(scene.ends_at(sent, unchanged, &done).unwrap().verdict, Verdict::Done);

    let (mut scene, sent) = Scene::sent(&before, delete(0));
    assert_eq!(scene.ends_at(sent, moment, &old), None);
    assert_eq!(scene.ends_at(sent, timeouts.oldest_answer, &old).unwrap().verdict, Verdict::WrongRemoval);
}
