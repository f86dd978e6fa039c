//! A simulated cloud, the engine on it, and what is known of every node: what happened and what may have happened.

mod callers;
mod others;
mod reckoning;
mod servers;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use cluster_autoscaler_provider_magnum::{
    core::{cloud::Cloud, snapshot::GroupView},
    engine::{Engine, EngineOptions, Subscriber},
    simulator::{Fault, FaultPlan, FaultRule, GroupOptions, Service, Simulator, SimulatorOptions},
};
use tokio::time::{Instant, sleep};

use self::{callers::DeleteCall, servers::Known};
use crate::{
    counts::Counts,
    planted::{Bug, ForgetsSecondStep, Planted},
    simulated,
    site::{MAX_NODES, Site},
    step::GROUPS,
};

/// How long a call may take: the margin inside cluster-autoscaler's 5 s.
const CALL_LIMIT: Duration = Duration::from_millis(4500);

/// Every third cloud takes its time for each request.
fn latency(seed: u64) -> Duration {
    if seed.is_multiple_of(3) { Duration::from_millis(100 + seed % 7 * 100) } else { Duration::ZERO }
}

/// Everything of one history.
pub(crate) struct World {
    pub(crate) simulator: Simulator,
    site: Site,
    pub(crate) counts: Arc<Counts>,
    engine: Arc<Engine>,
    bug: Option<Bug>,
    cloud: Arc<dyn Cloud>,
    known: BTreeMap<String, Known>,
    gone: HashSet<String>,
    /// Servers that a call named, or that somebody else removed.
    named: HashSet<String>,
    /// Those of them of which the machines were replaced, while answers of Nova may have shown them still.
    replaced_and_named: HashSet<String>,
    /// Servers of which the machines were replaced, at the last look.
    replaced_machines: BTreeSet<String>,
    /// How many servers of each group may go besides, whoever they are: the driver chooses.
    unnamed: [usize; 2],
    /// Members of Heat without a server that a call named, by group.
    named_members: BTreeSet<(usize, u32)>,
    /// Members of Heat that failed without a server, by group, and when that was seen first.
    failed_members: BTreeMap<(usize, u32), Instant>,
    /// Whose answers became old, when, and by how much.
    lags: Vec<(Service, Instant, Duration)>,
    /// When somebody else last resized each group.
    operator: [Option<Instant>; 2],
    /// Which groups somebody else resized or gave other bounds: the minimum may forbid now what was acknowledged
    /// before. That is reported, and the node shows as running.
    changed_by_others: [bool; 2],
    calls: Vec<DeleteCall>,
    /// Since when each instance is creating.
    creating_since: BTreeMap<String, Instant>,
    /// Servers whose removal was acknowledged by the process that runs now.
    acknowledged: BTreeSet<String>,
    /// Those of them whose members failed since.
    failed_when_named: BTreeSet<String>,
    /// What the target must be, while only this service changes the group.
    expected: [i64; 2],
    /// By how much it may be exceeded: Heat replaces a server in ERROR at any update, and a member without a server
    /// may get one, so that what was named is no more when its removal is due. Another is in its place, and shown.
    replaced: [i64; 2],
    /// A call whose outcome nobody heard.
    unheard: bool,
    /// Whether an update of Heat may have failed before it came to the nodes.
    has_failed_update: bool,
    /// Since when the wire is free of faults.
    calm_since: Option<Instant>,
    pub(crate) violations: Vec<String>,
    pub(crate) answered: u64,
}

impl World {
    pub(crate) async fn new(site: Site, seed: u64, bug: Option<Bug>) -> Self {
        let simulator = Simulator::new(SimulatorOptions {
            groups: vec![
                GroupOptions::new(GROUPS[0], 3, 1, Some(MAX_NODES)),
                GroupOptions::new(GROUPS[1], 2, 0, Some(MAX_NODES)),
            ],
            seed,
            profile: site.profile,
            latency: latency(seed),
            ..SimulatorOptions::default()
        });
        let counts = Arc::new(Counts::default());
        let (engine, cloud) = start(&simulator, site, bug, &counts);
        let mut world = Self {
            simulator,
            site,
            counts,
            engine,
            bug,
            cloud,
            known: BTreeMap::new(),
            gone: HashSet::new(),
            named: HashSet::new(),
            replaced_and_named: HashSet::new(),
            replaced_machines: BTreeSet::new(),
            unnamed: [0, 0],
            named_members: BTreeSet::new(),
            failed_members: BTreeMap::new(),
            lags: Vec::new(),
            operator: [None; 2],
            changed_by_others: [false; 2],
            calls: Vec::new(),
            creating_since: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            failed_when_named: BTreeSet::new(),
            expected: [3, 2],
            replaced: [0, 0],
            unheard: false,
            has_failed_update: false,
            calm_since: Some(Instant::now()),
            violations: Vec::new(),
            answered: 0,
        };
        world.refresh_until_read().await;
        world.look();
        world
    }

    /// The groups that there are.
    pub(crate) fn groups(&self) -> Range<usize> {
        0..self.site.groups()
    }

    /// What goes wrong on the wire from now on.
    pub(crate) fn set_faults(&mut self, plan: FaultPlan) {
        self.calm_since = plan.rules.is_empty().then(Instant::now);
        self.simulator.set_faults(plan);
    }

    /// One service answers from a database replica that is this far behind.
    pub(crate) fn lag(&mut self, service: Service, behind: Duration) {
        self.lags.push((service, Instant::now(), behind));
        self.set_faults(FaultPlan::of([FaultRule::always(Fault::Lagging(behind)).at(service)]));
    }

    /// The next update of a stack fails before it comes to the nodes. Cluster API has no stacks.
    pub(crate) fn fail_update(&mut self) {
        if !self.site.is_cluster_api() {
            self.simulator.fail_next_updates(1);
            self.has_failed_update = true;
        }
    }

    async fn refresh_until_read(&mut self) {
        for _ in 0..100 {
            if self.engine.refresh(deadline()).await.is_ok()
                && self.groups().all(|group| self.view(group).is_some())
            {
                return;
            }
            sleep(Duration::from_secs(5)).await;
        }
        self.violations.push("the cloud could not be read for minutes".into());
    }

    pub(crate) fn view(&self, group: usize) -> Option<Arc<GroupView>> {
        let snapshot = self.engine.snapshot().ok()?;
        snapshot.groups().iter().find(|view| view.id.starts_with(GROUPS[group])).map(Arc::clone)
    }

    pub(crate) async fn stop(self) {
        self.engine.stop().await;
    }
}

fn deadline() -> std::time::Instant {
    (Instant::now() + CALL_LIMIT).into_std()
}

fn start(
    simulator: &Simulator,
    site: Site,
    bug: Option<Bug>,
    counts: &Arc<Counts>,
) -> (Arc<Engine>, Arc<dyn Cloud>) {
    let cluster = simulated::cluster_through(simulator, site.selection(), |transport| match bug {
        Some(Bug::SecondStepForgotten) => Arc::new(ForgetsSecondStep::new(transport)),
        _ => transport,
    });
    let cluster = cluster.with_driver_options(site.driver_options());
    let mut cloud: Arc<dyn Cloud> = Arc::new(cluster);
    if let Some(bug) = bug {
        cloud = Arc::new(Planted::new(cloud, bug, simulator.clone()));
    }
    let subscriber: Arc<dyn Subscriber> = counts.clone();
    (Engine::start(Arc::clone(&cloud), EngineOptions::default(), subscriber), cloud)
}
