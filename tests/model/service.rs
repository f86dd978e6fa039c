//! How the service is driven: what the engine does with the machine of a group's resizes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use cluster_autoscaler_provider_magnum::core::{
    cloud::{CloudError, Service},
    decision::{DecisionKind, RequestedChange},
    instance::InstanceId,
    lifecycle::{Effect, Event, Lifecycle, Phase, Timing, Work},
    pending::{Ask, Ticket},
    request::RequestError,
    resize::Resize,
    sample,
    settle::SettleTimeouts,
};

use crate::{
    action::Action,
    cloud::{BOUNDS, Cast},
    numbers::Set,
    planted,
    promises::{Author, Call, Exception, Fate, Wish},
    reading::{Readings, machine},
    situation::{Outcome, Scope, Situation},
    story,
};

/// The server that nobody has.
pub(crate) const STRANGER: u8 = 99;

/// The unit of all times of the model.
pub(crate) const TURN: Duration = Duration::from_secs(1);

/// Longer than anything that is remembered for less than a day.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

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
            oldest_answer: 5 * TURN,
            after_repetition: 3 * TURN,
            after_start: 2 * TURN,
        },
    }
}

impl Situation {
    pub(crate) fn ask(&mut self, wish: Wish, scope: Scope, outcome: &mut Outcome) {
        self.left.requests -= 1;
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

    pub(crate) fn caller(&mut self, action: Action, outcome: &mut Outcome) {
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

    pub(crate) fn read(
        &mut self,
        action: Action,
        scope: Scope,
        readings: &mut Readings,
        outcome: &mut Outcome,
    ) {
        let mut reading = readings.look(&mut self.cloud);
        let begun = self.now;
        if action == Action::Observe {
            self.read = Some(Arc::clone(&reading));
            return self.feed(Event::Observed { reading: Ok(reading), begun, shared: None }, outcome);
        }
        if let Some(bug) = scope.bug {
            reading = planted::instead_of(bug, &mut self.memory, reading);
        }
        self.read = Some(Arc::clone(&reading));
        let members = self.cloud.shown().heat.members;
        let shown = members.iter().filter_map(|slot| slot.server).map(Set::one);
        let shown = shown.fold(Set::default(), Set::union);
        let too_old = self.cloud.is_old_for_long().then_some(Exception::OldAnswers);
        self.promises.note_reading(self.promises.hidden.or(too_old), shown);
        self.feed(Event::Read { reading: Ok(reading), begun }, outcome);
        if let (Phase::Sending(sent), Some(reading)) = (self.machine.phase(), &self.read)
            && let Err(violation) = self.promises.judge_resize(&sent.flight, reading, BOUNDS)
        {
            outcome.violates(violation);
        }
    }

    pub(crate) fn fail_to_read(&mut self, outcome: &mut Outcome) {
        let event = Event::Read { reading: Err(unreachable()), begun: self.now };
        self.feed(event, outcome);
    }

    pub(crate) fn send(
        &mut self,
        action: Action,
        scope: Scope,
        readings: &mut Readings,
        outcome: &mut Outcome,
    ) {
        let Work::Send(mut resize) = self.machine.work() else { return };
        if let Some(bug) = scope.bug {
            let reading = readings.look(&mut self.cloud);
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

    pub(crate) fn restart(&mut self) {
        self.machine = new_machine(self.now);
        (self.read, self.memory, self.promises.basis) = (None, None, None);
        self.cloud.seen = Set::default();
        for cast in self.cloud.casts.iter_mut().filter(|cast| cast.author == Author::Own) {
            cast.author = Author::Before;
        }
        if self.cloud.update.author == Author::Own {
            self.cloud.update.author = Author::Before;
        }
        self.hide();
        for call in &mut self.promises.calls {
            call.is_old = true;
            if call.fate == Fate::Waiting {
                call.fate = Fate::Unheard;
            }
        }
    }

    /// Feeds an event to the machine, as the engine does, and takes note of what it answers and tells.
    pub(crate) fn feed(&mut self, event: Event, outcome: &mut Outcome) {
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

pub(crate) fn new_machine(now: Instant) -> Lifecycle {
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
