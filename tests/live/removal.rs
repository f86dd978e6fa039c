//! Growing and removing: the servers that Nova has before and after, named and unnamed.

use std::collections::BTreeSet;

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::instance_status::InstanceState;
use futures_util::future::join_all;
use tonic::Code;
use uuid::Uuid;

use crate::{
    autoscaler::{Node, listed, provider_id},
    openstack::{by_age, ids, index},
    scene::play,
    site::Site,
};

fn without(servers: &BTreeSet<String>, gone: &[String]) -> BTreeSet<String> {
    servers.iter().filter(|server| !gone.contains(server)).cloned().collect()
}

pub(crate) async fn exactly_the_oldest_goes_and_only_once(site: Site) {
    play("exactly_the_oldest_goes_and_only_once", site, async |scene| {
        let group = scene.group_with_room(2, None).await;
        let autoscaler = scene.autoscaler().clone();
        let sent = scene.service().resizes_sent().await;
        let start = scene.servers(&group).await;
        let oldest = by_age(&start).remove(0);

        autoscaler.increase_size(&group.id, 2).await.expect("IncreaseSize");
        assert_eq!(autoscaler.target_size(&group.id).await.unwrap(), start.len() + 2);
        let nodes = autoscaler.nodes(&group.id).await.unwrap();
        println!("at once after IncreaseSize by 2: {}", listed(&nodes));
        let creating = |node: &&Node| node.state == InstanceState::InstanceCreating && node.error.is_none();
        assert_eq!(nodes.iter().filter(creating).count(), 2, "{}", listed(&nodes));
        assert_eq!(nodes.len(), start.len() + 2, "{}", listed(&nodes));
        let new = scene.settle(&group, &ids(&start), 2).await;
        assert_eq!(scene.service().resizes_sent().await, sent + 1);

        let grown = ids(&scene.servers(&group).await);
        let stay = without(&grown, std::slice::from_ref(&oldest));
        autoscaler.delete_nodes(&group.id, &[&provider_id(&oldest)]).await.expect("DeleteNodes");
        let shown = scene.shown(&group, &oldest).await.expect("the node, on its way out");
        println!("at once after DeleteNodes: {shown}");
        assert_eq!(shown.state, InstanceState::InstanceDeleting);
        assert_eq!(autoscaler.target_size(&group.id).await.unwrap(), stay.len());
        scene.settle(&group, &stay, 0).await;
        assert_eq!(scene.service().resizes_sent().await, sent + 2);

        autoscaler.delete_nodes(&group.id, &[&provider_id(&oldest)]).await.expect("the same once more");
        scene.settle(&group, &stay, 0).await;
        assert_eq!(scene.service().resizes_sent().await, sent + 2, "nothing was left to do");

        let surplus: BTreeSet<_> = new.into_iter().take(1).collect();
        scene.remove(&group, &surplus).await;
        assert_eq!(scene.service().resizes_sent().await, sent + 3);
    })
    .await;
}

pub(crate) async fn two_removals_at_once_are_one_resize(site: Site) {
    play("two_removals_at_once_are_one_resize", site, async |scene| {
        let first = scene.group_with_room(2, None).await;
        let group = scene.group_with_room(2, Some(&first)).await;
        scene.grow(&group, 2).await;
        let servers = scene.servers(&group).await;
        let named = &by_age(&servers)[..2];
        let sent = scene.service().resizes_sent().await;

        let calls = named.iter().map(|server| {
            let (autoscaler, id, node) = (scene.autoscaler().clone(), group.id.clone(), provider_id(server));
            async move { autoscaler.delete_nodes(&id, &[&node]).await }
        });
        for answer in join_all(calls).await {
            answer.expect("DeleteNodes");
        }
        for server in named {
            let shown = scene.shown(&group, server).await.expect("the node, on its way out");
            assert_eq!(shown.state, InstanceState::InstanceDeleting);
        }
        scene.settle(&group, &without(&ids(&servers), named), 0).await;
        assert_eq!(scene.service().resizes_sent().await, sent + 1);
    })
    .await;
}

pub(crate) async fn what_names_no_member_removes_nothing(site: Site) {
    play("what_names_no_member_removes_nothing", site, async |scene| {
        let group = scene.group_with_room(1, None).await;
        let other = scene.group_with_room(1, Some(&group)).await;
        let autoscaler = scene.autoscaler().clone();
        let servers = scene.servers(&group).await;
        let others = scene.servers(&other).await;
        let (good, server) = servers.iter().next().expect("a node");
        let (foreign, _) = others.iter().next().expect("a node in the other group");
        let unknown = Uuid::new_v4().to_string();
        let sent = scene.service().resizes_sent().await;

        let (good, foreign, unknown) = (provider_id(good), provider_id(foreign), provider_id(&unknown));
        let dashless = foreign.replace('-', "");
        let named = provider_id(&server.name);
        let number = index(&server.name).expect("an index").to_string();
        let refusals: &[(&str, &[&str], Code)] = &[
            ("a server that does not exist", &[&unknown], Code::NotFound),
            ("another group's server", &[&foreign], Code::NotFound),
            ("another group's server without dashes", &[&dashless], Code::NotFound),
            ("a server's name", &[&named], Code::InvalidArgument),
            ("a server's name alone", &[&server.name], Code::InvalidArgument),
            ("a member's index", &[&number], Code::InvalidArgument),
            ("a good node and an unknown one", &[&good, &unknown], Code::NotFound),
            ("a good node and another group's", &[&foreign, &good], Code::NotFound),
            ("no node", &[], Code::InvalidArgument),
        ];
        for (what, nodes, code) in refusals {
            let refused = autoscaler.delete_nodes(&group.id, nodes).await.expect_err(what);
            println!("{what}: {:?}: {}", refused.code(), refused.message());
            assert_eq!(refused.code(), *code, "{what}: {refused}");
        }
        let refused = autoscaler.delete_nodes("no-such-group", &[&good]).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
        for (id, delta, code) in [
            (group.id.as_str(), 0, Code::InvalidArgument),
            (&group.id, -1, Code::InvalidArgument),
            (&group.id, 100_000, Code::OutOfRange),
            ("no-such-group", 1, Code::NotFound),
        ] {
            let refused = autoscaler.increase_size(id, delta).await.unwrap_err();
            println!("{id} by {delta}: {:?}: {}", refused.code(), refused.message());
            assert_eq!(refused.code(), code, "{id} by {delta}: {refused}");
        }

        scene.settle(&group, &ids(&servers), 0).await;
        scene.settle(&other, &ids(&others), 0).await;
        assert_eq!(scene.service().resizes_sent().await, sent);
    })
    .await;
}
