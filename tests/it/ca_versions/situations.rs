//! The situations, and what each version has to do in them.

use std::{future::Future, pin::Pin, time::Duration};

use cluster_autoscaler_provider_magnum::simulator::GroupOptions;

use super::{
    autoscaler::Expander,
    scene::{ProviderIds, Scene, Setup},
    version::Version,
    wire::{GroupOptions as Options, Trouble},
};

type Told = Pin<Box<dyn Future<Output = String>>>;

/// One line of the table.
pub struct Situation {
    pub name: &'static str,
    /// Plays it and tells what came of it.
    pub play: fn(&'static Version) -> Told,
    /// What has to come of it.
    pub expected: fn(&Version) -> &'static str,
}

const MINUTE: Duration = Duration::from_secs(60);

/// `default-worker` with one busy node and `pool-b` with `nodes` nodes of 0 to 10.
fn with_pool(nodes: u32) -> Vec<GroupOptions> {
    vec![GroupOptions::new("default-worker", 1, 1, Some(6)), GroupOptions::new("pool-b", nodes, 0, Some(10))]
}

/// The table.
pub static SITUATIONS: &[Situation] = &[
    Situation {
        name: "a group at 0 beside one that has to grow",
        play: |version| {
            Box::pin(async move {
                let setup = Setup { groups: with_pool(0), ..Setup::default() };
                let mut scene = Scene::new(version, setup).await;
                scene.add_pods(1, Some("default-worker"));
                scene.pass(MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "default-worker +1",
    },
    Situation {
        name: "pods for a group at 0",
        play: |version| {
            Box::pin(async move {
                let setup = Setup { groups: with_pool(0), ..Setup::default() };
                let mut scene = Scene::new(version, setup).await;
                scene.add_pods(2, Some("pool-b"));
                scene.pass(MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "pool-b +2",
    },
    Situation {
        name: "a group of 1 whose node has not joined",
        play: |version| {
            Box::pin(async move {
                let setup = Setup { groups: with_pool(1), absent: Some("pool-b"), ..Setup::default() };
                let mut scene = Scene::new(version, setup).await;
                scene.add_pods(1, Some("default-worker"));
                scene.pass(MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "default-worker +1",
    },
    Situation {
        name: "its node never joins",
        play: |version| {
            Box::pin(async move {
                let setup = Setup { groups: with_pool(1), absent: Some("pool-b"), ..Setup::default() };
                let mut scene = Scene::new(version, setup).await;
                scene.pass(17 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "deletes 1 unregistered of pool-b",
    },
    Situation {
        name: "the only node is younger than a minute",
        play: |version| {
            Box::pin(async move {
                let mut scene = Scene::new(version, Setup { young: true, ..Setup::default() }).await;
                scene.add_pods(1, None);
                scene.pass(MINUTE / 2).await;
                scene.steps().await
            })
        },
        expected: |_| "default-worker +1",
    },
    Situation {
        name: "new nodes show a provider ID after 40 s",
        play: |version| {
            Box::pin(async move {
                let provider_ids = ProviderIds::After(Duration::from_secs(40));
                let mut scene = Scene::new(version, Setup { provider_ids, ..Setup::default() }).await;
                scene.add_pods(2, None);
                scene.pass(3 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "default-worker +2",
    },
    Situation {
        // No node is deleted and no more are asked for. But cluster-autoscaler finds the group too small for as long
        // as a node may take to come, and then ends each loop at the refusal to lower the target.
        name: "new nodes should get a provider ID and do not",
        play: |version| {
            Box::pin(async move {
                let provider_ids = ProviderIds::Missing;
                let mut scene = Scene::new(version, Setup { provider_ids, ..Setup::default() }).await;
                scene.add_pods(2, None);
                scene.pass(35 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| {
            "default-worker +2, backs off default-worker (timeout), lowers default-worker by 2 refused, \
             loop ends (sizes), 2 pods pending"
        },
    },
    Situation {
        // Nothing is deleted here either.
        name: "the label says provider IDs, no node has one",
        play: |version| {
            Box::pin(async move {
                let provider_ids = ProviderIds::Never;
                let mut scene = Scene::new(version, Setup { provider_ids, ..Setup::default() }).await;
                scene.add_pods(2, None);
                scene.pass(35 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "no scale-up (group unhealthy), 2 pods pending",
    },
    Situation {
        name: "the label says none, no node has one: a pod comes and goes",
        play: |version| {
            Box::pin(async move {
                let provider_ids = ProviderIds::Never;
                let setup = Setup { provider_ids, label: false, ..Setup::default() };
                let mut scene = Scene::new(version, setup).await;
                scene.add_pods(1, None);
                scene.pass(20 * MINUTE).await;
                scene.cluster.pods.pop();
                scene.pass(12 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "default-worker +1, deletes 1 idle of default-worker",
    },
    Situation {
        name: "an idle node",
        play: |version| {
            Box::pin(async move {
                let groups = vec![GroupOptions::new("default-worker", 2, 1, Some(6))];
                let mut scene = Scene::new(version, Setup { groups, ..Setup::default() }).await;
                scene.cluster.pods.remove(0);
                scene.pass(12 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "deletes 1 idle of default-worker",
    },
    Situation {
        name: "quota for 1 of 3 nodes",
        play: |version| {
            Box::pin(async move {
                let mut scene = Scene::new(version, Setup::default()).await;
                let servers = u32::try_from(scene.simulator.servers().len()).unwrap();
                scene.simulator.set_quota(Some(servers + 1));
                scene.add_pods(3, None);
                scene.pass(2 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| {
            "default-worker +3, backs off default-worker (QuotaExceeded), deletes 2 failed of default-worker, \
             2 pods pending"
        },
    },
    Situation {
        name: "a node's server is gone",
        play: |version| {
            Box::pin(async move {
                let groups = vec![GroupOptions::new("default-worker", 2, 1, Some(6))];
                let mut scene = Scene::new(version, Setup { groups, ..Setup::default() }).await;
                let lost = scene.cluster.pods[1].node.clone().unwrap();
                scene.lose_server(&lost);
                scene.pass(4 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "deletes 1 failed of default-worker, default-worker +1",
    },
    Situation {
        name: "nodes that were asked for never join",
        play: |version| {
            Box::pin(async move {
                let mut scene = Scene::new(version, Setup::default()).await;
                scene.nobody_joins = true;
                scene.add_pods(2, None);
                scene.pass(17 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |version| match version.reverts_timed_out {
            false => {
                "default-worker +2, backs off default-worker (timeout), \
                 deletes 2 unregistered of default-worker, 2 pods pending"
            }
            true => {
                "default-worker +2, backs off default-worker (timeout), lowers default-worker by 2 refused, \
                 deletes 2 unregistered of default-worker, 2 pods pending"
            }
        },
    },
    Situation {
        name: "--expander=price",
        play: |version| {
            Box::pin(async move {
                let setup = Setup { expander: Expander::Price, ..Setup::default() };
                let mut scene = Scene::new(version, setup).await;
                scene.add_pods(1, None);
                scene.pass(MINUTE).await;
                scene.steps().await
            })
        },
        // An invented price would make it choose by it, and 0 / 0 by nothing.
        expected: |_| "no scale-up (no price), 1 pod pending",
    },
    Situation {
        name: "OpenStack has not been read yet",
        play: |version| {
            Box::pin(async move {
                let setup = Setup { cloud_is_up: false, ..Setup::default() };
                let mut scene = Scene::new(version, setup).await;
                scene.add_pods(1, None);
                scene.pass(20 * MINUTE).await;
                scene.steps().await
            })
        },
        expected: |_| "loop ends (Refresh Unavailable), 1 pod pending",
    },
    Situation {
        name: "options of a group",
        play: |version| {
            Box::pin(async move {
                let mut scene = Scene::new(version, Setup::default()).await;
                let client = &mut scene.autoscaler.client;
                client.refresh().await.unwrap();
                let group = client.groups().await.remove(0);
                match client.options(&group.id).await {
                    Ok(Options::DEFAULTS) => "the defaults".to_owned(),
                    Ok(options) => format!("{options:?}"),
                    Err(trouble) => trouble_of(trouble),
                }
            })
        },
        expected: |_| "the defaults",
    },
    Situation {
        name: "template of a group at 0",
        play: |version| {
            Box::pin(async move {
                let setup = Setup { groups: with_pool(0), ..Setup::default() };
                let mut scene = Scene::new(version, setup).await;
                let client = &mut scene.autoscaler.client;
                client.refresh().await.unwrap();
                let group = client.groups().await.remove(1);
                match client.template(&group.id).await {
                    Ok(Some(node)) => node.lacks().unwrap_or_else(|| "complete".to_owned()),
                    Ok(None) => "none".to_owned(),
                    Err(trouble) => trouble_of(trouble),
                }
            })
        },
        expected: |_| "complete",
    },
    Situation {
        name: "GPU label and types",
        play: |version| {
            Box::pin(async move {
                let mut scene = Scene::new(version, Setup::default()).await;
                let client = &mut scene.autoscaler.client;
                let label = client.gpu_label().await;
                format!("{label} {:?}", client.gpu_types().await)
            })
        },
        expected: |_| "magnum.openstack.org/gpu []",
    },
];

fn trouble_of(trouble: Trouble) -> String {
    match trouble {
        Trouble::Error(code) => format!("error ({code:?})"),
        Trouble::Crash(why) => format!("crash ({why})"),
    }
}
