//! The life of the resizes of one node group: a state machine without clock, lock or network.
//!
//! Whoever drives it feeds events and the time with [`Lifecycle::step`], carries out the effects, and does the work that
//! [`Lifecycle::work`] asks for, one piece at a time: gather requests, read until the group has settled, send one resize,
//! follow it to its end.

mod ending;
mod observing;
mod phase;
mod requests;
mod settling;
mod situation;
mod stability;
mod timing;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;

pub use self::{
    phase::{Pace, Phase, Sent, Work},
    stability::StabilityTimer,
    timing::Timing,
};
use super::{
    cloud::{CloudError, Reading},
    decision::{Decision, DecisionKind, Moving, NodeName, RequestedChange},
    history::History,
    instance::InstanceId,
    machine_id::MachineId,
    member::{Member, MemberKey},
    node_group::NodeGroupUuid,
    pending::{Ask, PendingRequests, Request, Ticket},
    registration::Registrations,
    request::RequestError,
    resize::{InFlightResize, Removal},
    snapshot::GroupView,
    witnesses::Contradiction,
};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A caller asks for a change and waits for its answer.
    Asked {
        /// Who.
        caller: Ticket,
        /// For what.
        ask: Ask,
    },
    /// The time of a caller is up; it had this much.
    CallerOutOfTime {
        /// Who.
        caller: Ticket,
        /// How long it waited.
        waited: Duration,
    },
    /// A caller does not wait for its answer any more.
    CallerGone(Ticket),
    /// The caller who had these requested nodes deleted that came to nothing was told OK.
    Forget(Vec<u32>),
    /// The time that [`Work::WakeAt`] named has come.
    Tick,
    /// [`Work::Read`] ended.
    Read {
        /// The reading, or why there is none.
        reading: Result<Arc<Reading>, CloudError>,
        /// When it was begun.
        begun: Instant,
    },
    /// Somebody read the group, or tried.
    Observed {
        /// The reading, or why there is none.
        reading: Result<Arc<Reading>, CloudError>,
        /// When it was begun.
        begun: Instant,
        /// Whether one of its servers is a member of another group as well.
        shared: Option<Contradiction>,
    },
    /// [`Work::Send`] ended.
    ResizeAnswered(Result<(), CloudError>),
    /// The group is not scaled any more.
    Ended {
        /// Whether it is there, and has lost its maximum.
        is_there: bool,
    },
}

/// What is to be done at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Answer a caller. Each is answered once.
    Answer(Ticket, Result<(), RequestError>),
    /// Tell what was decided or seen.
    Tell(Decision),
}

/// One node group.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    id: String,
    uuid: NodeGroupUuid,
    timing: Timing,
    /// Since when this process knows the group.
    known_since: Instant,
    /// The last good reading, and when it was begun.
    known: Option<(Arc<Reading>, Instant)>,
    /// Why it cannot be read, and since when.
    unreadable: Option<(CloudError, Instant)>,
    /// How long the last good reading of this group alone took.
    read_took: Option<Duration>,
    /// Whether one of its servers is a member of another group as well.
    shared: Option<Contradiction>,
    pending: PendingRequests,
    phase: Phase,
    stability: StabilityTimer,
    /// Whether the last resize was sent more than once, so that Magnum may still carry out all of them.
    repeated: bool,
    /// What contradicted itself in the last reading, and since when it has.
    contradiction: Option<(Contradiction, Instant)>,
    /// When members were last found missing that nobody named.
    shrunk_at: Option<Instant>,
    /// When members were last found back that had gone.
    returned_at: Option<Instant>,
    /// The servers of those, as long as they are members: the readings are of before they had gone.
    returned: BTreeSet<MachineId>,
    /// Members without a server that nobody named and that the last reading lacks, as long as Magnum counts them: its list may
    /// be an old one, and Nova, which has no server of theirs to list, cannot tell.
    vanished: BTreeSet<MemberKey>,
    /// When Magnum wrote the newest of the records that were read.
    written_at: Option<Timestamp>,
    history: History,
    effects: Vec<Effect>,
}

