//! What an update of a stack does to its `kube_minions`.

use std::time::Duration;

use uuid::Uuid;

use super::{
    queue::{Event, GroupNumber},
    removal::{extend_skip_list, wanted_indices},
    stack::{Leaving, Member, Stage},
    state::{Action, Phase, State},
    world::World,
};

/// An update that follows another within this time is answered and dropped
/// (docs/openstack-behaviour.md#overlapping-resizes: «Failed to store stack ... aborting stack UPDATE»).
const STORE_CONFLICT: Duration = Duration::from_millis(100);
/// How long `kube_minions` reads UPDATE_FAILED while an older update of it is being cancelled
/// (docs/openstack-behaviour.md#times: 1 to 2 s).
const CANCELLATION: Duration = Duration::from_millis(1500);
/// From the end of `kube_minions` to the end of the stack above.
const SETTLING: Duration = Duration::from_millis(300);
/// How long it takes to come upon a missing nested stack (docs/openstack-behaviour.md#times: about 1 s).
const STACK_GONE_SEARCH: Duration = Duration::from_millis(700);
/// How often an update that waits for an older one of the same group looks whether that has ended.
const OLDER_UPDATE_CHECK: Duration = Duration::from_millis(500);
/// Life of an update: Magnum's create_timeout, 60 minutes.
const TIME_OUT: Duration = Duration::from_secs(3600);
/// Healthy members begin their updates within this time of one another.
const UPDATE_SPREAD: Duration = Duration::from_millis(500);
/// How often a cancelled update makes the next one fail; one of two on the lab
/// (docs/openstack-behaviour.md#overlapping-resizes: an increase after an increase).
const CANCELLED_FAILS: f64 = 0.5;

/// Why an update fails that comes to the masters while Heat cannot reach Nova (docs/openstack-behaviour.md#failures).
const NOVA_UNREACHABLE: &str = "Resource UPDATE failed: resources[0]: resources.kube_masters.Property error: \
                                resources.kube-master.properties.flavor: Unable to establish connection to Nova";

/// What a PATCH of a stack asks for; what it leaves out stays.
#[derive(Debug, Clone, Default)]
pub(super) struct StackPatch {
    pub(super) number_of_minions: Option<u32>,
    pub(super) minions_to_remove: Option<Vec<String>>,
}

