//! Answers that contradict each other, or that belong to a group or cluster made anew.

use super::*;

#[tokio::test(start_paused = true)]
async fn contradictions_are_read_again_and_then_told() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    scene.change(|world| {
        world.groups[1].members.insert(4, ("CREATE_COMPLETE", "2"));
    });
    let started = Instant::now();
    let second = scene.observe(Some(&first)).await;
    assert!(matches!(error(&second, 1), CloudError::Inconsistent(text) if text.contains("pool-b")));
    assert!(started.elapsed() >= Duration::from_millis(400));
    assert_eq!(reading(&second, 0).members.len(), 2);
    let told = scene.cluster.read_group(GROUPS[1].parse().unwrap()).await;
    assert!(matches!(told, Err(CloudError::Inconsistent(_))));
    let world = Arc::clone(&scene.world);
    let (told, ()) = tokio::join!(scene.cluster.read_group(GROUPS[1].parse().unwrap()), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.lock().unwrap().groups[1].refs_map.insert(4, server(1, 4));
    });
    assert_eq!(told.unwrap().members.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_heat_engine_left_is_read_by_its_definition() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    scene.change(|world| {
        let group = &mut world.groups[1];
        group.status = "UPDATE_IN_PROGRESS";
        group.members.insert(4, ("UPDATE_IN_PROGRESS", "2"));
        group.members.remove(&3);
    });
    let now = scene.observe(Some(&first)).await;
    let counted: Vec<String> = reading(&now, 1).counted().map(|member| member.key.to_string()).collect();
    assert_eq!(counted, ["0", "3"], "what Heat counts: 3 is still to be listed, 4 is on its way out");
    assert_eq!(member(&now, 1, 3).server.unwrap().to_string(), server(1, 3));
    assert!(!member(&now, 1, 4).counted);

    // With no witness for the size nothing is believed.
    scene.change(|world| world.groups[1].node_count = Some(3));
    let told = scene.cluster.read_group(GROUPS[1].parse().unwrap()).await;
    assert!(matches!(told, Err(CloudError::Inconsistent(_))));
}

#[tokio::test(start_paused = true)]
async fn a_group_made_anew_is_looked_up_again() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    script_stack(&scene.fake, &scene.world, 1, "anew");
    scene.change(|world| world.groups[1].minions = "anew");
    let now = scene.cluster.read_group(GROUPS[1].parse().unwrap()).await.unwrap();
    assert_eq!(now.members.len(), 2);
    let second = scene.observe(Some(&first)).await;
    assert_eq!(reading(&second, 1).members.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_made_anew_under_its_name_is_found_again() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    let gone = |_: &openstack_fake::Asked| {
        answer(404, json!({"errors": [{"detail": "Cluster c1 could not be found."}]}))
    };
    scene.fake.on("GET /magnum/v1/clusters/c1", gone);
    scene.fake.on("GET /magnum/v1/clusters/c1/nodegroups", gone);
    scene.fake.on("GET /magnum/v1/clusters/k8s", |_| {
        ok(json!({"uuid": "c2", "name": "k8s", "status": "CREATE_COMPLETE"}))
    });
    scene.fake.on("GET /magnum/v1/clusters/k8s/nodegroups", |_| ok(json!({"nodegroups": []})));
    assert_eq!(scene.observe(Some(&first)).await.groups.len(), 0);
    scene.fake.on("GET /magnum/v1/clusters/c2/nodegroups", |_| ok(json!({"nodegroups": []})));
    scene.asked();
    scene.observe(Some(&first)).await;
    assert_eq!(scene.asked(), ["list"]);
}
