//! One situation: the cloud, the machine, what was promised, and what may still happen.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use cluster_autoscaler_provider_magnum::core::{
    cloud::{CloudError, Reading, Service},
    decision::{DecisionKind, RequestedChange},
    instance::InstanceId,
    lifecycle::{Effect, Event, Lifecycle, Phase, Timing, Work},
    node_group::Bounds,
    pending::{Ask, Ticket},
    request::RequestError,
    resize::Resize,
    sample,
    settle::SettleTimeouts,
};

use crate::{
    cloud::{Cast, Cloud, MAX_WALK, Set, Stage, State, Witness, Witnesses, machine},
    fingerprint::Folding,
    planted::{self, Bug},
    promises::{Author, Call, Exception, Fate, Promises, Wish},
    story,
};

/// The server that nobody has.
pub(crate) const STRANGER: u8 = 99;
/// The unit of all times of the model.
const TURN: Duration = Duration::from_secs(1);
/// Longer than anything that is remembered for less than a day.
const LONG: Duration = Duration::from_secs(3600);
/// The sizes that the group may have.
pub(crate) const BOUNDS: Bounds = Bounds { min: 0, max: 5 };

/// The machine's times in turns. Which of two is longer is as in [`Timing::default`].
pub(crate) fn timing() -> Timing {
    Timing {
        coalesce_window: TURN,
        poll_interval: (TURN, TURN),
        max_backoff: TURN,
        effect_timeout: 5 * TURN,
        max_attempts: 2,
        timeouts: SettleTimeouts {
            after_failure: 3 * TURN,
            hanging_removal: 3 * TURN,
            in_progress: 6 * TURN,
            stale_read_guard: 2 * TURN,
            after_repetition: 3 * TURN,
            after_start: 2 * TURN,
        },
    }
}

/// What may happen next. Those that cost one of the faults are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Ask(Wish),
    /// A fault: the time of the caller who has waited longest is up.
    CallerOutOfTime,
    /// A fault: it hangs up.
    CallerGone,
    /// The work that the machine wants done is done.
    Read,
    /// A fault.
    ReadFails,
    Accept,
    /// A fault: Magnum says no.
    Refuse,
    /// A fault: neither the request nor an answer arrives.
    LoseRequest,
    /// A fault: it is heard, and its answer is lost.
    LoseAnswer,
    /// A fault: it is answered 202, and never carried out.
    LoseCast,
    /// Somebody reads the whole cluster.
    Observe,
    TimePasses,
    Conduct,
    /// A fault: Heat is updated already, and drops this one.
    ConductDropped,
    /// A fault: Heat refuses the update.
    ConductRefused,
    Reach,
    DeleteLeaving,
    Make,
    /// A fault: a member cannot be made.
    MakeFails,
    /// A fault: a member cannot be deleted.
    DeleteFails,
    /// A fault: the update is called off, while its members go on.
    UpdateFails,
    UpdateEnds,
    Sync,
    /// A fault: what the status sync writes it has read before the update.
    SyncLate,
    /// A fault: one of the services answers as it did before the update.
    Lag(Witness),
    LagEnds,
    /// A fault.
    ConductorStops,
    ConductorReturns,
    /// A fault: kill -9.
    Restart,
    /// A fault: a person asks for one node more.
    OperatorGrows,
    /// A fault: or for one less, and names none.
    OperatorShrinks,
}

/// Everything that tells one situation from another.
#[derive(Debug, Clone)]
pub(crate) struct Situation {
    pub(crate) cloud: Cloud,
    pub(crate) machine: Lifecycle,
    pub(crate) promises: Promises,
    /// The machine's last reading.
    pub(crate) read: Option<Arc<Reading>>,
    /// What a planted bug remembers.
    pub(crate) memory: Option<Arc<Reading>>,
    pub(crate) now: Instant,
    pub(crate) requests: u8,
    pub(crate) faults: u8,
    pub(crate) operators: u8,
    pub(crate) started_with: u8,
}

/// What came of an action besides another situation.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<String>,
    pub(crate) exceptions: Vec<Exception>,
    /// Sentences, if somebody wants to read them.
    pub(crate) story: Option<Vec<String>>,
}

