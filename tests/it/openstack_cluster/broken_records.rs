//! Magnum's records of node groups that cannot be understood, or that something else than Magnum answers for.

use super::*;

/// The list with one record changed by hand.
fn change_listed(scene: &Scene, number: usize, change: impl Fn(&mut Value) + Send + Sync + 'static) {
    let world = Arc::clone(&scene.world);
    let change = Arc::new(change);
    for cluster in ["k8s", "c1"] {
        let (world, change) = (Arc::clone(&world), Arc::clone(&change));
        scene.fake.on(&format!("GET /magnum/v1/clusters/{cluster}/nodegroups"), move |_| {
            let world = world.lock().unwrap();
            let master = json!({"uuid": MASTER, "name": "default-master", "role": "master",
                "stack_id": STACKS[0], "status": "CREATE_COMPLETE", "node_count": 1});
            let mut records = [world.record(0, false), world.record(1, false), master];
            change(&mut records[number]);
            ok(json!({"nodegroups": records}))
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_record_of_a_node_group_is_unreadable_and_never_gone() {
    type Break = fn(&mut Value);
    let breaks: [Break; 9] = [
        |record| record["name"] = Value::Null,
        |record| record["name"] = json!(5),
        |record| record["node_count"] = json!("2"),
        |record| record["node_count"] = json!(-1),
        |record| record["node_count"] = json!(1.5),
        |record| record["status"] = json!(["UPDATE_COMPLETE"]),
        |record| record["uuid"] = Value::Null,
        |record| record["uuid"] = json!("nonsense"),
        |record| *record = Value::Null,
    ];
    for (number, break_record) in breaks.into_iter().enumerate() {
        let scene = Scene::new(GroupSelection::All);
        let first = scene.first().await;
        change_listed(&scene, 1, break_record);
        let mut last = first.clone();
        for _ in 0..3 {
            last = scene.observe(Some(&last)).await;
            assert_eq!(last.groups.len(), 2, "change {number}");
            assert_eq!(reading(&last, 0).members.len(), 2);
            assert_eq!(last.groups[1].name, NAMES[1]);
            assert!(matches!(error(&last, 1), CloudError::Malformed { .. }), "{:?}", last.groups[1]);
        }
        change_listed(&scene, 1, |_| {});
        let mended = scene.observe(Some(&last)).await;
        assert_eq!(reading(&mended, 1).members, reading(&first, 1).members);
        // Of a group that was never read its UUID is all that can be told.
        let anew = Scene::new(GroupSelection::All);
        change_listed(&anew, 1, break_record);
        let anew = anew.observe(None).await;
        assert_eq!(reading(&anew, 0).members.len(), 2);
        assert_eq!(anew.groups.len(), if number < 6 { 2 } else { 1 }, "change {number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_record_of_a_group_that_is_not_scaled_is_no_group() {
    let scene = Scene::new(GroupSelection::All);
    scene.change(|world| world.groups[1].max = None);
    change_listed(&scene, 2, |master| master["node_count"] = json!("1"));
    let first = scene.first().await;
    assert_eq!(first.groups.len(), 1);
    change_listed(&scene, 1, |record| record["node_count"] = json!("1"));
    let mut last = first;
    for _ in 0..3 {
        last = scene.observe(Some(&last)).await;
        assert_eq!(last.groups.len(), 1);
    }
    let explicit = GroupSelection::new(vec!["1:5:default-worker".parse().unwrap()], vec![]).unwrap();
    let scene = Scene::new(explicit);
    change_listed(&scene, 1, |record| record["node_count"] = json!("1"));
    assert_eq!(scene.observe(None).await.groups.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_group_really_gone_is_gone_although_another_record_is_broken() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    let gone = |_: &openstack_fake::Asked| {
        ok(json!({"nodegroups": [{"uuid": GROUPS[0], "name": null, "role": "worker"}]}))
    };
    scene.fake.on("GET /magnum/v1/clusters/c1/nodegroups", gone);
    let second = scene.observe(Some(&first)).await;
    assert_eq!(second.groups.len(), 1);
    assert!(second.groups[0].reading.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_a_proxy_says_of_a_group_does_not_make_it_gone() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    let detail = format!("GET /magnum/v1/clusters/c1/nodegroups/{}", GROUPS[1]);
    let mut second = first;
    for said in
        ["<html>404 Not Found</html>", "default backend - 404", r#"{"message": "no Route matched"}"#, ""]
    {
        scene.fake.on(&detail, move |_| text(404, said));
        second = scene.observe(Some(&second)).await;
        assert!(matches!(error(&second, 1), CloudError::Malformed { .. }), "{:?}", second.groups[1]);
    }
    scene.fake.on(&detail, |_| ok(json!({"uuid": GROUPS[0], "name": "x", "max_node_count": 3})));
    let third = scene.observe(Some(&second)).await;
    assert!(error(&third, 1).to_string().contains("another node group"), "{:?}", third.groups[1]);
    scene.fake.on(&detail, |_| answer(404, json!({"errors": [{"detail": "Nodegroup could not be found."}]})));
    assert_eq!(scene.observe(Some(&third)).await.groups.len(), 1);
}
