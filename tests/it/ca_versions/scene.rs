//! A simulated cloud, the service in front of it, the nodes that come of it, and a cluster-autoscaler; time is paused.

use std::{collections::HashSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use cluster_autoscaler_provider_magnum::{
    core::{
        cloud::{Cloud, CloudError, Observation, Reading, Service},
        node_group::NodeGroupUuid,
        resize::Resize,
    },
    engine::{Engine, EngineOptions},
    grpc::service::CloudProviderService,
    simulator::{GroupOptions, ServerRecord, Simulator, SimulatorOptions},
};
use tokio::time::{Instant, sleep};

use crate::simulated;

use super::{
    autoscaler::{Autoscaler, Expander},
    client::Client,
    cluster::{Cluster, KubeNode, Pod},
    step::Step,
    version::Version,
};

/// `--scan-interval`.
const SCAN_INTERVAL: Duration = Duration::from_secs(10);

/// When nodes show their provider ID.
#[derive(Debug, Clone, Copy)]
pub enum ProviderIds {
    /// As soon as they join.
    AtOnce,
    /// This long after; until then they have the taint that keeps pods off.
    After(Duration),
    /// Never, since a cloud controller manager that should be there does nothing.
    Missing,
    /// None of them ever, since there is no cloud controller manager: no taint either.
    Never,
}

/// How a situation begins: the nodes there are run a pod each and have joined long ago.
#[derive(Debug)]
pub struct Setup {
    pub groups: Vec<GroupOptions>,
    pub provider_ids: ProviderIds,
    /// What the cluster's label `cloud_provider_enabled` says.
    pub label: bool,
    /// A group whose nodes have not joined at the start.
    pub absent: Option<&'static str>,
    /// Whether the nodes have joined just now.
    pub young: bool,
    pub expander: Expander,
    /// Whether the cloud answers.
    pub cloud_is_up: bool,
}

impl Default for Setup {
    /// `default-worker` with 1 node of 1 to 6.
    fn default() -> Self {
        Self {
            groups: vec![GroupOptions::new("default-worker", 1, 1, Some(6))],
            provider_ids: ProviderIds::AtOnce,
            label: true,
            absent: None,
            young: false,
            expander: Expander::Any,
            cloud_is_up: true,
        }
    }
}

/// All of it, running.
pub struct Scene {
    pub simulator: Simulator,
    pub cluster: Cluster,
    pub autoscaler: Autoscaler,
    /// No node joins any more.
    pub nobody_joins: bool,
    engine: Arc<Engine>,
    setup: Setup,
    begun: Instant,
    /// Workers that there were at some time, by UUID and name.
    seen: HashSet<(String, String)>,
    /// Servers that the situation itself deleted.
    lost: HashSet<String>,
}

impl Scene {
    pub async fn new(version: &'static Version, setup: Setup) -> Self {
        let simulator = Simulator::new(SimulatorOptions {
            groups: setup.groups.clone(),
            token_lifetime: Duration::from_secs(36_000),
            ..SimulatorOptions::default()
        });
        let cloud: Arc<dyn Cloud> = match (setup.cloud_is_up, setup.label) {
            (false, _) => Arc::new(SilentCloud),
            (true, false) => Arc::new(WithoutLabel(simulated::cloud(&simulator))),
            (true, true) => simulated::cloud(&simulator),
        };
        // Refresh has it read.
        let options =
            EngineOptions { refresh_interval: Duration::from_secs(36_000), ..EngineOptions::default() };
        let engine = Engine::start(cloud, options, Arc::new(()));
        let client = Client::new(version, CloudProviderService::new(Arc::clone(&engine)));
        let mut scene = Self {
            simulator,
            cluster: Cluster::default(),
            autoscaler: Autoscaler::new(version, client, setup.expander),
            nobody_joins: false,
            engine,
            setup,
            begun: Instant::now(),
            seen: HashSet::new(),
            lost: HashSet::new(),
        };
        // The service has run for a while.
        sleep(EngineOptions::default().timing.timeouts.after_start).await;
        scene.begun = Instant::now();
        scene.join();
        scene.fill_nodes();
        scene
    }

    /// A pod on each node.
    fn fill_nodes(&mut self) {
        for node in self.cluster.nodes.iter_mut().filter(|node| node.group.is_some()) {
            if !self.setup.young {
                node.joined = None;
            }
            self.cluster.pods.push(Pod { selector: None, node: Some(node.name.clone()) });
        }
    }

    /// Pods that nobody has place for.
    pub fn add_pods(&mut self, number: usize, selector: Option<&'static str>) {
        self.cluster.pods.extend(vec![Pod { selector, node: None }; number]);
    }

    /// Lets time pass with a loop every ten seconds.
    pub async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.join();
            self.cluster.schedule();
            self.autoscaler.run_once(&self.cluster).await;
            sleep(SCAN_INTERVAL).await;
        }
    }

    /// Deletes a node's server behind everybody's back.
    pub fn lose_server(&mut self, node: &str) {
        let servers = self.simulator.servers();
        let server = servers.iter().find(|server| server.name == node).unwrap();
        assert!(self.simulator.delete_server(&server.uuid));
        self.lost.insert(server.uuid.clone());
    }

    /// What kubelets and a cloud controller manager do: servers that run become nodes, nodes without a server go.
    fn join(&mut self) {
        let servers: Vec<ServerRecord> =
            self.simulator.servers().into_iter().filter(|server| server.status == "ACTIVE").collect();
        self.cluster.nodes.retain(|node| servers.iter().any(|server| server.name == node.name));
        for server in servers {
            if server.group.is_some() {
                self.seen.insert((server.uuid.clone(), server.name.clone()));
            }
            let known = self.cluster.nodes.iter().position(|node| node.name == server.name);
            let absent = server.group.as_deref().is_some_and(|group| self.setup.absent == Some(group));
            if known.is_none() && !absent && !self.nobody_joins {
                self.cluster.nodes.push(KubeNode {
                    name: server.name.clone(),
                    provider_id: String::new(),
                    group: server.group.clone(),
                    joined: Some(Instant::now()),
                    initialized: matches!(self.setup.provider_ids, ProviderIds::Never),
                });
            }
            if let Some(node) = self.cluster.nodes.iter_mut().find(|node| node.name == server.name) {
                initialize(node, &server, self.setup.provider_ids, self.begun);
            }
        }
    }

    /// What cluster-autoscaler did, and how many pods have no place in the end; after it the service stops.
    ///
    /// Every server that is gone was named in an accepted request.
    pub async fn steps(self) -> String {
        let steps = self.autoscaler.steps();
        let named: Vec<&String> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Delete { names, accepted: true, .. } => Some(names),
                _ => None,
            })
            .flatten()
            .collect();
        let alive: HashSet<String> = self.simulator.servers().into_iter().map(|server| server.uuid).collect();
        for (uuid, name) in self.seen.iter().filter(|(uuid, _)| !alive.contains(uuid)) {
            let was_named = named.iter().any(|named| named.contains(uuid.as_str()) || *named == name);
            assert!(was_named || self.lost.contains(uuid), "{name} is gone and was not named: {named:?}");
        }
        let mut told: Vec<String> = steps.iter().map(ToString::to_string).collect();
        match self.cluster.pending().len() {
            0 => {}
            1 => told.push("1 pod pending".to_owned()),
            number => told.push(format!("{number} pods pending")),
        }
        self.engine.stop().await;
        if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
    }
}