impl Lifecycle {
    /// A group that is scaled from now on.
    #[must_use]
    pub fn new(uuid: NodeGroupUuid, id: String, timing: Timing, now: Instant) -> Self {
        Self {
            id,
            uuid,
            timing,
            known_since: now,
            known: None,
            unreadable: None,
            read_took: None,
            shared: None,
            pending: PendingRequests::default(),
            phase: Phase::Idle,
            stability: StabilityTimer::default(),
            repeated: false,
            contradiction: None,
            shrunk_at: None,
            returned_at: None,
            returned: BTreeSet::new(),
            vanished: BTreeSet::new(),
            written_at: None,
            history: History::default(),
            effects: Vec::new(),
        }
    }

    /// Takes note of what happened and returns what is to be done at once; [`Lifecycle::work`] may have changed.
    pub fn step(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        match event {
            Event::Asked { caller, ask } => self.asked(caller, &ask, now),
            Event::CallerOutOfTime { caller, waited } => self.out_of_time(caller, waited),
            Event::CallerGone(caller) => self.caller_gone(caller),
            Event::Forget(numbers) => self.forget(&numbers, now),
            Event::Tick => self.tick(now),
            Event::Read { reading, begun } => self.read(reading, begun, now),
            Event::Observed { reading, begun, shared } => {
                self.shared = shared;
                match reading {
                    Ok(reading) => {
                        self.take_over(&reading, begun, now);
                    }
                    Err(error) => self.note_unreadable(&error, begun, now),
                }
            }
            Event::ResizeAnswered(answer) => self.resize_answered(answer, now),
            Event::Ended { is_there } => self.ended(is_there),
        }
        std::mem::take(&mut self.effects)
    }

    /// What the driver of the group has to do next.
    #[must_use]
    pub fn work(&self) -> Work {
        self.phase.work()
    }

    /// Where it stands.
    #[must_use]
    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// What was accepted and not sent yet, and what came to nothing.
    #[must_use]
    pub const fn pending(&self) -> &PendingRequests {
        &self.pending
    }

    /// Its id on the wire.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Why it cannot be read now, in words.
    #[must_use]
    pub fn read_error(&self) -> Option<String> {
        self.unreadable.as_ref().map(|(error, _)| error.to_string())
    }

    /// What cluster-autoscaler sees of the group; `None` until it was read once. Nodes that failed since the last time are
    /// told.
    pub fn view(&mut self, registrations: &Registrations, now: Instant) -> (Option<GroupView>, Vec<Effect>) {
        let Some((reading, _)) = &self.known else { return (None, Vec::new()) };
        let mut view = GroupView::new(reading, &self.pending, self.flight(), registrations, now);
        view.read_error = self.read_error();
        let news = self.history.failures(reading, &view);
        self.tell_all(news);
        (Some(view), std::mem::take(&mut self.effects))
    }

    /// The resize on its way.
    fn flight(&self) -> Option<&InFlightResize> {
        self.phase.in_flight().map(|sent| &sent.flight)
    }

    /// Whether a change is known to be going on, so that a new request has to wait for its end and is acknowledged at
    /// once.
    fn acknowledges(&self) -> bool {
        let queue_is_acknowledged = || self.pending.queued.iter().any(|queued| queued.caller.is_none());
        match &self.phase {
            Phase::Idle => false,
            Phase::Gathering { lost, .. } | Phase::Settling { lost, .. } => {
                lost.is_some() || queue_is_acknowledged()
            }
            Phase::Sending(_) | Phase::Following { .. } => true,
        }
    }

