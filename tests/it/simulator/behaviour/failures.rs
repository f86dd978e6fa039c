//! What fails, and what comes of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn quota_leaves_a_failed_member_that_is_tried_again() {
    let client = Client::new(lab()).await;
    client.simulator.set_quota(Some(4));
    assert_eq!(client.resize_and_settle("pool-b", 3, &[]).await, "UPDATE_FAILED");
    let group = client.group("pool-b");
    assert_eq!(group.node_count, 3, "what was asked for, not what exists");
    assert_eq!(client.servers("pool-b").len(), 2);
    assert!(client.simulator.servers().iter().all(|server| server.status == "ACTIVE"), "no ERROR server");
    let failed = group.members.iter().find(|member| member.server.is_none()).unwrap();
    assert_eq!((failed.status.as_str(), failed.reference.as_deref()), ("CREATE_FAILED", Some("kube-minion")));
    let sibling = group.members.iter().find(|member| member.index > 0 && member.server.is_some()).unwrap();
    assert_eq!(sibling.status, "CREATE_IN_PROGRESS", "and so it stays");
    assert_eq!(client.simulator.cluster_status(), "UPDATE_FAILED");
    // With room again, the next update makes it.
    client.simulator.set_quota(None);
    assert_eq!(client.resize_and_settle("pool-b", 3, &[]).await, "UPDATE_COMPLETE");
    assert_eq!(client.servers("pool-b").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failed_member_goes_by_its_index() {
    let client = Client::new(lab()).await;
    client.simulator.set_quota(Some(3));
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_FAILED");
    assert_eq!(client.resize_and_settle("pool-b", 1, &["1"]).await, "UPDATE_COMPLETE");
    assert_eq!(client.indices("pool-b"), [0]);
    assert_eq!(client.simulator.cluster_status(), "UPDATE_COMPLETE");
}

#[tokio::test(start_paused = true)]
async fn no_valid_host_leaves_a_server_in_error_that_is_replaced() {
    let client = Client::new(lab()).await;
    client.simulator.no_valid_host(true);
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_FAILED");
    let member = client.group("pool-b").members[1].clone();
    assert_eq!(
        member.reason,
        "ResourceInError: resources[1].resources.kube-minion: Went to status ERROR due to \"Message: No valid host \
         was found. , Code: 500\""
    );
    assert_eq!(client.servers("pool-b")[1].status, "ERROR");
    client.simulator.no_valid_host(false);
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_COMPLETE");
    assert_eq!(client.servers("pool-b").len(), 2);
    assert_ne!(client.server("pool-b", 1), member.server.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_failed_deployment_leaves_its_server_and_can_be_removed() {
    let client = Client::new(lab()).await;
    client.simulator.set_node_rule("*-node-1", NodeRule::fail());
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_FAILED");
    let server = client.server("pool-b", 1);
    assert_eq!(client.servers("pool-b")[1].status, "ACTIVE");
    assert_eq!(client.resize_and_settle("pool-b", 1, &[&server]).await, "UPDATE_COMPLETE");
    assert_eq!(client.indices("pool-b"), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_node_can_be_removed_meanwhile() {
    let client = Client::new(lab()).await;
    client.simulator.set_node_rule("*pool-b*-node-1", NodeRule::Hang);
    client.resize("pool-b", 2, &[]).await;
    sleep(600.0).await;
    assert_eq!(client.group("pool-b").status, "UPDATE_IN_PROGRESS");
    let server = client.server("pool-b", 1);
    assert_eq!(client.resize_and_settle("pool-b", 1, &[&server]).await, "UPDATE_COMPLETE");
    assert_eq!(client.indices("pool-b"), [0]);
    assert_eq!(client.servers("pool-b").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_node_ends_with_the_stack_or_with_its_rule() {
    let options = SimulatorOptions { token_lifetime: Duration::from_secs(36_000), ..lab() };
    let client = Client::new(options).await;
    client.simulator.set_node_rule("*pool-b*", NodeRule::Hang);
    client.resize("pool-b", 2, &[]).await;
    sleep(3590.0).await;
    assert_eq!(client.group("pool-b").status, "UPDATE_IN_PROGRESS");
    sleep(15.0).await;
    let group = client.group("pool-b");
    assert_eq!((group.status.as_str(), group.status_reason.as_str()), ("UPDATE_FAILED", "Timed out"));
    client.resize("pool-b", 3, &[]).await;
    sleep(30.0).await;
    assert_eq!(client.group("pool-b").status, "UPDATE_IN_PROGRESS");
    client.simulator.clear_node_rules();
    assert_eq!(client.settle("pool-b").await, "UPDATE_COMPLETE");
}

#[tokio::test(start_paused = true)]
async fn a_server_deleted_behind_heats_back_is_not_noticed() {
    let client = Client::new(lab_with(2)).await;
    let gone = client.server("pool-b", 0);
    let answer = client.call("DELETE", &format!("/compute/v2.1/servers/{gone}"), None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(client.resize_and_settle("pool-b", 3, &[]).await, "UPDATE_COMPLETE");
    assert_eq!(client.refs_map("pool-b").await["0"], json!(gone));
    assert_eq!(client.servers("pool-b").len(), 2, "growing does not replace it");
    assert_eq!(client.resize_and_settle("pool-b", 2, &[&gone]).await, "UPDATE_COMPLETE");
    assert_eq!(client.indices("pool-b"), [1, 2]);
    assert_eq!(client.servers("pool-b").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn shrinking_by_count_can_leave_a_complete_group_without_a_server() {
    let client = Client::new(lab_with(2)).await;
    assert!(client.simulator.delete_server(&client.server("pool-b", 0)));
    assert_eq!(client.resize_and_settle("pool-b", 1, &[]).await, "UPDATE_COMPLETE");
    assert_eq!((client.group("pool-b").node_count, client.servers("pool-b").len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_broken_member_fails_every_grow_until_it_is_removed() {
    let client = Client::new(lab_with(2)).await;
    assert!(client.simulator.break_member("pool-b", 1));
    for count in [3, 4] {
        assert_eq!(client.resize_and_settle("pool-b", count, &[]).await, "UPDATE_FAILED");
        assert_eq!(client.servers("pool-b").len(), 1);
    }
    assert!(client.refs_map("pool-b").await["1"].as_str().unwrap().starts_with("arn:openstack:heat::"));
    assert_eq!(client.resize_and_settle("pool-b", 3, &["1"]).await, "UPDATE_COMPLETE");
    assert_eq!(client.indices("pool-b"), [0, 2, 3]);
    assert_eq!(client.servers("pool-b").len(), 3);
}