impl Outcome {
    fn tell(&mut self, sentence: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(sentence());
        }
    }

    fn violates(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }
}

/// Readings that were made before: equal ones are one.
#[derive(Debug, Default)]
pub(crate) struct Readings(HashMap<(Witnesses, Set, Vec<u8>), Arc<Reading>>);

/// What the search is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) members: u8,
    pub(crate) requests: u8,
    pub(crate) faults: u8,
    /// How many of them may be a person's resize.
    pub(crate) operators: u8,
    pub(crate) bug: Option<Bug>,
}

impl Situation {
    pub(crate) fn first(scope: Scope, base: Instant) -> Self {
        Self {
            cloud: Cloud::at_rest(scope.members),
            machine: new_machine(base),
            promises: Promises::default(),
            read: None,
            memory: None,
            now: base,
            requests: scope.requests,
            faults: scope.faults,
            operators: scope.operators,
            started_with: scope.members,
        }
    }

    /// The same for all situations from which the same can come.
    pub(crate) fn fingerprint(&self) -> u64 {
        let Self {
            cloud,
            machine,
            promises,
            read,
            memory,
            now,
            requests,
            faults,
            operators,
            started_with: _,
        } = self;
        let mut hasher = Folding::default();
        (cloud, promises, read, memory, requests, faults, operators).hash(&mut hasher);
        machine.hash_at(*now, &mut hasher);
        hasher.finish()
    }

    fn is_at_rest(&self) -> bool {
        let Cloud { told, lagging, update, casts, conductor_stopped, .. } = &self.cloud;
        lagging.is_none()
            && casts.is_empty()
            && !conductor_stopped
            && update.state != State::InProgress
            && told.magnum.state != State::InProgress
            && self.cloud.has_settled()
    }

