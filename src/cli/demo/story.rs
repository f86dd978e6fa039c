//! The story, step by step, and whether each step is as it should be.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use super::{
    autoscaler::Autoscaler,
    error::DemoError,
    nodes::{Nodes, has_server, state},
    screen::Screen,
    servers::{ListedServer, only_this_one_went},
    stage::SimulatedCloud,
};
use crate::grpc::externalgrpc::{Instance, InstanceErrorInfo, NodeGroup};

/// The group that the story is about.
const GROUP: &str = "default-worker";
/// How many nodes are added to the one that there is.
const ADDED: i32 = 2;
/// Pause between two looks; cluster-autoscaler's own is 10 s.
const PAUSE: Duration = Duration::from_millis(250);
/// cluster-autoscaler's number for errors of quota and capacity.
const OUT_OF_RESOURCES: i32 = 1;

/// The story while it is told.
#[derive(Debug)]
pub struct Story<'a> {
    cloud: &'a SimulatedCloud,
    service: SocketAddr,
    autoscaler: Autoscaler,
    screen: Screen,
    begun: Instant,
    limit: Duration,
    group: NodeGroup,
    nodes: Nodes,
    /// Provider IDs of the nodes that have joined the cluster.
    registered: Vec<String>,
    /// Changes of the cloud that were shown.
    changes_shown: usize,
}

impl<'a> Story<'a> {
    /// A story of at most this time, on a cloud with a service in front of it.
    ///
    /// # Errors
    /// When the service's address cannot be called.
    pub fn new(
        cloud: &'a SimulatedCloud,
        service: SocketAddr,
        screen: Screen,
        limit: Duration,
    ) -> Result<Self, DemoError> {
        Ok(Self {
            cloud,
            service,
            autoscaler: Autoscaler::new(service)?,
            screen,
            begun: Instant::now(),
            limit,
            group: NodeGroup::default(),
            nodes: Nodes::default(),
            registered: Vec::new(),
            changes_shown: 0,
        })
    }

