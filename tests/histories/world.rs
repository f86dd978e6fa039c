//! A simulated cloud, the engine on it, and what is known of every node: what happened and what may have happened.

mod reckoning;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use cluster_autoscaler_provider_magnum::{
    config::node_groups::GroupSelection,
    core::{
        cloud::Cloud,
        instance::{InstanceId, InstanceState, PlaceholderId},
        member::MemberKey,
        node_group::NodeGroupUuid,
        request::{NodeReference, RequestError},
        resize::{Removal, Resize},
        snapshot::GroupView,
    },
    engine::{Engine, EngineOptions, Subscriber},
    simulator::{FaultPlan, GroupOptions, Simulator, SimulatorOptions},
};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::{
    counts::Counts,
    planted::{Bug, ForgetsSecondStep, Planted},
    simulated,
    site::Site,
    step::GROUPS,
};

/// How long a call may take: the margin inside cluster-autoscaler's 5 s.
const CALL_LIMIT: Duration = Duration::from_millis(4500);
/// How close to somebody else's resize ours may fall in between reading and sending; nobody can prevent that.
const RACE: Duration = Duration::from_secs(30);

/// How long requests that met a fault may hold others up.
const AFTERMATH: Duration = Duration::from_secs(90);

/// Every third cloud takes its time for each request.
fn latency(seed: u64) -> Duration {
    if seed.is_multiple_of(3) { Duration::from_millis(100 + seed % 7 * 100) } else { Duration::ZERO }
}

/// A server that was seen at least once.
#[derive(Debug, Clone)]
struct Known {
    group: usize,
    index: Option<u32>,
    first_seen: Instant,
    /// In ERROR when last seen: no node was ever on it, and Heat replaces it at the next update of the group.
    in_error: bool,
}

/// A call to remove nodes.
#[derive(Debug, Clone)]
struct DeleteCall {
    group: usize,
    nodes: Vec<NodeReference>,
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
    /// Members without a server that a call named, by group.
    named_members: BTreeSet<(usize, u32)>,
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
    /// What the target must be, while only this service changes the group.
    expected: [i64; 2],
    /// By how much it may be exceeded: Heat replaces a server in ERROR at any update, and a member without a server
    /// may get one, so that what was named is no more when its removal is due. Another is in its place, and shown.
    replaced: [i64; 2],
    /// A call whose outcome nobody heard.
    unheard: bool,
    /// Since when the wire is free of faults.
    calm_since: Option<Instant>,
    pub(crate) violations: Vec<String>,
    pub(crate) answered: u64,
}

