//! What Heat keeps of each change of a stack or of one of its resources.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    member_parts::PARTS,
    queue::GroupNumber,
    stack::{Member, Stack, Stage},
    state::{Action, Phase, State},
};

/// How many events Heat keeps of a stack (`max_events_per_stack`).
const KEPT: usize = 1000;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Subject {
    /// The stack that it is kept of.
    Stack,
    /// The resource `kube_minions` of a group's stack.
    Minions,
    /// A member, by its index.
    Member(u32),
    /// A resource of a member's nested stack, by its place in [`PARTS`].
    Part(usize),
}

/// One change.
#[derive(Debug, Clone)]
pub(super) struct StackEvent {
    /// Counts the events of the cloud.
    number: u64,
    pub(super) at: Instant,
    /// Id of the stack that it is kept of.
    pub(super) stack: Uuid,
    pub(super) subject: Subject,
    pub(super) state: State,
    /// What it is about by its id; before there is one Heat has a name.
    pub(super) physical_id: Option<Uuid>,
}

impl StackEvent {
    pub(super) fn id(&self) -> Uuid {
        Uuid::new_v5(&self.stack, &self.number.to_be_bytes())
    }
}

/// All events. Copies of the cloud share them: what lags behind reads what was there at its own time.
#[derive(Debug, Clone, Default)]
pub(super) struct EventLog(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    written: u64,
    groups: BTreeMap<GroupNumber, GroupLog>,
}

/// The events of a group's stacks.
#[derive(Debug, Default)]
struct GroupLog {
    events: HashMap<Uuid, VecDeque<StackEvent>>,
    /// What was seen last of each stack above the members.
    stacks: HashMap<(Uuid, Subject), (State, u64)>,
    /// What was seen last of each member, with its index.
    members: HashMap<Uuid, (u32, MemberSight)>,
}

/// What of a member makes an event when it changes.
#[derive(Debug, Clone, PartialEq)]
struct MemberSight {
    shown: State,
    stage: Stage,
    has_server: bool,
}

impl MemberSight {
    fn of(member: &Member) -> Self {
        Self { shown: member.shown.clone(), stage: member.stage, has_server: member.server.is_some() }
    }

    fn is_of(&self, member: &Member) -> bool {
        self.stage == member.stage && self.has_server == member.server.is_some() && self.shown == member.shown
    }
}

impl EventLog {
    /// Takes down what has changed in a group's stacks since it was looked at last.
    pub(super) fn observe(&self, group: GroupNumber, stack: &Stack, now: Instant) {
        let mut log = self.lock();
        let Log { written, groups } = &mut *log;
        let mut observer = Observer { log: groups.entry(group).or_default(), written, now };
        let mut seen = observer.stacks(stack);
        observer.members(stack, &mut seen);
        // What begins is told from above, what ends from below.
        seen.sort_by_key(|event| {
            let depth = event.depth(stack);
            if event.state.in_progress() { (0, depth) } else { (1, u8::MAX - depth) }
        });
        observer.write(seen);
        observer.forget_the_gone(stack);
    }

    /// Forgets a group with its stacks.
    pub(super) fn forget(&self, group: GroupNumber) {
        self.lock().groups.remove(&group);
    }

    /// The events of these stacks of a group up to a time, newest first.
    pub(super) fn of(&self, group: GroupNumber, stacks: &[Uuid], until: Instant) -> Vec<StackEvent> {
        let log = self.lock();
        let Some(group) = log.groups.get(&group) else { return Vec::new() };
        let events = stacks.iter().filter_map(|stack| group.events.get(stack)).flatten();
        let mut events: Vec<StackEvent> = events.filter(|event| event.at <= until).cloned().collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.number));
        events
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StackEvent {
    /// How far below the group's stack its subject is.
    fn depth(&self, stack: &Stack) -> u8 {
        match self.subject {
            Subject::Stack if self.stack == stack.id => 0,
            Subject::Minions => 1,
            Subject::Stack if self.stack == stack.minions.id => 2,
            Subject::Member(_) => 3,
            Subject::Stack => 4,
            Subject::Part(_) => 5,
        }
    }
}

/// A look at a group's stacks.
struct Observer<'a> {
    log: &'a mut GroupLog,
    written: &'a mut u64,
    now: Instant,
}