/// A node that was there at the start has its provider ID in every cluster that has them.
fn initialize(node: &mut KubeNode, server: &ServerRecord, provider_ids: ProviderIds, begun: Instant) {
    let old = node.joined.is_none_or(|at| at <= begun);
    let seen = match provider_ids {
        ProviderIds::AtOnce => true,
        ProviderIds::After(time) => old || node.joined.is_some_and(|at| at.elapsed() >= time),
        ProviderIds::Missing => old,
        ProviderIds::Never => false,
    };
    if seen {
        node.provider_id = format!("openstack:///{}", server.uuid);
        node.initialized = true;
    }
}

/// A cloud that has not answered yet.
struct SilentCloud;

impl SilentCloud {
    fn error() -> CloudError {
        CloudError::Unreachable {
            service: Service::Identity,
            url: "http://127.0.0.1:5000".to_owned(),
            reason: "connection refused".to_owned(),
        }
    }
}

#[async_trait]
impl Cloud for SilentCloud {
    async fn observe(&self, _previous: Option<&Observation>) -> Result<Observation, CloudError> {
        Err(Self::error())
    }

    async fn read_group(&self, _group: NodeGroupUuid) -> Result<Reading, CloudError> {
        Err(Self::error())
    }

    async fn resize(&self, _group: NodeGroupUuid, _resize: &Resize) -> Result<(), CloudError> {
        Err(Self::error())
    }
}

/// The cloud of a cluster whose label `cloud_provider_enabled` is false.
struct WithoutLabel(Arc<dyn Cloud>);

fn without_label(reading: &mut Reading) {
    reading.group.labels.insert("cloud_provider_enabled".to_owned(), "false".to_owned());
}

#[async_trait]
impl Cloud for WithoutLabel {
    async fn observe(&self, previous: Option<&Observation>) -> Result<Observation, CloudError> {
        let mut observation = self.0.observe(previous).await?;
        for group in &mut observation.groups {
            if let Ok(reading) = &mut group.reading {
                without_label(Arc::make_mut(reading));
            }
        }
        Ok(observation)
    }

    async fn read_group(&self, group: NodeGroupUuid) -> Result<Reading, CloudError> {
        let mut reading = self.0.read_group(group).await?;
        without_label(&mut reading);
        Ok(reading)
    }

    async fn resize(&self, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        self.0.resize(group, resize).await
    }
}
