//! One loop of cluster-autoscaler, as far as it hangs on the provider's answers (`core/static_autoscaler.go`,
//! `RunOnce`, in its order). It is what is known of cluster-autoscaler, written down; not cluster-autoscaler.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::{ExternalGrpcNode, Instance, NodeGroup};
use tokio::time::Instant;

use super::{
    client::Client,
    cluster::{Cluster, KubeNode},
    registry::{GroupState, INSTANCES_KEPT, Registry, creation_error, expected_to_register},
    step::Step,
    version::Version,
    wire::{GroupOptions, Trouble},
};

/// How long a node has to be ready to be taken as an example of its group
/// (`processors/nodeinfosprovider/mixed_nodeinfos_processor.go`, `stabilizationDelay`).
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// What a new node of a group would be like, by the group's id.
pub type NodeInfos = HashMap<String, NodeInfo>;

/// What a new node would be like.
#[derive(Debug, Clone)]
pub struct NodeInfo {
    pub labels: HashMap<String, String>,
    /// Why no pod fits on it.
    pub lacks: Option<String>,
}

/// How it chooses among groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expander {
    /// The first that helps; `random` is the default.
    Any,
    /// `--expander=price`.
    Price,
}

/// A cluster-autoscaler that runs.
pub struct Autoscaler {
    pub(crate) version: &'static Version,
    pub(crate) client: Client,
    pub(crate) expander: Expander,
    pub(crate) registry: Registry,
    pub(crate) last_scale_up: Option<Instant>,
    pub(crate) idle_since: HashMap<String, Instant>,
    pub(crate) deleting: HashSet<String>,
    /// Examples of groups that had a node.
    examples: NodeInfos,
    steps: Vec<Step>,
}

impl Autoscaler {
    pub fn new(version: &'static Version, client: Client, expander: Expander) -> Self {
        Self {
            version,
            client,
            expander,
            registry: Registry::default(),
            last_scale_up: None,
            idle_since: HashMap::new(),
            deleting: HashSet::new(),
            examples: HashMap::new(),
            steps: Vec::new(),
        }
    }

