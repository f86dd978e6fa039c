//! Each way in which a node can fail, as cluster-autoscaler sees it, and the way out of it.

use std::collections::BTreeSet;

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::instance_status::InstanceState;

use crate::{
    autoscaler::{Node, listed},
    lab::QUOTA,
    openstack::{Group, ids},
    scene::{CHANGE, Scene, eventually, play},
    site::Site,
};

/// Waits until the group has a node like this, prints what NodeGroupNodes says then, and returns the node.
async fn node_that(scene: &Scene, group: &Group, is: &str, like: impl Fn(&Node) -> bool) -> Node {
    let what = format!("a node of {} that is {is}", group.id);
    let (nodes, found) = eventually(&what, CHANGE, async || {
        let nodes = scene.picture(group).await?.nodes;
        let found = nodes.iter().find(|node| like(node)).cloned();
        found.map(|found| (nodes.clone(), found)).ok_or_else(|| listed(&nodes))
    })
    .await;
    println!("NodeGroupNodes of {}, {is}:", group.id);
    for node in nodes {
        println!("    {node}");
    }
    found
}

fn failed(node: &Node, code: &str, class: i32) -> bool {
    node.state == InstanceState::InstanceCreating && node.error_kind() == Some((code, class))
}

/// The group that is quicker to change on the lab: not the first, which shares the cluster's own stack.
async fn group(scene: &Scene) -> Group {
    let first = scene.group_with_room(1, None).await;
    scene.group_with_room(1, Some(&first)).await
}

/// Removes this instance and nothing else.
async fn delete(scene: &Scene, group: &Group, node: &Node, stay: &BTreeSet<String>) {
    scene
        .autoscaler()
        .delete_nodes(&group.id, &[&node.id])
        .await
        .expect("DeleteNodes of the failed instance");
    scene.settle(group, stay, 0).await;
}

pub(crate) async fn a_quota_that_is_exceeded(site: Site) {
    play("a_quota_that_is_exceeded", site, async |scene| {
        let group = group(scene).await;
        let start = ids(&scene.servers(&group).await);
        let servers = scene.openstack.servers_in_project().await;
        scene.lab().quota(servers).await;

        scene.autoscaler().increase_size(&group.id, 1).await.expect("IncreaseSize");
        let node =
            node_that(scene, &group, "beyond the quota", |node| failed(node, "QuotaExceeded", 1)).await;
        assert_eq!(node.server(), None, "a placeholder: {node}");
        delete(scene, &group, &node, &start).await;

        scene.lab().quota(QUOTA).await;
        let new = scene.grow(&group, 1).await;
        scene.remove(&group, &new).await;
    })
    .await;
}

pub(crate) async fn a_node_whose_deployment_fails(site: Site) {
    play("a_node_whose_deployment_fails", site, async |scene| {
        let group = group(scene).await;
        let start = ids(&scene.servers(&group).await);
        scene.lab().node_rules(&[format!("{}-node-* fail kubelet did not start", group.stack)]).await;

        scene.autoscaler().increase_size(&group.id, 1).await.expect("IncreaseSize");
        let node =
            node_that(scene, &group, "failing to deploy", |node| failed(node, "DeploymentFailed", 99)).await;
        assert!(node.server().is_some(), "its server is there: {node}");
        scene.lab().node_rules(&[]).await;
        delete(scene, &group, &node, &start).await;
    })
    .await;
}

pub(crate) async fn a_node_that_never_reports(site: Site) {
    play("a_node_that_never_reports", site, async |scene| {
        let group = group(scene).await;
        let start = ids(&scene.servers(&group).await);
        scene.lab().node_rules(&[format!("{}-node-* hang", group.stack)]).await;

        scene.autoscaler().increase_size(&group.id, 1).await.expect("IncreaseSize");
        let node = node_that(scene, &group, "hanging", |node| {
            node.state == InstanceState::InstanceCreating && node.error.is_none() && node.server().is_some()
        })
        .await;
        let status = scene.picture(&group).await.unwrap().status;
        assert!(status.ends_with("IN_PROGRESS"), "the node is awaited still: {status}");
        delete(scene, &group, &node, &start).await;
        scene.lab().node_rules(&[]).await;
    })
    .await;
}

pub(crate) async fn a_server_deleted_behind_heats_back(site: Site) {
    play("a_server_deleted_behind_heats_back", site, async |scene| {
        let group = group(scene).await;
        let start = ids(&scene.servers(&group).await);
        let server = scene.grow(&group, 1).await.pop_first().expect("the new server");

        scene.openstack.delete_server(&server).await;
        let node = node_that(scene, &group, "without its server", |node| {
            node.server() == Some(&server) && failed(node, "ServerGone", 99)
        })
        .await;
        delete(scene, &group, &node, &start).await;
    })
    .await;
}
