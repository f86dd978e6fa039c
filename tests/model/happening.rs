//! What an action does to a situation.

use cluster_autoscaler_provider_magnum::core::lifecycle::{Event, Work};

use crate::{
    action::Action,
    cloud::{BOUNDS, Cast, Lag, MAX_OLD, MAX_WALK, Stage, State},
    numbers::Set,
    promises::{Author, Exception},
    reading::Readings,
    service::{LONG, TURN},
    situation::{Outcome, Scope, Situation},
    story,
};

impl Situation {
    /// Lets it happen.
    pub(crate) fn apply(
        &mut self,
        action: Action,
        scope: Scope,
        readings: &mut Readings,
        outcome: &mut Outcome,
    ) {
        outcome.tell(|| story::of(action, self));
        self.left.faults -= u8::from(action.is_fault());
        match action {
            Action::Ask(wish) => self.ask(wish, scope, outcome),
            Action::CallerOutOfTime | Action::CallerGone => self.caller(action, outcome),
            Action::Read | Action::Observe => self.read(action, scope, readings, outcome),
            Action::ReadFails => self.fail_to_read(outcome),
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
            Action::Lag(witness) => self.cloud.lagging = Some(Lag::One(witness)),
            Action::AllLag => {
                self.left.old_answers -= 1;
                self.cloud.lagging = Some(Lag::All { turns: 0 });
                self.hide();
            }
            Action::LagEnds => (self.cloud.lagging, self.promises.hidden) = (None, None),
            Action::ConductorStops => self.cloud.conductor_stopped = true,
            Action::ConductorReturns => {
                self.cloud.conductor_stopped = false;
                self.cloud.casts.iter_mut().for_each(|cast| cast.is_due = true);
            }
            Action::Restart => self.restart(),
            Action::OperatorGrows => self.operate(1),
            Action::OperatorShrinks => self.operate(-1),
            Action::ServerDeleted(server) => {
                self.left.deletions -= 1;
                self.cloud.told.nova.remove(server);
            }
        }
    }

    fn pass_time(&mut self, outcome: &mut Outcome) {
        let time = match self.machine.work() {
            Work::WakeAt(at) => at.saturating_duration_since(self.now),
            _ => LONG,
        };
        self.now += time;
        for cast in &mut self.cloud.casts {
            cast.is_due = true;
        }
        if let Some(turns) = &mut self.cloud.update.walking {
            *turns = (*turns + 1).min(MAX_WALK);
        }
        if let Some(Lag::All { turns }) = &mut self.cloud.lagging {
            let passed = time.as_secs() / TURN.as_secs();
            *turns = turns.saturating_add(u8::try_from(passed).unwrap_or(u8::MAX)).min(MAX_OLD);
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
        self.hide();
        self.promises.is_disturbed |= author != Author::Own;
        self.promises.basis = self.promises.basis.or(Exception::between(author, Author::Own));
    }

    /// What all services hide together is known only to who did it.
    pub(crate) fn hide(&mut self) {
        let is_hidden = matches!(self.cloud.lagging, Some(Lag::All { .. }));
        if is_hidden && self.cloud.update.author != Author::Own {
            self.promises.hidden = Some(Exception::OldAnswers);
        }
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

    fn operate(&mut self, delta: i8) {
        self.left.operators -= 1;
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
}
