//! How a member becomes a node, or fails to, and how it goes.

use std::time::Duration;

use uuid::Uuid;

use super::{
    compute::{Server, ServerStatus},
    node_rule::{NodeRule, glob_matches},
    profile::NodeSignal,
    queue::{Event, GroupNumber},
    stack::{Failure, Stage},
    state::{Action, Phase, State},
    world::World,
};

/// How long a new member is only known to its group (docs/openstack-behaviour.md#times: about 1 s).
const STACK_MAKING: Duration = Duration::from_millis(300);
/// From the nested stack to the request to Nova (docs/openstack-behaviour.md#times: 2 to 4 s).
const PORT_MAKING: Duration = Duration::from_millis(500);
/// Siblings get there within this time of one another, in any order.
const SPREAD: Duration = Duration::from_millis(200);
/// How long a deleted server still shows, as DELETED (docs/openstack-behaviour.md#nova: «for a moment»).
pub(super) const DELETED_SHOWS: Duration = Duration::from_millis(300);

impl World {
    /// Starts making a member, or tries a failed one again.
    pub(super) fn begin_member(&mut self, group: GroupNumber, index: u32) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let Some(member) = stack.minions.members.get_mut(&index) else { return };
        member.attempt += 1;
        member.updated = now;
        let (id, attempt) = (member.id, member.attempt);
        if member.stage == Stage::Known {
            member.shown = State::resource(Action::Create, Phase::InProgress);
            let due = now + STACK_MAKING + self.chance.up_to(SPREAD);
            self.queue.schedule(due, Event::MemberStackMade { group, member: id });
            return;
        }
        member.shown = State::resource(Action::Update, Phase::InProgress);
        // A server in ERROR is replaced, any other kept (Heat nova/server.py:1404-1412).
        let usable = member.server.filter(|server| {
            self.servers.get(*server).is_some_and(|server| server.status != ServerStatus::Error)
        });
        if usable.is_some() {
            member.stage = Stage::Booting;
            self.boot(group, id);
            return;
        }
        if let Some(lost) = member.server.take() {
            self.servers.remove(lost);
        }
        member.stage = Stage::StackMade;
        let due = now + PORT_MAKING + self.chance.up_to(SPREAD);
        self.queue.schedule(due, Event::MemberAsksNova { group, member: id, attempt });
    }

    pub(super) fn member_stack_made(&mut self, group: GroupNumber, id: Uuid) {
        let now = self.now;
        let address = self.next_address();
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let Some((_, member)) = stack.minions.member_mut(id) else { return };
        if member.stage != Stage::Known {
            return;
        }
        member.stage = Stage::StackMade;
        member.address = Some(address);
        let attempt = member.attempt;
        let due = now + PORT_MAKING + self.chance.up_to(SPREAD);
        self.queue.schedule(due, Event::MemberAsksNova { group, member: id, attempt });
    }

    pub(super) fn member_asks_nova(&mut self, group: GroupNumber, id: Uuid, attempt: u32) {
        let now = self.now;
        let quota = self.instance_quota.filter(|_| self.quota_is_used_up());
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let flavor_id = stack.flavor_id.clone();
        let Some(index) = stack.minions.index_of(id) else { return };
        let name = stack.server_name(index);
        let Some((_, member)) = stack.minions.member_mut(id) else { return };
        if member.stage != Stage::StackMade || member.attempt != attempt {
            return;
        }
        if let Some(quota) = quota {
            let request_id = self.chance.request_id();
            let text = format!(
                "Quota exceeded for instances: Requested 1, but already used {} of {quota} instances (HTTP 403) \
                 (Request-ID: {request_id})",
                self.servers.count()
            );
            self.fail_member(group, id, &Failure { kind: "Forbidden", resource: "kube-minion", text });
            return;
        }
        let server = self.chance.uuid();
        member.stage = Stage::Building;
        member.server = Some(server);
        let address = member.address.clone().unwrap_or_default();
        let record = Server::building(name, flavor_id, address, now, Some((group, id)));
        self.servers.insert(server, record);
        let due = now + self.options.server_build_time;
        self.queue.schedule(due, Event::ServerBuilt { server });
    }

    pub(super) fn quota_is_used_up(&self) -> bool {
        self.instance_quota
            .is_some_and(|quota| self.servers.count() >= usize::try_from(quota).unwrap_or(usize::MAX))
    }

    pub(super) fn server_built(&mut self, server: Uuid) {
        let now = self.now;
        let no_valid_host = self.no_valid_host;
        let Some(record) = self.servers.get_mut(server) else { return };
        if record.status != ServerStatus::Build {
            return;
        }
        record.updated = now;
        let owner = record.member;
        if no_valid_host {
            record.status = ServerStatus::Error;
        } else {
            record.status = ServerStatus::Active;
            record.launched = Some(now);
        }
        let Some((group, id)) = owner else { return };
        self.machine_server_built(group, id, !no_valid_host);
        if no_valid_host {
            let text =
                "Went to status ERROR due to \"Message: No valid host was found. , Code: 500\"".to_owned();
            let failure = Failure { kind: "ResourceInError", resource: "kube-minion", text };
            self.fail_member(group, id, &failure);
            return;
        }
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let Some((_, member)) = stack.minions.member_mut(id) else { return };
        if member.stage == Stage::Building {
            member.stage = Stage::Booting;
            self.boot(group, id);
        }
    }

    /// Lets a node report as its rule says.
    fn boot(&mut self, group: GroupNumber, id: Uuid) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let Some(index) = stack.minions.index_of(id) else { return };
        let name = stack.server_name(index);
        let Some((_, member)) = stack.minions.member_mut(id) else { return };
        let attempt = member.attempt;
        let usual = self.options.node_boot_time;
        let (after, failure) = match self.node_rule(&name) {
            None => (usual, None),
            Some(NodeRule::Boot(after)) => (after, None),
            Some(NodeRule::Fail(message)) => (usual, Some(message)),
            Some(NodeRule::Hang) => return,
        };
        let event = Event::NodeReports { group, member: id, attempt, failure };
        self.queue.schedule(now + after, event);
    }

    pub(super) fn node_rule(&self, server_name: &str) -> Option<NodeRule> {
        let matching = self.node_rules.iter().find(|(glob, _)| glob_matches(glob, server_name));
        matching.map(|(_, rule)| rule.clone())
    }

    /// Nodes that never reported boot now unless they still must not.
    pub(super) fn wake_hanging_nodes(&mut self) {
        let mut hanging = Vec::new();
        for (group, stack) in &mut self.stacks {
            for member in stack.minions.members.values_mut() {
                if member.stage == Stage::Booting {
                    member.attempt += 1;
                    hanging.push((*group, member.id));
                }
            }
        }
        for (group, id) in hanging {
            self.boot(group, id);
        }
        self.wake_hanging_machines();
    }

    pub(super) fn node_reports(
        &mut self,
        group: GroupNumber,
        id: Uuid,
        attempt: u32,
        failure: Option<String>,
    ) {
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let running = stack.minions.running;
        let Some((_, member)) = stack.minions.member_mut(id) else { return };
        if member.stage != Stage::Booting || member.attempt != attempt {
            return;
        }
        // A server that was deleted in Nova reports nothing.
        if member.server.is_none_or(|server| self.servers.get(server).is_none()) {
            return;
        }
        if let Some(message) = failure {
            self.fail_member(group, id, &self.options.profile.node_signal().failure(&message));
            return;
        }
        member.stage = Stage::Complete;
        if running {
            member.shown = State::resource(member.shown.action, Phase::Complete);
            self.finish_if_settled(group);
        }
    }

    fn fail_member(&mut self, group: GroupNumber, id: Uuid, failure: &Failure) {
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let Some((index, member)) = stack.minions.member_mut(id) else { return };
        let action = member.shown.action;
        let reason = failure.of_resource(index, action);
        member.stage = Stage::Failed;
        member.shown = State::failed(action, reason.clone());
        let above = (action == Action::Update).then(|| failure.of_stack_after_retry(index));
        self.fail_group(group, action, &reason, above);
    }

    pub(super) fn leaving_server_deleted(&mut self, group: GroupNumber, id: Uuid) {
        let now = self.now;
        let Some(stack) = self.stacks.get(&group) else { return };
        let Some(leaving) = stack.minions.leaving_member(id) else { return };
        if let Some(record) = leaving.member.server.and_then(|server| self.servers.get_mut(server)) {
            record.status = ServerStatus::Deleted;
            record.updated = now;
        }
        self.queue.schedule(now + DELETED_SHOWS, Event::LeavingGone { group, member: id });
    }

    pub(super) fn leaving_gone(&mut self, group: GroupNumber, id: Uuid) {
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        if let Some(leaving) = stack.minions.leaving_member(id)
            && let Some(server) = leaving.member.server
        {
            self.servers.remove(server);
        }
        stack.minions.leaving.retain(|leaving| leaving.member.id != id);
        self.finish_if_settled(group);
    }
}

impl NodeSignal {
    /// What Heat says of a node that reports failure (docs/openstack-behaviour.md#failures; of a wait condition Heat's
    /// wait_condition.py).
    fn failure(self, message: &str) -> Failure {
        match self {
            Self::Deployment => Failure {
                kind: "Error",
                resource: self.resource_name(),
                text: format!("Deployment to server failed: {message}"),
            },
            Self::WaitCondition => Failure {
                kind: "WaitConditionFailure",
                resource: self.resource_name(),
                text: message.to_owned(),
            },
        }
    }
}
