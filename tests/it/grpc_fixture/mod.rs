//! A running service on loopback in front of the real engine and a cloud in memory.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use cluster_autoscaler_provider_magnum::{
    core::{
        cloud::{Cloud, CloudError, GroupObservation, Observation, Reading, Service},
        flavor::Flavor,
        lifecycle::Timing,
        member::{Member, MemberKey},
        node_group::{Bounds, NodeGroup, NodeGroupUuid},
        nodes::NodeSource,
        resize::Resize,
        sample,
        settings::{GroupSettings, Settings},
        settle::SettleTimeouts,
        template::{Facts, NodeTemplate, devices::DeviceNames},
    },
    engine::{Engine, EngineOptions, Subscriber},
    grpc::{
        call_layer::CallObserver,
        externalgrpc::{ExternalGrpcNode, cloud_provider_client::CloudProviderClient},
        server::Server,
        service::CloudProviderService,
        tls::Security,
    },
    telemetry::metrics::Metrics,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

/// Id of the group with two nodes, 1–6.
pub const WORKERS: &str = "default-worker-11111111";
/// Id of the group with one node, 0–10.
pub const POOL: &str = "pool-b-22222222";
/// Servers of the members that there are at the start.
pub const OLDEST: &str = "aaaaaaaa-0000-4000-8000-000000000000";
pub const NEWEST: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub const IN_POOL: &str = "bbbbbbbb-0000-4000-8000-000000000000";

/// A resize as the cloud heard it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub group: String,
    pub count: u32,
    pub remove: Vec<u32>,
}

/// Two groups in memory; a resize is done as soon as it is heard.
pub struct MemoryCloud {
    groups: Mutex<Vec<Reading>>,
    heard: Mutex<Vec<Heard>>,
    down: AtomicBool,
    /// While true, readings of a single group hang.
    hanging: watch::Sender<bool>,
}

impl MemoryCloud {
    pub fn new() -> Arc<Self> {
        Self::with_workers([OLDEST, NEWEST])
    }

    /// With these servers as the two members of the first group.
    pub fn with_workers([oldest, newest]: [&str; 2]) -> Arc<Self> {
        let workers =
            group("default-worker", "11111111-0000-4000-8000-000000000000", Bounds { min: 1, max: 6 });
        let pool = group("pool-b", "22222222-0000-4000-8000-000000000000", Bounds { min: 0, max: 10 });
        let groups = vec![
            reading(workers, vec![member(0, oldest), member(1, newest)]),
            reading(pool, vec![member(0, IN_POOL)]),
        ];
        Arc::new(Self {
            groups: Mutex::new(groups),
            heard: Mutex::default(),
            down: AtomicBool::new(false),
            hanging: watch::Sender::new(false),
        })
    }

