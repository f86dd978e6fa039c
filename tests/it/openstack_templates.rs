//! Where node templates come from: flavors and newer Magnums' node labels, read in the background.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cluster_autoscaler_provider_magnum::{
    config::node_groups::GroupSelection,
    core::{
        cloud::{Cloud, Observation},
        nodes::{NodeIndex, NodeObject, NodeSource},
        settings::{GroupRule, GroupSettings, Settings},
        template::{NodeTemplate, Origin},
    },
    openstack::MagnumCluster,
    simulator::{Simulator, SimulatorOptions},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    openstack_fake::{Answer, Fake, answer, ok},
    simulated,
};

const GROUP: &str = "531cd801-d372-468e-b865-e775c513c86f";
const STACK: &str = "4e0de985-0f28-44cf-8943-b993e3c44762";

/// A cluster with one group of no nodes, of this flavor.
struct Scene {
    fake: Fake,
    cluster: MagnumCluster,
    flavor: Arc<Mutex<&'static str>>,
}

impl Scene {
    fn new(flavor: &'static str) -> Self {
        let fake = Fake::new();
        let flavor = Arc::new(Mutex::new(flavor));
        for cluster in ["k8s", "c1"] {
            let record = json!({"uuid": "c1", "name": "k8s", "status": "CREATE_COMPLETE"});
            fake.on(&format!("GET /magnum/v1/clusters/{cluster}"), move |_| ok(record.clone()));
            let shown = Arc::clone(&flavor);
            fake.on(&format!("GET /magnum/v1/clusters/{cluster}/nodegroups"), move |_| {
                let group = group(*shown.lock().unwrap());
                let master = json!({"uuid": "07507769-1425-4682-bb1b-57a2969aebcf", "name": "default-master",
                    "role": "master", "stack_id": "c5a5fec4-350c-4bf3-86cf-bddebe2339ea"});
                ok(json!({"nodegroups": [master, group]}))
            });
        }
        let shown = Arc::clone(&flavor);
        fake.on(&format!("GET /magnum/v1/clusters/c1/nodegroups/{GROUP}"), move |_| {
            ok(group(*shown.lock().unwrap()))
        });
        let base = "http://internal/v1/p1/stacks";
        fake.on(&format!("GET /heat/v1/p1/stacks/{STACK}"), move |_| {
            answer(302, json!({})).header("location", &format!("{base}/s/{STACK}"))
        });
        fake.on(&format!("GET /heat/v1/p1/stacks/s/{STACK}/resources/kube_minions"), move |_| {
            ok(json!({"resource": {"resource_name": "kube_minions", "physical_resource_id": "m",
                "links": [{"rel": "nested", "href": format!("{base}/s-m/m")}]}}))
        });
        fake.on("GET /heat/v1/p1/stacks/s-m/m/resources", |_| ok(json!({"resources": []})));
        fake.on("GET /heat/v1/p1/stacks/s-m/m/outputs/refs_map", |_| {
            ok(json!({"output": {"output_key": "refs_map", "output_value": {}}}))
        });
        fake.on("GET /nova/v2.1/servers", |_| ok(json!({"servers": []})));
        let cluster = MagnumCluster::new(fake.session(), "k8s".to_owned(), GroupSelection::All);
        Self { fake, cluster, flavor }
    }

    /// Lists these flavors, with extra specs where they are asked for.
    fn list(&self, flavors: &'static [(&'static str, &'static str, u64)]) {
        self.fake.on("GET /nova/v2.1/flavors/detail", move |asked| {
            assert_eq!(asked.header("openstack-api-version"), "compute 2.61");
            ok(json!({"flavors": flavors.iter().map(record).collect::<Vec<_>>()}))
        });
    }

    fn on(&self, path: &str, responder: impl Fn() -> Answer + Send + Sync + 'static) {
        self.fake.on(&format!("GET /nova/v2.1/flavors{path}"), move |_| responder());
    }

    /// The template in the next observation, and with what it was made.
    async fn observe(&self, previous: &mut Option<Observation>) -> Arc<NodeTemplate> {
        let observation = self.cluster.observe(previous.as_ref()).await.unwrap();
        let template = Arc::clone(&observation.groups[0].reading.as_ref().unwrap().template);
        *previous = Some(observation);
        template
    }

    async fn first(&self) -> Arc<NodeTemplate> {
        self.observe(&mut None).await
    }

    /// How often flavors were asked for since the last time.
    fn asked(&self) -> usize {
        self.fake.asked().iter().filter(|asked| asked.what.contains("/flavors")).count()
    }
}

