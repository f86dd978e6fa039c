//! The service dies the moment it has sent something.

use crate::{
    autoscaler::provider_id,
    openstack::{by_age, ids},
    scene::play,
    site::Site,
};
use tonic::Code;

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
