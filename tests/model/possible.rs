//! Which actions are possible in a situation.

use cluster_autoscaler_provider_magnum::core::lifecycle::{Phase, Work};

use crate::{
    action::Action,
    cloud::{Cloud, MAX_WALK, Stage, State, Witness},
    numbers::Set,
    promises::{Fate, Wish},
    reading::machine,
    situation::Situation,
};

impl Situation {
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
        if self.left.requests > 0 && self.read.is_some() {
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
        if self.left.faults > 0 && self.promises.calls.iter().any(|call| call.fate == Fate::Waiting) {
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
        let has_faults = self.left.faults > 0;
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
        let has_faults = self.left.faults > 0;
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
        if self.left.old_answers > 0 && lagging.is_none() && before.is_some() {
            actions.push(Action::AllLag);
        }
    }

    fn heat(&self, actions: &mut Vec<Action>) {
        let Cloud { update, .. } = &self.cloud;
        let has_faults = self.left.faults > 0;
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
        if self.left.faults > 0 {
            actions.push(Action::Restart);
            if self.left.operators > 0 {
                actions.extend([Action::OperatorGrows, Action::OperatorShrinks]);
            }
        }
        if self.left.deletions > 0 {
            actions.extend(self.cloud.told.nova.iter().map(Action::ServerDeleted));
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
}
