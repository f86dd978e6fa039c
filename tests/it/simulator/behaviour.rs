//! What the simulated cloud does, line by line of the observations that it is made from.

use std::{collections::HashMap, time::Duration};

use cluster_autoscaler_provider_magnum::simulator::{
    GroupOptions, NodeRule, RequestKey, Simulator, SimulatorOptions,
};
use http::{Method, StatusCode};
use serde_json::json;

use super::client::{Client, lab, lab_with, sleep};

/// Server UUIDs of a group by index.
fn uuids(client: &Client, group: &str) -> HashMap<u32, String> {
    let members = client.group(group).members;
    members.into_iter().filter_map(|member| Some((member.index, member.server?))).collect()
}

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
async fn a_resize_shows_step_by_step() {
    let client = Client::new(lab()).await;
    let cluster = client.cluster_path();
    let statuses = async || {
        let group = client.get(&format!("{cluster}/nodegroups/pool-b")).await;
        let cluster = client.get(&cluster).await;
        (group["status"].clone(), group["node_count"].clone(), cluster["status"].clone())
    };
    let before = client.get(&format!("{cluster}/nodegroups/pool-b")).await["updated_at"].clone();
    client.resize("pool-b", 2, &[]).await;
    assert_eq!(statuses().await, (json!("CREATE_COMPLETE"), json!(1), json!("UPDATE_COMPLETE")));
    sleep(0.3).await;
    assert_eq!(
        statuses().await,
        (json!("UPDATE_IN_PROGRESS"), json!(2), json!("UPDATE_COMPLETE")),
        "the cluster still shows the end of the previous update"
    );
    assert_eq!(client.refs_map("pool-b").await.as_object().unwrap().len(), 1);
    sleep(0.9).await;
    assert_eq!(statuses().await, (json!("UPDATE_IN_PROGRESS"), json!(2), json!("UPDATE_IN_PROGRESS")));
    client.settle("pool-b").await;
    assert_eq!(statuses().await, (json!("UPDATE_COMPLETE"), json!(2), json!("UPDATE_COMPLETE")));
    let after = client.get(&format!("{cluster}/nodegroups/pool-b")).await["updated_at"].clone();
    assert_ne!(before, after);
}

