//! The same stories on every simulated cloud, told to the service over gRPC in paused time: what becomes of each.
//!
//! What a cloud cannot do is in the table with what the service says instead.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cluster_autoscaler_provider_magnum::{
    config::node_groups::GroupSelection,
    engine::{Engine, EngineOptions},
    grpc::{
        externalgrpc::{
            ExternalGrpcNode, Instance, NodeGroupDeleteNodesRequest, NodeGroupIncreaseSizeRequest,
            NodeGroupNodesRequest, NodeGroupTargetSizeRequest, NodeGroupsRequest, RefreshRequest,
            cloud_provider_client::CloudProviderClient, cloud_provider_server::CloudProviderServer,
        },
        service::CloudProviderService,
    },
    openstack::driver::{DriverOptions, ResizeMethod},
    simulator::{GroupOptions, Profile, ServerRecord, Simulator, SimulatorOptions},
};
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};

const WORKERS: &str = "default-worker";
/// Nodes at the start, none of them ever in doubt.
const NODES: u32 = 3;
/// Longest time that a story may take; quota failures and slow clouds included.
const PATIENCE: Duration = Duration::from_secs(1800);
/// `instanceState` of a node that runs.
const RUNNING: i32 = 1;
/// `instanceErrorClass` of what a quota does.
const OUT_OF_RESOURCES: i32 = 1;
/// `instanceErrorClass` of everything else.
const OTHER: i32 = 99;

/// A cloud with the service in front of it.
struct Scene {
    simulator: Simulator,
    cloud: Cloud,
    engine: Arc<Engine>,
    client: CloudProviderClient<CloudProviderServer<CloudProviderService>>,
    /// Servers that there were at some time.
    seen: BTreeSet<String>,
    /// Those of them that may go.
    named: BTreeSet<String>,
    group: String,
}

/// A simulated cloud, and how the service goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cloud {
    profile: Profile,
    driver: DriverOptions,
}

impl Cloud {
    fn new(profile: Profile) -> Self {
        Self { profile, driver: DriverOptions::default() }
    }

    /// Resized by updates of the Heat stack.
    fn by_heat(profile: Profile) -> Self {
        let resize_method = ResizeMethod::Heat;
        Self { profile, driver: DriverOptions { resize_method, ..DriverOptions::default() } }
    }
}

impl Scene {
    fn new(cloud: Cloud) -> Self {
        let simulator = Simulator::new(SimulatorOptions {
            profile: cloud.profile,
            groups: vec![GroupOptions::new(WORKERS, NODES, 1, Some(8))],
            token_lifetime: Duration::from_secs(36_000),
            ..SimulatorOptions::default()
        });
        let (engine, client) = start(&simulator, cloud);
        let (seen, named) = (BTreeSet::new(), BTreeSet::new());
        Self { simulator, cloud, engine, client, seen, named, group: String::new() }
    }

    /// Waits for the service's first reading and finds the group; what it says where there is none.
    async fn begin(&mut self) -> Result<(), Status> {
        sleep(EngineOptions::default().timing.timeouts.after_start).await;
        self.client.refresh(RefreshRequest {}).await?;
        let answer = self.client.node_groups(NodeGroupsRequest {}).await?.into_inner();
        match answer.node_groups.first() {
            Some(group) => self.group.clone_from(&group.id),
            None => return Err(Status::not_found("no node group")),
        }
        Ok(())
    }

    /// kill -9 and a new process.
    async fn restart(&mut self) {
        self.engine.stop().await;
        (self.engine, self.client) = start(&self.simulator, self.cloud);
        self.until("it has read the cloud", async |scene| scene.target_size().await.is_ok()).await;
    }

    fn servers(&mut self) -> Vec<ServerRecord> {
        let mut servers = self.simulator.servers();
        servers.retain(|server| server.group.is_some());
        self.seen.extend(servers.iter().map(|server| server.uuid.clone()));
        servers
    }

    async fn increase(&mut self, delta: i32) -> Result<(), Status> {
        let request = NodeGroupIncreaseSizeRequest { delta, id: self.group.clone() };
        self.client.node_group_increase_size(request).await.map(drop)
    }