    /// What it did, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn note(&mut self, step: Step) {
        let told = |known: &Step| known.to_string() == step.to_string();
        if step.counts() || !self.steps.iter().any(told) {
            self.steps.push(step);
        }
    }

    /// A loop; none any more once the process has crashed.
    pub async fn run_once(&mut self, cluster: &Cluster) {
        if self.steps.iter().any(|step| matches!(step, Step::Crash(_))) {
            return;
        }
        if let Err(step) = self.run(cluster).await {
            self.note(step);
        }
    }

    async fn run(&mut self, cluster: &Cluster) -> Result<(), Step> {
        self.client.refresh().await.map_err(|code| Step::LoopEnds(format!("Refresh {code:?}")))?;
        let groups = self.client.groups().await;
        let node_infos = self.node_infos(cluster, &groups).await?;
        let states = self.observe(cluster, groups).await?;
        self.remove_unregistered(&states).await;
        self.delete_failed(&states).await;
        if self.fix_sizes(&states).await? {
            return Ok(());
        }
        if !self.scale_up(cluster, &states, &node_infos).await? {
            self.scale_down(cluster, &states).await?;
        }
        Ok(())
    }

    /// An example of each group: a node that has been ready for a minute, one that was, the provider's template, or a
    /// young node (`mixed_nodeinfos_processor.go`, `Process`).
    async fn node_infos(&mut self, cluster: &Cluster, groups: &[NodeGroup]) -> Result<NodeInfos, Step> {
        let (stable, young): (Vec<_>, Vec<_>) =
            cluster.nodes.iter().partition(|node| node.joined.is_none_or(|at| at.elapsed() > STABLE_AFTER));
        for node in stable {
            if let Some(group) = self.group_of(node).await? {
                self.examples.insert(group.id, NodeInfo { labels: node.labels(), lacks: None });
            }
        }
        let mut node_infos = self.examples.clone();
        for group in groups.iter().filter(|group| !self.examples.contains_key(&group.id)) {
            match self.client.template(&group.id).await {
                Ok(None) => {}
                Ok(Some(node)) => {
                    let node_info = NodeInfo { labels: node.labels(), lacks: node.lacks() };
                    node_infos.insert(group.id.clone(), node_info);
                }
                Err(Trouble::Crash(why)) => return Err(Step::Crash(why)),
                // "Failed to get node infos for groups" (1.28.7 `static_autoscaler.go:354`).
                Err(Trouble::Error(code)) => return Err(Step::LoopEnds(format!("template {code:?}"))),
            }
        }
        for node in young {
            if let Some(group) = self.group_of(node).await? {
                let example = NodeInfo { labels: node.labels(), lacks: None };
                node_infos.entry(group.id).or_insert(example);
            }
        }
        Ok(node_infos)
    }

    pub(crate) async fn group_of(&mut self, node: &KubeNode) -> Result<Option<NodeGroup>, Step> {
        match self.client.group_of(node.on_the_wire()).await {
            Ok(group) => Ok(group),
            Err(code) if self.version.lookup_error_ends_loop => {
                Err(Step::LoopEnds(format!("group of a node {code:?}")))
            }
            Err(_) => Ok(None),
        }
    }

    /// `UpdateNodes`.
    async fn observe(&mut self, cluster: &Cluster, groups: Vec<NodeGroup>) -> Result<Vec<GroupState>, Step> {
        let mut states = Vec::with_capacity(groups.len());
        for group in groups {
            let target = self.client.target_size(&group.id).await;
            let target = target.map_err(|code| Step::LoopEnds(format!("target size {code:?}")))?;
            states.push(GroupState::new(group, target));
        }
        for state in &mut states {
            state.instances = self.instances(&state.group.id).await;
        }
        for node in &cluster.nodes {
            let Some(group) = self.group_of(node).await? else { continue };
            if let Some(state) = states.iter_mut().find(|state| state.group.id == group.id) {
                state.registered += 1;
                state.ready += i32::from(!self.deleting.contains(&node.name));
            }
        }
        self.find_unregistered(cluster, &mut states).await?;
        for state in &states {
            self.end_request(state).await?;
            self.note_creation_errors(state);
            self.registry.note_size(state);
        }
        Ok(states)
    }

    /// Read anew every two minutes, and in each loop while the group grows; an error is an empty list.
    async fn instances(&mut self, group: &str) -> Vec<Instance> {
        let kept = self.registry.instances.get(group);
        if let Some((read, instances)) = kept
            && read.elapsed() < INSTANCES_KEPT
            && !self.registry.requests.contains_key(group)
        {
            return instances.clone();
        }
        let instances = self.client.instances(group).await.unwrap_or_default();
        self.registry.instances.insert(group.to_owned(), (Instant::now(), instances.clone()));
        instances
    }

    /// Instances whose id no node, of whatever group, shows as its provider ID (`getNotRegisteredNodes`). An empty id is
    /// registered as long as some node shows none.
    async fn find_unregistered(&mut self, cluster: &Cluster, states: &mut [GroupState]) -> Result<(), Step> {
        let shown: HashSet<&str> = cluster.nodes.iter().map(|node| node.provider_id.as_str()).collect();
        let all: HashSet<String> = states
            .iter()
            .flat_map(|state| &state.instances)
            .filter(|instance| expected_to_register(instance) && !shown.contains(instance.id.as_str()))
            .map(|instance| instance.id.clone())
            .collect();
        self.registry.note_unregistered(&all);
        for id in all {
            let Some(group) = self.client.group_of(fake_node(&id, "unregistered")).await.ok().flatten()
            else {
                continue;
            };
            let Some(provision) = self.provision_time(&group.id).await? else { continue };
            let long = self.registry.unregistered_since.get(&id).is_some_and(|at| at.elapsed() > provision);
            if let Some(state) = states.iter_mut().find(|state| state.group.id == group.id) {
                if long { state.long_unregistered.push(id) } else { state.unregistered.push(id) }
            }
        }
        Ok(())
    }

    /// How long a node may take to register; `None` where the group's options are an error.
    pub(crate) async fn provision_time(&mut self, group: &str) -> Result<Option<Duration>, Step> {
        if !self.version.provision_time_of_group {
            return Ok(Some(GroupOptions::DEFAULTS.provision));
        }
        match self.client.options(group).await {
            Ok(options) => Ok(Some(options.provision)),
            Err(Trouble::Error(_)) => Ok(None),
            Err(Trouble::Crash(why)) => Err(Step::Crash(why)),
        }
    }

    /// A scale-up ends when its nodes are there, or times out (`updateScaleRequests`).
    async fn end_request(&mut self, state: &GroupState) -> Result<(), Step> {
        let id = &state.group.id;
        let Some(request) = self.registry.requests.get(id) else { return Ok(()) };
        let (by, asked) = (request.by, request.asked);
        if state.upcoming() <= 0 {
            self.registry.requests.remove(id);
            return Ok(());
        }
        if self.provision_time(id).await?.is_none_or(|provision| asked.elapsed() <= provision) {
            return Ok(());
        }
        self.registry.requests.remove(id);
        self.registry.back_off(id);
        self.note(Step::BackOff { group: id.clone(), why: "timeout".to_owned() });
        if self.version.reverts_timed_out {
            let accepted = self.client.decrease(id, by).await.is_ok();
            self.note(Step::Lower { group: id.clone(), by, accepted });
        }
        Ok(())
    }

    /// A group that grows and shows new failures is backed off (`handleInstanceCreationErrorsForNodeGroup`).
    fn note_creation_errors(&mut self, state: &GroupState) {
        let id = &state.group.id;
        let mut unseen: HashMap<String, i32> = HashMap::new();
        for instance in &state.instances {
            if let Some(error) = creation_error(instance)
                && self.registry.failed.insert(instance.id.clone())
            {
                *unseen.entry(error.error_code.clone()).or_default() += 1;
            }
        }
        for (code, number) in unseen {
            let Some(request) = self.registry.requests.get_mut(id).filter(|_| state.upcoming() > 0) else {
                continue;
            };
            request.by -= number;
            if request.by <= 0 {
                self.registry.requests.remove(id);
            }
            self.registry.back_off(id);
            self.note(Step::BackOff { group: id.clone(), why: code });
        }
    }

    /// Down to the minimum (`removeOldUnregisteredNodes`).
    async fn remove_unregistered(&mut self, states: &[GroupState]) {
        for state in states {
            let possible = usize::try_from(state.target - state.group.min_size).unwrap_or(0);
            let names: Vec<String> = state.long_unregistered.iter().take(possible).cloned().collect();
            if !names.is_empty() {
                self.delete_instances(&state.group.id, "unregistered", names).await;
            }
        }
    }

    /// Whether registered or not, and without a drain (`deleteCreatedNodesWithErrors`).
    async fn delete_failed(&mut self, states: &[GroupState]) {
        for state in states {
            let failed = state.instances.iter().filter(|instance| creation_error(instance).is_some());
            let names: Vec<String> = failed.map(|instance| instance.id.clone()).collect();
            if !names.is_empty() {
                self.delete_instances(&state.group.id, "failed", names).await;
            }
        }
    }

    async fn delete_instances(&mut self, group: &str, why: &'static str, names: Vec<String>) {
        let reason = if why == "failed" { "create-error" } else { "unregistered" };
        let nodes = names.iter().map(|name| fake_node(name, reason)).collect();
        let accepted = self.client.delete(group, nodes).await.is_ok();
        self.registry.instances.remove(group);
        self.note(Step::Delete { group: group.to_owned(), why, names, accepted });
    }

    /// Whether a target was lowered, which ends the loop as well (`fixNodeGroupSize`).
    async fn fix_sizes(&mut self, states: &[GroupState]) -> Result<bool, Step> {
        let mut fixed = false;
        for state in states {
            let id = &state.group.id;
            let Some((registered, target, since)) = self.registry.wrong_sizes.get(id).copied() else {
                continue;
            };
            let Some(provision) = self.provision_time(id).await? else {
                return Err(Step::LoopEnds("options".to_owned()));
            };
            if since.elapsed() > provision && registered < target {
                let by = target - registered;
                let accepted = self.client.decrease(id, by).await.is_ok();
                self.note(Step::Lower { group: id.clone(), by, accepted });
                if !accepted {
                    return Err(Step::LoopEnds("sizes".to_owned()));
                }
                fixed = true;
            }
        }
        Ok(fixed)
    }
}

/// How an instance that is no node is named (`clusterstate.go`, `FakeNode`).
fn fake_node(id: &str, reason: &str) -> ExternalGrpcNode {
    ExternalGrpcNode {
        provider_id: id.to_owned(),
        name: id.to_owned(),
        labels: HashMap::new(),
        annotations: [("k8s.io/cluster-autoscaler/fake-node-reason".to_owned(), reason.to_owned())].into(),
    }
}
