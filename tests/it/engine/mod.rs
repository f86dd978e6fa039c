//! The engine on the simulated cloud, in paused time: when it sends a resize, and how many.

mod old_answers;
mod registered_nodes;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant as StdInstant},
};

use cluster_autoscaler_provider_magnum::{
    core::{
        cloud::{Cloud, CloudError, Observation, Reading},
        decision::Decision,
        instance::InstanceId,
        machine_id::MachineId,
        member::MemberKey,
        node_group::NodeGroupUuid,
        registration::Registrations,
        request::{NodeReference, RequestError},
        resize::Resize,
        snapshot::GroupView,
    },
    engine::{Engine, EngineOptions, Subscriber},
    openstack::driver::heat::names::NOBODY,
    simulator::{Fault, FaultPlan, FaultRule, GroupOptions, NodeRule, Service, Simulator, SimulatorOptions},
};
use futures_util::future::join_all;
use http::Method;
use tokio::time::{Instant, sleep};

use crate::simulated;

/// Keeps what must never happen.
#[derive(Default)]
struct Failures(Mutex<Vec<String>>);

impl Subscriber for Failures {
    fn decided(&self, decision: &Decision, _: &Registrations) {
        if decision.kind.dropped().is_some() || decision.kind.wrong_removals() > 0 {
            self.0.lock().unwrap().push(decision.to_string());
        }
    }
}

/// A resize of the service that removes nobody.
fn naming_nobody(count: u32) -> (u32, Vec<String>) {
    (count, vec![NOBODY.to_owned()])
}

/// The engine in front of one group, `pool-b`.
struct Scene {
    simulator: Simulator,
    engine: Arc<Engine>,
    failures: Arc<Failures>,
}

impl Scene {
    async fn new(nodes: u32, max: u32) -> Self {
        let simulator = Simulator::new(SimulatorOptions {
            groups: vec![GroupOptions::new("pool-b", nodes, 0, Some(max))],
            token_lifetime: Duration::from_secs(36_000),
            ..SimulatorOptions::default()
        });
        let failures = Arc::new(Failures::default());
        let engine = start(&simulator, &failures);
        let scene = Self { simulator, engine, failures };
        scene.until_read().await;
        // It has run for a while.
        sleep(EngineOptions::default().timing.timeouts.after_start).await;
        scene
    }

    /// Two nodes that run and member 2, which never reports.
    async fn with_a_hanging_node() -> Self {
        let scene = Self::new(2, 10).await;
        scene.simulator.set_node_rule("*-node-2", NodeRule::Hang);
        scene.increase(1).await.unwrap();
        scene.until("the hanging server shows", |scene| scene.server(2).is_some()).await;
        scene
    }

    async fn until_read(&self) {
        self.until("the cloud is read", |scene| scene.engine.snapshot().is_ok()).await;
    }

    /// kill -9 and a new process.
    async fn restart(&mut self) {
        self.engine.stop().await;
        self.engine = start(&self.simulator, &self.failures);
        self.until_read().await;
    }

    fn view(&self) -> Arc<GroupView> {
        Arc::clone(&self.engine.snapshot().unwrap().groups()[0])
    }

    /// The server of a member.
    fn server(&self, index: u32) -> Option<MachineId> {
        let view = self.view();
        let of_member = |member: &Option<MemberKey>| *member == Some(MemberKey::Index(index));
        view.instances.iter().find(|instance| of_member(&instance.member)).and_then(|instance| match instance
            .id
        {
            InstanceId::Server(machine) => Some(machine),
            InstanceId::Placeholder(_) => None,
        })
    }

    async fn increase(&self, delta: i32) -> Result<(), RequestError> {
        self.engine.increase_size(&self.view().id, delta, deadline()).await
    }

    async fn delete(&self, machine: MachineId) -> Result<(), RequestError> {
        let provider_id = format!("openstack:///{machine}");
        let node = NodeReference { name: provider_id.clone(), provider_id };
        self.engine.delete_nodes(&self.view().id, &[node], deadline()).await
    }

