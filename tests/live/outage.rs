//! OpenStack takes connections and says nothing for a minute, or Nova is away.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    autoscaler::{Autoscaler, provider_id},
    openstack::{Group, by_age, ids},
    scene::{CHANGE, Scene, eventually, play},
    site::Site,
};

/// How long OpenStack is silent.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest wait for an answer from the snapshot.
const READ: Duration = Duration::from_millis(100);
/// The longest wait for any answer: what the service gives itself of cluster-autoscaler's 5 s, and the way back.
const ANY: Duration = Duration::from_millis(4_600);
/// How often Nova may be away too late.
const TRIES: usize = 3;
/// The services that fall silent.
const SERVICES: [&str; 2] = ["magnum-api", "keystone"];

/// Reads as cluster-autoscaler does, over and over.
async fn read(autoscaler: &Autoscaler, group: &str, node: &str, until: Instant) -> usize {
    let mut rounds = 0;
    while Instant::now() < until {
        autoscaler.node_groups().await.expect("NodeGroups");
        autoscaler.target_size(group).await.expect("NodeGroupTargetSize");
        autoscaler.nodes(group).await.expect("NodeGroupNodes");
        autoscaler.group_of(node).await.expect("NodeGroupForNode");
        rounds += 1;
        sleep(Duration::from_millis(200)).await;
    }
    rounds
}

/// Calls until the time is over. How many calls were answered with OK, and how many with an error.
async fn call<T>(until: Instant, mut call: impl AsyncFnMut() -> Result<T, tonic::Status>) -> (usize, usize) {
    let (mut fine, mut refused) = (0, 0);
    while Instant::now() < until {
        match call().await {
            Ok(_) => fine += 1,
            Err(status) => {
                if refused == 0 {
                    println!("{:?}: {}", status.code(), status.message());
                }
                refused += 1;
            }
        }
        sleep(Duration::from_millis(200)).await;
    }
    (fine, refused)
}

pub(crate) async fn every_call_is_answered_while_openstack_is_silent(site: Site) {
    play("every_call_is_answered_while_openstack_is_silent", site, async |scene| {
        let first = scene.group_with_room(1, None).await;
        let group = scene.group_with_room(1, Some(&first)).await;
        let start = scene.servers(&group).await;
        let oldest = by_age(&start).remove(0);
        let node = provider_id(&oldest);
        let autoscaler = scene.autoscaler().clone();

        let mut silent = Vec::new();
        for service in SERVICES {
            silent.push(scene.lab().freeze(service).await);
        }
        autoscaler.forget_waits();
        let until = Instant::now() + SILENCE;
        let (rounds, refreshed, increased, deleted) = tokio::join!(
            read(&autoscaler, &group.id, &node, until),
            call(until, async || autoscaler.refresh().await),
            call(until, async || autoscaler.increase_size(&first.id, 1).await),
            call(until, async || autoscaler.delete_nodes(&group.id, &[&node]).await),
        );
        drop(silent);
        println!(
            "{} s of silence: {rounds} rounds of reads; OK and error: Refresh {refreshed:?}, IncreaseSize \
             {increased:?}, DeleteNodes {deleted:?}",
            SILENCE.as_secs()
        );
        let longest = autoscaler.longest();
        for (method, longest) in &longest {
            println!("    longest {method}: {:.1} ms", longest.as_secs_f64() * 1000.0);
        }
        for (method, waited) in longest {
            let writes = ["Refresh", "NodeGroupIncreaseSize", "NodeGroupDeleteNodes"];
            let bound = if writes.contains(&method) { ANY } else { READ };
            assert!(waited < bound, "{method} took {waited:?}");
        }

        // What was acknowledged happens, what was refused does not.
        assert_eq!((increased.0, deleted.0), (0, 0), "nothing could be sent, so nothing was accepted");
        scene.settle(&group, &ids(&start), 0).await;
        assert_eq!(scene.service().resizes_sent().await, 0);
    })
    .await;
}

/// A Heat stack keeps the names of such a removal, and the next resize must not carry it out.
pub(crate) async fn a_removal_that_never_came_to_the_nodes_does_not_come_later(site: Site) {
    play("a_removal_that_never_came_to_the_nodes_does_not_come_later", site, async |scene| {
        // Heat updates the masters first, and needs Nova for that.
        let has_masters = |group: &&Group| group.id.starts_with("default-worker");
        let group =
            scene.groups.iter().find(has_masters).expect("the group in the stack of the masters").clone();
        let mut named = None;
        for _ in 0..TRIES {
            scene.grow(&group, 1).await;
            let oldest = by_age(&scene.servers(&group).await).remove(0);
            if fail_to_remove(scene, &group, &oldest).await {
                named = Some(oldest);
                break;
            }
        }
        let named = named.expect("a removal of which Heat knows and no more");

        // It goes on working: nobody knows any more that it was to go.
        let mut surplus = scene.grow(&group, 1).await;
        surplus.insert(named);
        scene.remove(&group, &surplus).await;
    })
    .await;
}

/// Nova is away as soon as Heat has been told to remove a node, and is back when Heat has given up. The service dies
/// meanwhile. False where Nova was away too late, and the node is gone.
async fn fail_to_remove(scene: &mut Scene, group: &Group, server: &str) -> bool {
    let before = scene.servers(group).await;
    let after = u32::try_from(before.len() - 1).unwrap();
    scene.autoscaler().delete_nodes(&group.id, &[&provider_id(server)]).await.expect("DeleteNodes");
    eventually("Heat to begin", CHANGE, async || match scene.openstack.stack(group).await? {
        stack if stack.count == after => Ok(()),
        stack => Err(format!("{stack:?}")),
    })
    .await;
    scene.lab().stop("nova-api", 0).await;
    scene.kill().await;
    eventually("Heat to give up", CHANGE, async || match scene.openstack.stack(group).await? {
        stack if stack.is_at_rest => Ok(()),
        stack => Err(format!("{stack:?}")),
    })
    .await;
    scene.lab().start().await;
    let left = scene.servers(group).await;
    println!("Heat is done, and Nova has {} of {} servers", left.len(), before.len());
    scene.start_again().await;
    left.contains_key(server)
}