    /// Tells it from its beginning to its end.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub async fn play(mut self) -> Result<(), DemoError> {
        self.screen.text_block(&[
            format!(
                "A simulated OpenStack is at {}, the service at {}.",
                self.cloud.simulator.base_url, self.service
            ),
            "This command makes the gRPC calls that cluster-autoscaler would make.".to_owned(),
        ]);
        self.look_around().await?;
        self.grow().await?;
        let (before, oldest) = self.shrink().await?;
        self.exceed_the_quota().await?;
        let after = self.cloud.nova.servers().await?;
        if !only_this_one_went(&before, &after, &oldest)? {
            return Err(DemoError::Unexpected(format!("server {oldest} is there again")));
        }
        let seconds = self.begun.elapsed().as_secs();
        self.screen.text_block(&[
            String::new(),
            format!("Everything was as it should be, in {seconds} s."),
            "Make calls of your own with: cluster-autoscaler-provider-magnum serve --simulate".to_owned(),
        ]);
        Ok(())
    }

    /// What cluster-autoscaler asks at its start.
    async fn look_around(&mut self) -> Result<(), DemoError> {
        self.screen.heading("1. What is there to scale?");
        self.until_read().await?;
        self.screen.message("gRPC", "Refresh {} → OK");
        let groups = self.autoscaler.node_groups().await?;
        let told: Vec<String> = groups
            .iter()
            .map(|group| format!("{} ({} to {} nodes)", group.id, group.min_size, group.max_size))
            .collect();
        self.screen.message("gRPC", format_args!("NodeGroups {{}} → {}", told.join(", ")));
        let group = groups.into_iter().find(|group| group.id.starts_with(GROUP));
        self.group = group.ok_or_else(|| DemoError::Unexpected(format!("there is no group {GROUP}")))?;
        let instances = self.autoscaler.nodes(&self.group.id).await?;
        let told: Vec<String> =
            instances.iter().map(|instance| format!("{} {}", instance.id, state(instance))).collect();
        let request = json!({"id": self.group.id});
        self.screen.message("gRPC", format_args!("NodeGroupNodes {request} → {}", told.join(", ")));
        // It was shown just now.
        let _ = self.nodes.update(&instances, self.begun.elapsed());
        all_running(&instances, 1)?.then_some(()).ok_or_else(|| {
            DemoError::Unexpected(format!("{} should have one running node", self.group.id))
        })?;
        self.register(&instances).await
    }

    async fn grow(&mut self) -> Result<(), DemoError> {
        self.screen.heading("2. 300 pods are created, and they do not fit on one node.");
        self.screen.text("A node takes 110 pods, so cluster-autoscaler asks for two nodes more.");
        self.increase(ADDED).await?;
        let instances = self.until("three running nodes", |instances| all_running(instances, 3)).await?;
        self.register(&instances).await
    }

    /// Returns the servers as they were before, and the one that went.
    async fn shrink(&mut self) -> Result<(Vec<ListedServer>, String), DemoError> {
        self.screen.heading("3. The pods are gone, and a node is not needed any more.");
        self.screen.text("cluster-autoscaler has drained the oldest node and names it. By itself Heat would remove the newest.");
        let before = self.cloud.nova.servers().await?;
        let oldest = self.oldest(&before)?;
        let provider_id = self.provider_id(&oldest.id)?;
        self.delete(&provider_id).await?;
        self.until("the end of the oldest node", |instances| {
            let gone = instances.iter().all(|instance| instance.id != provider_id);
            Ok(gone && all_running(instances, 2)?)
        })
        .await?;
        self.target_size(2).await?;
        self.show_servers(&before, &oldest.id).await?;
        Ok((before, oldest.id))
    }

    async fn exceed_the_quota(&mut self) -> Result<(), DemoError> {
        self.screen.heading("4. More pods are created, and the project's quota is used up.");
        let servers = u32::try_from(self.cloud.nova.servers().await?.len()).unwrap_or(u32::MAX);
        self.cloud.simulator.simulator.set_quota(Some(servers));
        self.screen.text(format_args!("The quota is {servers} servers, and there are {servers}."));
        self.increase(1).await?;
        let instances =
            self.until("the failure of the node", |instances| Ok(failure(instances).is_some())).await?;
        let Some((id, error)) = failure(&instances) else {
            return Err(DemoError::Unexpected("no node failed for the quota".to_owned()));
        };
        if (error.error_code.as_str(), error.instance_error_class) != ("QuotaExceeded", OUT_OF_RESOURCES) {
            return Err(DemoError::Unexpected(format!(
                "{id} failed with {} of class {} instead of QuotaExceeded of class {OUT_OF_RESOURCES}: {}",
                error.error_code, error.instance_error_class, error.error_message
            )));
        }
        let request = json!({"id": self.group.id});
        self.screen.message("gRPC", format_args!("NodeGroupNodes {request} → {id} creating, and with it:"));
        let told = format!(
            "errorCode {}, instanceErrorClass {} (out of resources)",
            error.error_code, error.instance_error_class
        );
        self.screen.detail(told);
        self.screen.detail(format_args!("errorMessage {}", error.error_message));
        let id = id.to_owned();
        self.screen
            .text("cluster-autoscaler takes the request back, and leaves this group alone for a while.");
        self.delete(&id).await?;
        self.until("the end of the request", |instances| {
            Ok(failure(instances).is_none() && all_running(instances, 2)?)
        })
        .await?;
        self.target_size(2).await
    }

    /// NodeGroupIncreaseSize, and what it becomes.
    async fn increase(&mut self, delta: i32) -> Result<(), DemoError> {
        self.autoscaler.increase_size(&self.group.id, delta).await?;
        let request = json!({"id": self.group.id, "delta": delta});
        self.screen.message("gRPC", format_args!("NodeGroupIncreaseSize {request} → OK"));
        self.show_change("the request for more nodes").await
    }

    /// NodeGroupDeleteNodes, and what it becomes.
    async fn delete(&mut self, provider_id: &str) -> Result<(), DemoError> {
        self.autoscaler.delete_node(&self.group.id, provider_id).await?;
        let request = json!({"id": self.group.id, "nodes": [{"providerID": provider_id}]});
        self.screen.message("gRPC", format_args!("NodeGroupDeleteNodes {request} → OK"));
        self.show_change("the request for the removal").await
    }

    /// Waits for the next change that the service asks OpenStack for, and shows it.
    async fn show_change(&mut self, awaited: &str) -> Result<(), DemoError> {
        while self.cloud.changes.count() == self.changes_shown {
            self.check_time(awaited)?;
            sleep(PAUSE).await;
        }
        self.show_new_changes();
        Ok(())
    }

    fn show_new_changes(&mut self) {
        for change in self.cloud.changes.since(self.changes_shown) {
            self.screen.message("OpenStack", change);
            self.changes_shown += 1;
        }
    }

    /// NodeGroupTargetSize has to be this.
    async fn target_size(&mut self, expected: i32) -> Result<(), DemoError> {
        let size = self.autoscaler.target_size(&self.group.id).await?;
        let request = json!({"id": self.group.id});
        self.screen.message("gRPC", format_args!("NodeGroupTargetSize {request} → {size}"));
        if size == expected {
            return Ok(());
        }
        Err(DemoError::Unexpected(format!(
            "the target size of {} is {size} instead of {expected}",
            self.group.id
        )))
    }

    /// Nodes that have joined the cluster: cluster-autoscaler asks for the group of each.
    async fn register(&mut self, instances: &[Instance]) -> Result<(), DemoError> {
        let servers = self.cloud.nova.servers().await?;
        for instance in instances {
            if self.registered.contains(&instance.id) {
                continue;
            }
            self.registered.push(instance.id.clone());
            let server = servers.iter().find(|server| instance.id.ends_with(&server.id));
            let name = server.map(|server| server.name.as_str()).unwrap_or_default();
            let group = self.autoscaler.group_of(&instance.id, name).await?;
            let request = json!({"node": {"providerID": instance.id, "name": name}});
            self.screen.message("gRPC", format_args!("NodeGroupForNode {request} → {group}"));
            if group != self.group.id {
                let expected = &self.group.id;
                return Err(DemoError::Unexpected(format!(
                    "{} belongs to {expected}, not to {group:?}",
                    instance.id
                )));
            }
        }
        Ok(())
    }

    /// The oldest of the group's servers.
    fn oldest(&self, servers: &[ListedServer]) -> Result<ListedServer, DemoError> {
        let of_group = servers.iter().find(|server| self.provider_id(&server.id).is_ok());
        of_group.cloned().ok_or_else(|| DemoError::Unexpected("Nova lists no server of the group".to_owned()))
    }

    /// The provider ID of a server of the group.
    fn provider_id(&self, server: &str) -> Result<String, DemoError> {
        let row = self.nodes.rows().iter().find(|row| has_server(&row.id) && row.id.ends_with(server));
        row.map(|row| row.id.clone())
            .ok_or_else(|| DemoError::Unexpected(format!("no node of the group is on server {server}")))
    }

    /// Shows Nova's list once the server is gone from it, and everything else is still there.
    async fn show_servers(&mut self, before: &[ListedServer], gone: &str) -> Result<(), DemoError> {
        let mut after = self.cloud.nova.servers().await?;
        while !only_this_one_went(before, &after, gone)? {
            self.check_time("the end of the server in Nova")?;
            sleep(PAUSE).await;
            after = self.cloud.nova.servers().await?;
        }
        self.screen.message("Nova", "GET /compute/v2.1/servers/detail, before and after:");
        for server in before {
            let now = after.iter().find(|other| other.id == server.id);
            let status = now.map_or("gone", |server| server.status.as_str());
            self.screen
                .detail(format_args!("{}  {:<25} {} → {status}", server.id, server.name, server.status));
        }
        Ok(())
    }

    /// The first Refresh; until the service has read the cloud once the answer is UNAVAILABLE.
    async fn until_read(&mut self) -> Result<(), DemoError> {
        loop {
            match self.autoscaler.refresh().await {
                Err(error @ DemoError::Call { .. }) if error.is_unavailable() => {
                    self.check_time(&format!("the first reading of the cloud ({error})"))?;
                }
                ended => return ended,
            }
            sleep(PAUSE).await;
        }
    }

    /// Looks at the group again and again, as cluster-autoscaler does, until it is as wished.
    async fn until(
        &mut self,
        awaited: &str,
        holds: impl Fn(&[Instance]) -> Result<bool, DemoError>,
    ) -> Result<Vec<Instance>, DemoError> {
        loop {
            self.autoscaler.refresh().await?;
            let instances = self.autoscaler.nodes(&self.group.id).await?;
            self.show_new_changes();
            let now = self.begun.elapsed();
            let changed = self.nodes.update(&instances, now);
            self.screen.nodes(self.nodes.rows(), &changed, now);
            if holds(&instances)? {
                self.nodes.forget_gone();
                return Ok(instances);
            }
            self.check_time(awaited)?;
            sleep(PAUSE).await;
        }
    }

    fn check_time(&self, awaited: &str) -> Result<(), DemoError> {
        if self.begun.elapsed() < self.limit {
            return Ok(());
        }
        Err(DemoError::TimeLimit { awaited: awaited.to_owned(), limit: self.limit })
    }
}

/// Whether there are this many nodes and all are running; an error when one of them has failed.
fn all_running(instances: &[Instance], count: usize) -> Result<bool, DemoError> {
    if let Some((id, error)) = failure(instances) {
        let InstanceErrorInfo { error_code, error_message, .. } = error;
        return Err(DemoError::Unexpected(format!("{id} failed with {error_code}: {error_message}")));
    }
    Ok(instances.len() == count && instances.iter().all(|instance| state(instance) == "running"))
}

/// The first node that has failed, with its error.
fn failure(instances: &[Instance]) -> Option<(&str, &InstanceErrorInfo)> {
    instances
        .iter()
        .find_map(|instance| Some((instance.id.as_str(), instance.status.as_ref()?.error_info.as_ref()?)))
}
