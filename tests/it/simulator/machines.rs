//! Cluster API's drivers: machines instead of stacks, and what can be named of them.

use cluster_autoscaler_provider_magnum::simulator::{NodeRule, Profile, ServerRecord, SimulatorOptions};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Duration;

use super::{client::sleep, profiles::Cloud};

const WORKERS: &str = "default-worker";
const DRIVERS: [Profile; 2] = [Profile::MagnumClusterApi, Profile::CapiHelm];

async fn resize(cloud: &Cloud, count: u32, remove: &[&str]) {
    let body = json!({"node_count": count, "nodes_to_remove": remove, "nodegroup": WORKERS});
    let answer = cloud.resize(&body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
}

async fn resize_and_settle(cloud: &Cloud, count: u32, remove: &[&str]) {
    resize(cloud, count, remove).await;
    cloud.until_settled().await;
    sleep(10.0).await;
}

/// The group's servers by their names, the first to go first.
fn by_name(cloud: &Cloud) -> Vec<ServerRecord> {
    let mut servers = cloud.client.servers(WORKERS);
    servers.sort_by(|one, other| one.name.cmp(&other.name));
    servers
}

fn uuids(servers: &[ServerRecord]) -> Vec<&str> {
    servers.iter().map(|server| server.uuid.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_stack_id_tells_the_driver_and_heat_has_no_stack() {
    for profile in DRIVERS {
        let cloud = Cloud::new(profile, 1).await;
        let stack_id = cloud.cluster().await["stack_id"].as_str().unwrap().to_owned();
        let (beginning, length) =
            if profile == Profile::CapiHelm { ("k8s-lab-", 8 + 12) } else { ("kube-", 5 + 5) };
        assert!(stack_id.starts_with(beginning) && stack_id.len() == length, "{profile}: {stack_id}");
        let groups = cloud.get(&format!("{}/nodegroups", cloud.client.cluster_path())).await;
        let of_groups: Vec<&Value> =
            groups["nodegroups"].as_array().unwrap().iter().map(|group| &group["stack_id"]).collect();
        assert_eq!(of_groups, [&json!(stack_id), &json!(stack_id), &Value::Null], "{profile}");
        let group = cloud.get(&format!("{}/nodegroups/{WORKERS}", cloud.client.cluster_path())).await;
        assert_eq!((&group["node_addresses"], &group["status_reason"]), (&json!([]), &Value::Null));
        let project = cloud.client.simulator.credentials().project_id;
        let stacks = format!("/orchestration/v1/{project}/stacks");
        assert_eq!(cloud.get(&stacks).await, json!({"stacks": []}), "{profile}");
        let stack = cloud.call("GET", &format!("{stacks}/{stack_id}"), None).await;
        assert_eq!(stack.status, StatusCode::NOT_FOUND, "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn servers_have_their_machines_names_and_vexxhosts_have_server_groups() {
    for profile in DRIVERS {
        let cloud = Cloud::new(profile, 2).await;
        let stack_id = cloud.cluster().await["stack_id"].as_str().unwrap().to_owned();
        let servers = by_name(&cloud);
        let beginning = format!("{stack_id}-{WORKERS}-");
        for server in &servers {
            let end = server.name.strip_prefix(&beginning).unwrap();
            let lengths: Vec<usize> = end.split('-').map(str::len).collect();
            assert_eq!(lengths, [5, 5, 5], "{profile}: {}", server.name);
        }
        let detail = cloud.get(&format!("/compute/v2.1/servers/{}", servers[0].uuid)).await;
        assert_eq!(detail["server"]["metadata"], json!({}), "{profile}: nothing there tells the group");
        let groups = cloud.get("/compute/v2.1/os-server-groups").await;
        let groups = groups["server_groups"].as_array().unwrap();
        if profile == Profile::CapiHelm {
            assert!(groups.is_empty());
            continue;
        }
        let name = format!("{stack_id}-{WORKERS}");
        let group = groups.iter().find(|group| group["name"] == name.as_str()).unwrap();
        let mut members: Vec<&str> =
            group["members"].as_array().unwrap().iter().map(|member| member.as_str().unwrap()).collect();
        let mut expected = uuids(&servers);
        members.sort_unstable();
        expected.sort_unstable();
        assert_eq!(members, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn vexxhosts_driver_removes_the_named_server() {
    let cloud = Cloud::new(Profile::MagnumClusterApi, 4).await;
    let before = by_name(&cloud);
    resize_and_settle(&cloud, 3, &[&before[2].uuid]).await;
    let left = by_name(&cloud);
    assert_eq!(uuids(&left), [&before[0], &before[1], &before[3]].map(|server| server.uuid.as_str()));
    let group = cloud.client.group(WORKERS);
    assert_eq!((group.node_count, group.status.as_str()), (3, "UPDATE_COMPLETE"));
    resize_and_settle(&cloud, 2, &["deadbeef-dead-4eef-8ead-deadbeefdead"]).await;
    assert_eq!(uuids(&by_name(&cloud)), uuids(&left[1..]), "nobody's UUID takes the first by name");
}

#[tokio::test(start_paused = true)]
async fn capi_helm_ignores_names_and_takes_the_first_by_name() {
    let cloud = Cloud::new(Profile::CapiHelm, 4).await;
    let before = by_name(&cloud);
    resize_and_settle(&cloud, 3, &[&before[2].uuid]).await;
    assert_eq!(uuids(&by_name(&cloud)), uuids(&before[1..]));
    assert_eq!(cloud.client.group(WORKERS).node_count, 3);
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_a_provider_id_fails_a_named_removal_and_what_was_marked_stays_so() {
    let slow = |options: &mut SimulatorOptions| {
        options.groups[0].node_count = 3;
        options.server_build_time = Duration::from_secs(60);
    };
    let cloud = Cloud::with(Profile::MagnumClusterApi, slow).await;
    let before = by_name(&cloud);
    resize(&cloud, 4, &[]).await;
    sleep(5.0).await;
    let building = by_name(&cloud).into_iter().find(|server| server.status == "BUILD").unwrap();
    let marked: Vec<&ServerRecord> = before.iter().filter(|server| server.name < building.name).collect();
    assert!(!marked.is_empty(), "the seed puts the new machine behind one");
    let victim = marked[marked.len() - 1];
    resize(&cloud, 3, &[&victim.uuid]).await;
    sleep(5.0).await;
    let group = cloud.client.group(WORKERS);
    assert_eq!((group.node_count, group.status.as_str()), (4, "UPDATE_FAILED"));
    assert_eq!(group.status_reason, "'providerID'");
    let cluster = cloud.cluster().await;
    assert_eq!(
        (&cluster["status"], &cluster["status_reason"]),
        (&json!("UPDATE_FAILED"), &json!("'providerID'"))
    );
    assert_eq!(by_name(&cloud).len(), 4, "nothing went");
    sleep(90.0).await;
    resize_and_settle(&cloud, 3, &[]).await;
    assert!(
        by_name(&cloud).iter().all(|server| server.uuid != victim.uuid),
        "it was marked before the failure"
    );
}

#[tokio::test(start_paused = true)]
async fn a_group_that_failed_keeps_vexxhosts_cluster_in_progress() {
    let slow = |options: &mut SimulatorOptions| {
        options.server_build_time = Duration::from_secs(30);
    };
    let cloud = Cloud::with(Profile::MagnumClusterApi, slow).await;
    resize(&cloud, 2, &[]).await;
    sleep(5.0).await;
    resize(&cloud, 1, &[&by_name(&cloud)[0].uuid]).await;
    sleep(5.0).await;
    assert_eq!(cloud.client.group(WORKERS).status, "UPDATE_FAILED");
    cloud.client.simulator.operator_resize("pool-b", 2, &[]).unwrap();
    sleep(60.0).await;
    assert_eq!(cloud.client.group("pool-b").status, "UPDATE_COMPLETE");
    assert_eq!(cloud.client.simulator.cluster_status(), "UPDATE_IN_PROGRESS");
    resize_and_settle(&cloud, 2, &[]).await;
    assert_eq!(cloud.client.simulator.cluster_status(), "UPDATE_COMPLETE");
}

#[tokio::test(start_paused = true)]
async fn a_refused_server_is_asked_for_again_and_nobody_is_told() {
    for profile in DRIVERS {
        let cloud = Cloud::new(profile, 1).await;
        cloud.client.simulator.set_quota(Some(3));
        resize(&cloud, 2, &[]).await;
        sleep(300.0).await;
        let group = cloud.client.group(WORKERS);
        assert_eq!((group.node_count, by_name(&cloud).len()), (2, 1), "{profile}");
        assert_eq!(group.status_reason, "", "{profile}");
        // What capi-helm's first look finds is the phase of before.
        let status = if profile == Profile::CapiHelm { "UPDATE_COMPLETE" } else { "UPDATE_IN_PROGRESS" };
        assert_eq!(group.status, status, "{profile}");
        cloud.client.simulator.set_quota(None);
        sleep(30.0).await;
        assert_eq!(cloud.client.group(WORKERS).status, "UPDATE_COMPLETE", "{profile}");
        assert_eq!(by_name(&cloud).len(), 2, "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_server_is_deleted_in_nova_is_replaced_and_magnum_hears_nothing() {
    for profile in DRIVERS {
        let cloud = Cloud::new(profile, 3).await;
        let before = by_name(&cloud);
        let victim = &before[1].uuid;
        assert!(cloud.client.simulator.delete_server(victim));
        assert!(!cloud.client.simulator.is_at_rest(), "{profile}");
        sleep(50.0).await;
        assert_eq!(by_name(&cloud).len(), 2, "{profile}");
        sleep(30.0).await;
        let after = by_name(&cloud);
        let new = after.iter().filter(|server| before.iter().all(|other| other.uuid != server.uuid));
        assert_eq!((after.len(), new.count()), (3, 1), "{profile}");
        assert!(cloud.client.simulator.replaced_servers().contains(victim));
        let group = cloud.client.group(WORKERS);
        assert_eq!((group.node_count, group.stack_status.as_str()), (3, "Running"), "{profile}");
        assert!(group.status.ends_with("_COMPLETE"), "{profile}: {}", group.status);
        assert!(cloud.client.simulator.is_at_rest(), "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_machine_is_replaced_where_too_many_are_not_well_or_nobody_heals() {
    let alone = |profile| Cloud::new(profile, 1);
    let unhealed = Cloud::with(Profile::CapiHelm, |options| options.auto_healing = false);
    for (cloud, replaced) in [
        (alone(Profile::MagnumClusterApi).await, false),
        (alone(Profile::CapiHelm).await, true),
        (unhealed.await, false),
    ] {
        let lost = by_name(&cloud)[0].uuid.clone();
        cloud.client.simulator.delete_server(&lost);
        sleep(3600.0).await;
        assert_eq!(by_name(&cloud).len(), usize::from(replaced), "{}", cloud.profile);
        cloud.client.simulator.replace_broken_machines();
        sleep(30.0).await;
        assert_eq!(by_name(&cloud).len(), 1, "{}", cloud.profile);
    }
    // Another machine makes it one of two.
    let cloud = alone(Profile::MagnumClusterApi).await;
    cloud.client.simulator.delete_server(&by_name(&cloud)[0].uuid);
    sleep(120.0).await;
    resize_and_settle(&cloud, 2, &[]).await;
    assert_eq!(by_name(&cloud).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_does_not_become_a_node_is_replaced() {
    for (profile, minutes) in [(Profile::MagnumClusterApi, 10.0), (Profile::CapiHelm, 30.0)] {
        let patient = |options: &mut SimulatorOptions| {
            options.groups[0].node_count = 4;
            options.token_lifetime = Duration::from_secs(36_000);
        };
        let cloud = Cloud::with(profile, patient).await;
        cloud.client.simulator.set_node_rule("*", NodeRule::Hang);
        resize(&cloud, 5, &[]).await;
        sleep(10.0).await;
        let first = by_name(&cloud);
        sleep(minutes * 60.0 - 30.0).await;
        assert_eq!(uuids(&by_name(&cloud)), uuids(&first), "{profile}");
        cloud.client.simulator.clear_node_rules();
        sleep(10.0).await;
        assert!(cloud.client.simulator.replaced_servers().is_empty(), "{profile}: it became one in time");
        cloud.client.simulator.set_node_rule("*", NodeRule::Hang);
        resize(&cloud, 6, &[]).await;
        sleep(minutes * 60.0 + 30.0).await;
        assert_eq!(cloud.client.simulator.replaced_servers().len(), 1, "{profile}");
        cloud.client.simulator.clear_node_rules();
        cloud.client.simulator.no_valid_host(true);
        resize(&cloud, 7, &[]).await;
        sleep(60.0).await;
        let replaced = cloud.client.simulator.replaced_servers().len();
        assert!((3..=8).contains(&replaced), "{profile}: {replaced}, one after the other goes to ERROR");
        cloud.client.simulator.no_valid_host(false);
        sleep(60.0).await;
        assert_eq!((by_name(&cloud).len(), cloud.client.group(WORKERS).node_count), (7, 7), "{profile}");
        assert!(cloud.client.simulator.is_at_rest(), "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shrunk_group_is_complete_while_the_server_is_still_there() {
    let slow = |options: &mut SimulatorOptions| {
        options.groups[0].node_count = 2;
        options.server_delete_time = Duration::from_secs(30);
    };
    let cloud = Cloud::with(Profile::MagnumClusterApi, slow).await;
    let victim = by_name(&cloud)[1].uuid.clone();
    resize(&cloud, 1, &[&victim]).await;
    sleep(3.0).await;
    assert_eq!(cloud.client.group(WORKERS).status, "UPDATE_COMPLETE");
    assert_eq!(by_name(&cloud).len(), 2);
    sleep(40.0).await;
    assert!(by_name(&cloud).iter().all(|server| server.uuid != victim));
}

#[tokio::test(start_paused = true)]
async fn with_auto_scaling_a_resize_has_no_effect() {
    for profile in DRIVERS {
        let cloud = Cloud::with(profile, |options| options.auto_scaling = true).await;
        assert_eq!(cloud.cluster().await["labels"]["auto_scaling_enabled"], "true");
        resize_and_settle(&cloud, 3, &[]).await;
        assert_eq!(by_name(&cloud).len(), 1, "{profile}");
        let group = cloud.client.group(WORKERS);
        let count = if profile == Profile::CapiHelm { 3 } else { 1 };
        assert_eq!((group.node_count, group.status.as_str()), (count, "UPDATE_COMPLETE"), "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_of_the_cluster_works_with_capi_helm_alone() {
    let cloud = Cloud::new(Profile::CapiHelm, 1).await;
    cloud.set_count(2).await;
    sleep(10.0).await;
    assert_eq!(by_name(&cloud).len(), 2);
    let cloud = Cloud::new(Profile::MagnumClusterApi, 1).await;
    cloud.set_count(2).await;
    assert_eq!(cloud.client.simulator.cluster_status(), "UPDATE_FAILED");
    assert_eq!((by_name(&cloud).len(), cloud.client.group(WORKERS).node_count), (1, 1));
}
