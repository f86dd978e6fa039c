//! The simulator's answers compared with recorded ones (tests/transcripts), text for text except for ids, times and
//! addresses.

mod comparison;
mod nodes;

use self::{comparison::compare, nodes::with_sole_member};
use super::client::{Client, lab, sleep};

/// Ids of the stack of pool-b in the recorded requests that go by id alone.
const POOL_B_STACKS: [&str; 2] =
    ["392c79e8-f95b-4980-bac8-dcddec06ed45", "c1aedd58-09b1-4ebc-9c46-d94e7cd4ff0c"];

#[tokio::test(start_paused = true)]
async fn keystone_answers_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "keystone-version",
            "keystone-token-password",
            "keystone-token-appcred",
            "keystone-token-appcred-with-scope",
            "keystone-token-trust",
            "keystone-token-trust-plus-project",
            "keystone-token-unknown-trust",
            "keystone-token-wrong-password",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn magnum_answers_reads_as_recorded() {
    let mut options = lab();
    options.groups[0].min = 0;
    let client = Client::new(options).await;
    compare(
        &client,
        &[
            "magnum-root-versions",
            "magnum-unauthenticated",
            "magnum-invalid-token",
            "magnum-version-unsupported",
            "magnum-version-without-service-type",
            "magnum-cluster-list",
            "magnum-cluster-get-1.10",
            "magnum-cluster-get-latest",
            "magnum-cluster-get-no-version",
            "magnum-cluster-get-by-name",
            "magnum-cluster-404-name",
            "magnum-nodegroups-list-1.10",
            "magnum-nodegroups-list-role-worker",
            "magnum-nodegroups-list-1.8-406",
            "magnum-nodegroup-get-default-master",
            "magnum-nodegroup-get-default-worker",
            "magnum-nodegroup-get-pool-b",
            "magnum-nodegroup-404",
            "magnum-nodegroup-patch-min-max",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn magnum_takes_a_slash_at_the_end_as_recorded() {
    let client = after_updates().await;
    compare(
        &client,
        &[
            "magnum-slash-cluster-list",
            "magnum-slash-cluster-get",
            "magnum-slash-nodegroups-list-role",
            "magnum-slash-nodegroup-get",
            "magnum-cluster-detail",
            "magnum-slash-cluster-detail",
            "magnum-cluster-detail-of-one",
            "magnum-no-route",
        ],
    )
    .await;
}

/// The lab as it mostly is: both groups were updated before.
async fn after_updates() -> Client {
    let mut options = lab();
    options.groups[0].min = 0;
    let client = Client::new(options).await;
    for group in ["default-worker", "pool-b"] {
        client.resize_and_settle(group, 2, &[]).await;
        client.resize_and_settle(group, 1, &["0"]).await;
    }
    client
}

#[tokio::test(start_paused = true)]
async fn magnum_answers_what_else_clients_read_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "magnum-template-list",
            "magnum-template-get-by-name",
            "magnum-template-detail",
            "magnum-template-404",
            "magnum-services-403",
            "magnum-quotas",
            "magnum-stats",
            "magnum-stats-own",
            "magnum-stats-of-another-403",
            "magnum-certificate-404",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn magnum_checks_a_new_group_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "magnum-nodegroup-create-above-max",
            "magnum-nodegroup-create-below-min",
            "magnum-nodegroup-create-min-above-max",
            "magnum-nodegroup-create-exists",
            "magnum-nodegroup-create-master",
            "magnum-nodegroup-create-no-name",
            "magnum-nodegroup-create-unknown-field",
            "magnum-nodegroup-create-bad-count",
            "magnum-nodegroup-create-negative",
            "magnum-nodegroup-create-readonly",
            "magnum-nodegroup-create-bad-json",
        ],
    )
    .await;
    assert!(client.simulator.group("pool-c").is_none(), "none of these was accepted");
    compare(&client, &["magnum-slash-nodegroup-create-202", "magnum-nodegroup-get-just-created"]).await;
    assert_eq!(client.settle("pool-gpu").await, "CREATE_COMPLETE");
    compare(&client, &["magnum-nodegroup-delete-default", "magnum-nodegroup-delete-404"]).await;
}

