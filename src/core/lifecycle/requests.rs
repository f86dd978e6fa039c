//! Requests: accepted or refused when they come, answered, and told when nothing comes of them.

use std::time::{Duration, Instant};

use super::{Lifecycle, Phase};
use crate::core::{
    decision::DecisionKind,
    instance::{InstanceError, InstanceErrorClass},
    pending::{Ask, Queued, Request, Ticket},
    plan,
    request::RequestError,
};

/// Most requests that may wait for one group.
const MAX_WAITING: usize = 1000;

impl Lifecycle {
    /// Where a request is queued: at the end. But a decrease takes back what was asked for, and that must not be sent before
    /// it where a resize cannot do everything at once.
    fn place_of(&self, request: &Request) -> usize {
        let queued = &self.pending.queued;
        let mixes = self.known.as_ref().is_none_or(|(reading, _)| reading.capabilities.mixes_requests());
        if mixes || !matches!(request, Request::Decrease(_)) {
            return queued.len();
        }
        let is_increase = |queued: &Queued| matches!(queued.request, Request::Increase(_));
        queued.iter().rposition(is_increase).map_or(queued.len(), |last| last + 1)
    }

    /// Queues what is left to do of a request, or answers it.
    pub(super) fn asked(&mut self, caller: Ticket, ask: &Ask, now: Instant) {
        let accepted = match self.accept(ask, now) {
            Ok(accepted) => accepted,
            Err(error) => return self.answer(caller, Err(error)),
        };
        let Some(request) = accepted else { return self.answer(caller, Ok(())) };
        let is_to_wait = self.acknowledges();
        if is_to_wait {
            let request = self.in_words(&request);
            let waits_for = self.flight().map(|flight| flight.resize.count);
            self.tell(DecisionKind::Accepted { request, waits_for });
        }
        let place = self.place_of(&request);
        self.pending.queued.insert(place, Queued { caller: Some(caller), request, attempts: 0 });
        if is_to_wait {
            self.acknowledge_queue();
        }
        if self.phase == Phase::Idle {
            self.gather(None, now);
        }
    }

    /// Whether a request can be carried out by all that is known: the plan of a resize tried on the group as it is shown.
    fn accept(&self, ask: &Ask, now: Instant) -> Result<Option<Request>, RequestError> {
        let waiting = self.pending.queued.len();
        if waiting >= MAX_WAITING {
            return Err(RequestError::Busy { group: self.id.clone(), waiting });
        }
        let Some((reading, _)) = &self.known else {
            let reason = self.read_error().unwrap_or_default();
            return Err(RequestError::UnreadGroup { id: self.id.clone(), reason });
        };
        plan::accept(reading, &self.pending, self.flight(), ask, now)
    }

    /// A caller's time is up. What is on its way cannot be taken back: it will take effect, or show up as failed. What is
    /// not sent yet is acknowledged where the group takes so long to read that it always will, and else withdrawn.
    pub(super) fn out_of_time(&mut self, caller: Ticket, waited: Duration) {
        let is_callers = |queued: &&mut Queued| queued.caller == Some(caller);
        if let Some(sent) = self.phase.in_flight_mut()
            && let Some(queued) = sent.flight.requests.iter_mut().find(is_callers)
        {
            queued.caller = None;
            return self.answer(caller, Ok(()));
        }
        let Some(queued) = self.pending.queued.iter_mut().find(is_callers) else { return };
        if self.read_took.is_some_and(|took| took > waited / 2) {
            queued.caller = None;
            return self.answer(caller, Ok(()));
        }
        self.pending.queued.retain(|queued| queued.caller != Some(caller));
        self.answer(caller, Err(RequestError::Deadline));
        self.rest_if_done();
    }

    /// Forgets requested nodes that came to nothing.
    pub(super) fn forget(&mut self, numbers: &[u32], now: Instant) {
        for number in numbers {
            self.pending.forget_failure(self.uuid, *number, now);
        }
    }

    /// A caller has hung up: its request goes on as if it was acknowledged.
    pub(super) fn caller_gone(&mut self, caller: Ticket) {
        for queued in self.requests_mut().filter(|queued| queued.caller == Some(caller)) {
            queued.caller = None;
        }
    }

    /// The group is not scaled any more.
    pub(super) fn ended(&mut self, is_there: bool) {
        self.tell(DecisionKind::ScalingEnds { is_there });
        let error = RequestError::GroupDeleted { id: self.id.clone() };
        let callers: Vec<Ticket> = self.requests_mut().filter_map(|queued| queued.caller.take()).collect();
        for caller in callers {
            self.answer(caller, Err(error.clone()));
        }
        self.pending.queued.clear();
        self.phase = Phase::Idle;
    }

    /// All requests that are on their way or wait.
    fn requests_mut(&mut self) -> impl Iterator<Item = &mut Queued> {
        let in_flight = self.phase.in_flight_mut().map(|sent| &mut sent.flight.requests);
        in_flight.into_iter().flatten().chain(&mut self.pending.queued)
    }

    /// Puts acknowledged requests in front of the queue, in their order. Whoever waits behind them is acknowledged as well.
    pub(super) fn put_in_front(&mut self, requests: Vec<Queued>) {
        if !requests.is_empty() {
            self.acknowledge_queue();
            self.pending.queued.splice(0..0, requests.into_iter().flat_map(Queued::node_by_node));
        }
    }

    /// Nothing is to be done any more once nothing waits.
    pub(super) fn rest_if_done(&mut self) {
        if self.pending.queued.is_empty() && self.flight().is_none() {
            self.phase = Phase::Idle;
        }
    }

    /// Refuses a request: to its caller if that still waits, else where cluster-autoscaler will see it (I4).
    pub(super) fn refuse(&mut self, queued: &Queued, error: &RequestError, now: Instant) {
        // It was sent before, and cannot be called back.
        if queued.attempts > 0 {
            self.pending.abandon(queued.request.removals(), now);
        }
        if let Some(caller) = queued.caller {
            self.tell(DecisionKind::Refused { error: error.clone() });
            return self.answer(caller, Err(error.clone()));
        }
        let request = self.in_words(&queued.request);
        self.tell(DecisionKind::NotCarriedOut { request, error: error.clone() });
        self.show_failure(&queued.request, &error.to_string());
    }

    /// Shows the nodes of an accepted increase that will not come. A removal that will not happen shows by itself: its
    /// node is running again.
    pub(super) fn show_failure(&mut self, request: &Request, message: &str) {
        if let Request::Increase(delta) = *request {
            let (message, class) = (message.to_owned(), InstanceErrorClass::Other);
            self.pending.fail(delta, &InstanceError { code: "ResizeRefused", message, class });
        }
    }
}
