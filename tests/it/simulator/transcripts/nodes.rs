//! Groups while nodes come, go and fail, as Heat and Nova show them.

use std::time::Duration;

use cluster_autoscaler_provider_magnum::simulator::NodeRule;

use super::comparison::compare;
use crate::simulator::client::{Client, lab, sleep};

/// Brings pool-b to where its only member has this index.
pub(super) async fn with_sole_member(index: u32) -> Client {
    let client = Client::new(lab()).await;
    for removed in 0..index {
        assert_eq!(client.resize_and_settle("pool-b", 1, &[&removed.to_string()]).await, "UPDATE_COMPLETE");
    }
    assert_eq!(client.indices("pool-b"), [index]);
    client
}

#[tokio::test(start_paused = true)]
async fn two_nodes_at_rest_are_shown_as_recorded() {
    let client = Client::new(lab()).await;
    client.resize_and_settle("default-worker", 2, &[]).await;
    compare(&client, &["heat-kube_minions-stack-2-nodes", "heat-kube_minions-stack-resources-2-nodes"]).await;
}

#[tokio::test(start_paused = true)]
async fn no_node_is_shown_as_recorded() {
    let client = Client::new(lab()).await;
    client.resize_and_settle("pool-b", 0, &[]).await;
    compare(&client, &["heat-kube_minions-zero-nodes-stack", "heat-kube_minions-zero-nodes-resources"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_and_a_removal_are_shown_as_recorded() {
    let client = with_sole_member(12).await;
    client.resize("pool-b", 2, &[]).await;
    sleep(1.2).await;
    compare(
        &client,
        &["heat-kube_minions-during-create-early-stack", "heat-kube_minions-during-create-early-resources"],
    )
    .await;
    client.settle("pool-b").await;
    client.resize("pool-b", 1, &[&client.server("pool-b", 12)]).await;
    // Just when the group has been come to, and before the update of the other member has begun.
    sleep(0.61).await;
    compare(&client, &["heat-kube_minions-during-delete-stack", "heat-kube_minions-during-delete-resources"])
        .await;
    let servers = client.servers("pool-b");
    assert!(servers.iter().all(|server| server.status == "ACTIVE"), "{servers:?}");
    assert_eq!(servers.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_node_is_shown_as_recorded() {
    let client = with_sole_member(8).await;
    // Index 9 was removed before as well.
    client.resize_and_settle("pool-b", 2, &[]).await;
    client.resize_and_settle("pool-b", 1, &["9"]).await;
    client.simulator.set_node_rule("*-node-10", NodeRule::Hang);
    client.resize("pool-b", 2, &[]).await;
    sleep(20.0).await;
    compare(&client, &["heat-kube_minions-node-hanging-stack", "heat-kube_minions-node-hanging-resources"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_deployment_is_shown_as_recorded() {
    let client = with_sole_member(8).await;
    client.resize_and_settle("pool-b", 3, &[]).await;
    client.resize_and_settle("pool-b", 1, &["9", "10"]).await;
    client.simulator.set_node_rule("*-node-11", NodeRule::fail());
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_FAILED");
    compare(
        &client,
        &["heat-kube_minions-deployment-failed-stack", "heat-kube_minions-deployment-failed-resources"],
    )
    .await;
}

/// pool-b with member 8 and, after a grow by two over quota, 9 failed and 10 made. Which of two siblings gets the
/// last place is left to chance; in the recorded run it was the second.
async fn after_quota_failure() -> Client {
    for seed in 0..50 {
        let mut options = lab();
        options.seed = seed;
        options.server_delete_time = Duration::from_secs(20);
        let client = Client::new(options).await;
        for removed in 0..8 {
            client.resize_and_settle("pool-b", 1, &[&removed.to_string()]).await;
        }
        client.simulator.set_quota(Some(4));
        assert_eq!(client.resize_and_settle("pool-b", 3, &[]).await, "UPDATE_FAILED");
        sleep(3.0).await;
        if client.group("pool-b").members[1].server.is_none() {
            return client;
        }
    }
    panic!("no seed gives the last place to the second sibling");
}

#[tokio::test(start_paused = true)]
async fn a_quota_failure_is_shown_as_recorded() {
    let client = after_quota_failure().await;
    compare(
        &client,
        &[
            "heat-kube_minions-quota-failed-stack",
            "heat-kube_minions-quota-failed-resources",
            "magnum-nodegroup-get-update-failed-quota",
            "magnum-cluster-get-update-failed-quota",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_member_without_its_stack_is_shown_as_recorded() {
    let client = after_quota_failure().await;
    // The good sibling goes, and the failed one fails again before it is gone.
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_FAILED");
    let reason = client.group("pool-b").status_reason;
    let expected = "Resource UPDATE failed: resources[9]: resources.kube_minions.Resource CREATE failed: Forbidden: \
        resources.kube-minion: Quota exceeded for instances: Requested 1, but already used 4 of 4 instances (HTTP 403)";
    assert!(reason.starts_with(expected), "{reason}");
    assert_eq!(client.resize_and_settle("pool-b", 3, &[]).await, "UPDATE_FAILED");
    client.simulator.set_quota(None);
    assert_eq!(client.resize_and_settle("pool-b", 4, &[]).await, "UPDATE_FAILED");
    sleep(3.0).await;
    compare(
        &client,
        &["heat-kube_minions-quota-failed-2-stack", "heat-kube_minions-quota-failed-2-resources"],
    )
    .await;
    let reason = client.group("pool-b").status_reason;
    let expected =
        "Resource UPDATE failed: resources.kube_minions: Resource UPDATE failed: resources[10]: The Stack (";
    assert!(reason.starts_with(expected), "{reason}");
}
