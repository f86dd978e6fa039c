//! What an observation reads, what it leaves out, and what it makes of what it read.

#![allow(clippy::needless_range_loop, reason = "the number is part of the case")]

mod broken_records;
mod contradictions;
mod losses;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cluster_autoscaler_provider_magnum::{
    config::node_groups::GroupSelection,
    core::{
        cloud::{Cloud, CloudError, Observation, Reading},
        member::{Member, ServerPresence},
        node_group::Bounds,
    },
    openstack::MagnumCluster,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::openstack_fake::{self, Fake, answer, ok, text};

const STACKS: [&str; 2] = ["c5a5fec4-350c-4bf3-86cf-bddebe2339ea", "4e0de985-0f28-44cf-8943-b993e3c44762"];
const GROUPS: [&str; 2] = ["f2e3cd05-0468-41d8-a832-69303ed1c7a4", "531cd801-d372-468e-b865-e775c513c86f"];
const NAMES: [&str; 2] = ["default-worker", "pool-b"];
const MASTER: &str = "07507769-1425-4682-bb1b-57a2969aebcf";

/// The UUID of the server of a group's member.
fn server(group: usize, index: u32) -> String {
    format!("00000000-0000-4000-8000-0000000{group}{index:04}")
}

#[derive(Clone)]
struct Group {
    status: &'static str,
    updated_at: &'static str,
    max: Option<u32>,
    stack_id: Option<String>,
    minions: &'static str,
    /// Index, status, time of the last change.
    members: BTreeMap<u32, (&'static str, &'static str)>,
    refs_map: BTreeMap<u32, String>,
    /// Magnum's count, where it is not the size of `refs_map`.
    node_count: Option<usize>,
}

#[derive(Clone)]
struct World {
    cluster_status: &'static str,
    groups: [Group; 2],
    servers: Vec<(String, String)>,
}

impl World {
    /// Two groups of two nodes each, at rest.
    fn new() -> Self {
        let group = |number: usize| Group {
            status: "UPDATE_COMPLETE",
            updated_at: "1",
            max: Some(10),
            stack_id: Some(STACKS[number].to_owned()),
            minions: "m",
            members: [(0, ("CREATE_COMPLETE", "1")), (3, ("UPDATE_COMPLETE", "1"))].into(),
            refs_map: [0, 3].map(|index| (index, server(number, index))).into(),
            node_count: None,
        };
        let servers = [(0, 0), (0, 3), (1, 0), (1, 3)]
            .map(|(number, index)| (server(number, index), format!("s{number}-node-{index}")));
        Self { cluster_status: "UPDATE_COMPLETE", groups: [0, 1].map(group), servers: servers.into() }
    }

    fn record(&self, number: usize, detail: bool) -> Value {
        let group = &self.groups[number];
        let mut record = json!({
            "uuid": GROUPS[number], "name": NAMES[number], "role": "worker", "flavor_id": "m1.node",
            "node_count": group.node_count.unwrap_or(group.refs_map.len()), "status": group.status, "stack_id": group.stack_id,
            "min_node_count": 0, "max_node_count": null,
        });
        if detail {
            record["max_node_count"] = json!(group.max);
            record["updated_at"] = json!(group.updated_at);
            record["labels"] = json!({"cloud_provider_enabled": "true"});
        }
        record
    }