fn group(flavor: &str) -> Value {
    json!({
        "uuid": GROUP, "name": "pool-b", "role": "worker", "flavor_id": flavor, "node_count": 0,
        "status": "CREATE_COMPLETE", "stack_id": STACK, "min_node_count": 0, "max_node_count": 10,
        "labels": {"cloud_provider_enabled": "true"}, "updated_at": "1",
    })
}

fn record((id, name, vcpus): &(&str, &str, u64)) -> Value {
    json!({"id": id, "name": name, "vcpus": vcpus, "ram": 8192, "disk": 20, "extra_specs": {"resources:VGPU": "1"}})
}

fn cpus(template: &Arc<NodeTemplate>) -> (u64, Option<&str>) {
    (template.capacity.cpu_millis / 1000, template.flavor.as_deref())
}

#[tokio::test(start_paused = true)]
async fn a_flavor_is_found_by_id_or_by_name_in_the_first_observation() {
    for (flavor, expected) in
        [("2", (4, Some("m1.node"))), ("m1.node", (4, Some("m1.node"))), ("g1", (8, Some("g1")))]
    {
        let scene = Scene::new(flavor);
        scene.list(&[("1", "m1.small", 1), ("2", "m1.node", 4), ("3", "g1", 8)]);
        let template = scene.first().await;
        assert_eq!(cpus(&template), expected, "{flavor}");
        assert_eq!(template.gpus, 1);
        assert_eq!((scene.asked(), &template.origin), (1, &Origin::Flavor));
    }
}