#[tokio::test(start_paused = true)]
async fn magnum_checks_a_patch_of_a_group_as_recorded() {
    let client = after_updates().await;
    let refused = [
        "max-0",
        "min-above-max",
        "min-above-count",
        "internal",
        "role",
        "unknown",
        "add-unknown",
        "add-existing",
        "bad-op",
        "no-value",
        "null",
        "bad-number",
        "negative",
        "float",
        "no-path",
        "bad-path",
        "object",
        "bad-json",
        "unknown-group",
        "text",
    ];
    let patched = |name: &str| format!("magnum-nodegroup-patch-{name}");
    for name in refused {
        compare(&client, &[&patched(name)]).await;
    }
    sleep(2.0).await;
    assert_eq!((client.group("pool-b").min, client.group("pool-b").max), (0, Some(10)));
    for (name, max) in [("remove", None), ("add", Some(10)), ("remove-min", Some(10))] {
        compare(&client, &[&patched(name)]).await;
        assert_eq!(client.settle("pool-b").await, "UPDATE_COMPLETE");
        assert_eq!(client.group("pool-b").max, max, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn magnum_checks_a_patch_of_the_cluster_as_recorded() {
    let client = Client::new(lab()).await;
    for name in [
        "unknown",
        "labels",
        "name",
        "internal",
        "bad-count",
        "negative",
        "zero-api-1.9",
        "template",
        "master-count",
    ] {
        compare(&client, &[&format!("magnum-cluster-patch-{name}")]).await;
    }
    sleep(2.0).await;
    assert_eq!(client.group("default-worker").node_count, 1);
    compare(&client, &["magnum-cluster-patch-above-max"]).await;
    assert_eq!(client.settle("default-worker").await, "UPDATE_COMPLETE");
    assert_eq!(client.servers("default-worker").len(), 50);
}

#[tokio::test(start_paused = true)]
async fn magnum_checks_a_resize_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "magnum-resize-unauthenticated",
            "magnum-resize-no-version-header",
            "magnum-resize-api-1.6",
            "magnum-resize-zero-api-1.9",
            "magnum-resize-above-max",
            "magnum-resize-below-min",
            "magnum-resize-negative",
            "magnum-resize-no-node_count",
            "magnum-resize-bad-node_count",
            "magnum-resize-bad-json",
            "magnum-resize-unknown-field",
            "magnum-resize-unknown-nodegroup",
            "magnum-resize-unknown-cluster-404",
            "magnum-resize-master-nodegroup",
        ],
    )
    .await;
    assert!(client.simulator.resizes().is_empty(), "none of these was accepted");
    compare(
        &client,
        &[
            "magnum-resize-up-202",
            "magnum-resize-bogus-nodes_to_remove-202",
            "magnum-resize-to-zero-202",
            "magnum-resize-during-update-in-progress-202",
        ],
    )
    .await;
    assert_eq!(client.simulator.resizes().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn heat_answers_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "heat-unauthenticated",
            "heat-stack-get",
            "heat-stack-get-by-id-redirect",
            "heat-stack-404",
            "heat-resource-404",
            "heat-resource-by-stack-id-alone-404",
            "heat-resource-kube_minions",
            "heat-patch-by-id-redirect",
            "heat-patch-grow-202",
            "heat-patch-unknown-parameter-202",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn heat_finds_stacks_and_lists_as_recorded() {
    let client = after_updates().await;
    compare(
        &client,
        &[
            "heat-slash-stack-list",
            "heat-slash-resources",
            "heat-stack-list",
            "heat-stack-detail",
            "heat-stack-by-name-redirect",
            "heat-resources-by-id-redirect",
            "heat-resources-by-name-redirect",
            "heat-events-by-id-redirect",
            "heat-events-by-name-redirect",
            "heat-outputs-by-name",
            "heat-nosuch-by-name",
            "heat-resources-bad-filter",
            "heat-resources-bad-depth",
            "heat-resource-events-404",
            "heat-event-404",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn heat_tells_of_nested_stacks_as_recorded() {
    let client = with_sole_member(23).await;
    client.resize_and_settle("pool-b", 2, &[]).await;
    client.resize_and_settle("pool-b", 1, &["23"]).await;
    compare(
        &client,
        &[
            "heat-resources-depth-1",
            "heat-resources-depth-3",
            "heat-resources-by-name-filter",
            "heat-minions-member-resource",
            "heat-member-resources",
            "heat-events-limit",
            "heat-events-nested-1",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn nova_answers_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "nova-version",
            "nova-slash-version",
            "nova-slash-servers",
            "nova-slash-flavors",
            "nova-unauthenticated",
            "nova-flavors-detail",
            "nova-flavor-get",
            "nova-flavor-get-extra-specs-2.61",
            "nova-flavor-extra-specs",
            "nova-flavor-404",
            "nova-flavor-by-name-404",
            "nova-server-404",
        ],
    )
    .await;
    // The lab's member had become number 12 by then.
    let remove: Vec<String> = (0..12).map(|index| index.to_string()).collect();
    let remove: Vec<&str> = remove.iter().map(String::as_str).collect();
    for index in remove {
        client.resize_and_settle("pool-b", 1, &[index]).await;
    }
    compare(
        &client,
        &[
            "nova-server-get",
            "nova-server-get-2.61",
            "nova-servers-detail-by-name",
            "nova-servers-detail-limit-1-paging",
            "nova-server-delete-204",
        ],
    )
    .await;
}
