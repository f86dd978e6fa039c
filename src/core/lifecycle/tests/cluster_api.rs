//! Resizes of a group whose machines Cluster API makes.

use super::*;
use crate::core::{
    capabilities::{Capabilities, MemberSource},
    sample,
};

/// Cluster API deletes a marked machine only when there is one too many; one that stays takes the next one's place.
#[test]
fn cluster_api_is_never_asked_to_remove_and_to_add_at_once() {
    let mut before = nodes(3);
    before.capabilities = Arc::new(Capabilities { source: MemberSource::Nova, ..Capabilities::default() });
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