    /// What may happen next, in a fixed order. What costs a fault only while there are some left.
    pub(crate) fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.calls(&mut actions);
        self.work(&mut actions);
        // What the cloud does before a reading it might as well have done before the time for it came.
        if self.machine.work() != Work::Read {
            self.magnum(&mut actions);
            self.heat(&mut actions);
            self.people(&mut actions);
        }
        actions
    }

    fn calls(&self, actions: &mut Vec<Action>) {
        if self.requests > 0 && self.read.is_some() {
            let delete =
                |servers| Action::Ask(Wish::Delete { servers: Set(servers), members: Set::default() });
            actions.extend([
                Action::Ask(Wish::Increase),
                Action::Ask(Wish::Decrease),
                delete(0b01),
                delete(0b10),
                delete(0b11),
                Action::Ask(Wish::Stranger),
            ]);
            actions.extend(self.newest().map(Action::Ask));
        }
        if self.faults > 0 && self.promises.calls.iter().any(|call| call.fate == Fate::Waiting) {
            actions.extend([Action::CallerOutOfTime, Action::CallerGone]);
        }
    }

    /// The removal of the newest member, where that is not one of the others.
    fn newest(&self) -> Option<Wish> {
        let newest = self.read.as_ref()?.counted().last()?;
        let index = newest.key.to_string().parse().ok().filter(|index| *index < 32)?;
        match newest.server {
            None => Some(Wish::Delete { servers: Set::default(), members: Set::one(index) }),
            Some(server) => {
                let number = (2..32).find(|number| machine(*number) == server)?;
                Some(Wish::Delete { servers: Set::one(number), members: Set::default() })
            }
        }
    }

    fn work(&self, actions: &mut Vec<Action>) {
        let has_faults = self.faults > 0;
        match self.machine.work() {
            Work::Read => {
                actions.push(Action::Read);
                if has_faults {
                    actions.push(Action::ReadFails);
                }
            }
            Work::Send(_) => {
                actions.push(Action::Accept);
                if has_faults {
                    actions.extend([
                        Action::Refuse,
                        Action::LoseRequest,
                        Action::LoseAnswer,
                        Action::LoseCast,
                    ]);
                }
            }
            Work::WakeAt(_) | Work::Nothing => {
                if !self.is_urgent() {
                    actions.push(Action::TimePasses);
                }
            }
        }
        if matches!(self.machine.phase(), Phase::Idle | Phase::Gathering { .. }) {
            actions.push(Action::Observe);
        }
    }

    /// Whether something comes before any more time passes.
    fn is_urgent(&self) -> bool {
        let Cloud { casts, conductor_stopped, update, .. } = &self.cloud;
        let is_cast_due = !conductor_stopped && casts.first().is_some_and(|cast| cast.is_due);
        is_cast_due || update.walking.is_some_and(|turns| turns >= MAX_WALK)
    }

    fn magnum(&self, actions: &mut Vec<Action>) {
        let Cloud { told, before, lagging, update, late_sync, casts, conductor_stopped, .. } = &self.cloud;
        let has_faults = self.faults > 0;
        if !casts.is_empty() && !conductor_stopped {
            actions.push(Action::Conduct);
            if has_faults {
                actions.push(Action::ConductRefused);
                if update.walking == Some(0) {
                    actions.push(Action::ConductDropped);
                }
            }
        }
        if told.magnum.state == State::InProgress {
            if update.state != State::InProgress {
                actions.push(Action::Sync);
            }
            if has_faults && late_sync.is_some() {
                actions.push(Action::SyncLate);
            }
        }
        if *conductor_stopped {
            actions.push(Action::ConductorReturns);
        } else if has_faults {
            actions.push(Action::ConductorStops);
        }
        if lagging.is_some() {
            actions.push(Action::LagEnds);
        } else if has_faults && before.is_some() {
            actions.extend([Witness::Heat, Witness::Magnum, Witness::Nova].map(Action::Lag));
        }
    }

    fn heat(&self, actions: &mut Vec<Action>) {
        let Cloud { update, .. } = &self.cloud;
        let has_faults = self.faults > 0;
        let is_leaving = self.cloud.first(&[Stage::Leaving]).is_some();
        let is_made = self.cloud.first(&[Stage::Known, Stage::Made]).is_some();
        let is_running = update.state == State::InProgress && update.walking.is_none();
        if update.walking.is_some() {
            actions.push(Action::Reach);
        }
        if is_leaving {
            actions.push(Action::DeleteLeaving);
        }
        if is_made {
            actions.push(Action::Make);
        }
        if is_running && self.cloud.has_settled() {
            actions.push(Action::UpdateEnds);
        }
        if has_faults {
            if is_leaving {
                actions.push(Action::DeleteFails);
            }
            if is_made {
                actions.push(Action::MakeFails);
            }
            if is_running {
                actions.push(Action::UpdateFails);
            }
        }
    }

    fn people(&self, actions: &mut Vec<Action>) {
        if self.faults > 0 {
            actions.push(Action::Restart);
            if self.operators > 0 {
                actions.extend([Action::OperatorGrows, Action::OperatorShrinks]);
            }
        }
    }

    /// What happens next if nobody asks for anything and nothing goes wrong any more; none where all has come to rest.
    pub(crate) fn quiet(&self) -> Option<Action> {
        let Cloud { told, lagging, update, casts, conductor_stopped, .. } = &self.cloud;
        let work = self.machine.work();
        Some(if lagging.is_some() {
            Action::LagEnds
        } else if *conductor_stopped {
            Action::ConductorReturns
        } else if work == Work::Read {
            Action::Read
        } else if matches!(work, Work::Send(_)) {
            Action::Accept
        } else if !casts.is_empty() {
            Action::Conduct
        } else if update.walking.is_some() {
            Action::Reach
        } else if self.cloud.first(&[Stage::Leaving]).is_some() {
            Action::DeleteLeaving
        } else if !self.cloud.has_settled() {
            Action::Make
        } else if update.state == State::InProgress {
            Action::UpdateEnds
        } else if told.magnum.state == State::InProgress {
            Action::Sync
        } else if work != Work::Nothing {
            Action::TimePasses
        } else if self.read.is_none() {
            Action::Observe
        } else {
            return None;
        })
    }

    /// What must hold where all has come to rest.
    pub(crate) fn judge_end(&self) -> Result<(), String> {
        let is_idle = *self.machine.phase() == Phase::Idle && self.machine.pending().queued.is_empty();
        if !is_idle || !self.is_at_rest() {
            return Err("stuck: the cloud is at rest and the machine has not come to an end".to_owned());
        }
        self.promises.judge_end(&self.cloud, self.started_with, self.machine.pending().failed().len())
    }

    /// Lets it happen.
    pub(crate) fn apply(
        &mut self,
        action: Action,
        scope: Scope,
        readings: &mut Readings,
        outcome: &mut Outcome,
    ) {
        outcome.tell(|| story::of(action, self));
        self.faults -= u8::from(action.is_fault());
        match action {
            Action::Ask(wish) => self.ask(wish, scope, outcome),
            Action::CallerOutOfTime | Action::CallerGone => self.caller(action, outcome),
            Action::Read | Action::Observe => self.read(action, scope, readings, outcome),
            Action::ReadFails => {
                let event = Event::Read { reading: Err(unreachable()), begun: self.now };
                self.feed(event, outcome);
            }
            Action::Accept | Action::Refuse | Action::LoseRequest | Action::LoseAnswer | Action::LoseCast => {
                self.send(action, scope, readings, outcome);
            }
            Action::TimePasses => self.pass_time(outcome),
            Action::Conduct => self.conduct(true),
            Action::ConductDropped => self.conduct(false),
            Action::ConductRefused => self.cloud.refuse(),
            Action::Reach => self.reach(outcome),
            Action::DeleteLeaving => {
                self.cloud.delete_leaving();
            }
            Action::Make => {
                self.cloud.make();
            }
            Action::MakeFails => {
                self.cloud.fail(&[Stage::Known, Stage::Made], Stage::Failed);
            }
            Action::DeleteFails => {
                self.cloud.fail(&[Stage::Leaving], Stage::Stuck);
            }
            Action::UpdateFails => self.cloud.end(State::Failed),
            Action::UpdateEnds => self.cloud.end(State::Complete),
            Action::Sync => self.cloud.sync(),
            Action::SyncLate => {
                if let Some((count, state)) = self.cloud.late_sync.take() {
                    let magnum = &mut self.cloud.told.magnum;
                    (magnum.node_count, magnum.state) = (count, state);
                    magnum.updated += 1;
                }
            }
            Action::Lag(witness) => self.cloud.lagging = Some(witness),
            Action::LagEnds => self.cloud.lagging = None,
            Action::ConductorStops => self.cloud.conductor_stopped = true,
            Action::ConductorReturns => {
                self.cloud.conductor_stopped = false;
                self.cloud.casts.iter_mut().for_each(|cast| cast.is_due = true);
            }
            Action::Restart => self.restart(),
            Action::OperatorGrows => self.operate(1),
            Action::OperatorShrinks => self.operate(-1),
        }
    }

    fn ask(&mut self, wish: Wish, scope: Scope, outcome: &mut Outcome) {
        self.requests -= 1;
        let group = sample::group().uuid;
        let ask = match wish {
            Wish::Increase => Ask::Increase(1),
            Wish::Decrease => Ask::Decrease(1),
            Wish::Stranger => Ask::Delete(vec![(InstanceId::Server(machine(STRANGER)), String::new())]),
            Wish::Delete { servers, members } => {
                let servers = servers.iter().map(|server| InstanceId::Server(machine(server)));
                let members = members.iter().map(|index| sample::member(index.into()).key);
                let members = members.map(|key| InstanceId::of_member(group, key, None));
                Ask::Delete(servers.chain(members).map(|id| (id, String::new())).collect())
            }
        };
        self.promises.calls.push(Call { wish, fate: Fate::Waiting, is_old: false });
        let caller = Ticket(u64::try_from(self.promises.calls.len()).unwrap());
        self.feed(Event::Asked { caller, ask }, outcome);
        if let Some(bug) = scope.bug {
            planted::after_answer(bug, self);
        }
    }

    fn caller(&mut self, action: Action, outcome: &mut Outcome) {
        let waits = |call: &Call| call.fate == Fate::Waiting;
        let Some(place) = self.promises.calls.iter().position(waits) else { return };
        let caller = Ticket(u64::try_from(place + 1).unwrap());
        if action == Action::CallerGone {
            self.promises.calls[place].fate = Fate::Unheard;
            return self.feed(Event::CallerGone(caller), outcome);
        }
        self.feed(Event::CallerOutOfTime { caller, waited: 5 * TURN }, outcome);
        if self.promises.calls[place].fate == Fate::Waiting {
            outcome.violates("I4: a caller whose time is up was not answered".to_owned());
        }
    }

    /// What the cloud tells now.
    pub(crate) fn look(&mut self, readings: &mut Readings) -> Arc<Reading> {
        let shown = self.cloud.shown();
        self.cloud.note_seen(&shown);
        let key = (shown, self.cloud.seen, self.cloud.indices.clone());
        if let Some(reading) = readings.0.get(&key) {
            return Arc::clone(reading);
        }
        let reading = Arc::new(self.cloud.reading(&key.0, BOUNDS));
        readings.0.insert(key, Arc::clone(&reading));
        reading
    }

    fn read(&mut self, action: Action, scope: Scope, readings: &mut Readings, outcome: &mut Outcome) {
        let mut reading = self.look(readings);
        let begun = self.now;
        if action == Action::Observe {
            self.read = Some(Arc::clone(&reading));
            return self.feed(Event::Observed { reading: Ok(reading), begun, shared: None }, outcome);
        }
        if let Some(bug) = scope.bug {
            reading = planted::instead_of(bug, &mut self.memory, reading);
        }
        self.read = Some(Arc::clone(&reading));
        self.promises.basis = None;
        self.feed(Event::Read { reading: Ok(reading), begun }, outcome);
        if let (Phase::Sending(sent), Some(reading)) = (self.machine.phase(), &self.read)
            && let Err(violation) = self.promises.judge_resize(&sent.flight, reading, BOUNDS)
        {
            outcome.violates(violation);
        }
    }

    fn send(&mut self, action: Action, scope: Scope, readings: &mut Readings, outcome: &mut Outcome) {
        let Work::Send(mut resize) = self.machine.work() else { return };
        if let Some(bug) = scope.bug {
            let reading = self.look(readings);
            planted::before_sending(bug, &mut self.memory, &reading, &mut resize);
        }
        let answer = match action {
            Action::Accept | Action::LoseCast => Ok(()),
            Action::Refuse => Err(CloudError::Unsuitable("no".to_owned())),
            _ => Err(unreachable()),
        };
        if matches!(action, Action::Accept | Action::LoseAnswer) {
            self.cast(&resize);
        }
        self.feed(Event::ResizeAnswered(answer), outcome);
    }

    /// Puts a resize in front of the conductor.
    pub(crate) fn cast(&mut self, resize: &Resize) {
        let mut remove = Set::default();
        for index in resize.remove.iter().filter_map(|removal| removal.key.to_string().parse().ok()) {
            if index < 32 {
                remove.insert(index);
            }
        }
        let cast = Cast {
            count: u8::try_from(resize.count).unwrap(),
            remove,
            author: Author::Own,
            excuse: self.promises.basis,
            cancels: resize.remove.iter().any(|removal| removal.server.is_none()),
            is_due: false,
        };
        // Of three that are the same the third changes nothing.
        if self.cloud.casts.iter().filter(|other| Cast { is_due: false, ..**other } == cast).count() < 2 {
            self.cloud.casts.push(cast);
        }
    }

    fn pass_time(&mut self, outcome: &mut Outcome) {
        self.now += match self.machine.work() {
            Work::WakeAt(at) => at.saturating_duration_since(self.now),
            _ => LONG,
        };
        for cast in &mut self.cloud.casts {
            cast.is_due = true;
        }
        if let Some(turns) = &mut self.cloud.update.walking {
            *turns = (*turns + 1).min(MAX_WALK);
        }
        if self.machine.work() != Work::Nothing {
            self.feed(Event::Tick, outcome);
        }
    }

    fn conduct(&mut self, stored: bool) {
        if let Some(cast) = self.cloud.conduct(stored) {
            self.overtake(cast.author);
        }
    }

    /// What others have asked for or read may not be what it was any more.
    fn overtake(&mut self, author: Author) {
        for cast in &mut self.cloud.casts {
            cast.excuse = cast.excuse.or(Exception::between(author, cast.author));
        }
        self.promises.is_disturbed |= author != Author::Own;
        self.promises.basis = self.promises.basis.or(Exception::between(author, Author::Own));
    }

    fn reach(&mut self, outcome: &mut Outcome) {
        let gone = self.cloud.reach();
        self.overtake(self.cloud.update.author);
        for slot in &gone.members {
            match self.promises.judge_removal(slot, &self.cloud) {
                Ok(exception) => outcome.exceptions.extend(exception),
                Err(violation) => outcome.violates(violation),
            }
            outcome.tell(|| story::of_removal(slot));
        }
    }

    fn restart(&mut self) {
        self.machine = new_machine(self.now);
        (self.read, self.memory, self.promises.basis) = (None, None, None);
        self.cloud.seen = Set::default();
        for cast in self.cloud.casts.iter_mut().filter(|cast| cast.author == Author::Own) {
            cast.author = Author::Before;
        }
        if self.cloud.update.author == Author::Own {
            self.cloud.update.author = Author::Before;
        }
        for call in &mut self.promises.calls {
            call.is_old = true;
            if call.fate == Fate::Waiting {
                call.fate = Fate::Unheard;
            }
        }
    }

    fn operate(&mut self, delta: i8) {
        self.operators -= 1;
        let counted = self.cloud.told.heat.members.iter().filter(|slot| slot.counts()).count();
        let count = u8::try_from(counted).unwrap().saturating_add_signed(delta);
        self.cloud.casts.push(Cast {
            count: count.min(u8::try_from(BOUNDS.max).unwrap()),
            remove: Set::default(),
            author: Author::Operator,
            excuse: None,
            cancels: false,
            is_due: false,
        });
    }

    /// Feeds an event to the machine, as the engine does, and takes note of what it answers and tells.
    fn feed(&mut self, event: Event, outcome: &mut Outcome) {
        for effect in self.machine.step(event, self.now) {
            match effect {
                Effect::Answer(caller, answer) => self.answered(caller, &answer, outcome),
                Effect::Tell(decision) => {
                    let kind = decision.kind;
                    if let DecisionKind::NotCarriedOut { request, .. } | DecisionKind::GivenUp { request } =
                        &kind
                        && let RequestedChange::Delete(ids) = request
                    {
                        self.promises.drop(ids);
                    }
                    self.promises.is_disturbed |= matches!(kind, DecisionKind::ServerReplaced { .. });
                    outcome.tell(|| format!("    the service says: {kind}"));
                }
            }
        }
    }

    fn answered(&mut self, caller: Ticket, answer: &Result<(), RequestError>, outcome: &mut Outcome) {
        outcome.tell(|| story::of_answer(caller, answer));
        let place = usize::try_from(caller.0 - 1).unwrap();
        if !self.promises.answer(place, answer.is_ok()) {
            outcome.violates(format!("I4: caller {} is answered a second time", caller.0));
        }
    }
}