impl World {
    /// Takes a PATCH, and an update runs, whatever is in it.
    pub(super) fn patch_stack(&mut self, group: GroupNumber, patch: StackPatch) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let too_soon = stack.patched.is_some_and(|last| now.saturating_duration_since(last) < STORE_CONFLICT);
        if too_soon || stack.state.action == Action::Delete {
            return;
        }
        stack.patched = Some(now);
        stack.updated = Some(now);
        stack.number_of_minions = patch.number_of_minions.unwrap_or(stack.number_of_minions);
        if let Some(remove) = patch.minions_to_remove {
            stack.minions_to_remove = remove;
        }
        stack.state = State::started(Action::Update);
        self.traverse(group);
    }

    /// Starts on the way to `kube_minions`; what is under way for an older update will be superseded there.
    pub(super) fn traverse(&mut self, group: GroupNumber) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        stack.traversal += 1;
        let traversal = stack.traversal;
        self.queue.schedule(now + stack.walk, Event::GroupReached { group, traversal });
        self.queue.schedule(now + TIME_OUT, Event::StackTimesOut { group, traversal });
    }

    pub(super) fn group_reached(&mut self, group: GroupNumber, traversal: u64) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group).filter(|stack| stack.traversal == traversal) else {
            return;
        };
        let minions = &mut stack.minions;
        if !minions.running {
            if self.updates_to_fail > 0 {
                self.updates_to_fail -= 1;
                stack.state = State::failed(stack.state.action, NOVA_UNREACHABLE);
                return;
            }
            for member in minions.members.values_mut() {
                member.cancelled = false;
            }
            self.begin_group_update(group, traversal);
            return;
        }
        if !self.options.profile.preempts_updates() {
            self.queue.schedule(now + OLDER_UPDATE_CHECK, Event::GroupReached { group, traversal });
            return;
        }
        let action = minions.state.action;
        minions.running = false;
        minions.state = State::failed(action, format!("Stack {action} cancelled"));
        let updating: Vec<u32> = minions
            .members
            .iter()
            .filter(|(_, member)| member.stage == Stage::Complete && member.shown.in_progress())
            .map(|(index, _)| *index)
            .collect();
        if let Some(index) = self.chance.pick(&updating).copied()
            && self.chance.happens(CANCELLED_FAILS)
            && let Some(member) = minions.members.get_mut(&index)
        {
            member.cancelled = true;
        }
        self.queue.schedule(now + CANCELLATION, Event::GroupResumes { group, traversal });
    }

    pub(super) fn group_resumes(&mut self, group: GroupNumber, traversal: u64) {
        if self.stacks.get(&group).is_some_and(|stack| stack.traversal == traversal) {
            self.begin_group_update(group, traversal);
        }
    }

    fn begin_group_update(&mut self, group: GroupNumber, traversal: u64) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let minions = &mut stack.minions;
        let action = if minions.exists { Action::Update } else { Action::Create };
        if minions.exists {
            minions.updated = Some(now);
        } else {
            minions.created = now;
            minions.exists = true;
        }
        minions.state = State::started(action);
        minions.running = true;
        minions.traversal = traversal;
        let references = minions.references();
        extend_skip_list(&mut minions.skip_list, &references, &stack.minions_to_remove);
        let wanted = wanted_indices(&minions.skip_list, stack.number_of_minions);
        let unwanted: Vec<u32> =
            minions.members.keys().filter(|index| !wanted.contains(index)).copied().collect();
        for index in unwanted {
            self.remove_member(group, index);
        }
        self.add_members(group, wanted.into_iter().filter(|index| !references.contains_key(index)));
        self.visit_members(group, traversal);
        self.finish_if_settled(group);
    }

    /// Makes new members. One whose namesake is still being deleted loses its nested stack to that deletion
    /// (docs/openstack-behaviour.md#failures: «The Stack (...-10-...) could not be found»).
    fn add_members(&mut self, group: GroupNumber, indices: impl Iterator<Item = u32>) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        for index in indices {
            let mut member = Member::known(stack.minions.profile, now, &mut self.chance);
            if let Some(namesake) = stack.minions.leaving.iter().find(|leaving| leaving.index == index) {
                member.id = namesake.member.id;
                member.suffix.clone_from(&namesake.member.suffix);
                member.created = namesake.member.created;
                member.stage = Stage::StackGone;
            }
            stack.minions.members.insert(index, member);
        }
    }

    /// Starts what each member has to do in this update. A member without its stack keeps all others from it.
    fn visit_members(&mut self, group: GroupNumber, traversal: u64) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let wedged = stack.minions.members.values().any(|member| member.stage == Stage::StackGone);
        if wedged {
            let event = Event::StackGoneFound { group, traversal };
            self.queue.schedule(now + STACK_GONE_SEARCH, event);
        }
        let mut to_begin = Vec::new();
        for (index, member) in &mut stack.minions.members {
            match member.stage {
                Stage::Complete => {
                    member.awaits_update = true;
                    let due = now + self.chance.up_to(UPDATE_SPREAD);
                    let event = Event::MemberUpdateBegins { group, member: member.id, traversal };
                    self.queue.schedule(due, event);
                }
                Stage::Known | Stage::Failed if !wedged => to_begin.push(*index),
                // What is being made goes on; what is wedged waits.
                _ => {}
            }
        }
        for index in to_begin {
            self.begin_member(group, index);
        }
    }

    pub(super) fn remove_member(&mut self, group: GroupNumber, index: u32) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let Some(mut member) = stack.minions.members.remove(&index) else { return };
        member.shown = State::resource(Action::Delete, Phase::InProgress);
        let id = member.id;
        let delay = match member.server {
            Some(_) => self.options.server_delete_time,
            None => Duration::ZERO,
        };
        stack.minions.leaving.push(Leaving { index, member });
        self.queue.schedule(now + delay, Event::LeavingServerDeleted { group, member: id });
    }

    pub(super) fn stack_gone_found(&mut self, group: GroupNumber, traversal: u64) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let minions = &mut stack.minions;
        if !minions.running || minions.traversal != traversal {
            return;
        }
        let gone = minions.members.iter().find(|(_, member)| member.stage == Stage::StackGone);
        let Some((index, member)) = gone.map(|(index, member)| (*index, member)) else { return };
        let name = minions.member_stack_name(index, member);
        let reason = format!("resources[{index}]: The Stack ({name}) could not be found.");
        if let Some(member) = minions.members.get_mut(&index) {
            member.shown = State::failed(Action::Update, reason.clone());
            member.updated = now;
        }
        self.fail_group(group, Action::Update, &reason, None);
    }

    pub(super) fn member_update_begins(&mut self, group: GroupNumber, id: Uuid, traversal: u64) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        if stack.minions.traversal != traversal {
            return;
        }
        let Some((_, member)) = stack.minions.member_mut(id) else { return };
        member.awaits_update = false;
        if member.stage != Stage::Complete {
            return;
        }
        member.shown = State::resource(Action::Update, Phase::InProgress);
        member.updated = now;
        let due = now + self.options.member_update_time;
        self.queue.schedule(due, Event::MemberUpdated { group, member: id, traversal });
    }

    pub(super) fn member_updated(&mut self, group: GroupNumber, id: Uuid, traversal: u64) {
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        if stack.minions.traversal != traversal {
            return;
        }
        let running = stack.minions.running;
        let Some((index, member)) = stack.minions.member_mut(id) else { return };
        if member.stage != Stage::Complete || !member.shown.in_progress() {
            return;
        }
        // Its failure is kept for the update that follows the cancelled one.
        if member.cancelled && !running {
            return;
        }
        if std::mem::take(&mut member.cancelled) {
            let reason = format!("resources[{index}]: Stack UPDATE cancelled");
            member.shown = State::failed(Action::Update, reason.clone());
            self.fail_group(group, Action::Update, &reason, None);
        } else {
            member.shown = State::resource(Action::Update, Phase::Complete);
            self.finish_if_settled(group);
        }
    }

    /// Ends the running update of `kube_minions` for one member's failure; the others are not waited for
    /// (docs/openstack-behaviour.md#failures: at once, while a sibling is still CREATE_IN_PROGRESS).
    pub(super) fn fail_group(
        &mut self,
        group: GroupNumber,
        action: Action,
        reason_of_resource: &str,
        reason_of_stack: Option<String>,
    ) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let minions = &mut stack.minions;
        if !minions.running {
            return;
        }
        minions.running = false;
        let reason = format!("Resource {action} failed: {reason_of_resource}");
        let above = stack.state.action;
        let reason_above = reason_of_stack
            .unwrap_or_else(|| format!("Resource {above} failed: resources.kube_minions: {reason}"));
        minions.state = State::failed(minions.state.action, reason);
        let traversal = minions.traversal;
        let state = State::failed(above, reason_above);
        self.queue.schedule(now + SETTLING, Event::StackSettles { group, traversal, state });
    }

    pub(super) fn finish_if_settled(&mut self, group: GroupNumber) {
        let now = self.now;
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        let minions = &mut stack.minions;
        if stack.state.action == Action::Delete {
            if minions.leaving.is_empty() {
                stack.state = State::completed(Action::Delete);
            }
            return;
        }
        if !minions.running || !minions.settled() {
            return;
        }
        minions.running = false;
        minions.state = State::completed(minions.state.action);
        let traversal = minions.traversal;
        let state = State::completed(stack.state.action);
        self.queue.schedule(now + SETTLING, Event::StackSettles { group, traversal, state });
    }

    pub(super) fn stack_settles(&mut self, group: GroupNumber, traversal: u64, state: State) {
        if let Some(stack) = self.stacks.get_mut(&group)
            && stack.traversal == traversal
            && stack.state.action == state.action
        {
            stack.state = state;
        }
    }

    /// Convergence gives up with nothing but these words (docs/openstack-behaviour.md#failures).
    pub(super) fn stack_times_out(&mut self, group: GroupNumber, traversal: u64) {
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        if stack.traversal != traversal || !stack.state.in_progress() {
            return;
        }
        stack.state = State::failed(stack.state.action, "Timed out");
        let minions = &mut stack.minions;
        minions.running = false;
        minions.state = State::failed(minions.state.action, "Timed out");
        for member in minions.members.values_mut().filter(|member| member.stage != Stage::Complete) {
            member.stage = Stage::Failed;
            member.attempt += 1;
            member.shown = State::failed(member.shown.action, "Timed out");
        }
    }

    /// Deletes a stack with everything in it.
    pub(super) fn delete_stack(&mut self, group: GroupNumber) {
        let Some(stack) = self.stacks.get_mut(&group) else { return };
        stack.state = State::started(Action::Delete);
        stack.traversal += 1;
        stack.minions.running = false;
        stack.minions.state = State::started(Action::Delete);
        let indices: Vec<u32> = stack.minions.members.keys().copied().collect();
        for index in indices {
            self.remove_member(group, index);
        }
        self.finish_if_settled(group);
    }
}
