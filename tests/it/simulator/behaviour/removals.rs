//! Who goes with a resize.

use super::*;

/// What is left of six members after a shrink to five that names this.
async fn left_of_six(name: impl FnOnce(&Client) -> String) -> Vec<u32> {
    let client = Client::new(lab_with(6)).await;
    let before = uuids(&client, "pool-b");
    let name = name(&client);
    assert_eq!(client.resize_and_settle("pool-b", 5, &[&name]).await, "UPDATE_COMPLETE");
    let left = client.indices("pool-b");
    assert!(left.iter().all(|index| client.server("pool-b", *index) == before[index]));
    assert_eq!(client.servers("pool-b").len(), left.len());
    assert_eq!(client.group("pool-b").minions_to_remove, [name]);
    left
}

#[tokio::test(start_paused = true)]
async fn a_server_uuid_or_an_index_removes_that_node() {
    assert_eq!(left_of_six(|client| client.server("pool-b", 1)).await, [0, 2, 3, 4, 5]);
    assert_eq!(left_of_six(|_| "0".to_owned()).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_matches_nothing_takes_the_highest_index() {
    let highest_gone = [0, 1, 2, 3, 4];
    assert_eq!(left_of_six(|client| client.server("pool-b", 2).replace('-', "")).await, highest_gone);
    assert_eq!(left_of_six(|_| "deadbeef-dead-4eef-8ead-deadbeefdead".to_owned()).await, highest_gone);
    assert_eq!(left_of_six(|client| client.server("default-worker", 0)).await, highest_gone);
    assert_eq!(left_of_six(|client| client.servers("pool-b")[1].name.clone()).await, highest_gone);
    assert_eq!(left_of_six(|_| "10.0.0.12".to_owned()).await, highest_gone);
    assert_eq!(left_of_six(|_| String::new()).await, highest_gone);
}

#[tokio::test(start_paused = true)]
async fn two_names_with_the_count_down_by_one_make_a_new_node() {
    let client = Client::new(lab_with(5)).await;
    let names = [client.server("pool-b", 0), client.server("pool-b", 1)];
    assert_eq!(client.resize_and_settle("pool-b", 4, &[&names[0], &names[1]]).await, "UPDATE_COMPLETE");
    assert_eq!(client.indices("pool-b"), [2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn one_name_with_the_count_unchanged_replaces_and_with_two_less_takes_the_highest_too() {
    let client = Client::new(lab_with(3)).await;
    client.resize_and_settle("pool-b", 3, &["1"]).await;
    assert_eq!(client.indices("pool-b"), [0, 2, 3]);
    client.resize_and_settle("pool-b", 1, &["0"]).await;
    assert_eq!(client.indices("pool-b"), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_retried_takes_a_healthy_node() {
    let client = Client::new(lab_with(2)).await;
    let removed = client.server("pool-b", 0);
    client.resize_and_settle("pool-b", 1, &[&removed]).await;
    assert_eq!(client.indices("pool-b"), [1]);
    client.resize_and_settle("pool-b", 2, &[]).await;
    assert_eq!(client.indices("pool-b"), [1, 2], "a name that was removed by name is never used again");
    client.resize_and_settle("pool-b", 1, &[&removed]).await;
    assert_eq!(client.indices("pool-b"), [1], "and the new one went for nothing");
}

#[tokio::test(start_paused = true)]
async fn an_index_removed_by_count_is_used_again_with_another_server() {
    let client = Client::new(lab_with(2)).await;
    let before = client.servers("pool-b")[1].clone();
    client.resize_and_settle("pool-b", 1, &[]).await;
    client.resize_and_settle("pool-b", 2, &[]).await;
    let after = client.servers("pool-b")[1].clone();
    assert_eq!((before.index, &before.name), (after.index, &after.name));
    assert_ne!(before.uuid, after.uuid);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_names_stays_in_the_stack_until_another_replaces_it() {
    let client = Client::new(lab_with(2)).await;
    client.resize_and_settle("pool-b", 2, &["3"]).await;
    assert_eq!(client.indices("pool-b"), [0, 1], "there is no member 3");
    client.resize_and_settle("pool-b", 4, &[]).await;
    assert_eq!(client.indices("pool-b"), [0, 1, 2, 3]);
    client.resize_and_settle("pool-b", 4, &[]).await;
    assert_eq!(client.indices("pool-b"), [0, 1, 2, 4], "now there was");
}

#[tokio::test(start_paused = true)]
async fn a_removal_right_after_another_is_lost() {
    let client = Client::new(lab_with(4)).await;
    let (first, second) = (client.server("pool-b", 1), client.server("pool-b", 2));
    client.resize("pool-b", 3, &[&first]).await;
    sleep(0.05).await;
    client.resize("pool-b", 2, &[&second]).await;
    sleep(0.2).await;
    assert_eq!(client.group("pool-b").node_count, 2, "at first it looks heard");
    assert_eq!(client.settle("pool-b").await, "UPDATE_COMPLETE", "and there is no error");
    assert_eq!(client.group("pool-b").node_count, 3);
    assert_eq!(client.indices("pool-b"), [0, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_two_seconds_after_another_takes_effect_and_may_fail() {
    let mut ends = HashMap::new();
    for seed in 0..20 {
        let mut options = lab_with(4);
        options.seed = seed;
        let client = Client::new(options).await;
        client.resize("pool-b", 3, &["1"]).await;
        sleep(2.0).await;
        client.resize("pool-b", 2, &["2"]).await;
        sleep(1.0).await;
        let (_, nested) = client.stack_paths("pool-b").await;
        let stack = client.get(&nested).await;
        assert_eq!(stack["stack"]["stack_status"], "UPDATE_FAILED", "for a moment");
        let status = client.settle("pool-b").await;
        sleep(3.0).await;
        assert_eq!(client.indices("pool-b"), [0, 3]);
        assert_eq!(client.servers("pool-b").len(), 2);
        if status == "UPDATE_FAILED" {
            let reason = client.group("pool-b").status_reason;
            assert!(
                reason.starts_with(
                    "Resource UPDATE failed: resources.kube_minions: Resource UPDATE failed: resources["
                ) && reason.ends_with("]: Stack UPDATE cancelled"),
                "{reason}"
            );
            // The next update repairs it.
            assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_COMPLETE");
        }
        *ends.entry(status).or_insert(0) += 1;
    }
    assert!(ends["UPDATE_FAILED"] > 2 && ends["UPDATE_COMPLETE"] > 2, "{ends:?}");
}

/// On the lab nova-api was stopped while a removal came to the masters of the stack.
#[tokio::test(start_paused = true)]
async fn a_removal_that_never_came_to_the_nodes_comes_with_the_next_resize_without_names() {
    for (names, left) in [(&[][..], vec![1, 2, 3]), (&["nobody"][..], vec![0, 1, 2])] {
        let client = Client::new(lab_with(2)).await;
        client.simulator.fail_next_updates(1);
        assert_eq!(client.resize_and_settle("pool-b", 1, &["0"]).await, "UPDATE_FAILED");
        assert_eq!(client.indices("pool-b"), [0, 1]);
        assert_eq!(client.resize_and_settle("pool-b", 3, names).await, "UPDATE_COMPLETE");
        assert_eq!(client.indices("pool-b"), left, "{names:?}");
    }
}