    fn resources(&self, number: usize) -> Value {
        let members = self.groups[number].members.iter().map(|(index, (status, updated))| {
            json!({"resource_name": index.to_string(), "physical_resource_id": format!("n{number}-{index}"),
                   "resource_status": status, "resource_status_reason": "state changed", "updated_time": updated})
        });
        json!({"resources": members.collect::<Vec<_>>()})
    }
}

/// A scripted cloud and the cluster read from it.
struct Scene {
    fake: Fake,
    world: Arc<Mutex<World>>,
    cluster: MagnumCluster,
}

impl Scene {
    fn new(selection: GroupSelection) -> Self {
        let fake = Fake::new();
        let world = Arc::new(Mutex::new(World::new()));
        let on = |what: &str, respond: Box<dyn Fn(&World) -> Value + Send + Sync>| {
            let world = Arc::clone(&world);
            fake.on(what, move |_| ok(respond(&world.lock().unwrap())));
        };
        for cluster in ["k8s", "c1"] {
            on(
                &format!("GET /magnum/v1/clusters/{cluster}"),
                Box::new(|world| json!({"uuid": "c1", "name": "k8s", "status": world.cluster_status})),
            );
            on(
                &format!("GET /magnum/v1/clusters/{cluster}/nodegroups"),
                Box::new(|world| {
                    let master = json!({"uuid": MASTER, "name": "default-master", "role": "master",
                        "stack_id": STACKS[0], "status": "CREATE_COMPLETE", "node_count": 1});
                    json!({"nodegroups": [master, world.record(0, false), world.record(1, false)]})
                }),
            );
        }
        for number in 0..2 {
            on(
                &format!("GET /magnum/v1/clusters/c1/nodegroups/{}", GROUPS[number]),
                Box::new(move |world| world.record(number, true)),
            );
            script_stack(&fake, &world, number, "m");
        }
        on(
            "GET /nova/v2.1/servers",
            Box::new(|world| {
                let servers = world.servers.iter().map(|(id, name)| json!({"id": id, "name": name}));
                json!({"servers": servers.collect::<Vec<_>>()})
            }),
        );
        on(
            "GET /nova/v2.1/flavors/detail",
            Box::new(
                |_| json!({"flavors": [{"id": "2", "name": "m1.node", "vcpus": 4, "ram": 8192, "disk": 20}]}),
            ),
        );
        let cluster = MagnumCluster::new(fake.session(), "k8s".to_owned(), selection);
        Self { fake, world, cluster }
    }

    fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().unwrap());
    }

    async fn observe(&self, previous: Option<&Observation>) -> Observation {
        self.cluster.observe(previous).await.unwrap()
    }

    /// An observation at rest with the first one's requests forgotten.
    async fn first(&self) -> Observation {
        let first = self.observe(None).await;
        self.fake.asked();
        first
    }

    /// What was asked, in few words: `detail 0`, `members 1`, `nova`, …
    fn asked(&self) -> Vec<String> {
        let mut asked: Vec<_> = self.fake.asked().iter().map(|asked| in_few_words(&asked.what)).collect();
        asked.sort();
        asked
    }
}

/// The stack of a group with the one nested in it, the latter by this name.
fn script_stack(fake: &Fake, world: &Arc<Mutex<World>>, number: usize, minions: &'static str) {
    let stack = STACKS[number];
    let base = "http://internal/v1/p1/stacks";
    fake.on(&format!("GET /heat/v1/p1/stacks/{stack}"), move |_| {
        answer(302, json!({})).header("location", &format!("{base}/s{number}/{stack}"))
    });
    fake.on(&format!("GET /heat/v1/p1/stacks/s{number}/{stack}/resources/kube_minions"), move |_| {
        ok(json!({"resource": {
            "resource_name": "kube_minions", "physical_resource_id": format!("{minions}{number}"),
            "links": [{"rel": "nested", "href": format!("{base}/s{number}-{minions}/{minions}{number}")}],
        }}))
    });
    let nested = format!("GET /heat/v1/p1/stacks/s{number}-{minions}/{minions}{number}");
    let of_world = |what: String, respond: fn(&World, usize) -> Value| {
        let world = Arc::clone(world);
        fake.on(&what, move |_| {
            let world = world.lock().unwrap();
            if world.groups[number].minions == minions {
                ok(respond(&world, number))
            } else {
                answer(404, json!({"error": {"message": "The Stack could not be found."}}))
            }
        });
    };
    of_world(format!("{nested}/resources"), World::resources);
    of_world(
        format!("{nested}/outputs/refs_map"),
        |world, number| json!({"output": {"output_key": "refs_map", "output_value": world.groups[number].refs_map}}),
    );
}

fn in_few_words(what: &str) -> String {
    let number = (0..2).find(|number| {
        [GROUPS[*number], STACKS[*number], &format!("/s{number}-")].iter().any(|part| what.contains(part))
    });
    let kind = match what.rsplit('/').next().unwrap() {
        "nodegroups" => "list",
        "resources" => "members",
        "servers" => "nova",
        "c1" | "k8s" => "cluster",
        kind @ ("refs_map" | "kube_minions") => kind,
        last if GROUPS.contains(&last) => "detail",
        last if STACKS.contains(&last) => "stack",
        _ => what,
    };
    number.map_or(kind.to_owned(), |number| format!("{kind} {number}"))
}

fn reading(observation: &Observation, number: usize) -> &Reading {
    observation.groups[number].reading.as_ref().unwrap()
}

fn error(observation: &Observation, number: usize) -> &CloudError {
    observation.groups[number].reading.as_ref().unwrap_err()
}