    pub fn go_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub fn hang(&self, hanging: bool) {
        self.hanging.send_replace(hanging);
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Servers of a group's members.
    pub fn servers(&self, id: &str) -> Vec<String> {
        let groups = self.groups.lock().unwrap();
        let group = groups.iter().find(|reading| reading.group.id() == id).unwrap();
        group.members.iter().filter_map(|member| member.server).map(|server| server.to_string()).collect()
    }

    fn check(&self) -> Result<(), CloudError> {
        if self.down.load(Ordering::SeqCst) {
            return Err(CloudError::Unreachable {
                service: Service::Identity,
                url: "http://127.0.0.1:5000".to_owned(),
                reason: "connection refused".to_owned(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Cloud for MemoryCloud {
    async fn observe(&self, _previous: Option<&Observation>) -> Result<Observation, CloudError> {
        self.check()?;
        let groups = self.groups.lock().unwrap();
        let observed = groups.iter().map(|reading| GroupObservation {
            uuid: reading.group.uuid,
            name: reading.group.name.clone(),
            reading: Ok(Arc::new(reading.clone())),
        });
        Ok(Observation { cluster_name: "k8s".to_owned(), groups: observed.collect(), unscaled: Vec::new() })
    }

    async fn read_group(&self, group: NodeGroupUuid) -> Result<Reading, CloudError> {
        let _ = self.hanging.subscribe().wait_for(|hanging| !hanging).await;
        self.check()?;
        let groups = self.groups.lock().unwrap();
        Ok(groups.iter().find(|reading| reading.group.uuid == group).unwrap().clone())
    }

    async fn resize(&self, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        self.check()?;
        let (count, remove) = (resize.count, resize.remove.iter().map(|removal| removal.key));
        let remove: Vec<MemberKey> = remove.collect();
        let mut groups = self.groups.lock().unwrap();
        let reading = groups.iter_mut().find(|reading| reading.group.uuid == group).unwrap();
        let heard = Heard {
            group: reading.group.id(),
            count,
            remove: remove.iter().map(|index| index.to_string().parse().unwrap()).collect(),
        };
        self.heard.lock().unwrap().push(heard);
        let next = reading.members.last().map_or(0, |last| last.key.to_string().parse::<u32>().unwrap() + 1);
        reading.members.retain(|member| !remove.contains(&member.key));
        for index in (next..).take(usize::try_from(count).unwrap().saturating_sub(reading.members.len())) {
            reading.members.push(member(index, &Uuid::new_v4().to_string()));
        }
        reading.members.truncate(usize::try_from(count).unwrap());
        reading.group.node_count = count;
        reading.group.updated_at = Uuid::new_v4().to_string();
        Ok(())
    }
}

fn group(name: &str, uuid: &str, bounds: Bounds) -> NodeGroup {
    NodeGroup {
        uuid: uuid.parse().unwrap(),
        name: name.to_owned(),
        bounds,
        magnum_bounds: bounds,
        flavor_id: "m1.small".to_owned(),
        ..sample::group()
    }
}

fn reading(group: NodeGroup, members: Vec<Member>) -> Reading {
    let reading = sample::reading(members);
    Reading {
        template: Arc::new(template(&group)),
        group: NodeGroup { node_count: reading.group.node_count, ..group },
        ..reading
    }
}

/// Of a flavor with 2 vCPUs, 4 GiB, 20 GiB of disk and an A100.
fn template(group: &NodeGroup) -> NodeTemplate {
    let flavor = Flavor {
        id: "1".to_owned(),
        name: group.flavor_id.clone(),
        vcpus: 2,
        ram_mib: 4096,
        disk_gib: 20,
        extra_specs: [("pci_passthrough:alias".to_owned(), "a100:1".to_owned())].into(),
    };
    let facts = Facts {
        id: &group.id(),
        name: &group.name,
        role: "worker",
        magnum_labels: &group.labels,
        has_cloud_provider: group.has_cloud_provider(),
        region: Some("RegionOne"),
        flavor: Ok(&flavor),
        kubernetes: None,
        live: None,
    };
    let settings =
        GroupSettings { taints: vec!["dedicated=x:NoSchedule".parse().unwrap()], ..GroupSettings::default() };
    NodeTemplate::build(&facts, &settings, &DeviceNames::default())
}

fn member(index: u32, server: &str) -> Member {
    Member { name: format!("k8s-{index}"), server: Some(server.parse().unwrap()), ..sample::member(index) }
}

/// The service, its cloud and its metrics.
pub struct Fixture {
    pub cloud: Arc<MemoryCloud>,
    pub metrics: Arc<Metrics>,
    pub engine: Arc<Engine>,
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub server: JoinHandle<()>,
}

impl Fixture {
    /// In plaintext, with the first snapshot there.
    pub async fn start() -> Self {
        let fixture = Self::start_on(MemoryCloud::new(), Security::Plaintext);
        eventually("the first snapshot", || fixture.engine.snapshot().is_ok()).await;
        fixture
    }

    /// Without waiting for anything.
    pub fn start_on(cloud: Arc<MemoryCloud>, security: Security) -> Self {
        Self::start_with(cloud, security, Settings::default())
    }

    /// With an operator's settings, and without waiting for anything.
    pub fn start_with(cloud: Arc<MemoryCloud>, security: Security, settings: Settings) -> Self {
        Self::start_with_nodes(cloud, security, settings, None)
    }

    /// With Kubernetes' Node objects as well.
    pub fn start_with_nodes(
        cloud: Arc<MemoryCloud>,
        security: Security,
        settings: Settings,
        nodes: Option<Arc<dyn NodeSource>>,
    ) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let (subscriber, observer): (Arc<dyn Subscriber>, Arc<dyn CallObserver>) =
            (metrics.clone(), metrics.clone());
        let options = EngineOptions {
            refresh_interval: Duration::from_millis(50),
            timing: Timing {
                coalesce_window: Duration::from_millis(20),
                poll_interval: (Duration::from_millis(10), Duration::from_millis(30)),
                timeouts: SettleTimeouts { after_start: Duration::ZERO, ..SettleTimeouts::default() },
                ..Timing::default()
            },
            nodes,
            ..EngineOptions::default()
        };
        let engine = Engine::start(cloud.clone(), options, subscriber);
        metrics.watch(engine.clone());
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), security).unwrap();
        let (address, stop) = (server.address(), CancellationToken::new());
        let service = CloudProviderService::new(engine.clone()).with_settings(Arc::new(settings));
        let running = server.run(service, observer, stop.clone().cancelled_owned());
        let server = tokio::spawn(async { running.await.unwrap() });
        Self { cloud, metrics, engine, address, stop, server }
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    pub async fn channel(&self) -> Channel {
        self.endpoint().connect().await.unwrap()
    }

    pub async fn client(&self) -> CloudProviderClient<Channel> {
        CloudProviderClient::new(self.channel().await)
    }

    /// A line of the metrics page.
    pub fn shows_metric(&self, line: &str) -> bool {
        self.metrics.render().unwrap().lines().any(|present| present == line)
    }
}

/// A registered node with this server.
pub fn node(server: &str) -> ExternalGrpcNode {
    ExternalGrpcNode {
        provider_id: format!("openstack:///{server}"),
        name: format!("node-of-{server}"),
        labels: [("kubernetes.io/os".to_owned(), "linux".to_owned())].into(),
        annotations: [].into(),
    }
}

/// Waits for something that takes a moment.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
