//! What the simulated cloud does, line by line of the observations that it is made from.

mod failures;
mod removals;

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