impl World {
    pub(crate) async fn new(site: Site, seed: u64, bug: Option<Bug>) -> Self {
        let simulator = Simulator::new(SimulatorOptions {
            groups: vec![
                GroupOptions::new(GROUPS[0], 3, 1, Some(8)),
                GroupOptions::new(GROUPS[1], 2, 0, Some(8)),
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
            named_members: BTreeSet::new(),
            operator: [None; 2],
            changed_by_others: [false; 2],
            calls: Vec::new(),
            creating_since: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            expected: [3, 2],
            replaced: [0, 0],
            unheard: false,
            calm_since: Some(Instant::now()),
            violations: Vec::new(),
            answered: 0,
        };
        world.refresh_until_read().await;
        world.look();
        world
    }

    /// What goes wrong on the wire from now on.
    pub(crate) fn set_faults(&mut self, plan: FaultPlan) {
        self.calm_since = plan.rules.is_empty().then(Instant::now);
        self.simulator.set_faults(plan);
    }

    async fn refresh_until_read(&mut self) {
        for _ in 0..100 {
            if self.engine.refresh(deadline()).await.is_ok()
                && self.view(0).is_some()
                && self.view(1).is_some()
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

    /// Looks which servers there are and judges those that are gone.
    pub(crate) fn look(&mut self) {
        let now = Instant::now();
        let mut present = HashSet::new();
        for server in self.simulator.servers() {
            let Some(group) =
                server.group.as_deref().and_then(|name| GROUPS.iter().position(|known| *known == name))
            else {
                continue;
            };
            present.insert(server.uuid.clone());
            let known = self.known.entry(server.uuid).or_insert(Known {
                group,
                index: None,
                first_seen: now,
                in_error: false,
            });
            known.in_error = server.status == "ERROR";
            known.index = server.index.or(known.index);
        }
        for (uuid, known) in &self.known {
            if !present.contains(uuid)
                && self.gone.insert(uuid.clone())
                && !self.may_be_gone(uuid, known, now)
            {
                self.violations.push(format!(
                    "WRONG REMOVAL: server {uuid} (member {:?} of {}) is gone and nobody named it",
                    known.index, GROUPS[known.group]
                ));
            }
        }
    }

    fn may_be_gone(&self, uuid: &str, known: &Known, now: Instant) -> bool {
        let raced = self.operator[known.group]
            .is_some_and(|at| now - at < RACE * 2 && known.first_seen + RACE * 2 > now);
        let member_named =
            known.index.is_some_and(|index| self.named_members.contains(&(known.group, index)));
        self.named.contains(uuid) || member_named || raced || known.in_error
    }

    fn note_named(&mut self, group: usize, nodes: &[NodeReference]) {
        for node in nodes {
            match node.identity() {
                Ok(Some(InstanceId::Server(machine))) => {
                    self.named.insert(machine.to_string());
                }
                Ok(Some(InstanceId::Placeholder(PlaceholderId::Member {
                    key: MemberKey::Index(index),
                    ..
                }))) => {
                    self.named_members.insert((group, index));
                }
                _ => {}
            }
        }
    }

    /// Nodes by their position among those shown; positions beyond the end start anew.
    fn pick(&self, group: usize, picks: &[usize]) -> Vec<NodeReference> {
        let Some(view) = self.view(group) else { return Vec::new() };
        let mut nodes: Vec<NodeReference> = picks
            .iter()
            .filter_map(|pick| view.instances.get(pick % view.instances.len().max(1)))
            .map(|instance| reference(&instance.provider_id))
            .collect();
        nodes.dedup();
        nodes
    }

    pub(crate) async fn increase(&mut self, group: usize, delta: i32) {
        let Some(view) = self.view(group) else { return };
        let engine = Arc::clone(&self.engine);
        let answer = self.timed("IncreaseSize", engine.increase_size(&view.id, delta, deadline())).await;
        if answer.is_ok() {
            self.expected[group] += i64::from(delta);
        }
    }

    pub(crate) async fn decrease(&mut self, group: usize, delta: i32) {
        let Some(view) = self.view(group) else { return };
        for member in self.simulator.group(GROUPS[group]).into_iter().flat_map(|group| group.members) {
            if member.server.is_none() {
                self.named_members.insert((group, member.index));
            }
        }
        self.unheard = true;
        let engine = Arc::clone(&self.engine);
        let _ =
            self.timed("DecreaseTargetSize", engine.decrease_target_size(&view.id, delta, deadline())).await;
    }

    pub(crate) async fn delete(&mut self, group: usize, picks: &[usize], each_alone: bool) {
        let nodes = self.pick(group, picks);
        let calls: Vec<DeleteCall> = if each_alone {
            nodes.into_iter().map(|node| DeleteCall { group, nodes: vec![node] }).collect()
        } else {
            vec![DeleteCall { group, nodes }]
        };
        self.delete_calls(calls).await;
    }

    pub(crate) async fn delete_again(&mut self, back: usize) {
        let call = self.calls.iter().rev().nth(back).cloned();
        self.delete_calls(call.into_iter().collect()).await;
    }

    async fn delete_calls(&mut self, calls: Vec<DeleteCall>) {
        let calls: Vec<DeleteCall> = calls.into_iter().filter(|call| !call.nodes.is_empty()).collect();
        let Some(call) = calls.first() else { return };
        let group = call.group;
        let Some(view) = self.view(group) else { return };
        for call in &calls {
            self.note_named(group, &call.nodes);
        }
        let engine = Arc::clone(&self.engine);
        let begun = Instant::now();
        let answers =
            join_all(calls.iter().map(|call| engine.delete_nodes(&view.id, &call.nodes, deadline()))).await;
        self.check_duration("DeleteNodes", begun);
        for answer in &answers {
            self.check_patience("DeleteNodes", begun, answer);
        }
        self.answered += u64::try_from(answers.len()).unwrap();
        let mut removed: BTreeSet<String> = BTreeSet::new();
        for (call, answer) in calls.iter().zip(&answers) {
            match answer {
                Ok(()) => removed.extend(call.nodes.iter().map(|node| node.provider_id.clone())),
                Err(RequestError::NotAMember { .. }) if self.bug == Some(Bug::UnknownIdPassedOn) => {
                    self.send_blindly(&view, MemberKey::Index(9999)).await;
                }
                Err(_) => {}
            }
        }
        self.account_for(group, &view, &removed);
        if self.bug == Some(Bug::DeleteNotIdempotent) && answers.iter().any(Result::is_ok) {
            self.repeat_what_is_gone(&view, &calls).await;
        }
        self.calls.extend(calls);
    }

    /// Lowers what is expected by the instances that were there and are going now.
    fn account_for(&mut self, group: usize, before: &GroupView, removed: &BTreeSet<String>) {
        for instance in &before.instances {
            let id = instance.provider_id.clone();
            if !removed.contains(&id) || instance.state == InstanceState::Deleting {
                continue;
            }
            // At the minimum a broken member is replaced.
            self.expected[group] = (self.expected[group] - 1).max(i64::from(before.bounds.min));
            if let InstanceId::Server(machine) = instance.id {
                let known = self.known.get(&machine.to_string());
                let in_error = instance.error.is_some() || known.is_some_and(|known| known.in_error);
                self.replaced[group] += i64::from(in_error);
                self.acknowledged.insert(machine.to_string());
            } else if instance.member.is_some() {
                self.replaced[group] += 1;
            }
        }
    }

    /// The planted bug: what names no member goes to Magnum all the same.
    async fn send_blindly(&self, view: &GroupView, key: MemberKey) {
        let uuid: NodeGroupUuid = view.uuid;
        if let Some(count) = view.target_size.checked_sub(1).filter(|count| *count >= view.bounds.min) {
            let remove = vec![Removal { key, server: None }];
            let _ = self.cloud.resize(uuid, &Resize { count, remove, additions: 0 }).await;
        }
    }

    async fn repeat_what_is_gone(&self, view: &GroupView, calls: &[DeleteCall]) {
        let shown = |node: &NodeReference| {
            view.instances.iter().any(|instance| instance.provider_id == node.provider_id)
        };
        for node in calls.iter().flat_map(|call| &call.nodes).filter(|node| !shown(node)) {
            let server = node.provider_id.rsplit('/').next().unwrap_or_default();
            if let Some(index) = self.known.get(server).and_then(|known| known.index) {
                self.send_blindly(view, MemberKey::Index(index)).await;
            }
        }
    }

    /// Calls that must be refused.
    pub(crate) async fn delete_stranger(&mut self, group: usize, kind: usize) {
        let Some(view) = self.view(group) else { return };
        let others = self.pick(1 - group, &[0]);
        let good = self.pick(group, &[0]);
        let mut nodes = match kind {
            0 => vec![reference("openstack:///deadbeef-dead-4eef-8ead-deadbeefdead")],
            1 => vec![reference("k8s-pool-b-abc-node-1")],
            2 => others,
            3 => vec![reference("openstack://")],
            _ => good.into_iter().chain([reference("deadbeefdead4eef8eaddeadbeefdead")]).collect(),
        };
        nodes.retain(|node| !node.provider_id.is_empty());
        if nodes.is_empty() {
            return;
        }
        let engine = Arc::clone(&self.engine);
        let answer = self.timed("DeleteNodes", engine.delete_nodes(&view.id, &nodes, deadline())).await;
        match answer {
            Ok(()) => self.violations.push(format!("a stranger was accepted: {nodes:?}")),
            Err(RequestError::NotAMember { .. }) if self.bug == Some(Bug::UnknownIdPassedOn) => {
                self.send_blindly(&view, MemberKey::Index(9999)).await;
            }
            Err(_) => {}
        }
    }

    /// A call whose answer nobody waits for.
    pub(crate) fn hang_up(&mut self, group: usize, pick: usize) {
        let Some(view) = self.view(group) else { return };
        let nodes = self.pick(group, &[pick]);
        self.note_named(group, &nodes);
        self.unheard = true;
        let engine = Arc::clone(&self.engine);
        let by = deadline();
        tokio::spawn(async move { engine.delete_nodes(&view.id, &nodes, by).await });
    }

    pub(crate) async fn main_loop(&mut self) {
        let engine = Arc::clone(&self.engine);
        let _ = self.timed("Refresh", engine.refresh(deadline())).await;
        for group in 0..GROUPS.len() {
            let Some(view) = self.view(group) else { continue };
            let alive =
                view.instances.iter().filter(|instance| instance.state != InstanceState::Deleting).count();
            if u32::try_from(alive).unwrap() != view.target_size {
                self.violations.push(format!(
                    "{}: target {} with {alive} instances: {:?}",
                    view.id, view.target_size, view.instances
                ));
            }
        }
    }

    pub(crate) fn operator_resize(&mut self, group: usize, grow: u32, pick: Option<usize>) {
        let Some(record) = self.simulator.group(GROUPS[group]) else { return };
        let members: Vec<_> = record.members.iter().filter(|member| member.reference.is_some()).collect();
        let victim = pick.and_then(|pick| members.get(pick % members.len().max(1)));
        let remove: Vec<String> = victim.iter().map(|member| member.index.to_string()).collect();
        let count = u32::try_from(members.len() - remove.len()).unwrap() + grow;
        self.operator[group] = Some(Instant::now());
        self.changed_by_others[group] = true;
        if self.simulator.operator_resize(GROUPS[group], count, &remove).is_ok()
            && let Some(member) = victim
        {
            self.named.extend(member.server.clone());
            self.named_members.insert((group, member.index));
        }
    }

    pub(crate) fn operator_bounds(&mut self, group: usize, min: u32, max: u32) {
        self.changed_by_others[group] = true;
        self.simulator.set_bounds(GROUPS[group], min, Some(max));
    }

    /// Takes back the bounds that somebody set. Magnum takes no size outside of them, so that what is outside stays
    /// as it is, broken members included.
    pub(crate) fn widen_bounds(&self) {
        for (group, _) in self.changed_by_others.iter().enumerate().filter(|(_, changed)| **changed) {
            self.simulator.set_bounds(GROUPS[group], 0, Some(20));
        }
    }

    pub(crate) fn nova_delete(&mut self, group: usize, pick: usize) {
        let servers: Vec<_> = self
            .simulator
            .servers()
            .into_iter()
            .filter(|server| server.group.as_deref() == Some(GROUPS[group]))
            .collect();
        if let Some(server) = servers.get(pick % servers.len().max(1)) {
            self.named.insert(server.uuid.clone());
            self.simulator.delete_server(&server.uuid);
        }
    }

    /// kill -9: nothing of the process survives.
    pub(crate) async fn restart(&mut self) {
        self.engine.stop().await;
        (self.engine, self.cloud) = start(&self.simulator, self.site, self.bug, &self.counts);
        self.acknowledged.clear();
        self.counts.refused_now.lock().unwrap().clear();
        self.unheard = true;
        let faults = self.simulator.faults();
        self.simulator.set_faults(FaultPlan::none());
        self.refresh_until_read().await;
        self.simulator.set_faults(faults);
    }

    async fn timed(
        &mut self,
        method: &str,
        call: impl Future<Output = Result<(), RequestError>>,
    ) -> Result<(), RequestError> {
        let begun = Instant::now();
        let result = call.await;
        self.check_duration(method, begun);
        self.check_patience(method, begun, &result);
        self.answered += 1;
        result
    }

    fn check_duration(&mut self, method: &str, begun: Instant) {
        let took = begun.elapsed();
        if took > CALL_LIMIT + Duration::from_millis(20) {
            self.violations.push(format!("{method} took {took:?}"));
        }
    }

    /// While the cloud answers within its normal latency, no call may run out of time.
    fn check_patience(&mut self, method: &str, begun: Instant, answer: &Result<(), RequestError>) {
        let calm = self.calm_since.is_some_and(|since| begun - since > AFTERMATH);
        if calm && matches!(answer, Err(RequestError::Deadline)) {
            self.violations
                .push(format!("{method} ran out of time although the cloud answers as it always does"));
        }
    }

    pub(crate) async fn stop(self) {
        self.engine.stop().await;
    }
}

fn reference(provider_id: &str) -> NodeReference {
    NodeReference { provider_id: provider_id.into(), name: provider_id.into() }
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
    let cluster = simulated::cluster_through(simulator, GroupSelection::All, |transport| match bug {
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
