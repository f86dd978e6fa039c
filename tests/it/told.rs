//! What the log tells of a group, and when: the engine on the simulated cloud, in paused time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cluster_autoscaler_provider_magnum::{
    core::{
        instance::{Instance, InstanceId},
        machine_id::MachineId,
        member::MemberKey,
        nodes::{NodeIndex, NodeObject, NodeSource, UNINITIALIZED_TAINT},
        request::{NodeReference, RequestError},
        snapshot::GroupView,
    },
    engine::{Engine, EngineOptions},
    simulator::{Fault, FaultPlan, FaultRule, GroupOptions, NodeRule, Service, Simulator, SimulatorOptions},
};
use tokio::time::{Instant, sleep};
use tracing::subscriber::DefaultGuard;

use crate::{captured_log::CapturedLog, simulated};

/// The engine in front of the group `pool-b`, and its log.
struct Scene {
    simulator: Simulator,
    engine: Arc<Engine>,
    log: CapturedLog,
    _capture: DefaultGuard,
}

impl Scene {
    async fn new(nodes: u32, max: u32) -> Self {
        let (log, capture) = CapturedLog::start();
        let simulator = Simulator::new(SimulatorOptions {
            groups: vec![
                GroupOptions::new("default-worker", 1, 1, None),
                GroupOptions::new("pool-b", nodes, 0, Some(max)),
            ],
            token_lifetime: Duration::from_secs(36_000),
            ..SimulatorOptions::default()
        });
        let engine = Engine::start(simulated::cloud(&simulator), EngineOptions::default(), Arc::new(()));
        let scene = Self { simulator, engine, log, _capture: capture };
        scene.until("the cloud is read", |scene| scene.engine.snapshot().is_ok()).await;
        sleep(EngineOptions::default().timing.timeouts.after_start).await;
        scene
    }

    fn view(&self) -> Arc<GroupView> {
        let snapshot = self.engine.snapshot().unwrap();
        snapshot.groups().iter().find(|group| group.id.starts_with("pool-b")).unwrap().clone()
    }

    fn name(&self, index: u32) -> String {
        let view = self.view();
        let name = |instance: &Instance| instance.name.clone();
        let of_member = |instance: &&Instance| instance.member == Some(MemberKey::Index(index));
        view.instances.iter().find(of_member).map(name).unwrap()
    }

    fn server(&self, index: u32) -> Option<MachineId> {
        let view = self.view();
        let mut members = view.instances.iter();
        match members.find(|instance| instance.member == Some(MemberKey::Index(index)))?.id {
            InstanceId::Server(machine) => Some(machine),
            InstanceId::Placeholder(_) => None,
        }
    }

    /// As the log names a node.
    fn node(&self, index: u32) -> String {
        format!("{} ({})", self.name(index), self.server(index).unwrap())
    }

    async fn increase(&self, delta: i32) {
        self.engine.increase_size(&self.view().id, delta, deadline()).await.unwrap();
    }

    async fn delete(&self, index: u32) {
        let provider_id = format!("openstack:///{}", self.server(index).unwrap());
        let node = NodeReference { name: self.name(index), provider_id };
        self.engine.delete_nodes(&self.view().id, &[node], deadline()).await.unwrap();
    }

