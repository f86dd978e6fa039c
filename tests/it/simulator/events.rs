//! What Heat keeps of the changes of its stacks.

use cluster_autoscaler_provider_magnum::simulator::NodeRule;

use super::client::{Client, lab, sleep};

/// Resource, status and reason of each event, oldest first.
async fn events(client: &Client, path: &str) -> Vec<(String, String, String)> {
    let body = client.get(path).await;
    let events = body["events"].as_array().unwrap().iter().rev();
    let text = |event: &serde_json::Value, field: &str| event[field].as_str().unwrap().to_owned();
    events
        .map(|event| {
            let [name, status, reason] = ["resource_name", "resource_status", "resource_status_reason"]
                .map(|field| text(event, field));
            (name, status, reason)
        })
        .collect()
}

fn told<'a>(events: &'a [(String, String, String)], resource: &str) -> Vec<&'a str> {
    events.iter().filter(|event| event.0 == resource).map(|event| event.1.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_new_node_is_told_part_by_part() {
    let client = Client::new(lab()).await;
    client.resize_and_settle("pool-b", 2, &[]).await;
    let (stack, nested) = client.stack_paths("pool-b").await;
    let member = client.nested_path(&format!("{nested}/resources/1")).await;

    let of_stack = events(&client, &format!("{stack}/events")).await;
    let name = client.group("pool-b").stack_name;
    assert_eq!(told(&of_stack, &name), ["CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]);
    assert_eq!(told(&of_stack, "kube_minions"), ["CREATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]);
    let of_member = events(&client, &format!("{member}/events")).await;
    for part in ["kube_minion_eth0", "kube-minion", "node_config_deployment"] {
        assert_eq!(told(&of_member, part).last(), Some(&"CREATE_COMPLETE"), "{part}: {of_member:?}");
    }
    assert_eq!(told(&of_member, "kube-minion"), ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);

    let all = events(&client, &format!("{stack}/events?nested_depth=3")).await;
    let two_levels = events(&client, &format!("{stack}/events?nested_depth=1")).await;
    assert!(all.len() > two_levels.len() && two_levels.len() > of_stack.len());
    assert_eq!(told(&two_levels, "1"), ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);
    let begun = all.iter().position(|event| event.0 == "1" && event.1 == "CREATE_IN_PROGRESS").unwrap();
    let server = all.iter().rposition(|event| event.0 == "kube-minion").unwrap();
    let done = all.iter().position(|event| event.0 == "1" && event.1 == "CREATE_COMPLETE").unwrap();
    assert!(begun < server && server < done, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_with_its_reason_and_a_removal_to_its_end() {
    let client = Client::new(lab()).await;
    client.simulator.set_node_rule("*-node-1", NodeRule::fail());
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_FAILED");
    let (stack, nested) = client.stack_paths("pool-b").await;
    let member = client.nested_path(&format!("{nested}/resources/1")).await;
    let of_member = events(&client, &format!("{member}/events")).await;
    let failed = of_member.iter().find(|event| event.1 == "CREATE_FAILED").unwrap();
    assert_eq!(failed.0, "node_config_deployment");
    assert!(failed.2.starts_with("Error: Deployment to server failed: "), "{failed:?}");
    let of_stack = events(&client, &format!("{stack}/events")).await;
    let last = of_stack.last().unwrap();
    assert_eq!((last.0.as_str(), last.1.as_str()), (&*client.group("pool-b").stack_name, "UPDATE_FAILED"));
    assert!(last.2.contains("resources[1]"), "{last:?}");

    client.resize_and_settle("pool-b", 1, &["1"]).await;
    sleep(5.0).await;
    let of_group = events(&client, &format!("{nested}/events")).await;
    assert_eq!(
        told(&of_group, "1"),
        ["CREATE_IN_PROGRESS", "CREATE_FAILED", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
    );
}

#[tokio::test(start_paused = true)]
async fn events_come_in_pages_and_one_by_one() {
    let client = Client::new(lab()).await;
    client.resize_and_settle("pool-b", 2, &[]).await;
    let (stack, _) = client.stack_paths("pool-b").await;
    let newest_first = client.get(&format!("{stack}/events")).await["events"].clone();
    let ids = |body: &serde_json::Value| -> Vec<String> {
        body.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids(&newest_first);
    let page = client.get(&format!("{stack}/events?limit=2&marker={}", all[0])).await["events"].clone();
    assert_eq!(ids(&page), all[1..3]);
    let mut oldest_first = ids(&client.get(&format!("{stack}/events?sort_dir=asc")).await["events"]);
    oldest_first.reverse();
    assert_eq!(oldest_first, all);
    let failed = client.get(&format!("{stack}/events?resource_status=FAILED")).await;
    assert_eq!(failed["events"].as_array().unwrap().len(), 0);

    let of_minions = client.get(&format!("{stack}/resources/kube_minions/events?limit=1")).await;
    let id = of_minions["events"][0]["id"].as_str().unwrap();
    let alone = client.get(&format!("{stack}/resources/kube_minions/events/{id}")).await;
    assert_eq!(alone["event"]["resource_type"], "OS::Heat::ResourceGroup");
    assert_eq!(alone["event"]["resource_status"], "UPDATE_COMPLETE");
}