fn member(observation: &Observation, number: usize, index: u32) -> &Member {
    let members = &reading(observation, number).members;
    members.iter().find(|member| member.key.to_string() == index.to_string()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_observation_reads_everything_in_few_round_trips() {
    let scene = Scene::new(GroupSelection::All);
    scene.fake.latency(Duration::from_millis(50));
    let started = Instant::now();
    let first = scene.observe(None).await;
    assert!(started.elapsed() <= Duration::from_millis(300), "{:?}", started.elapsed());
    assert_eq!(scene.fake.asked().len(), 1 + 1 + 2 + 2 * 5 + 1 + 1);
    assert_eq!(first.cluster_name, "k8s");
    assert_eq!(first.groups.len(), 2);
    for number in 0..2 {
        let reading = reading(&first, number);
        assert_eq!(reading.group.bounds, Bounds { min: 0, max: 10 });
        assert_eq!(reading.members[0].name, format!("s{number}-node-0"));
        assert!(reading.group.has_cloud_provider());
        assert_eq!((reading.template.capacity.cpu_millis, reading.template.guess()), (4000, None));
        assert_eq!(reading.counted().count(), 2);
        assert_eq!(member(&first, number, 3).server.unwrap().to_string(), server(number, 3));
        assert_eq!(member(&first, number, 3).presence, ServerPresence::Present);
    }
}

#[tokio::test(start_paused = true)]
async fn at_rest_an_observation_costs_one_request_two_a_group_and_one_for_the_servers() {
    let scene = Scene::new(GroupSelection::All);
    let mut last = scene.first().await;
    for _ in 0..3 {
        let next = scene.observe(Some(&last)).await;
        assert_eq!(scene.asked(), ["detail 0", "detail 1", "list", "members 0", "members 1", "nova"]);
        for (next, last) in next.groups.iter().zip(&last.groups) {
            assert!(Arc::ptr_eq(next.reading.as_ref().unwrap(), last.reading.as_ref().unwrap()));
        }
        last = next;
    }
    let selection = GroupSelection::new(vec!["1:5:pool-b".parse().unwrap()], vec![]).unwrap();
    let scene = Scene::new(selection);
    let first = scene.first().await;
    assert_eq!(first.groups.len(), 1);
    assert_eq!(reading(&first, 0).group.bounds, Bounds { min: 1, max: 5 });
    scene.observe(Some(&first)).await;
    assert_eq!(scene.asked(), ["detail 1", "list", "members 1", "nova"]);
}

#[tokio::test(start_paused = true)]
async fn bounds_are_noticed_at_once_and_a_group_without_a_maximum_is_left_alone() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    scene.change(|world| {
        world.groups[0].max = Some(20);
        world.groups[1].max = None;
    });
    let second = scene.observe(Some(&first)).await;
    assert_eq!(reading(&second, 0).group.bounds.max, 20);
    assert_eq!(second.groups.len(), 1);
    scene.asked();
    let third = scene.observe(Some(&second)).await;
    assert_eq!(scene.asked().iter().filter(|asked| asked.ends_with('1')).collect::<Vec<_>>(), ["detail 1"]);
    scene.change(|world| world.groups[1].max = Some(3));
    let fourth = scene.observe(Some(&third)).await;
    assert_eq!(reading(&fourth, 1).group.bounds.max, 3);
    assert_eq!(reading(&fourth, 1).members.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn refs_map_is_read_again_when_an_identity_may_have_changed() {
    type Change = fn(&mut Group);
    let changes: [Change; 4] = [
        |group| {
            group.members.insert(4, ("CREATE_COMPLETE", "2"));
            group.refs_map.insert(4, server(1, 4));
        },
        |group| {
            group.members.insert(3, ("UPDATE_COMPLETE", "2"));
            group.refs_map.insert(3, server(1, 9));
        },
        |group| {
            group.members.insert(3, ("DELETE_IN_PROGRESS", "1"));
            group.refs_map.remove(&3);
        },
        |group| {
            group.members.remove(&3);
            group.refs_map.remove(&3);
        },
    ];
    for change in changes {
        let scene = Scene::new(GroupSelection::All);
        let first = scene.first().await;
        scene.change(|world| change(&mut world.groups[1]));
        let second = scene.observe(Some(&first)).await;
        assert!(scene.asked().contains(&"refs_map 1".to_owned()));
        let now = scene.cluster.read_group(GROUPS[1].parse().unwrap()).await.unwrap();
        let identities = |members: &[Member]| {
            members.iter().map(|member| (member.key, member.server, member.counted)).collect::<Vec<_>>()
        };
        assert_eq!(identities(&reading(&second, 1).members), identities(&now.members));
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_in_progress_is_read_whole_and_so_is_the_cluster() {
    let scene = Scene::new(GroupSelection::All);
    let first = scene.first().await;
    scene.change(|world| {
        world.cluster_status = "UPDATE_IN_PROGRESS";
        let group = &mut world.groups[1];
        group.status = "UPDATE_IN_PROGRESS";
        group.members.insert(3, ("DELETE_IN_PROGRESS", "2"));
        group.members.insert(4, ("CREATE_IN_PROGRESS", "2"));
        group.refs_map = [(0, server(1, 0)), (4, "kube-minion".to_owned())].into();
    });
    let second = scene.observe(Some(&first)).await;
    assert_eq!(
        scene.asked(),
        ["cluster", "detail 0", "detail 1", "list", "members 0", "members 1", "nova", "refs_map 1"]
    );
    assert_eq!(reading(&second, 0).cluster_status.to_string(), "UPDATE_IN_PROGRESS");
    let leaving = member(&second, 1, 3);
    assert_eq!(leaving.server.unwrap().to_string(), server(1, 3));
    assert_eq!((leaving.counted, leaving.presence), (false, ServerPresence::Present));
    let coming = member(&second, 1, 4);
    assert_eq!((coming.counted, coming.server), (true, None));
    scene.change(|world| *world = World::new());
    let third = scene.observe(Some(&second)).await;
    assert!(scene.asked().contains(&"cluster".to_owned()), "the cluster was not complete before");
    assert_eq!(reading(&third, 1).members, reading(&first, 1).members);
}

#[tokio::test(start_paused = true)]
async fn without_nova_everything_else_goes_on() {
    let scene = Scene::new(GroupSelection::All);
    scene.fake.on("GET /nova/v2.1/servers", |_| text(503, "down"));
    let first = scene.first().await;
    let second = scene.observe(Some(&first)).await;
    for number in 0..2 {
        assert_eq!(member(&second, number, 3).presence, ServerPresence::Unknown);
        assert_eq!(member(&second, number, 3).server.unwrap().to_string(), server(number, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn one_groups_trouble_stays_its_own() {
    for (stack_id, words) in [
        (Some("kube-x7k2p"), "no Heat stack (stack id \"kube-x7k2p\""),
        (Some("k8s-ab12cd34ef56"), "no Heat stack (stack id \"k8s-ab12cd34ef56\""),
        (None, "no Heat stack"),
        (Some("00000000-0000-4000-8000-00000000dead"), "does not exist"),
    ] {
        let scene = Scene::new(GroupSelection::All);
        scene.change(|world| world.groups[1].stack_id = stack_id.map(str::to_owned));
        let first = scene.first().await;
        assert!(
            matches!(error(&first, 1), CloudError::Unsuitable(text) if text.contains(words)),
            "{:?}",
            first.groups[1]
        );
        assert_eq!(reading(&first, 0).members.len(), 2);
        let told = scene.cluster.read_group(GROUPS[1].parse().unwrap()).await.unwrap_err();
        assert!(matches!(&told, CloudError::Unsuitable(text) if text.contains(words)), "{told}");
        scene.change(|world| *world = World::new());
        let second = scene.observe(Some(&first)).await;
        assert_eq!(reading(&second, 1).members.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_reads_everything_anew_at_once() {
    let scene = Scene::new(GroupSelection::All);
    scene.first().await;
    scene.fake.latency(Duration::from_millis(50));
    let started = Instant::now();
    let now = scene.cluster.read_group(GROUPS[1].parse().unwrap()).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_millis(50));
    assert_eq!(scene.asked(), ["cluster", "detail 1", "members 1", "nova", "refs_map 1"]);
    assert_eq!(now.members.len(), 2);
    let unknown = scene.cluster.read_group("00000000-0000-4000-8000-000000000000".parse().unwrap()).await;
    assert!(unknown.unwrap_err().not_found());
}

#[tokio::test(start_paused = true)]
async fn an_observation_that_does_not_end_is_given_up_and_told() {
    let scene = Scene::new(GroupSelection::All);
    scene.fake.latency(Duration::from_secs(9));
    scene.fake.on("GET /magnum/v1/clusters/k8s/nodegroups", |asked| {
        let uuid = format!("531cd801-d372-468e-b865-{:012}", asked.earlier);
        ok(json!({"nodegroups": [{"uuid": uuid, "name": "g"}], "next": "http://x"}))
    });
    let error = scene.cluster.observe(None).await.unwrap_err();
    assert!(error.to_string().contains("within 120s"), "{error}");
}