    async fn delete(&mut self, server: &ServerRecord) -> Result<(), Status> {
        self.named.insert(server.uuid.clone());
        let node = ExternalGrpcNode {
            provider_id: format!("openstack:///{}", server.uuid),
            name: server.name.clone(),
            ..ExternalGrpcNode::default()
        };
        let request = NodeGroupDeleteNodesRequest { nodes: vec![node], id: self.group.clone() };
        self.client.node_group_delete_nodes(request).await.map(drop)
    }

    async fn target_size(&mut self) -> Result<i32, Status> {
        let request = NodeGroupTargetSizeRequest { id: self.group.clone() };
        self.client.node_group_target_size(request).await.map(|answer| answer.into_inner().target_size)
    }

    async fn instances(&mut self) -> Result<Vec<Instance>, Status> {
        let request = NodeGroupNodesRequest { id: self.group.clone() };
        self.client.node_group_nodes(request).await.map(|answer| answer.into_inner().instances)
    }

    /// Deletes the instances that have an error, as cluster-autoscaler does.
    async fn take_back_what_failed(&mut self) -> Result<(), Status> {
        let has_failed =
            |instance: &Instance| instance.status.as_ref().is_some_and(|status| status.error_info.is_some());
        let failed = self.instances().await?.into_iter().filter(has_failed);
        let node =
            |instance: Instance| ExternalGrpcNode { provider_id: instance.id, ..ExternalGrpcNode::default() };
        let nodes = failed.map(node).collect();
        let request = NodeGroupDeleteNodesRequest { nodes, id: self.group.clone() };
        self.client.node_group_delete_nodes(request).await.map(drop)
    }

    /// Waits in paused time, with a Refresh every ten seconds as cluster-autoscaler's loop has it. No server goes that
    /// was not named.
    async fn until(&mut self, what: &str, holds: impl AsyncFn(&mut Self) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        let mut refresh = Instant::now();
        while !holds(self).await {
            assert!(
                Instant::now() < give_up,
                "{what}: not within {PATIENCE:?}: {:#?}",
                self.simulator.group(WORKERS)
            );
            if refresh.elapsed() >= Duration::from_secs(10) {
                refresh = Instant::now();
                let _ = self.client.refresh(RefreshRequest {}).await;
            }
            sleep(Duration::from_millis(500)).await;
            self.check_the_unnamed();
        }
    }

    fn check_the_unnamed(&mut self) {
        let present: BTreeSet<String> = self.servers().into_iter().map(|server| server.uuid).collect();
        let gone: Vec<&String> =
            self.seen.difference(&present).filter(|uuid| !self.named.contains(*uuid)).collect();
        assert_eq!(gone, Vec::<&String>::new(), "gone and not named");
    }

    /// Waits until there are this many servers, all ACTIVE, and the target says so too.
    async fn until_size(&mut self, size: u32) {
        self.until(&format!("{size} nodes"), async |scene| {
            let servers = scene.servers();
            let target = scene.target_size().await.unwrap_or_default();
            servers.iter().all(|server| server.status == "ACTIVE")
                && u32::try_from(servers.len()).is_ok_and(|count| count == size)
                && u32::try_from(target).is_ok_and(|target| target == size)
        })
        .await;
    }

    /// Nothing more happens to the size, and no other node goes.
    async fn stays_at(&mut self, size: u32) {
        let end = Instant::now() + Duration::from_secs(120);
        self.until("two minutes pass", async |_| Instant::now() >= end).await;
        self.until_size(size).await;
    }
}

type Client = CloudProviderClient<CloudProviderServer<CloudProviderService>>;

fn start(simulator: &Simulator, cloud: Cloud) -> (Arc<Engine>, Client) {
    // Where Magnum has no node groups nothing gives the one group a maximum.
    let nodes = format!("1:8:{WORKERS}").parse().unwrap();
    let cluster = crate::simulated::cluster(simulator, GroupSelection::Explicit(vec![nodes]));
    let cluster = cluster.with_driver_options(cloud.driver);
    let engine = Engine::start(Arc::new(cluster), EngineOptions::default(), Arc::new(()));
    let service = CloudProviderService::new(Arc::clone(&engine));
    (engine, CloudProviderClient::new(CloudProviderServer::new(service)))
}

