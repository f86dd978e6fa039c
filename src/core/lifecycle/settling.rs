//! From the first reading for a request to the resize that is sent for it.

use std::{sync::Arc, time::Instant};

use super::{Lifecycle, Pace, Phase, Sent, Timing, moving, node_names};
use crate::core::{
    cloud::{CloudError, Reading},
    decision::{BlockedBy, DecisionKind},
    instance::InstanceId,
    machine_id::MachineId,
    member::{Member, MemberKey},
    pending::{Queued, Request},
    plan,
    request::RequestError,
    resize::{InFlightResize, Resize},
    settle::settled,
    verify::{Effect, Verdict},
    witnesses::{Contradiction, compare},
};

impl Lifecycle {
    /// A reading for the requests that wait: they go on, wait, or are refused.
    pub(super) fn settle(&mut self, reading: Result<Arc<Reading>, CloudError>, now: Instant) {
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => {
                self.pace(|pace, timing| pace.failed(&error, timing, now));
                self.refuse_waiting(&RequestError::Cloud(error));
                return;
            }
        };
        let changed = self.stability.note(&reading, now);
        self.pace(|pace, timing| pace.succeeded(changed, timing, now));
        match self.blocked_by(&reading, now) {
            None => {
                self.contradiction = None;
                self.decide(&reading, now);
            }
            Some(BlockedBy::Contradiction(contradiction)) => {
                self.wait_for_agreement(&reading, contradiction, now);
            }
            Some(blocked_by) => {
                self.contradiction = None;
                self.acknowledge_queue();
                if let Phase::Settling { waiting_told, .. } = &mut self.phase
                    && !std::mem::replace(waiting_told, true)
                {
                    self.tell(DecisionKind::Waiting(blocked_by));
                }
            }
        }
    }

    /// A contradiction that lasts too long is left to the plan, which refuses what could cost a node, what was acknowledged
    /// included. Until then, whoever still waits is refused once it shows a second time.
    fn wait_for_agreement(&mut self, reading: &Arc<Reading>, contradiction: Contradiction, now: Instant) {
        match &self.contradiction {
            Some((before, since)) if *before == contradiction => {
                if now.saturating_duration_since(*since) >= self.timing.timeouts.in_progress {
                    self.decide(reading, now);
                } else {
                    let group = self.id.clone();
                    self.refuse_waiting(&RequestError::Contradiction { group, contradiction });
                }
            }
            _ => {
                self.contradiction = Some((contradiction.clone(), now));
                self.tell(DecisionKind::Waiting(BlockedBy::Contradiction(contradiction)));
            }
        }
    }

    fn pace(&mut self, change: impl FnOnce(&mut Pace, &Timing)) {
        if let Phase::Settling { pace, .. } | Phase::Following { pace, .. } = &mut self.phase {
            change(pace, &self.timing);
        }
    }

    /// Refuses what waits for an answer; rests when nothing is left to do.
    fn refuse_waiting(&mut self, error: &RequestError) {
        for caller in self.pending.take_unanswered().into_iter().filter_map(|queued| queued.caller) {
            self.answer(caller, Err(error.clone()));
        }
        self.rest_if_done();
    }

    /// Why the group may not be resized by this reading.
    fn blocked_by(&self, reading: &Reading, now: Instant) -> Option<BlockedBy> {
        let timeouts = &self.timing.timeouts;
        let unchanged_for = self.stability.unchanged_for(now);
        let since = |at: Instant| now.saturating_duration_since(at);
        if since(self.known_since) < timeouts.after_start {
            return Some(BlockedBy::JustStarted);
        }
        // As long as nothing of a lost resize shows, nothing but the same is sent again.
        if self.repeated && self.flight().is_none() && unchanged_for < timeouts.after_repetition {
            return Some(BlockedBy::Repetition);
        }
        let doubt = |at: Option<Instant>| at.is_some_and(|at| since(at) < timeouts.stale_read_guard);
        if doubt(self.shrunk_at) {
            return Some(BlockedBy::UnexpectedLoss);
        }
        if doubt(self.returned_at) {
            return Some(BlockedBy::UnexpectedReturn);
        }
        // What a lost resize removes is to be removed still.
        let lost = self.flight().map(|flight| &flight.resize);
        let named = self.named(reading, lost);
        if !settled(reading, &named, unchanged_for, timeouts) {
            return Some(BlockedBy::Change { status: reading.group.status.clone(), moving: moving(reading) });
        }
        // Members that another service still has have gone only if it stays like that.
        if unchanged_for < timeouts.in_progress {
            if !self.vanished.is_empty() {
                return Some(BlockedBy::UnexpectedLoss);
            }
            if let Some(server) = self.named_without_member(reading) {
                return Some(BlockedBy::NoMember { server });
            }
            // Heat removes by its index whatever server the member has.
            if let Some(server) =
                named.iter().find_map(|key| reading.server_in_place_of(reading.member(*key)?))
            {
                return Some(BlockedBy::AnotherServer { server });
            }
        }
        self.contradiction_in(reading).map(BlockedBy::Contradiction)
    }

    /// A server that the queue wants removed and that Nova lists, though no member has it.
    fn named_without_member(&self, reading: &Reading) -> Option<MachineId> {
        let mut named = self.pending.queued.iter().flat_map(|queued| queued.request.removals());
        named.find_map(|id| match id {
            InstanceId::Server(server) if reading.lists_without_member(*server) => Some(*server),
            _ => None,
        })
    }

    /// What contradicts itself in a reading of the group at rest.
    pub(super) fn contradiction_in(&self, reading: &Reading) -> Option<Contradiction> {
        self.shared.clone().or_else(|| compare(reading).err())
    }

    /// The members that the queue wants removed, and those that `resize` removes.
    pub(super) fn named(&self, reading: &Reading, resize: Option<&Resize>) -> Vec<MemberKey> {
        let is_named = |member: &&Member| {
            self.pending.queue_removes(self.instance_id(member))
                || resize.is_some_and(|resize| resize.removes(member))
        };
        reading.counted().filter(is_named).map(|member| member.key).collect()
    }

    /// The group has settled: sends what is to be sent.
    fn decide(&mut self, reading: &Arc<Reading>, now: Instant) {
        let Phase::Settling { lost, .. } = &mut self.phase else { return };
        let sent = match lost.take() {
            Some(sent) => self.send_again(sent, reading, now),
            None => self.send_planned(reading, now),
        };
        match sent {
            Some(phase) => self.phase = phase,
            None => self.gather(None, now),
        }
    }

    /// Only the very same is sent while Magnum may still come to a lost resize: then it does not matter which of them comes
    /// last.
    fn send_again(&mut self, sent: Sent, reading: &Reading, now: Instant) -> Option<Phase> {
        if Effect::of(&sent.flight, reading).verdict() != Verdict::Lost {
            // It shows an effect after all.
            return Some(Phase::Following { sent, pace: Pace::after_pause(&self.timing, now) });
        }
        if let Some(error) = self.obstacle_to_repetition(&sent.flight, reading) {
            self.resize_refused(sent.flight, &error, now);
            return None;
        }
        self.repeated = true;
        let (count, losses) = (sent.flight.resize.count, sent.flight.losses);
        self.tell(DecisionKind::SentAgain { count, losses });
        Some(Phase::Sending(Sent { flight: sent.flight.sent_again(reading), at: now }))
    }

    /// Why a resize that was lost may not be sent again.
    fn obstacle_to_repetition(&self, flight: &InFlightResize, reading: &Reading) -> Option<RequestError> {
        let group = self.id.clone();
        match self.contradiction_in(reading) {
            Some(contradiction) if contradiction.endangers_nodes() => {
                Some(RequestError::Contradiction { group, contradiction })
            }
            _ if !flight.is_safe_to_repeat(reading) => Some(RequestError::ChangedMeanwhile {
                group,
                count: flight.resize.count,
                current: reading.size(),
            }),
            _ => None,
        }
    }

    /// Plans the queue; answers what needs no resize, and puts the rest into the one that is sent.
    fn send_planned(&mut self, reading: &Arc<Reading>, now: Instant) -> Option<Phase> {
        self.repeated = false;
        if let Some(contradiction) = self.shared.clone() {
            let error = RequestError::Contradiction { group: self.id.clone(), contradiction };
            for queued in std::mem::take(&mut self.pending.queued) {
                self.refuse(&queued, &error, now);
            }
            return None;
        }
        let plan = plan::plan(reading, &self.pending, now);
        let mut cancelled = self.pending.forget_failures(self.uuid, plan.cancelled_failures, now);
        let mut requests = Vec::new();
        let later = self.pending.queued.split_off(plan.answers.len());
        let planned = std::mem::replace(&mut self.pending.queued, later);
        for (mut queued, answer) in planned.into_iter().zip(plan.answers) {
            // What is cancelled must not be cancelled a second time should the resize be lost.
            if let (Request::Decrease(delta), Ok(())) = (&mut queued.request, &answer) {
                let done = cancelled.min(*delta);
                *delta -= done;
                cancelled -= done;
            }
            match answer {
                Ok(()) if plan.resize.is_some() && queued.request != Request::Decrease(0) => {
                    requests.push(queued);
                }
                Ok(()) => {
                    if let Some(caller) = queued.caller {
                        self.answer(caller, Ok(()));
                    }
                }
                Err(error) => self.refuse(&queued, &error, now),
            }
        }
        self.acknowledge_queue();
        let resize = plan.resize?;
        self.tell(DecisionKind::Sent {
            size: reading.size(),
            count: resize.count,
            remove: node_names(reading, &resize.remove),
            additions: resize.additions,
        });
        let before = Arc::clone(reading);
        let flight = InFlightResize { resize, before, requests, replaces: plan.replaces, losses: 0 };
        Some(Phase::Sending(Sent { flight, at: now }))
    }

    /// The cloud has answered a resize, or not.
    pub(super) fn resize_answered(&mut self, answer: Result<(), CloudError>, now: Instant) {
        if !matches!(self.phase, Phase::Sending(_)) {
            return;
        }
        let Phase::Sending(sent) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        let is_heard = answer.is_ok();
        match answer {
            Ok(()) => {}
            Err(error) if self.is_refusal(&sent.flight, &error) => {
                self.not_taken(sent.flight, &error, now);
                self.gather(None, now);
                return;
            }
            // Heard or not, now or when it was sent before: only what happens to the group can tell.
            Err(error) => self.tell(DecisionKind::AnswerUnclear { error }),
        }
        self.stability.restart();
        self.phase = Phase::Following { sent, pace: Pace::after_pause(&self.timing, now) };
        if is_heard {
            self.acknowledge_flight();
        }
    }

    /// Whether the resize is over with this answer. One that was sent before and is refused now may still be carried out;
    /// that is waited for as often as anything is tried.
    fn is_refusal(&self, flight: &InFlightResize, error: &CloudError) -> bool {
        let is_over = flight.losses == 0 || (flight.losses >= self.timing.max_attempts && !error.passes());
        error.certainly_without_effect() && is_over
    }

    /// The cloud took nothing of a resize. What was acknowledged outlasts a refusal that passes: it goes back to the front of
    /// the queue.
    fn not_taken(&mut self, mut flight: InFlightResize, error: &CloudError, now: Instant) {
        let max_attempts = self.timing.max_attempts;
        let is_tried_again = |queued: &mut Queued| {
            queued.attempts += 1;
            queued.caller.is_none() && error.passes() && queued.attempts < max_attempts
        };
        let again: Vec<Queued> = flight.requests.extract_if(.., is_tried_again).collect();
        let request_error = RequestError::Cloud(error.clone());
        if again.is_empty() {
            return self.resize_refused(flight, &request_error, now);
        }
        self.tell(DecisionKind::RefusedForNow { error: error.clone() });
        for queued in &flight.requests {
            self.refuse(queued, &request_error, now);
        }
        self.put_in_front(again);
    }

    /// The cloud said no, or the resize may not be sent again.
    fn resize_refused(&mut self, flight: InFlightResize, error: &RequestError, now: Instant) {
        self.tell(DecisionKind::ResizeRefused { error: error.clone() });
        for mut queued in flight.requests {
            queued.attempts += flight.losses;
            self.refuse(&queued, error, now);
        }
    }
}
