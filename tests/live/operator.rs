//! An operator at the wheel: what is changed through Magnum shows with the next Refresh.

use crate::{
    openstack::ids,
    scene::{CHANGE, Scene, eventually, play},
    site::Site,
};

/// The largest size that NodeGroups tells of a group.
async fn maximum(scene: &Scene, group: &str) -> u32 {
    let groups = scene.autoscaler().node_groups().await.expect("NodeGroups");
    let group = groups.into_iter().find(|described| described.id == group).expect("the group");
    u32::try_from(group.max_size).unwrap()
}

pub(crate) async fn a_resize_and_a_new_maximum_show_with_the_next_refresh(site: Site) {
    play("a_resize_and_a_new_maximum_show_with_the_next_refresh", site, async |scene| {
        let first = scene.group_with_room(1, None).await;
        let group = scene.group_with_room(1, Some(&first)).await;
        let start = ids(&scene.servers(&group).await);
        let size = u32::try_from(start.len()).unwrap();

        for (wanted, new) in [(size + 1, 1), (size, 0)] {
            scene.openstack.resize(&group, wanted).await;
            eventually("Magnum's record of the operator's resize", CHANGE, async || {
                let record = scene.openstack.record(&group).await?;
                let taken = record.node_count == Some(wanted)
                    && record.status.as_deref() == Some("UPDATE_IN_PROGRESS");
                if taken { Ok(()) } else { Err(format!("{record:?}")) }
            })
            .await;
            scene.autoscaler().refresh().await.expect("Refresh");
            let target = scene.autoscaler().target_size(&group.id).await.expect("TargetSize");
            // A shrinking group keeps its members until Heat has taken them out.
            if new > 0 {
                assert_eq!(target, usize::try_from(wanted).unwrap());
            }
            scene.settle(&group, &start, new).await;
        }

        let before = maximum(scene, &group.id).await;
        for wanted in [before + 1, before] {
            scene.openstack.set_maximum(&group, wanted).await;
            eventually("Magnum's record of the new maximum", CHANGE, async || {
                let record = scene.openstack.record(&group).await?;
                if record.max_node_count == Some(wanted) { Ok(()) } else { Err(format!("{record:?}")) }
            })
            .await;
            scene.autoscaler().refresh().await.expect("Refresh");
            assert_eq!(maximum(scene, &group.id).await, wanted);
            scene.rest().await;
        }
        assert_eq!(scene.service().resizes_sent().await, 0, "all that was the operator's");
    })
    .await;
}