    fn tick(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Gathering { until, lost } if now >= *until => {
                let (lost, pace) = (lost.take(), Pace::new(&self.timing));
                self.phase = Phase::Settling { pace, lost, waiting_told: false };
            }
            Phase::Settling { pace, .. } | Phase::Following { pace, .. } => pace.tick(now),
            Phase::Idle | Phase::Gathering { .. } | Phase::Sending(_) => {}
        }
    }

    fn read(&mut self, reading: Result<Arc<Reading>, CloudError>, begun: Instant, now: Instant) {
        let reading = match reading {
            Ok(reading) => {
                self.read_took = Some(now.saturating_duration_since(begun));
                Ok(self.take_over(&reading, begun, now))
            }
            Err(error) => {
                self.note_unreadable(&error, begun, now);
                Err(error)
            }
        };
        match &self.phase {
            Phase::Settling { .. } => self.settle(reading, now),
            Phase::Following { .. } => self.follow(reading, now),
            Phase::Idle | Phase::Gathering { .. } | Phase::Sending(_) => {}
        }
    }

    /// Begins to gather what is to be done, after a pause where something was lost before.
    fn gather(&mut self, lost: Option<Sent>, now: Instant) {
        let losses = lost.iter().map(|sent| sent.flight.losses);
        let attempts = self.pending.queued.iter().map(|queued| queued.attempts).chain(losses).max();
        self.phase = match attempts {
            None => Phase::Idle,
            Some(attempts) => {
                let backoff = (self.timing.poll_interval.1 * attempts).min(self.timing.max_backoff);
                Phase::Gathering { until: now + self.timing.coalesce_window + backoff, lost }
            }
        };
    }

    fn tell(&mut self, kind: DecisionKind) {
        self.effects.push(Effect::Tell(Decision { group: self.id.clone(), kind }));
    }

    fn tell_all(&mut self, news: Vec<DecisionKind>) {
        for kind in news {
            self.tell(kind);
        }
    }

    fn answer(&mut self, caller: Ticket, answer: Result<(), RequestError>) {
        self.effects.push(Effect::Answer(caller, answer));
    }

    /// Acknowledges everything that waits: it was found valid, and a change has to end first.
    fn acknowledge_queue(&mut self) {
        for caller in self.pending.acknowledge() {
            self.answer(caller, Ok(()));
        }
    }

    /// Acknowledges what the resize on its way carries out.
    fn acknowledge_flight(&mut self) {
        let Some(sent) = self.phase.in_flight_mut() else { return };
        let callers: Vec<Ticket> =
            sent.flight.requests.iter_mut().filter_map(|queued| queued.caller.take()).collect();
        for caller in callers {
            self.answer(caller, Ok(()));
        }
    }

    fn instance_id(&self, member: &Member) -> InstanceId {
        InstanceId::of_member(self.uuid, member.key, member.server)
    }

    /// A request in words.
    fn in_words(&self, request: &Request) -> RequestedChange {
        match request {
            Request::Increase(size) => RequestedChange::Increase(*size),
            Request::Decrease(size) => RequestedChange::Decrease(*size),
            Request::Delete(ids) => {
                let name = |id: &InstanceId| {
                    let (reading, _) = self.known.as_ref()?;
                    let member = reading.members.iter().find(|member| self.instance_id(member) == *id)?;
                    Some(member.name.clone())
                };
                RequestedChange::Delete(ids.iter().map(|id| (name(id), *id)).collect())
            }
        }
    }
}

/// The members as they were when the reading was taken.
fn node_names(reading: &Reading, removals: &[Removal]) -> Vec<NodeName> {
    let name = |removal: &Removal| {
        let member = reading.member(removal.key).filter(|member| member.is(removal.key, removal.server));
        let unknown = || NodeName { name: removal.key.to_string(), server: removal.server };
        member.map_or_else(unknown, NodeName::of)
    };
    removals.iter().map(name).collect()
}

/// The members that are being changed.
fn moving(reading: &Reading) -> Vec<Moving> {
    let moving = reading.members.iter().filter(|member| member.status.in_progress());
    moving.map(|member| (member.name.clone(), member.status.clone())).collect()
}

#[cfg(test)]
mod tests;
