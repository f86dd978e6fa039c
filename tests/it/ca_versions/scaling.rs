//! Scaling up (`core/scaleup/orchestrator`) and down (`core/scaledown`).

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    autoscaler::{Autoscaler, Expander, NodeInfo, NodeInfos},
    cluster::{Cluster, Pod},
    registry::{GroupState, Request},
    step::Step,
    wire::{KubernetesPod, Node, Trouble},
};

/// `--scale-down-delay-after-add`.
const DELAY_AFTER_ADD: Duration = Duration::from_secs(600);

/// A group that could take pods.
struct Expansion<'a> {
    state: &'a GroupState,
    node_info: &'a NodeInfo,
    pods: i32,
}

impl Autoscaler {
    /// Whether nodes were asked for.
    pub(crate) async fn scale_up(
        &mut self,
        cluster: &Cluster,
        states: &[GroupState],
        node_infos: &NodeInfos,
    ) -> Result<bool, Step> {
        let upcoming = self.upcoming(states);
        let pods = left_over(cluster.pending(), &upcoming, node_infos);
        if pods.is_empty() {
            return Ok(false);
        }
        // "could not get upcoming nodes: failed to find template node for node group" (`UpcomingNodes`).
        let without = |id: &&String| !node_infos.contains_key(*id);
        if upcoming.keys().any(|id| without(&id)) {
            return Err(Step::LoopEnds("no template of upcoming nodes".to_owned()));
        }
        if self.version.missing_template_stops_all && states.iter().any(|state| without(&&state.group.id)) {
            return Err(Step::LoopEnds("no template of a group".to_owned()));
        }
        let expansions = self.expansions(states, node_infos, &pods).await?;
        let Some(chosen) = self.choose(expansions).await else { return Ok(false) };
        let (group, room) = (&chosen.state.group.id, chosen.state.group.max_size - chosen.state.target);
        let by = chosen.pods.min(room);
        if let Err(code) = self.client.increase(group, by).await {
            self.registry.back_off(group);
            return Err(Step::LoopEnds(format!("increase {code:?}")));
        }
        self.note(Step::ScaleUp { group: group.clone(), by });
        self.last_scale_up = Some(Instant::now());
        // Without its time a scale-up is not registered (`registerOrUpdateScaleUpNoLock`).
        if self.provision_time(group).await?.is_some() {
            let request = self
                .registry
                .requests
                .entry(group.clone())
                .or_insert(Request { by: 0, asked: Instant::now() });
            (request.by, request.asked) = (request.by + by, Instant::now());
        }
        Ok(true)
    }

    /// Nodes that should still come, by group (`GetUpcomingNodes`).
    fn upcoming(&self, states: &[GroupState]) -> HashMap<String, i32> {
        let counts = |state: &&GroupState| {
            let id = &state.group.id;
            let expected = self.registry.requests.contains_key(id) && !self.registry.is_backed_off(id);
            state.upcoming() > 0 && (self.version.upcoming_without_request || expected)
        };
        states.iter().filter(counts).map(|state| (state.group.id.clone(), state.upcoming())).collect()
    }

