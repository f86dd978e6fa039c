//! What a test plays in: a cluster at rest, the running service, and the cloud itself to compare with.

use std::{
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::instance_status::InstanceState;
use futures_util::FutureExt as _;
use tokio::time::sleep;

use crate::{
    autoscaler::{Autoscaler, Node, listed, provider_id},
    lab::Lab,
    openstack::{Group, OpenStack, Servers, ids},
    service::{Service, log_file},
    site::Site,
};

/// How long a change of the cluster may take. Virtual machines take minutes.
pub(crate) const CHANGE: Duration = Duration::from_secs(15 * 60);
/// The pause between two looks at something that is awaited.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks again and again until there is what is awaited. Fails with what was seen last.
pub(crate) async fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > within => {
                panic!("awaited {what} for {} s; last seen: {seen}", within.as_secs());
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// The scene of one test.
pub(crate) struct Scene {
    pub(crate) site: Arc<Site>,
    pub(crate) openstack: Arc<OpenStack>,
    /// The groups that the service scales, in its order.
    pub(crate) groups: Vec<Group>,
    service: Option<Service>,
    log: PathBuf,
}

/// One node group, as the service and as the cloud show it.
pub(crate) struct Picture {
    pub(crate) servers: Servers,
    pub(crate) nodes: Vec<Node>,
    pub(crate) target: usize,
    pub(crate) node_count: usize,
    pub(crate) status: String,
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> =
            self.servers.iter().map(|(id, server)| format!("{id} {}", server.name)).collect();
        write!(
            f,
            "target {}, nodes {}, Magnum's node_count {} {}, Nova's servers [{}]",
            self.target,
            listed(&self.nodes),
            self.node_count,
            self.status,
            servers.join("; ")
        )
    }
}

impl Picture {
    /// Whether everybody agrees on this number of nodes, all at work.
    pub(crate) fn agree(&self, size: usize) -> Result<(), String> {
        let running = |node: &Node| node.state == InstanceState::InstanceRunning && node.error.is_none();
        let at_work: BTreeSet<_> =
            self.nodes.iter().filter(|node| running(node)).filter_map(Node::server).collect();
        let same = self.servers.keys().map(String::as_str).eq(at_work.iter().copied());
        let counts = [self.target, self.nodes.len(), self.node_count, self.servers.len()];
        if same && counts == [size; 4] && !self.status.ends_with("IN_PROGRESS") {
            Ok(())
        } else {
            Err(self.to_string())
        }
    }
}

/// Plays a test. The cluster has to have its sizes again at the end. When the test
/// fails, the service's log is printed, and the lab brought to rest.
pub(crate) async fn play(test: &str, site: Site, act: impl AsyncFnOnce(&mut Scene)) {
    let site = Arc::new(site);
    let begun = Instant::now();
    let log = log_file(test);
    println!("{test}: the service's log is {}", log.display());
    let played = AssertUnwindSafe(async {
        let mut scene = Scene::open(Arc::clone(&site), log.clone()).await;
        let sizes = scene.rest().await;
        act(&mut scene).await;
        assert_eq!(scene.rest().await, sizes, "the cluster has to be left with the sizes it had");
        assert_eq!(scene.service().wrong_removals().await, 0);
    });
    if let Err(failure) = played.catch_unwind().await {
        println!(
            "{test} failed. The log of the service:\n{}",
            std::fs::read_to_string(&log).unwrap_or_default()
        );
        if let Some(lab) = &site.lab {
            // That this may fail as well must not hide why the test did.
            let _ = AssertUnwindSafe(lab.reset()).catch_unwind().await;
        }
        resume_unwind(failure);
    }
    println!("{test}: passed after {:.0} s", begun.elapsed().as_secs_f64());
}

impl Scene {
    async fn open(site: Arc<Site>, log: PathBuf) -> Self {
        let openstack = Arc::new(OpenStack::log_in(site.cloud(), &site.cluster).await);
        let service = Service::start(&site, &log).await;
        let groups = service.autoscaler.node_groups().await.expect("the node groups");
        let ids: Vec<_> = groups.into_iter().map(|group| group.id).collect();
        let groups = openstack.groups(&ids).await;
        Self { site, openstack, groups, service: Some(service), log }
    }

    pub(crate) fn service(&self) -> &Service {
        self.service.as_ref().expect("the service runs")
    }

    pub(crate) fn autoscaler(&self) -> &Autoscaler {
        &self.service().autoscaler
    }

    pub(crate) fn lab(&self) -> &Lab {
        self.site.lab.as_ref().expect("a test that needs the lab")
    }

    /// Kills the service as a crash would, and starts another one.
    pub(crate) async fn crash(&mut self) {
        self.kill().await;
        self.start_again().await;
    }

    /// Kills the service as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.service.take().expect("the service runs").kill().await;
    }

    /// Starts another service after the one that was killed.
    pub(crate) async fn start_again(&mut self) {
        self.service = Some(Service::start(&self.site, &self.log).await);
    }

    /// The first group that has a node and room for so many more; another one than `not`.
    pub(crate) async fn group_with_room(&self, room: usize, not: Option<&Group>) -> Group {
        let described = self.autoscaler().node_groups().await.expect("the node groups");
        for group in self.groups.iter().filter(|group| not.is_none_or(|not| not.id != group.id)) {
            let described = described.iter().find(|described| described.id == group.id);
            let maximum = usize::try_from(described.map_or(0, |group| group.max_size)).unwrap();
            let size = self.autoscaler().target_size(&group.id).await.expect("the size of a group");
            if (1..=maximum.saturating_sub(room)).contains(&size) {
                return group.clone();
            }
        }
        panic!("the cluster needs two node groups, each with a node and room for {room} more");
    }

    /// The group, read anew by the service.
    pub(crate) async fn picture(&self, group: &Group) -> Result<Picture, String> {
        let said = |status: tonic::Status| status.to_string();
        let autoscaler = self.autoscaler();
        autoscaler.refresh().await.map_err(said)?;
        let record = self.openstack.record(group).await?;
        Ok(Picture {
            servers: self.openstack.servers(group).await?,
            nodes: autoscaler.nodes(&group.id).await.map_err(said)?,
            target: autoscaler.target_size(&group.id).await.map_err(said)?,
            node_count: usize::try_from(record.node_count.unwrap_or_default()).unwrap(),
            status: record.status.unwrap_or_default(),
        })
    }

    /// Waits until the cluster is at rest; the sizes of its groups.
    pub(crate) async fn rest(&self) -> Vec<usize> {
        let mut sizes = Vec::new();
        for group in &self.groups {
            let what = format!("{} at rest", group.id);
            let size = eventually(&what, CHANGE, async || {
                let picture = self.picture(group).await?;
                picture.agree(picture.servers.len()).map(|()| picture.servers.len())
            });
            sizes.push(size.await);
        }
        sizes
    }

    /// The group's servers, as Nova has them now.
    pub(crate) async fn servers(&self, group: &Group) -> Servers {
        let what = format!("Nova's list of the servers of {}", group.id);
        eventually(&what, Duration::from_secs(60), async || self.openstack.servers(group).await).await
    }

    /// Waits until the group consists of the servers `stay` and `new` others, and everybody agrees on that. At no
    /// moment may one of `stay` be missing. The new servers.
    pub(crate) async fn settle(
        &self,
        group: &Group,
        stay: &BTreeSet<String>,
        new: usize,
    ) -> BTreeSet<String> {
        let size = stay.len() + new;
        let what = format!("{} to consist of {stay:?} and {new} more, at rest", group.id);
        eventually(&what, CHANGE, async || {
            let picture = self.picture(group).await?;
            let there = ids(&picture.servers);
            let gone: Vec<_> = stay.difference(&there).collect();
            assert!(gone.is_empty(), "{}: gone although nobody named them: {gone:?}; {picture}", group.id);
            picture.agree(size)?;
            Ok(there.difference(stay).cloned().collect())
        })
        .await
    }

    /// Waits until the service that runs now has sent its first resize: just after its start it accepts and holds back.
    pub(crate) async fn await_resize(&self) {
        eventually("the service's resize", CHANGE, async || {
            let service = self.service();
            match service.resizes_sent().await + service.heat_updates_sent().await {
                0 => Err("none".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
    }

    /// Adds nodes and waits until they run. Their servers.
    pub(crate) async fn grow(&self, group: &Group, nodes: usize) -> BTreeSet<String> {
        let before = ids(&self.servers(group).await);
        let delta = i32::try_from(nodes).unwrap();
        self.autoscaler().increase_size(&group.id, delta).await.expect("IncreaseSize");
        self.settle(group, &before, nodes).await
    }

    /// Removes nodes in one call and waits until exactly they are gone.
    pub(crate) async fn remove(&self, group: &Group, servers: &BTreeSet<String>) {
        let before = ids(&self.servers(group).await);
        let named: Vec<_> = servers.iter().map(|server| provider_id(server)).collect();
        let named: Vec<_> = named.iter().map(String::as_str).collect();
        self.autoscaler().delete_nodes(&group.id, &named).await.expect("DeleteNodes");
        self.settle(group, &before.difference(servers).cloned().collect(), 0).await;
    }

    /// The node of this server, as the service shows it this moment.
    pub(crate) async fn shown(&self, group: &Group, server: &str) -> Option<Node> {
        let nodes = self.autoscaler().nodes(&group.id).await.expect("NodeGroupNodes");
        nodes.into_iter().find(|node| node.server() == Some(server))
    }
}
