//! Servers that are gone although Heat still has their members.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_server_deleted_behind_heats_back_is_gone_once_nova_confirms_it() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    let (gone, renamed) = (server(1, 3), server(0, 0));
    scene.change(|world| world.servers.retain(|(id, _)| *id != gone && *id != renamed));
    scene.fake.on(&format!("GET /nova/v2.1/servers/{renamed}"), |_| ok(json!({"server": {}})));
    let second = scene.observe(Some(&first)).await;
    assert_eq!(member(&second, 1, 3).presence, ServerPresence::Gone);
    assert_eq!(member(&second, 0, 0).presence, ServerPresence::Present);
    scene.asked();
    let third = scene.observe(Some(&second)).await;
    assert_eq!(member(&third, 1, 3).presence, ServerPresence::Gone);
    assert!(!scene.asked().iter().any(|asked| asked.contains(&gone)), "it was confirmed already");
    let now = scene.cluster.read_group(GROUPS[1].parse().unwrap()).await.unwrap();
    assert_eq!(now.members, reading(&third, 1).members);
    let anew = scene.observe(None).await;
    assert_eq!(member(&anew, 1, 3).presence, ServerPresence::Unknown, "it was never seen");
}

#[tokio::test(start_paused = true)]
async fn a_soft_deleted_server_is_gone() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    let gone = server(1, 3);
    scene.change(|world| world.servers.retain(|(id, _)| *id != gone));
    scene
        .fake
        .on(&format!("GET /nova/v2.1/servers/{gone}"), |_| ok(json!({"server": {"status": "SOFT_DELETED"}})));
    let second = scene.observe(Some(&first)).await;
    assert_eq!(member(&second, 1, 3).presence, ServerPresence::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_new_server_that_an_old_answer_of_nova_lacks_is_not_gone() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    scene.change(|world| {
        let group = &mut world.groups[1];
        group.status = "UPDATE_FAILED";
        group.updated_at = "2";
        group.members.insert(4, ("CREATE_FAILED", "2"));
        group.refs_map.insert(4, server(1, 4));
    });
    let new = Instant::now();
    let mut last = scene.observe(Some(&first)).await;
    while new.elapsed() < Duration::from_secs(300) {
        assert_eq!(member(&last, 1, 4).presence, ServerPresence::Unknown, "after {:?}", new.elapsed());
        assert!(!member(&last, 1, 4).is_serverless());
        tokio::time::advance(Duration::from_secs(30)).await;
        last = scene.observe(Some(&last)).await;
    }
    assert_eq!(member(&last, 1, 4).presence, ServerPresence::Gone, "no answer is that old");
}