    /// Waits in paused time, half an hour at most.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(1800);
        while !holds(self) {
            assert!(Instant::now() < give_up, "{what}: not within half an hour\n{}", self.log.text());
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn until_told(&self, parts: &[&str]) -> String {
        self.until(&format!("{parts:?} is told"), |scene| !scene.log.lines(parts).is_empty()).await;
        self.log.lines(parts)[0].clone()
    }

    async fn until_at_rest(&self) {
        self.until("the cloud is at rest", |scene| scene.simulator.is_at_rest()).await;
        sleep(Duration::from_secs(60)).await;
    }

    fn assert_told(&self, times: usize, parts: &[&str]) {
        let lines = self.log.lines(parts);
        assert_eq!(lines.len(), times, "{parts:?} in\n{}", self.log.text());
    }
}

fn deadline() -> std::time::Instant {
    (Instant::now() + Duration::from_millis(4500)).into_std()
}

#[tokio::test(start_paused = true)]
async fn an_operators_resize_is_told_when_it_is_seen_with_the_nodes_that_it_cost() {
    let scene = Scene::new(1, 10).await;
    scene.simulator.set_node_rule("*-node-*", NodeRule::Boot(Duration::from_secs(300)));
    scene.increase(4).await;
    scene.until("the newest node has a server", |scene| scene.server(4).is_some()).await;
    let newest = scene.node(4);
    let begun = Instant::now();
    scene.simulator.operator_resize("pool-b", 4, &[]).unwrap();
    scene
        .until_told(&["WARN", "somebody else resized the group to 4 nodes while the resize to 5 of this"])
        .await;
    let gone = scene.until_told(&["WARN", "gone with somebody else's resize to 4 nodes"]).await;
    assert!(gone.contains(&newest), "{gone}: {newest}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    scene.simulator.clear_node_rules();
    scene.until_told(&["the resize to 5 ended with", "since somebody else resized the group to 4"]).await;
    scene.assert_told(0, &["WRONG REMOVAL"]);
    scene.assert_told(1, &["somebody else resized the group to 4 nodes while"]);
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_resize_of_a_group_at_rest_is_told_with_its_end() {
    let scene = Scene::new(3, 10).await;
    let last = scene.node(2);
    scene.simulator.operator_resize("pool-b", 2, &[]).unwrap();
    let gone = scene.until_told(&["WARN", "gone with"]).await;
    assert!(gone.contains(&last), "{gone}: {last}");
    scene.until_at_rest().await;
    let told = scene.log.lines(&["did not send is in progress; adopted"]).len()
        + scene.log.lines(&["somebody else resized the group, 3 → 2 nodes"]).len();
    assert!(told >= 1, "{}", scene.log.text());
}

#[tokio::test(start_paused = true)]
async fn a_removal_names_its_node_and_is_nobody_elses() {
    let scene = Scene::new(3, 10).await;
    let node = scene.node(1);
    scene.delete(1).await;
    scene.until_at_rest().await;
    scene.assert_told(1, &["INFO", &format!("removing 1 node ({node}), 3 → 2")]);
    scene.assert_told(1, &["INFO", "reached 2 nodes"]);
    for untrue in ["somebody else", "gone", "adopted", "failed"] {
        scene.assert_told(0, &[untrue]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_this_service_sends_again_is_nobody_elses() {
    let scene = Scene::new(3, 10).await;
    let node = scene.node(1);
    scene.simulator.stop_conductor(Duration::from_secs(600));
    scene.delete(1).await;
    scene.until("it is sent again", |scene| scene.simulator.resizes().len() == 3).await;
    scene.increase(1).await;
    scene.until("the conductor is back", |scene| scene.simulator.resizes().len() > 5).await;
    scene.until_at_rest().await;
    scene.until_told(&["increasing size by 1, 2 → 3"]).await;
    scene.until_at_rest().await;
    assert!(!scene.log.lines(&["removing 1 node", &node]).is_empty());
    for untrue in ["somebody else", "gone", "adopted"] {
        scene.assert_told(0, &[untrue]);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_of_a_lagging_replica_are_nobody_elses_resize() {
    let scene = Scene::new(3, 10).await;
    let stale = FaultRule::always(Fault::StaleRead(Duration::from_secs(4))).with_probability(0.5);
    scene.simulator.set_faults(FaultPlan { seed: 7, rules: vec![stale] });
    scene.increase(2).await;
    scene.until_at_rest().await;
    scene.simulator.set_faults(FaultPlan::none());
    scene.until_at_rest().await;
    scene.assert_told(0, &["WRONG REMOVAL"]);
    let gone = scene.log.lines(&["gone although"]).len();
    let again = scene.log.lines(&["there again"]).len();
    assert_eq!(gone, again, "{}", scene.log.text());
    scene.assert_told(0, &["while the resize"]);
}

#[tokio::test(start_paused = true)]
async fn a_resize_of_before_a_restart_is_adopted_and_its_end_is_told() {
    let mut scene = Scene::new(2, 10).await;
    scene.increase(2).await;
    scene.until("it is under way", |scene| scene.view().status == "UPDATE_IN_PROGRESS").await;
    scene.engine.stop().await;
    scene.engine = Engine::start(simulated::cloud(&scene.simulator), EngineOptions::default(), Arc::new(()));
    scene.until_told(&["INFO", "a resize to 4 that this process did not send is in progress; adopted"]).await;
    scene.until_told(&["INFO", "the adopted resize ended, 4 nodes as asked"]).await;
    scene.until_at_rest().await;
    scene.assert_told(0, &["somebody else"]);
    scene.assert_told(0, &["gone"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_fails_is_told_once_with_what_it_means_and_its_end() {
    let scene = Scene::new(2, 10).await;
    scene.simulator.set_node_rule("*-node-2", NodeRule::fail());
    scene.increase(1).await;
    let failed = scene.until_told(&["WARN", "1 node failed, DeploymentFailed: "]).await;
    assert!(failed.contains("its console log says why"), "{failed}");
    assert!(failed.contains(&scene.node(2)), "{failed}");
    scene.until_at_rest().await;
    scene.assert_told(1, &["1 node failed"]);
    let ended =
        scene.until_told(&["ERROR", "the resize to 3 ended UPDATE_FAILED with 2 nodes; 1 failed"]).await;
    assert!(ended.contains(&scene.name(2)), "{ended}");

    let name = scene.name(2);
    scene.delete(2).await;
    scene.until_told(&["INFO", "gone after their failure", &name]).await;
}

#[tokio::test(start_paused = true)]
async fn quotas_are_told_alike_for_all_nodes_and_count_nodes() {
    let scene = Scene::new(2, 10).await;
    let servers = u32::try_from(scene.simulator.servers().len()).unwrap();
    scene.simulator.set_quota(Some(servers));
    scene.increase(3).await;
    let told =
        scene.until_told(&["ERROR", "the resize to 5 ended UPDATE_FAILED with 2 nodes; 3 failed"]).await;
    assert!(told.contains("raise it or lower the group's maximum"), "{told}");
    scene.until_told(&["WARN", "failed, QuotaExceeded", "(no server)", "resources["]).await;
    let view = scene.view();
    let mut messages: Vec<&str> = view
        .instances
        .iter()
        .filter_map(|instance| instance.error.as_ref())
        .map(|error| error.message.as_str())
        .collect();
    assert_eq!(messages.len(), 3);
    messages.dedup();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(!messages[0].contains("resources[") && !messages[0].contains("req-"), "{messages:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_somebody_deleted_is_told_when_it_is_missed() {
    let scene = Scene::new(3, 10).await;
    let node = scene.node(1);
    assert!(scene.simulator.delete_server(&scene.server(1).unwrap().to_string()));
    let told = scene.until_told(&["WARN", "1 node failed, ServerGone: ", "deleted by somebody else"]).await;
    assert!(told.contains(&node), "{told}: {node}");
    sleep(Duration::from_secs(600)).await;
    scene.assert_told(1, &["failed, ServerGone"]);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_request_that_waits_says_for_what() {
    let scene = Scene::new(3, 10).await;
    scene.increase(2).await;
    scene.until("it is sent", |scene| !scene.simulator.resizes().is_empty()).await;
    sleep(Duration::from_secs(1)).await;
    let node = scene.node(1);
    scene.delete(1).await;
    scene.increase(1).await;
    let waits = "is accepted and waits for the end of the resize to 5 that is under way";
    scene.assert_told(1, &["INFO", &format!("the removal of {node} {waits}")]);
    scene.assert_told(1, &["INFO", &format!("an increase by 1 {waits}")]);
    scene.until_at_rest().await;
    assert_eq!(scene.simulator.group("pool-b").unwrap().members.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_removal_of_a_node_that_hangs_does_not_read_like_a_fault() {
    let scene = Scene::new(2, 10).await;
    scene.simulator.set_node_rule("*-node-2", NodeRule::Hang);
    scene.increase(1).await;
    scene.until("the hanging server shows", |scene| scene.server(2).is_some()).await;
    sleep(Duration::from_secs(60)).await;
    let name = scene.name(2);
    scene.delete(2).await;
    scene.until_told(&["INFO", "no longer waiting for what is to be removed", &name]).await;
    scene.until_at_rest().await;
    scene.assert_told(1, &["INFO", "reached 2 nodes"]);
    for level in ["WARN", "ERROR"] {
        scene.assert_told(0, &[level]);
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_is_told_when_it_begins_and_when_it_ends() {
    let scene = Scene::new(2, 10).await;
    let id = scene.view().id.clone();
    let down = |service| FaultPlan::of([FaultRule::always(Fault::Answer(503)).at(service)]);
    scene.simulator.set_faults(down(Service::Orchestration));
    // The observer's readings and the resizer's.
    let refused = scene.engine.increase_size(&id, 1, deadline()).await;
    assert!(matches!(refused, Err(RequestError::Cloud(_) | RequestError::Deadline)), "{refused:?}");
    sleep(Duration::from_secs(200)).await;
    scene.simulator.set_faults(FaultPlan::none());
    scene.until_told(&["INFO", &id, "can be read again after"]).await;
    sleep(Duration::from_secs(60)).await;
    scene.assert_told(1, &["WARN", &id, "cannot be read"]);
    scene.assert_told(1, &["cannot be read"]);
    scene.assert_told(1, &["can be read again"]);

    scene.simulator.set_faults(down(Service::ContainerInfra));
    sleep(Duration::from_secs(200)).await;
    scene.simulator.set_faults(FaultPlan::none());
    scene.until_told(&["INFO", "OpenStack can be read again"]).await;
    scene.assert_told(1, &["WARN", "OpenStack cannot be read"]);
}

#[tokio::test(start_paused = true)]
async fn groups_that_come_and_go_are_told() {
    let scene = Scene::new(2, 10).await;
    scene.assert_told(1, &["INFO", "scaling pool-b-", ", 2 of 0–10 nodes"]);
    scene.assert_told(
        1,
        &["INFO", "node group default-worker is not scaled, it has no maximum", "--max-nodes"],
    );

    scene.simulator.add_group(GroupOptions::new("pool-c", 2, 1, Some(5)));
    scene.until_told(&["INFO", "scaling pool-c-", ", 2 of 1–5 nodes"]).await;
    assert!(scene.simulator.set_bounds("pool-c", 1, Some(8)));
    scene.until_told(&["INFO", "pool-c-", "bounds now 1–8 (before: 1–5)"]).await;
    assert!(scene.simulator.set_bounds("pool-c", 1, None));
    scene.until_told(&["INFO", "pool-c-", "no longer scaled: it has no maximum"]).await;
    assert!(scene.simulator.set_bounds("pool-c", 1, Some(2)));
    let again = scene.until_told(&["INFO", "scaling pool-c-", ", 2 of 1–2 nodes"]).await;
    assert!(again.ends_with("cluster-autoscaler cannot scale it up: it has its maximum"), "{again}");
    assert!(scene.simulator.delete_group("pool-c"));
    scene.until_told(&["INFO", "pool-c-", "no longer scaled: the node group is gone"]).await;

    assert!(scene.simulator.set_bounds("default-worker", 1, Some(6)));
    scene.until_told(&["INFO", "scaling default-worker-", ", 1 of 1–6 nodes"]).await;
    scene.assert_told(1, &["is not scaled"]);
}

/// Node objects as a test sets them.
#[derive(Debug, Default)]
struct Nodes(Mutex<Arc<NodeIndex>>);

impl NodeSource for Nodes {
    fn nodes(&self) -> Option<Arc<NodeIndex>> {
        Some(Arc::clone(&self.0.lock().unwrap()))
    }
}

impl Nodes {
    fn set(&self, nodes: impl IntoIterator<Item = NodeObject>) {
        *self.0.lock().unwrap() = Arc::new(nodes.into_iter().map(Arc::new).collect());
    }
}

impl Scene {
    /// With Node objects, in a cluster whose nodes get provider IDs.
    async fn with_nodes() -> (Self, Arc<Nodes>) {
        let mut scene = Self::new(2, 10).await;
        scene.engine.stop().await;
        let nodes = Arc::new(Nodes::default());
        let options = EngineOptions { nodes: Some(nodes.clone()), ..EngineOptions::default() };
        scene.engine = Engine::start(simulated::cloud(&scene.simulator), options, Arc::new(()));
        scene.until("the cloud is read", |scene| scene.engine.snapshot().is_ok()).await;
        let master = NodeReference {
            provider_id: "openstack:///deadbeef-dead-4eef-8ead-deadbeefdead".to_owned(),
            name: "k8s-abc-master-0".to_owned(),
        };
        assert_eq!(scene.engine.group_of(&master).unwrap(), None);
        (scene, nodes)
    }

    fn object(&self, name: &str, server: u32) -> NodeObject {
        let system_uuid = self.server(server).unwrap().to_string();
        NodeObject { name: name.to_owned(), system_uuid, ..NodeObject::default() }
    }

    /// One loop of cluster-autoscaler, as far as these nodes go: which of them are of a group.
    async fn ask_for(&self, names: &[&str]) -> Vec<bool> {
        self.engine.refresh(deadline()).await.unwrap();
        let node = |name: &&str| NodeReference { provider_id: String::new(), name: (*name).to_owned() };
        names.iter().map(|name| self.engine.group_of(&node(name)).unwrap().is_some()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_only_kubernetes_tells_and_that_waits_is_told_once() {
    let (scene, nodes) = Scene::with_nodes().await;
    let taint = format!("{UNINITIALIZED_TAINT}=true:NoSchedule").parse().unwrap();
    nodes.set([NodeObject { taints: vec![taint], ..scene.object("worker", 0) }]);
    for _ in 0..12 {
        assert_eq!(scene.ask_for(&["worker"]).await, [false]);
        sleep(Duration::from_secs(10)).await;
    }
    scene.assert_told(1, &["node worker has no provider ID"]);
    scene.assert_told(0, &["no node waits"]);
    nodes.set([scene.object("worker", 0)]);
    assert_eq!(scene.ask_for(&["worker"]).await, [true]);
    scene.assert_told(1, &["no node waits for its provider ID any more"]);
}

#[tokio::test(start_paused = true)]
async fn an_ambiguous_node_is_told_once_with_its_end_and_its_instance_is_not_unregistered() {
    let (scene, nodes) = Scene::with_nodes().await;
    let baked = NodeObject { machine_id: scene.server(1).unwrap().to_string(), ..scene.object("first", 0) };
    let other = NodeObject { name: "second".to_owned(), ..baked.clone() };
    nodes.set([baked, other]);
    for _ in 0..3 {
        scene.ask_for(&["first", "second"]).await;
    }
    scene.assert_told(1, &["WARN", "not certain which server it is", "first, second"]);
    let shown = |scene: &Scene| -> Vec<String> {
        scene.view().instances.iter().map(|instance| instance.provider_id.clone()).collect()
    };
    assert_eq!(shown(&scene), ["", ""], "as the nodes show themselves");
    nodes.set([scene.object("first", 0), scene.object("second", 1)]);
    assert_eq!(scene.ask_for(&["first", "second"]).await, [true, true]);
    scene.assert_told(1, &["node first: it is certain now which server it is"]);
}

/// A stray node that states the id of another node's server changes nothing of what that one is shown as.
#[tokio::test(start_paused = true)]
async fn a_stray_node_takes_no_instance_away_from_its_node() {
    let (scene, nodes) = Scene::with_nodes().await;
    let provider_id = format!("openstack:///{}", scene.server(0).unwrap());
    let rightful = NodeObject { provider_id: provider_id.clone(), ..scene.object("rightful", 0) };
    nodes.set([rightful, scene.object("stray", 0)]);
    let named = NodeReference { provider_id: provider_id.clone(), name: "rightful".to_owned() };
    for _ in 0..2 {
        assert_eq!(scene.ask_for(&["stray"]).await, [false]);
        assert!(scene.engine.group_of(&named).unwrap().is_some());
        assert_eq!(scene.ask_for(&["stray"]).await, [false]);
        assert_eq!(scene.view().instances[0].provider_id, provider_id);
    }
    scene.assert_told(1, &["WARN", "not certain which server it is", "rightful, stray"]);
}