async fn grow(scene: &mut Scene) -> Result<(), Status> {
    scene.increase(2).await?;
    scene.until_size(NODES + 2).await;
    scene.stays_at(NODES + 2).await;
    Ok(())
}

async fn shrink_named(scene: &mut Scene) -> Result<(), Status> {
    let oldest = scene.servers()[0].clone();
    scene.delete(&oldest).await?;
    scene.until_size(NODES - 1).await;
    scene.stays_at(NODES - 1).await;
    assert!(scene.servers().iter().all(|server| server.uuid != oldest.uuid), "{oldest:?} was named");
    Ok(())
}

/// The second while the first is under way.
async fn shrink_twice(scene: &mut Scene) -> Result<(), Status> {
    let servers = scene.servers();
    scene.delete(&servers[0]).await?;
    sleep(Duration::from_secs(2)).await;
    scene.delete(&servers[1]).await?;
    scene.until_size(NODES - 2).await;
    scene.stays_at(NODES - 2).await;
    assert_eq!(scene.servers()[0].uuid, servers[2].uuid);
    Ok(())
}

/// One of two new nodes is refused, and the service says so.
async fn quota(scene: &mut Scene) -> Result<(), Status> {
    // Cluster API tries for ever, and nothing of it shows in Magnum or Nova.
    let is_told = !matches!(scene.cloud.profile, Profile::MagnumClusterApi | Profile::CapiHelm);
    let told = if is_told { ("QuotaExceeded", OUT_OF_RESOURCES) } else { ("CreateTimedOut", OTHER) };
    // The masters' server and one more.
    scene.simulator.set_quota(Some(NODES + 2));
    scene.increase(2).await?;
    scene
        .until("that a node does not come is told", async |scene| {
            scene.instances().await.unwrap_or_default().into_iter().any(|instance| {
                let error = instance.status.and_then(|status| status.error_info);
                error.is_some_and(|error| (error.error_code.as_str(), error.instance_error_class) == told)
            })
        })
        .await;
    scene.check_the_unnamed();
    if is_told {
        scene.take_back_what_failed().await?;
        scene.until_size(NODES + 1).await;
        scene.stays_at(NODES + 1).await;
        // Queens' Magnum takes no count for a cluster that failed.
        if scene.cloud.profile != Profile::Queens {
            scene
                .until("Magnum counts the nodes that there are", async |scene| {
                    scene.simulator.group(WORKERS).is_some_and(|group| group.node_count == NODES + 1)
                })
                .await;
        }
    }
    Ok(())
}

async fn restart_in_the_middle(scene: &mut Scene) -> Result<(), Status> {
    let oldest = scene.servers()[0].clone();
    scene.delete(&oldest).await?;
    scene.until("the resize is sent", async |scene| scene.simulator.resizes().len() == 1).await;
    scene.restart().await;
    scene.until_size(NODES - 1).await;
    scene.stays_at(NODES - 1).await;
    assert!(scene.servers().iter().all(|server| server.uuid != oldest.uuid), "{oldest:?} was named");
    Ok(())
}

/// The removal comes this long after cluster-autoscaler can know of the new node, while Magnum may still be looking.
async fn shrink_after_a_grow(scene: &mut Scene, after: Duration) -> Result<(), Status> {
    let oldest = scene.servers()[0].clone();
    scene.increase(1).await?;
    scene
        .until("the new node runs", async |scene| {
            let instances = scene.instances().await.unwrap_or_default();
            let running = |instance: &Instance| {
                instance.status.as_ref().is_some_and(|status| status.instance_state == RUNNING)
            };
            instances.len() == usize::try_from(NODES + 1).unwrap() && instances.iter().all(running)
        })
        .await;
    sleep(after).await;
    scene.delete(&oldest).await?;
    scene.until_size(NODES).await;
    scene.stays_at(NODES).await;
    assert!(scene.servers().iter().all(|server| server.uuid != oldest.uuid), "{oldest:?} was named");
    Ok(())
}