    /// The groups that may grow and help (`filterValidScaleUpNodeGroups`).
    async fn expansions<'a>(
        &mut self,
        states: &'a [GroupState],
        node_infos: &'a NodeInfos,
        pods: &[Pod],
    ) -> Result<Vec<Expansion<'a>>, Step> {
        let mut expansions = Vec::new();
        let mut reasons = Vec::new();
        for state in states {
            let id = &state.group.id;
            if self.registry.is_backed_off(id) {
                // Was told when it began.
            } else if !self.registry.is_healthy(state) {
                reasons.push("group unhealthy".to_owned());
            } else if state.target >= state.group.max_size {
                reasons.push("maximum".to_owned());
            } else if let Err(Trouble::Crash(why)) = self.client.options(id).await {
                return Err(Step::Crash(why));
            } else if let Some(node_info) = node_infos.get(id) {
                let fitting = pods.iter().filter(|pod| pod.accepts(&node_info.labels)).count();
                if fitting > 0 {
                    match &node_info.lacks {
                        Some(lacks) => reasons.push(format!("template: {lacks}")),
                        None => {
                            let pods = fitting.try_into().unwrap();
                            expansions.push(Expansion { state, node_info, pods });
                        }
                    }
                }
            } else {
                reasons.push("no template".to_owned());
            }
        }
        if expansions.is_empty() && !reasons.is_empty() {
            self.note(Step::NoScaleUp(reasons.join(", ")));
        }
        Ok(expansions)
    }

    /// The price expander leaves out a group whose price, or that of a pod, is an error (`expander/price/price.go`), and
    /// the chain ends with what it left (`expander/factory/chain.go`).
    async fn choose<'a>(&mut self, expansions: Vec<Expansion<'a>>) -> Option<Expansion<'a>> {
        if self.expander == Expander::Any || expansions.is_empty() {
            return expansions.into_iter().next();
        }
        // For the balance of small prices; asked before all others, and done without.
        let _ = self.client.pod_price(KubernetesPod::default()).await;
        let mut cheapest: Option<(f64, Expansion<'a>)> = None;
        for expansion in expansions {
            let labels = expansion.node_info.labels.clone();
            let node = Node { name: "template".to_owned(), labels, ..Node::default() };
            let Ok(price) = self.client.node_price(node).await else { continue };
            let is_cheaper = cheapest.as_ref().is_none_or(|(least, _)| price < *least);
            if self.client.pod_price(KubernetesPod::default()).await.is_ok() && is_cheaper {
                cheapest = Some((price, expansion));
            }
        }
        if cheapest.is_none() {
            self.note(Step::NoScaleUp("no price".to_owned()));
        }
        cheapest.map(|(_, expansion)| expansion)
    }

    /// Names each idle node by itself, down to the minimum.
    pub(crate) async fn scale_down(&mut self, cluster: &Cluster, states: &[GroupState]) -> Result<(), Step> {
        let mut room: HashMap<&str, i32> = states
            .iter()
            .map(|state| (state.group.id.as_str(), state.target - state.group.min_size))
            .collect();
        for node in &cluster.nodes {
            // A node of no group is no candidate (`processors/nodes/pre_filtering_processor.go`).
            let Some(group) = self.group_of(node).await? else { continue };
            if !cluster.is_idle(node) || self.deleting.contains(&node.name) {
                self.idle_since.remove(&node.name);
                continue;
            }
            let Some(room) = room.get_mut(group.id.as_str()).filter(|room| **room > 0) else { continue };
            // "Couldn't retrieve IgnoreDaemonSetsUtilization option for node" (1.28.7 `eligibility.go:137`).
            let unneeded = match self.client.options(&group.id).await {
                Ok(options) => options.unneeded,
                Err(Trouble::Error(code)) => {
                    self.note(Step::NoScaleDown(format!("options {code:?}")));
                    continue;
                }
                Err(Trouble::Crash(why)) => return Err(Step::Crash(why)),
            };
            let since = *self.idle_since.entry(node.name.clone()).or_insert_with(Instant::now);
            let cooling = self.last_scale_up.is_some_and(|at| at.elapsed() < DELAY_AFTER_ADD);
            if since.elapsed() >= unneeded && !cooling {
                *room -= 1;
                let accepted = self.client.delete(&group.id, vec![node.on_the_wire()]).await.is_ok();
                if accepted {
                    self.deleting.insert(node.name.clone());
                }
                let names = vec![node.name.clone()];
                self.note(Step::Delete { group: group.id, why: "idle", names, accepted });
            }
        }
        Ok(())
    }
}

/// The pods that do not fit on nodes that should still come.
fn left_over(pods: Vec<Pod>, upcoming: &HashMap<String, i32>, node_infos: &NodeInfos) -> Vec<Pod> {
    let mut room: Vec<&HashMap<String, String>> = upcoming
        .iter()
        .filter_map(|(group, number)| Some((node_infos.get(group)?, *number)))
        .filter(|(node_info, _)| node_info.lacks.is_none())
        .flat_map(|(node_info, number)| (0..number).map(move |_| &node_info.labels))
        .collect();
    let mut left = Vec::new();
    for pod in pods {
        match room.iter().position(|labels| pod.accepts(labels)) {
            Some(place) => drop(room.swap_remove(place)),
            None => left.push(pod),
        }
    }
    left
}