    /// Waits in paused time, an hour and a half at most.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let give_up = Instant::now() + Duration::from_secs(5400);
        while !holds(self) {
            assert!(Instant::now() < give_up, "{what}: not within 90 minutes");
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn resizes(&self) -> Vec<(u32, Vec<String>)> {
        self.simulator.resizes().into_iter().map(|resize| (resize.count, resize.remove)).collect()
    }

    fn size(&self) -> usize {
        self.simulator.group("pool-b").unwrap().members.len()
    }

    async fn ends_well_with(&self, nodes: usize) {
        self.until("the cloud is at rest", |scene| scene.simulator.is_at_rest()).await;
        self.until("the size is as asked", |scene| scene.size() == nodes).await;
        self.until("the target follows", |scene| {
            usize::try_from(scene.view().target_size).is_ok_and(|target| target == nodes)
        })
        .await;
        assert_eq!(*self.failures.0.lock().unwrap(), Vec::<String>::new());
    }
}

fn start(simulator: &Simulator, failures: &Arc<Failures>) -> Arc<Engine> {
    let subscriber: Arc<dyn Subscriber> = failures.clone();
    Engine::start(simulated::cloud(simulator), EngineOptions::default(), subscriber)
}

fn deadline() -> StdInstant {
    (Instant::now() + Duration::from_millis(4500)).into_std()
}

#[tokio::test(start_paused = true)]
async fn a_group_that_hangs_is_waited_for_once() {
    let scene = Scene::with_a_hanging_node().await;
    sleep(Duration::from_secs(15)).await;

    let asked = Instant::now();
    scene.delete(scene.server(2).unwrap()).await.unwrap();
    scene.until("the removal is sent", |scene| scene.resizes().len() == 2).await;
    // What it takes until the node counts as hanging, and not twice that.
    let timeouts = EngineOptions::default().timing.timeouts.hanging_removal;
    assert!(asked.elapsed() < timeouts + Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(scene.resizes()[1], (2, vec!["2".to_owned()]));
    scene.ends_well_with(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_cloud_that_is_busy_is_not_asked_twice() {
    let scene = Scene::with_a_hanging_node().await;

    // Longer than a resize may show no effect in a group at rest.
    let slow = FaultRule::once(Fault::DelayedCast(Duration::from_secs(300)));
    scene.simulator.set_faults(FaultPlan { seed: 1, rules: vec![slow] });
    scene.increase(1).await.unwrap();
    scene.until("it is sent", |scene| scene.resizes().len() == 2).await;
    let sent = Instant::now();
    scene.until("the cloud comes to it", |scene| scene.size() == 4).await;
    assert!(
        sent.elapsed() > EngineOptions::default().timing.effect_timeout,
        "slow enough: {:?}",
        sent.elapsed()
    );

    scene.simulator.clear_node_rules();
    sleep(Duration::from_secs(1200)).await;
    assert_eq!(scene.resizes().iter().map(|(count, _)| *count).collect::<Vec<_>>(), [3, 4]);
    scene.ends_well_with(4).await;
}

#[tokio::test(start_paused = true)]
async fn a_resize_from_before_a_restart_takes_effect_first() {
    let mut scene = Scene::new(3, 10).await;
    let (first, second) = (scene.server(1).unwrap(), scene.server(2).unwrap());
    // So late that the new process sees nothing of it.
    let late = FaultRule::once(Fault::DelayedCast(Duration::from_secs(5)));
    scene.simulator.set_faults(FaultPlan { seed: 1, rules: vec![late] });
    let (one, two) = tokio::join!(scene.delete(first), scene.delete(second));
    assert_eq!((one, two), (Ok(()), Ok(())));
    scene.restart().await;
    assert_eq!(scene.size(), 3, "late enough");

    scene.increase(1).await.unwrap();
    scene.until("the late removal happens", |scene| scene.size() == 1).await;
    scene.ends_well_with(2).await;
    assert_eq!(scene.resizes().iter().map(|(count, _)| *count).collect::<Vec<_>>(), [1, 2]);
    assert!(scene.server(0).is_some(), "the one that nobody named stays");
}

#[tokio::test(start_paused = true)]
async fn fifty_deletes_at_once_are_one_resize() {
    let scene = Scene::new(60, 100).await;
    let victims: Vec<MachineId> = (0..50).map(|index| scene.server(index).unwrap()).collect();
    let answers = join_all(victims.iter().map(|machine| scene.delete(*machine))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    scene.ends_well_with(10).await;
    assert_eq!(scene.resizes().iter().map(|(count, _)| *count).collect::<Vec<_>>(), [10]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_conductor_that_is_down_comes_once() {
    let scene = Scene::new(3, 10).await;
    let victim = scene.server(1).unwrap();
    scene.simulator.stop_conductor(Duration::from_secs(600));
    scene.increase(2).await.unwrap();
    scene.until("it is sent again", |scene| scene.resizes().len() == 3).await;
    // Nothing else is sent before something shows.
    scene.increase(1).await.unwrap();
    scene.delete(victim).await.unwrap();
    scene.until("the conductor is back", |scene| scene.size() == 5).await;
    let last = (5, vec!["1".to_owned()]);
    scene.until("the others are sent", |scene| scene.resizes().last() == Some(&last)).await;
    scene.ends_well_with(5).await;
    let resizes = scene.resizes();
    assert!(resizes.len() > 5, "not given up: {resizes:?}");
    assert!(resizes[..resizes.len() - 1].iter().all(|resize| *resize == naming_nobody(5)), "{resizes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cloud_that_is_always_slow_can_be_resized() {
    let scene = Scene::new(3, 10).await;
    let slow = FaultRule::always(Fault::Slow(Duration::from_secs(5)));
    scene.simulator.set_faults(FaultPlan { seed: 1, rules: vec![slow] });
    assert_eq!(scene.increase(1).await, Err(RequestError::Deadline), "it might be a passing trouble");
    sleep(Duration::from_secs(60)).await;
    assert!(scene.resizes().is_empty(), "it was withdrawn");
    scene.increase(1).await.unwrap();
    scene.ends_well_with(4).await;
}

/// What was sent comes; only what was not sent yet can be called off, and is so at once.
#[tokio::test(start_paused = true)]
async fn an_increase_that_was_sent_is_not_called_off() {
    let scene = Scene::new(1, 10).await;
    scene.increase(2).await.unwrap();
    assert_eq!(scene.view().target_size, 3);
    let decrease = |delta| {
        let (engine, id) = (Arc::clone(&scene.engine), scene.view().id.clone());
        async move { engine.decrease_target_size(&id, delta, deadline()).await }
    };
    for delta in [-1, -100] {
        assert!(matches!(decrease(delta).await, Err(RequestError::NothingToCancel { current: 3, .. })));
    }
    scene.increase(3).await.unwrap();
    decrease(-2).await.unwrap();
    assert_eq!(scene.view().target_size, 4, "at once");
    decrease(-100).await.unwrap();
    assert_eq!(scene.view().target_size, 3, "as much as there is");
    scene.ends_well_with(3).await;
    assert_eq!(scene.resizes(), [naming_nobody(3)]);
}

/// The stack keeps the names of a removal that never came to the nodes.
#[tokio::test(start_paused = true)]
async fn a_removal_that_was_given_up_does_not_come_with_the_next_resize() {
    let scene = Scene::new(3, 10).await;
    let victim = scene.server(1).unwrap();
    scene.simulator.fail_next_updates(u32::MAX);
    scene.delete(victim).await.unwrap();
    scene.until("it is given up", |scene| !scene.failures.0.lock().unwrap().is_empty()).await;
    scene.simulator.fail_next_updates(0);
    scene.increase(2).await.unwrap();
    scene.until("there are two more", |scene| scene.simulator.is_at_rest() && scene.size() == 5).await;
    scene.until("they are seen", |scene| scene.view().target_size == 5).await;
    assert_eq!(scene.server(1), Some(victim));
    assert_eq!(scene.resizes().last(), Some(&naming_nobody(5)));
    let failures = scene.failures.0.lock().unwrap();
    assert!(!failures.iter().any(|failure| failure.contains("nobody named")), "{failures:?}");
}

/// The clouds' requests take their time: what comes meanwhile is acknowledged at once.
#[tokio::test(start_paused = true)]
async fn a_request_during_the_sending_of_another_is_acknowledged_at_once() {
    let scene = Scene::new(3, 10).await;
    let victim = scene.server(1).unwrap();
    let slow = FaultRule::once(Fault::Slow(Duration::from_secs(4)))
        .to(Method::POST, "/v1/clusters/*/actions/resize");
    scene.simulator.set_faults(FaultPlan { seed: 1, rules: vec![slow] });
    let (first, later) = tokio::join!(scene.increase(1), async {
        scene.until("the resize is being sent", |scene| scene.resizes().len() == 1).await;
        let asked = Instant::now();
        let answers = (scene.increase(1).await, scene.delete(victim).await, scene.delete(victim).await);
        (answers, asked.elapsed())
    });
    assert_eq!(first, Ok(()));
    assert_eq!(later, ((Ok(()), Ok(()), Ok(())), Duration::ZERO));
    assert_eq!(scene.view().target_size, 4, "both count at once");
    scene.ends_well_with(4).await;
    assert_eq!(scene.resizes(), [naming_nobody(4), (4, vec!["1".to_owned()])]);
}

/// A resize that is refused takes nothing else with it.
#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_during_a_refused_resize_is_done() {
    let scene = Scene::new(3, 10).await;
    let victim = scene.server(1).unwrap();
    let resize = || (Method::POST, "/v1/clusters/*/actions/resize");
    let rules = vec![
        FaultRule::once(Fault::Hang(Duration::from_secs(3))).to(resize().0, resize().1),
        FaultRule::once(Fault::Answer(409)).to(resize().0, resize().1),
    ];
    scene.simulator.set_faults(FaultPlan { seed: 1, rules });
    let (first, later) = tokio::join!(scene.increase(1), async {
        sleep(Duration::from_secs(2)).await;
        scene.delete(victim).await
    });
    assert!(matches!(first, Err(RequestError::Cloud(CloudError::Refused { status: 409, .. }))), "{first:?}");
    assert_eq!(later, Ok(()));
    scene.ends_well_with(2).await;
    scene.until("exactly the named one went", |scene| scene.server(1).is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_engine_does_not_go_unnoticed() {
    struct Panicking;
    #[async_trait::async_trait]
    impl Cloud for Panicking {
        async fn observe(&self, _: Option<&Observation>) -> Result<Observation, CloudError> {
            panic!("a bug")
        }
        async fn read_group(&self, _: NodeGroupUuid) -> Result<Reading, CloudError> {
            panic!("a bug")
        }
        async fn resize(&self, _: NodeGroupUuid, _: &Resize) -> Result<(), CloudError> {
            panic!("a bug")
        }
    }
    let engine = Engine::start(Arc::new(Panicking), EngineOptions::default(), Arc::new(Failures::default()));
    engine.failure().await;
}