/// What becomes of a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As asked, and no other node went.
    Well,
    /// The service refuses to name a node with FAILED_PRECONDITION and, among others, these words.
    Refused(&'static str),
}

use End::{Refused, Well};

const NO_NAMES: End = Refused("ignores which nodes are named");

const STORIES: [&str; 6] = ["grow", "shrink named", "shrink twice", "quota", "restart", "shrink after grow"];

/// The end of each story on each profile.
const ENDS: [(Profile, [End; 6]); 9] = [
    // Profile                 grow     shrink   twice    quota    restart  after a grow
    (Profile::Queens, [Well, Well, Well, Well, Well, Well]),
    (Profile::Stein, [Well, Well, Well, Well, Well, Well]),
    (Profile::Train, [Well, Well, Well, Well, Well, Well]),
    (Profile::Victoria, [Well, Well, Well, Well, Well, Well]),
    (Profile::Zed, [Well, Well, Well, Well, Well, Well]),
    (Profile::Caracal, [Well, Well, Well, Well, Well, Well]),
    (Profile::Epoxy, [Well, Well, Well, Well, Well, Well]),
    (Profile::MagnumClusterApi, [Well, Well, Well, Well, Well, Well]),
    (Profile::CapiHelm, [Well, NO_NAMES, NO_NAMES, Well, NO_NAMES, NO_NAMES]),
];

/// Plays a story; an error is the service's.
async fn play(cloud: Cloud, story: &str) -> Result<(), Status> {
    let mut scene = Scene::new(cloud);
    let played = async {
        scene.begin().await?;
        match story {
            "grow" => grow(&mut scene).await,
            "shrink named" => shrink_named(&mut scene).await,
            "shrink twice" => shrink_twice(&mut scene).await,
            "quota" => quota(&mut scene).await,
            "restart" => restart_in_the_middle(&mut scene).await,
            "shrink after grow" => shrink_after_a_grow(&mut scene, Duration::ZERO).await,
            other => panic!("{other}?"),
        }
    }
    .await;
    scene.check_the_unnamed();
    scene.engine.stop().await;
    played
}

/// Plays all stories on a profile and compares their ends with the table.
async fn plays(cloud: Cloud) {
    let profile = cloud.profile;
    let (_, ends) = ENDS.iter().find(|(of, _)| *of == profile).unwrap();
    for (story, expected) in STORIES.iter().zip(ends) {
        let played = play(cloud, story).await;
        let as_expected = match (expected, &played) {
            (Well, Ok(())) => true,
            (Refused(words), Err(status)) => {
                status.code() == Code::FailedPrecondition && status.message().contains(words)
            }
            _ => false,
        };
        assert!(as_expected, "{cloud:?}, {story}: {played:?} instead of {expected:?}");
    }
}

/// What is new enough for Magnum's resize can be resized by its stacks as well.
#[tokio::test(start_paused = true)]
async fn heat_stack_updates() {
    for profile in [Profile::Stein, Profile::Train, Profile::Zed, Profile::Epoxy] {
        plays(Cloud::by_heat(profile)).await;
    }
}

macro_rules! profiles {
    ($($name:ident: $profile:ident,)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            plays(Cloud::new(Profile::$profile)).await;
        }
    )*};
}

profiles! {
    queens: Queens,
    stein: Stein,
    train: Train,
    victoria: Victoria,
    zed: Zed,
    caracal: Caracal,
    epoxy: Epoxy,
    magnum_cluster_api: MagnumClusterApi,
    capi_helm: CapiHelm,
}

/// Whatever Magnum's late look at Heat writes over the removal.
#[tokio::test(start_paused = true)]
async fn a_late_look_at_heat_costs_no_node() {
    for halves in 0..20 {
        let mut scene = Scene::new(Cloud::new(Profile::Epoxy));
        scene.begin().await.unwrap();
        shrink_after_a_grow(&mut scene, Duration::from_millis(500 * halves)).await.unwrap();
        scene.engine.stop().await;
    }
}

#[test]
fn no_profile_is_left_out() {
    let of_table: Vec<Profile> = ENDS.iter().map(|(profile, _)| *profile).collect();
    assert_eq!(of_table, Profile::all());
}