#[tokio::test(start_paused = true)]
async fn a_private_flavor_is_asked_for_by_its_id() {
    let scene = Scene::new("42");
    scene.list(&[("2", "m1.node", 4)]);
    scene.on("/42", || ok(json!({"flavor": record(&("42", "private", 16))})));
    assert_eq!(cpus(&scene.first().await), (16, Some("private")));
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_read() {
    let scene = Scene::new("m1.node");
    scene.fake.on("GET /nova/v2.1/flavors/detail", |asked| {
        let (flavor, more) = match asked.query.contains("marker=1") {
            true => (record(&("2", "m1.node", 4)), vec![]),
            false => {
                (record(&("1", "m1.small", 1)), vec![json!({"rel": "next", "href": "http://elsewhere/"})])
            }
        };
        ok(json!({"flavors": [flavor], "flavors_links": more}))
    });
    assert_eq!(cpus(&scene.first().await), (4, Some("m1.node")));
}

#[tokio::test(start_paused = true)]
async fn an_old_nova_tells_the_extra_specs_apart() {
    let scene = Scene::new("m1.node");
    scene.fake.on("GET /nova/v2.1/flavors/detail", |asked| match asked.header("openstack-api-version") {
        "" => ok(json!({"flavors": [{"id": "2", "name": "m1.node", "vcpus": 4, "ram": 8192, "disk": 20}]})),
        _ => answer(406, json!({"computeFault": {"code": 406, "message": "Version 2.61 is not supported"}})),
    });
    scene.on("/2/os-extra_specs", || ok(json!({"extra_specs": {"pci_passthrough:alias": "a100:2"}})));
    let template = scene.first().await;
    assert_eq!((cpus(&template), template.gpus), ((4, Some("m1.node")), 2));
    let scene = Scene::new("m1.node");
    scene.fake.on("GET /nova/v2.1/flavors/detail", |asked| match asked.header("openstack-api-version") {
        "" => ok(json!({"flavors": [{"id": "2", "name": "m1.node", "vcpus": 4, "ram": 8192, "disk": 20}]})),
        _ => answer(406, json!({})),
    });
    scene.on("/2/os-extra_specs", || answer(403, json!({"forbidden": {"message": "no"}})));
    assert_eq!(cpus(&scene.first().await), (4, Some("m1.node")), "the size alone is worth something");
}

#[tokio::test(start_paused = true)]
async fn one_odd_flavor_spoils_no_other() {
    let scene = Scene::new("m1.node");
    scene.on("/detail", || {
        ok(json!({"flavors": [null, {"id": 3}, {"name": "x"}, [], record(&("2", "m1.node", 4))]}))
    });
    assert_eq!(cpus(&scene.first().await), (4, Some("m1.node")));
}

#[tokio::test(start_paused = true)]
async fn a_flavor_that_cannot_be_read_makes_the_smallest_node_and_says_why() {
    type Script = fn(&Scene);
    let scripts: [(Script, &str); 3] = [
        (|scene| scene.list(&[("2", "m1.other", 4)]), "no flavor with the id or name \"m1.node\""),
        (
            |scene| scene.on("/detail", || answer(403, json!({"forbidden": {"message": "Policy forbids"}}))),
            "Policy forbids",
        ),
        (|scene| scene.on("/detail", || answer(503, json!({"message": "down"}))), "503"),
    ];
    for (script, words) in scripts {
        let scene = Scene::new("m1.node");
        script(&scene);
        let template = scene.first().await;
        assert_eq!(cpus(&template), (1, None));
        assert!(template.guess().unwrap().contains(words), "{:?}", template.guess());
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_nova_holds_no_observation_for_long() {
    let scene = Scene::new("m1.node");
    scene.on("/detail", || {
        ok(json!({"flavors": [record(&("2", "m1.node", 4))]})).after(Duration::from_secs(5))
    });
    let (begun, mut last) = (Instant::now(), None);
    assert_eq!(scene.observe(&mut last).await.guess(), Some("Nova has not told its flavor yet"));
    assert!(begun.elapsed() <= Duration::from_secs(2), "{:?}", begun.elapsed());
    let begun = Instant::now();
    scene.observe(&mut last).await;
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    sleep(Duration::from_secs(5)).await;
    assert_eq!(cpus(&scene.observe(&mut last).await), (4, Some("m1.node")));
    assert_eq!(scene.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn flavors_are_read_every_ten_minutes_and_when_a_new_one_is_named() {
    let scene = Scene::new("m1.node");
    scene.list(&[("2", "m1.node", 4), ("3", "g1", 8)]);
    let mut last = None;
    scene.observe(&mut last).await;
    assert_eq!(scene.asked(), 1);
    for _ in 0..59 {
        sleep(Duration::from_secs(10)).await;
        scene.observe(&mut last).await;
    }
    assert_eq!(scene.asked(), 0);
    sleep(Duration::from_secs(10)).await;
    scene.observe(&mut last).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.asked(), 1);
    *scene.flavor.lock().unwrap() = "g1";
    scene.observe(&mut last).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cpus(&scene.observe(&mut last).await), (8, Some("g1")));
    assert_eq!(scene.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_known_flavor_stands_while_nova_fails_and_after_its_deletion() {
    let scene = Scene::new("m1.node");
    scene.list(&[("2", "m1.node", 4)]);
    let mut last = None;
    let first = scene.observe(&mut last).await;
    for script in [
        |scene: &Scene| scene.on("/detail", || answer(503, json!({}))),
        |scene: &Scene| scene.list(&[("9", "m1.other", 1)]),
    ] {
        script(&scene);
        sleep(Duration::from_secs(601)).await;
        scene.observe(&mut last).await;
        sleep(Duration::from_secs(10)).await;
        assert!(
            Arc::ptr_eq(&scene.observe(&mut last).await, &first),
            "the same, and nothing to encode again"
        );
    }
    scene.asked();
    scene.list(&[("2", "m1.node", 6)]);
    sleep(Duration::from_secs(601)).await;
    scene.observe(&mut last).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cpus(&scene.observe(&mut last).await), (6, Some("m1.node")));
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_flavors_are_tried_again_within_a_minute() {
    let scene = Scene::new("m1.node");
    scene.on("/detail", || answer(503, json!({})));
    let mut last = None;
    assert!(scene.observe(&mut last).await.guess().is_some());
    scene.list(&[("2", "m1.node", 4)]);
    sleep(Duration::from_secs(61)).await;
    scene.observe(&mut last).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(scene.observe(&mut last).await.origin, Origin::Flavor);
}

#[tokio::test(start_paused = true)]
async fn node_labels_and_taints_are_asked_for_where_magnum_has_them() {
    for (newest, expected) in [(10, None), (13, None), (14, Some("ssd"))] {
        let mut options =
            SimulatorOptions { magnum_minor_version: Some(newest), ..SimulatorOptions::default() };
        options.groups[1].node_labels = [("disk".to_owned(), "ssd".to_owned())].into();
        options.groups[1].node_taints = vec![["dedicated", "batch", "NoSchedule"].map(str::to_owned)];
        let simulator = Simulator::new(options);
        let cloud = simulated::cloud(&simulator);
        let observation = cloud.observe(None).await.unwrap();
        let template = &observation.groups[1].reading.as_ref().unwrap().template;
        assert_eq!(template.labels.get("disk").map(String::as_str), expected, "1.{newest}");
        let taints: Vec<_> = template.taints.iter().map(ToString::to_string).collect();
        let expected = expected.map(|_| "dedicated=batch:NoSchedule".to_owned());
        assert_eq!(taints, expected.into_iter().collect::<Vec<_>>());
        let worker = &observation.groups[0].reading.as_ref().unwrap().template;
        assert!(worker.taints.is_empty() && !worker.labels.contains_key("disk"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_simulated_groups_have_templates_at_once_nodes_or_not() {
    let simulator = Simulator::new(SimulatorOptions::default());
    let observation = simulated::cloud(&simulator).observe(None).await.unwrap();
    let sizes: Vec<_> = observation
        .groups
        .iter()
        .map(|group| group.reading.as_ref().unwrap())
        .map(|reading| (reading.group.name.as_str(), reading.size(), cpus(&reading.template)))
        .collect();
    assert_eq!(sizes, [("default-worker", 1, (4, Some("m1.node"))), ("pool-b", 0, (4, Some("m1.node")))]);
}

#[tokio::test(start_paused = true)]
async fn the_settings_file_has_the_last_word() {
    let scene = Scene::new("m1.node");
    scene.list(&[("2", "m1.node", 4)]);
    let settings = GroupSettings {
        max: Some(3),
        labels: [("disk".to_owned(), Some("ssd".to_owned()))].into(),
        ..GroupSettings::default()
    };
    let rule =
        |pattern: &str| GroupRule { pattern: wildmatch::WildMatch::new(pattern), settings: settings.clone() };
    for (pattern, max, label) in [("pool-*", 3, Some("ssd")), ("other", 10, None)] {
        let settings = Settings { rules: vec![rule(pattern)], ..Settings::default() };
        let cluster = MagnumCluster::new(scene.fake.session(), "k8s".to_owned(), GroupSelection::All)
            .with_settings(Arc::new(settings));
        let observation = cluster.observe(None).await.unwrap();
        let reading = observation.groups[0].reading.as_ref().unwrap();
        assert_eq!(reading.group.bounds.max, max);
        assert_eq!(reading.template.labels.get("disk").map(String::as_str), label);
        let again = cluster.read_group(GROUP.parse().unwrap()).await.unwrap();
        assert_eq!((again.group.bounds.max, &again.template), (max, &reading.template));
    }
}

#[derive(Debug, Default)]
struct Nodes(Mutex<Option<Arc<NodeIndex>>>);

impl NodeSource for Nodes {
    fn nodes(&self) -> Option<Arc<NodeIndex>> {
        self.0.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_is_like_a_live_node_of_its_group_and_stays_so_when_there_is_none() {
    let simulator = Simulator::new(SimulatorOptions::default());
    let nodes = Arc::new(Nodes::default());
    let cluster = simulated::cluster(&simulator, GroupSelection::All).with_nodes(Some(nodes.clone()));
    let first = cluster.observe(None).await.unwrap();
    let reading = first.groups[0].reading.as_ref().unwrap();
    assert_eq!(reading.template.origin, Origin::Flavor);
    let amounts: std::collections::BTreeMap<_, _> =
        [("cpu", "3"), ("memory", "7Gi"), ("ephemeral-storage", "20Gi"), ("pods", "50")]
            .map(|(name, amount)| (name.to_owned(), amount.parse().unwrap()))
            .into();
    let live = NodeObject {
        name: "worker".to_owned(),
        system_uuid: reading.members[0].server.unwrap().to_string().to_uppercase(),
        labels: [("disk".to_owned(), "ssd".to_owned())].into(),
        capacity: amounts.clone(),
        allocatable: amounts,
        ready: true,
        ..NodeObject::default()
    };
    let known = [live].into_iter().map(Arc::new).collect();
    for nodes_now in [Some(Arc::new(known)), None, Some(Arc::default())] {
        *nodes.0.lock().unwrap() = nodes_now;
        let observation = cluster.observe(Some(&first)).await.unwrap();
        let template =
            |group: usize| Arc::clone(&observation.groups[group].reading.as_ref().unwrap().template);
        assert_eq!(template(0).origin, Origin::LiveNode("worker".to_owned()));
        assert_eq!((template(0).allocatable.cpu_millis, template(0).labels["disk"].as_str()), (3000, "ssd"));
        assert_eq!((template(1).origin.clone(), template(1).labels.get("disk")), (Origin::Flavor, None));
    }
}
