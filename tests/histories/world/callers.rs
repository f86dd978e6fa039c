//! What callers ask for, and what they were promised.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cluster_autoscaler_provider_magnum::core::{
    instance::{InstanceId, InstanceState},
    member::MemberKey,
    node_group::NodeGroupUuid,
    request::{NodeReference, RequestError},
    resize::{Removal, Resize},
    snapshot::GroupView,
};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{CALL_LIMIT, World, deadline};
use crate::{planted::Bug, site::Removals, step::GROUPS};

/// How long requests that met a fault may hold others up.
const AFTERMATH: Duration = Duration::from_secs(90);

/// A call to remove nodes.
#[derive(Debug, Clone)]
pub(super) struct DeleteCall {
    pub(super) group: usize,
    pub(super) nodes: Vec<NodeReference>,
}

impl World {
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
        // Of Cluster API's machines none can be cancelled.
        if !self.site.is_cluster_api() {
            let record = self.simulator.group(GROUPS[group]);
            let members = record.into_iter().flat_map(|group| group.members);
            // By an old answer of Nova a member that failed before it was ever complete has no server either.
            let cancellable =
                members.filter(|member| member.server.is_none() || member.status == "CREATE_FAILED");
            self.named_members.extend(cancellable.map(|member| (group, member.index)));
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

    pub(super) async fn delete_calls(&mut self, calls: Vec<DeleteCall>) {
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
            // An old answer shows what is gone, and it goes but once.
            let is_gone = matches!(instance.id, InstanceId::Server(machine) if self.gone.contains(&machine.to_string()));
            if !removed.contains(&id) || instance.state == InstanceState::Deleting || is_gone {
                continue;
            }
            // At the minimum a broken member is replaced.
            self.expected[group] = (self.expected[group] - 1).max(i64::from(before.bounds.min));
            if let InstanceId::Server(machine) = instance.id {
                let known = self.known.get(&machine.to_string());
                let in_error = instance.error.is_some() || known.is_some_and(|known| known.in_error);
                // Of Cluster API's machines each that is no node yet may be replaced.
                let not_ready = self.site.is_cluster_api() && instance.state != InstanceState::Running;
                // Where the driver chooses, it may have taken this one for another that was named before.
                let chosen = self.site.removals() == Removals::Counted;
                self.replaced[group] += i64::from(in_error || not_ready || chosen);
                if self.site.removals() == Removals::Named {
                    self.acknowledged.insert(machine.to_string());
                }
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
        let others = self.groups().find(|other| *other != group).map(|other| self.pick(other, &[0]));
        let good = self.pick(group, &[0]);
        let mut nodes = match kind {
            0 => vec![reference("openstack:///deadbeef-dead-4eef-8ead-deadbeefdead")],
            1 => vec![reference("k8s-pool-b-abc-node-1")],
            2 => others.unwrap_or_default(),
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
        for group in self.groups() {
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
}

pub(super) fn reference(provider_id: &str) -> NodeReference {
    NodeReference { provider_id: provider_id.into(), name: provider_id.into() }
}
