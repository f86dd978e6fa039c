//! The service dies the moment it has sent something.

use std::collections::BTreeSet;

use tonic::Code;

use crate::{
    autoscaler::provider_id,
    openstack::{Group, by_age, ids},
    scene::{CHANGE, Scene, eventually, play},
    site::Site,
};

/// How often Magnum may have copied Heat's count by itself.
const TRIES: usize = 3;

pub(crate) async fn what_was_sent_before_a_crash_happens_once(site: Site) {
    play("what_was_sent_before_a_crash_happens_once", site, async |scene| {
        let first = scene.group_with_room(2, None).await;
        let group = scene.group_with_room(1, Some(&first)).await;
        let start = scene.servers(&group).await;
        let oldest = by_age(&start).remove(0);

        scene.autoscaler().increase_size(&group.id, 1).await.expect("IncreaseSize");
        scene.await_resize().await;
        scene.crash().await;
        let new = scene.settle(&group, &ids(&start), 1).await;
        assert_eq!(scene.service().resizes_sent().await, 0, "the resize of before was adopted");

        let mut stay = ids(&start);
        stay.extend(new);
        stay.remove(&oldest);
        let node = provider_id(&oldest);
        scene.autoscaler().delete_nodes(&group.id, &[&node]).await.expect("DeleteNodes");
        scene.await_resize().await;
        scene.crash().await;
        // Whether the new process sees the node as a member, as leaving or not at all, nobody else goes.
        let again = scene.autoscaler().delete_nodes(&group.id, &[&node]).await;
        println!("the same removal at once after the restart: {again:?}");
        scene.settle(&group, &stay, 0).await;

        scene.crash().await;
        let again = scene.autoscaler().delete_nodes(&group.id, &[&node]).await;
        println!("the same removal when it was long gone: {again:?}");
        assert_eq!(again.unwrap_err().code(), Code::NotFound);
        scene.settle(&group, &stay, 0).await;
        assert_eq!(scene.service().resizes_sent().await, 0);
    })
    .await;
}

pub(crate) async fn a_removal_by_an_update_of_the_stack_is_finished_after_a_crash(site: Site) {
    let site = Site { resize_method: Some("heat".to_owned()), ..site };
    play("a_removal_by_an_update_of_the_stack_is_finished_after_a_crash", site, async |scene| {
        let group = scene.group_with_room(2, None).await;
        scene.grow(&group, 2).await;
        let mut stay = None;
        for _ in 0..TRIES {
            stay = stop_between_the_steps(scene, &group).await;
            if stay.is_some() {
                break;
            }
            scene.grow(&group, 1).await;
        }
        let stay = stay.expect("a removal of which nobody has told Magnum");
        let after = u32::try_from(stay.len()).unwrap();

        scene.start_again().await;
        scene.settle(&group, &stay, 0).await;
        assert_eq!(scene.openstack.count_in_heat(&group).await, Ok(after));
        assert_eq!(scene.openstack.record(&group).await.unwrap().node_count, Some(after));
        assert_eq!(scene.service().heat_updates_sent().await, 0, "the first step is not repeated");
        assert_eq!(scene.service().resizes_sent().await, 1, "the second step");

        let surplus = by_age(&scene.servers(&group).await).into_iter().take(1).collect();
        scene.remove(&group, &surplus).await;
    })
    .await;
}

/// Removes the oldest node, and kills the service after the first step. The servers that are left; none where Magnum has
/// copied Heat's count by itself: its status sync may still be at the update before, though Magnum shows it as ended.
async fn stop_between_the_steps(scene: &mut Scene, group: &Group) -> Option<BTreeSet<String>> {
    eventually("Magnum to stop copying Heat's counts", CHANGE, async || {
        scene.openstack.cluster_at_rest().await
    })
    .await;
    let start = scene.servers(group).await;
    let oldest = by_age(&start).remove(0);
    let (before, after) = (u32::try_from(start.len()).unwrap(), u32::try_from(start.len() - 1).unwrap());

    let updates = scene.service().heat_updates_sent().await;
    scene.autoscaler().delete_nodes(&group.id, &[&provider_id(&oldest)]).await.expect("DeleteNodes");
    eventually("the first step", CHANGE, async || match scene.service().heat_updates_sent().await {
        number if number == updates + 1 => Ok(()),
        number => Err(format!("{number} updates of a stack")),
    })
    .await;
    scene.kill().await;
    eventually("Heat to be done with the first step", CHANGE, async || {
        match scene.openstack.count_in_heat(group).await? {
            count if count == after => Ok(()),
            count => Err(format!("Heat was told {count} nodes")),
        }
    })
    .await;
    let mut stay = ids(&start);
    stay.remove(&oldest);
    assert_eq!(ids(&scene.servers(group).await), stay);
    let record = scene.openstack.record(group).await.unwrap();
    println!("between the two steps: Heat counts {after}, Magnum {:?}", record.node_count);
    if record.node_count == Some(before) {
        return Some(stay);
    }
    assert_eq!(record.node_count, Some(after));
    scene.start_again().await;
    scene.settle(group, &stay, 0).await;
    None
}