impl Action {
    /// Whether it costs one of the faults.
    const fn is_fault(self) -> bool {
        match self {
            Self::CallerOutOfTime
            | Self::CallerGone
            | Self::ReadFails
            | Self::Refuse
            | Self::LoseRequest
            | Self::LoseAnswer
            | Self::LoseCast
            | Self::ConductDropped
            | Self::ConductRefused
            | Self::MakeFails
            | Self::DeleteFails
            | Self::UpdateFails
            | Self::SyncLate
            | Self::Lag(_)
            | Self::ConductorStops
            | Self::Restart
            | Self::OperatorGrows
            | Self::OperatorShrinks => true,
            Self::Ask(_)
            | Self::Read
            | Self::Accept
            | Self::Observe
            | Self::TimePasses
            | Self::Conduct
            | Self::Reach
            | Self::DeleteLeaving
            | Self::Make
            | Self::UpdateEnds
            | Self::Sync
            | Self::LagEnds
            | Self::ConductorReturns => false,
        }
    }
}

fn new_machine(now: Instant) -> Lifecycle {
    let group = sample::group();
    Lifecycle::new(group.uuid, group.id(), timing(), now)
}

fn unreachable() -> CloudError {
    CloudError::Unreachable {
        service: Service::ContainerInfra,
        url: "http://magnum".to_owned(),
        reason: "no answer".to_owned(),
    }
}