impl Observer<'_> {
    fn event(&self, stack: Uuid, subject: Subject, state: State, physical_id: Option<Uuid>) -> StackEvent {
        StackEvent { number: 0, at: self.now, stack, subject, state, physical_id }
    }

    /// The stacks above the members. A new update is a change even where it looks like the one before.
    fn stacks(&mut self, stack: &Stack) -> Vec<StackEvent> {
        let minions = &stack.minions;
        let mut subjects = vec![(stack.id, Subject::Stack, stack.state.clone(), stack.traversal, stack.id)];
        if minions.exists {
            let own = minions.state.clone();
            let reason = if own.is_failed() {
                format!("resources.kube_minions: {}", own.reason)
            } else {
                State::resource(own.action, own.phase).reason
            };
            let resource = State { reason, ..own.clone() };
            subjects.push((stack.id, Subject::Minions, resource, minions.traversal, minions.id));
            subjects.push((minions.id, Subject::Stack, own, minions.traversal, minions.id));
        }
        let mut events = Vec::new();
        for (of, subject, state, update, physical_id) in subjects {
            let sight = (state, update);
            if self.log.stacks.get(&(of, subject)) == Some(&sight) {
                continue;
            }
            let named = subject == Subject::Minions && is_being_made(&sight.0);
            events.push(self.event(of, subject, sight.0.clone(), (!named).then_some(physical_id)));
            self.log.stacks.insert((of, subject), sight);
        }
        events
    }

    fn members(&mut self, stack: &Stack, events: &mut Vec<StackEvent>) {
        let minions = &stack.minions;
        let staying = minions.members.iter().map(|(index, member)| (*index, member));
        let leaving = minions.leaving.iter().map(|leaving| (leaving.index, &leaving.member));
        for (index, member) in staying.chain(leaving) {
            let before = self.log.members.get(&member.id).map(|(_, sight)| sight);
            if before.is_some_and(|before| before.is_of(member)) {
                continue;
            }
            let before = before.cloned();
            self.member(minions.id, index, member, before.as_ref(), events);
            self.log.members.insert(member.id, (index, MemberSight::of(member)));
        }
    }

    fn member(
        &self,
        minions: Uuid,
        index: u32,
        member: &Member,
        before: Option<&MemberSight>,
        events: &mut Vec<StackEvent>,
    ) {
        if member.shown.action == Action::Init {
            return;
        }
        let changed = before.is_none_or(|before| before.shown != member.shown);
        if changed {
            let id = (!is_being_made(&member.shown)).then_some(member.id);
            events.push(self.event(minions, Subject::Member(index), member.shown.clone(), id));
        }
        if !member.has_stack() {
            return;
        }
        let had_stack = before.is_some_and(|before| !matches!(before.stage, Stage::Known | Stage::StackGone));
        if changed || !had_stack {
            events.push(self.event(member.id, Subject::Stack, member.stack_state(), Some(member.id)));
        }
        // Of what was there before all looking nothing is told in detail.
        let Some(before) = before else { return };
        let earlier = Member {
            shown: before.shown.clone(),
            stage: before.stage,
            server: before.has_server.then_some(Uuid::nil()),
            ..member.clone()
        };
        for (place, part) in PARTS.iter().enumerate() {
            let state = part.state(member);
            if state.action != Action::Init && state != part.state(&earlier) {
                let id = part.physical_id(member);
                events.push(self.event(member.id, Subject::Part(place), state, id));
            }
        }
    }

    fn write(&mut self, events: Vec<StackEvent>) {
        for mut event in events {
            *self.written += 1;
            event.number = *self.written;
            let kept = self.log.events.entry(event.stack).or_default();
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(event);
        }
    }

    /// Tells of members that are gone now, and forgets their own stacks.
    fn forget_the_gone(&mut self, stack: &Stack) {
        let minions = &stack.minions;
        if self.log.members.len() == minions.members.len() + minions.leaving.len() {
            return;
        }
        let leaving = minions.leaving.iter().map(|leaving| leaving.member.id);
        let there: HashSet<Uuid> = minions.members.values().map(|member| member.id).chain(leaving).collect();
        let gone: Vec<(Uuid, u32)> = self
            .log
            .members
            .iter()
            .filter(|(id, _)| !there.contains(*id))
            .map(|(id, (index, _))| (*id, *index))
            .collect();
        let mut events = Vec::new();
        for (id, index) in gone {
            self.log.members.remove(&id);
            self.log.events.remove(&id);
            let state = State::resource(Action::Delete, Phase::Complete);
            events.push(self.event(minions.id, Subject::Member(index), state, Some(id)));
        }
        events.sort_by_key(|event| event.subject);
        self.write(events);
    }
}

/// Whether Heat has no id for it yet.
fn is_being_made(state: &State) -> bool {
    state.action == Action::Create && state.in_progress()
}