#[tokio::test(start_paused = true)]
async fn refs_map_runs_through_its_values() {
    let client = Client::new(lab()).await;
    client.resize("pool-b", 2, &[]).await;
    let mut seen: Vec<String> = Vec::new();
    let mut server_states: Vec<String> = Vec::new();
    for _ in 0..120 {
        if let Some(value) = client.refs_map("pool-b").await.get("1") {
            let value = value.as_str().unwrap().to_owned();
            if seen.last() != Some(&value) {
                seen.push(value);
            }
        }
        if let Some(server) = client.servers("pool-b").get(1)
            && server_states.last() != Some(&server.status)
        {
            server_states.push(server.status.clone());
        }
        sleep(0.05).await;
    }
    assert_eq!(seen, ["1", "kube-minion", &client.server("pool-b", 1)]);
    assert_eq!(server_states, ["BUILD", "ACTIVE"]);
    client.resize("pool-b", 1, &["0"]).await;
    sleep(0.7).await;
    assert!(client.refs_map("pool-b").await.get("0").is_none());
    let leaving = client.servers("pool-b")[0].clone();
    assert_eq!(leaving.status, "ACTIVE", "its server runs on for a while");
    sleep(1.1).await;
    assert_eq!(client.servers("pool-b")[0].status, "DELETED");
    sleep(0.3).await;
    assert_eq!(client.servers("pool-b").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn zero_and_back() {
    let client = Client::new(lab()).await;
    assert_eq!(client.resize_and_settle("pool-b", 0, &[]).await, "UPDATE_COMPLETE");
    assert_eq!(client.refs_map("pool-b").await, json!({}));
    assert_eq!(client.resize_and_settle("pool-b", 1, &[]).await, "UPDATE_COMPLETE");
    assert_eq!(client.indices("pool-b"), [0]);
}

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

#[tokio::test(start_paused = true)]
async fn a_grow_on_a_grow_gives_all_servers() {
    for seed in 0..10 {
        let mut options = lab();
        options.seed = seed;
        let client = Client::new(options).await;
        client.resize("pool-b", 3, &[]).await;
        sleep(2.0).await;
        client.resize("pool-b", 4, &[]).await;
        client.settle("pool-b").await;
        sleep(10.0).await;
        let servers = client.servers("pool-b");
        assert_eq!(servers.len(), 4);
        assert!(servers.iter().all(|server| server.status == "ACTIVE"), "{servers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_groups_do_not_disturb_one_another() {
    let client = Client::new(lab()).await;
    client.resize("pool-b", 2, &[]).await;
    client.resize("default-worker", 2, &[]).await;
    assert_eq!(client.settle("pool-b").await, "UPDATE_COMPLETE");
    assert_eq!(client.settle("default-worker").await, "UPDATE_COMPLETE");
    assert_eq!(client.simulator.servers().len(), 5);
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

#[tokio::test(start_paused = true)]
async fn heat_alone_resizes_without_magnum() {
    let client = Client::new(lab()).await;
    let (stack, _) = client.stack_paths("pool-b").await;
    let patch = json!({"parameters": {"number_of_minions": 2}});
    let answer = client.call("PATCH", &stack, Some(&patch)).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    sleep(10.0).await;
    assert_eq!(client.servers("pool-b").len(), 2);
    let group = client.group("pool-b");
    assert_eq!((group.status.as_str(), group.node_count), ("CREATE_COMPLETE", 1));
    let patch = json!({"parameters": {"minions_to_remove": "0", "number_of_minions": "1"}});
    client.call("PATCH", &stack, Some(&patch)).await;
    sleep(10.0).await;
    assert_eq!(client.indices("pool-b"), [1]);
}

#[tokio::test(start_paused = true)]
async fn the_conductor_drops_a_resize_in_a_status_that_does_not_allow_it() {
    let client = Client::new(lab()).await;
    for (status, heard) in [("DELETE_IN_PROGRESS", false), ("CREATE_FAILED", false), ("UPDATE_FAILED", true)]
    {
        client.simulator.set_cluster_status(Some(status));
        assert_eq!(client.get(&client.cluster_path()).await["status"], status);
        client.resize("pool-b", 2, &[]).await;
        sleep(1.0).await;
        assert_eq!(client.group("pool-b").node_count == 2, heard, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn bounds_run_through_update_in_progress_and_groups_come_and_go() {
    let client = Client::new(lab()).await;
    assert!(client.simulator.set_bounds("pool-b", 1, Some(3)));
    sleep(0.2).await;
    assert_eq!(client.group("pool-b").status, "UPDATE_IN_PROGRESS");
    assert_eq!(client.simulator.cluster_status(), "UPDATE_IN_PROGRESS");
    client.settle("pool-b").await;
    let group = client.get(&format!("{}/nodegroups/pool-b", client.cluster_path())).await;
    assert_eq!((&group["min_node_count"], &group["max_node_count"]), (&json!(1), &json!(3)));
    assert!(client.simulator.operator_resize("pool-b", 4, &[]).is_err());
    assert!(client.simulator.operator_resize("pool-b", 3, &[]).is_ok());
    assert!(client.simulator.resizes()[0].by_operator);

    assert!(client.simulator.add_group(GroupOptions::new("pool-c", 2, 0, None)));
    assert!(!client.simulator.add_group(GroupOptions::new("pool-c", 2, 0, None)));
    sleep(0.2).await;
    assert_eq!(client.group("pool-c").status, "CREATE_IN_PROGRESS");
    assert_eq!(client.settle("pool-c").await, "CREATE_COMPLETE");
    assert_eq!(client.servers("pool-c").len(), 2);
    assert!(client.simulator.delete_group("pool-c"));
    assert!(!client.simulator.delete_group("default-worker"));
    sleep(10.0).await;
    assert!(client.simulator.group("pool-c").is_none());
    assert_eq!(client.simulator.servers().len(), 2 + 3);
}

#[tokio::test(start_paused = true)]
async fn lists_come_in_pages() {
    let client = Client::new(lab_with(3)).await;
    let path = format!("{}/nodegroups?limit=2", client.cluster_path());
    let first = client.get(&path).await;
    assert_eq!(first["nodegroups"].as_array().unwrap().len(), 2);
    let next = first["next"].as_str().unwrap().strip_prefix(super::client::BASE).unwrap();
    let second = client.get(next).await;
    assert_eq!(second["nodegroups"][0]["name"], "pool-b");
    assert!(second.get("next").is_none());

    let mut names = Vec::new();
    let mut path = "/compute/v2.1/servers?limit=2&name=-node-%5B0-9%5D%2B%24".to_owned();
    loop {
        let page = client.get(&path).await;
        names.extend(page["servers"].as_array().unwrap().iter().map(|server| server["name"].clone()));
        let Some(next) = page["servers_links"][0]["href"].as_str() else { break };
        path = next.strip_prefix(super::client::BASE).unwrap().to_owned();
    }
    assert_eq!(names.len(), 4, "all workers and no master: {names:?}");
}

#[tokio::test(start_paused = true)]
async fn tokens_end() {
    let mut client = Client::new(lab()).await;
    let path = client.cluster_path();
    client.simulator.expire_tokens();
    assert_eq!(client.call("GET", &path, None).await.status, StatusCode::UNAUTHORIZED);
    client.log_in().await;
    assert_eq!(client.call("GET", &path, None).await.status, StatusCode::OK);
    sleep(3601.0).await;
    assert_eq!(client.call("GET", &path, None).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_kind() {
    let client = Client::new(lab()).await;
    client.simulator.reset_request_counts();
    let group = client.group("pool-b").uuid;
    client.get(&format!("{}/nodegroups/{group}", client.cluster_path())).await;
    client.get(&format!("{}/nodegroups/pool-b", client.cluster_path())).await;
    let key = RequestKey {
        service: cluster_autoscaler_provider_magnum::simulator::Service::ContainerInfra,
        method: Method::GET,
        path: "/v1/clusters/{cluster}/nodegroups/{nodegroup}".to_owned(),
    };
    assert_eq!(client.simulator.request_counts(), HashMap::from([(key, 2)]));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_is_the_same_cloud() {
    let run = async |seed| {
        let client = Client::new(SimulatorOptions { seed, ..lab() }).await;
        client.resize("pool-b", 4, &[]).await;
        sleep(2.0).await;
        client.resize("pool-b", 3, &["0"]).await;
        sleep(0.4).await;
        // Looking changes nothing.
        if seed == 1 {
            client.get(&client.cluster_path()).await;
        }
        client.settle("pool-b").await;
        (client.simulator.servers(), client.group("pool-b"))
    };
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await.0, run(2).await.0);
}

#[test]
fn a_big_cloud_is_whole() {
    let simulator = Simulator::new(SimulatorOptions::sized(5, 200));
    assert_eq!(simulator.servers().len(), 1001);
    assert!(simulator.is_at_rest());
    let group = simulator.group("pool-4").unwrap();
    assert_eq!((group.members.len(), group.max), (200, Some(400)));
}
