//! From the resize that was sent to its end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Lifecycle, Phase, Sent, moving, node_names};
use crate::core::{
    capabilities::MemberSource,
    cloud::{CloudError, Reading},
    decision::{DecisionKind, Ended},
    failure::Reason,
    instance::InstanceError,
    member::Member,
    pending::Request,
    resize::InFlightResize,
    settle::{only_named_move, settled},
    verify::{Effect, Verdict},
};

impl Lifecycle {
    /// A reading after a resize was sent: its effect is clear, or it has shown none for so long that it is taken for lost.
    pub(super) fn follow(&mut self, reading: Result<Arc<Reading>, CloudError>, now: Instant) {
        let Phase::Following { sent, pace } = &mut self.phase else { return };
        let reading = match reading {
            Ok(reading) => reading,
            Err(error) => return pace.failed(&error, &self.timing, now),
        };
        let changed = self.stability.note(&reading, now);
        pace.succeeded(changed, &self.timing, now);
        let took = now.saturating_duration_since(sent.at);
        let mut effect = Effect::of(&sent.flight, &reading);
        // What is asked for and waits, or was given up, was named as well.
        let (group, pending) = (self.uuid, &self.pending);
        effect.missing_unnamed.retain(|gone| !pending.may_still_remove(gone.instance_id(group)));
        if effect.seen {
            // No need to hold back any answer, whatever became of the request's own.
            self.acknowledge_flight();
        }
        if self.is_clear(&effect, &reading, took, now) {
            self.end(&reading, &effect, took, now);
        }
    }

    fn is_clear(&self, effect: &Effect, reading: &Reading, took: Duration, now: Instant) -> bool {
        let (timeouts, unchanged_for) = (&self.timing.timeouts, self.stability.unchanged_for(now));
        // What the services do not agree on says nothing of what became of the resize, nor does an answer of before it.
        let says_nothing = || self.is_old(reading) || self.contradiction_in(reading).is_some();
        if unchanged_for < timeouts.in_progress && says_nothing() {
            return false;
        }
        if !effect.seen {
            // Heat may still be on the update before and begin with this one later: its nodes must not come twice.
            let busy = reading.group.status.in_progress() && unchanged_for < timeouts.in_progress;
            return !busy && took >= self.timing.effect_timeout;
        }
        // While another group is updated, Magnum's sync writes Heat's status of before over ours until Heat has begun:
        // such an end says nothing, and a resize sent into it would meet this one in Heat. Nor does the end of an earlier resize.
        let not_begun = (effect.untouched || effect.preceded) && took < self.timing.effect_timeout;
        let unexplained = effect.unexplained && unchanged_for < timeouts.in_progress;
        let doubtful = !effect.complete() && unchanged_for < timeouts.stale_read_guard;
        // Where nobody but Nova tells the members, an old answer that lacks new ones contradicts nobody.
        let may_be_there = reading.capabilities.source == MemberSource::Nova
            && !effect.missing_unnamed.is_empty()
            && took < timeouts.oldest_answer;
        !not_begun
            && !unexplained
            && !doubtful
            && !may_be_there
            && settled(reading, &self.named(reading, None), unchanged_for, timeouts)
    }

    /// Tells what happened, and puts what is left undone back into the queue; or keeps the resize, where nothing happened, to
    /// send it again.
    fn end(&mut self, reading: &Arc<Reading>, effect: &Effect, took: Duration, now: Instant) {
        let Phase::Following { sent, .. } = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        let verdict = effect.verdict();
        self.tell_end(&sent.flight, reading, effect, took);
        // As long as Magnum shows nothing at all, it may still carry out what it was sent: not to be called off.
        let losses = sent.flight.losses + 1;
        if verdict == Verdict::Lost && (losses < self.timing.max_attempts || !effect.seen) {
            let flight = InFlightResize { losses, ..sent.flight };
            self.gather(Some(Sent { flight, ..sent }), now);
            self.acknowledge_flight();
            return;
        }
        if sent.flight.replaces && effect.seen {
            self.pending.note_replacement(now);
        }
        if verdict == Verdict::Lost {
            for queued in &sent.flight.requests {
                self.give_up(&queued.request, reading, now);
            }
        } else {
            self.put_back(&sent.flight, reading, effect, now);
            self.show_missing(&sent.flight, reading, effect);
        }
        self.gather(None, now);
    }

    /// Puts removals that did not happen in front of the queue, in the order in which they came.
    fn put_back(&mut self, flight: &InFlightResize, reading: &Reading, effect: &Effect, now: Instant) {
        let max_attempts = self.timing.max_attempts;
        let left = effect.removals_left(flight).into_iter();
        let (again, spent): (Vec<_>, Vec<_>) = left.partition(|queued| queued.attempts < max_attempts);
        for queued in spent {
            self.give_up(&queued.request, reading, now);
        }
        self.put_in_front(again);
    }

    /// Sent and acknowledged, but not all of it came: shows it, so that cluster-autoscaler can take it back.
    fn show_missing(&mut self, flight: &InFlightResize, reading: &Reading, effect: &Effect) {
        self.pending.give_up(effect.waited_for_in_vain.iter().copied());
        let missing = if effect.superseded { 0 } else { effect.missing_additions(flight) };
        let error = InstanceError {
            code: "ResizeFailed",
            ..InstanceError::of_failed_creation(&Reason {
                general: format!(
                    "Magnum resized the group to {} nodes and it has fewer: {} {}",
                    flight.resize.count, reading.group.status, reading.group.status_reason.general
                ),
                ..reading.group.status_reason.clone()
            })
        };
        self.pending.fail(missing, &error);
    }

    /// Tells of a request that had no effect too often, and shows it.
    fn give_up(&mut self, request: &Request, reading: &Reading, now: Instant) {
        self.pending.abandon(request.removals(), now);
        let words = self.in_words(request);
        self.tell(DecisionKind::GivenUp { request: words });
        let mut message = "Magnum took the resize several times without any effect".to_owned();
        if reading.group.status.failed() {
            let (status, reason) = (&reading.group.status, &reading.group.status_reason.general);
            message.push_str(&format!(": {status} {reason}"));
        }
        self.show_failure(request, &message);
    }

    fn tell_end(&mut self, flight: &InFlightResize, reading: &Reading, effect: &Effect, took: Duration) {
        let named = self.named(reading, None);
        let is_new = |member: &&Member| effect.newcomers.contains(&member.key);
        let failed = reading.counted().filter(is_new).filter_map(|member| {
            let name = member.name.clone();
            if member.status.failed() {
                Some((name, InstanceError::of_failed_creation(&member.reason).code))
            } else if effect.waited_for_in_vain.contains(&member.key) {
                Some((name, "CreateTimedOut"))
            } else {
                None
            }
        });
        self.tell(DecisionKind::Ended(Box::new(Ended {
            verdict: effect.verdict(),
            asked: flight.resize.count,
            nodes: reading.nodes(),
            took,
            status: reading.group.status.clone(),
            reason: reading.group.status_reason.text.clone(),
            gone_unnamed: node_names(&flight.before, &effect.missing_unnamed),
            remaining: node_names(reading, &effect.remaining),
            failed: failed.collect(),
            shortage: effect.shortage,
            magnum_count: reading.group.node_count,
            moving: moving(reading),
            moving_are_named: only_named_move(reading, &named),
        })));
    }
}
