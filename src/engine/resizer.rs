//! One node group's resizer: gathers requests, waits until the group has settled, sends one resize, verifies it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Dropped, EngineOptions, Recorder, ResizeOutcome, now, report,
    state::{GroupState, SharedState},
    watch::Watch,
};
use crate::core::{
    cloud::{Cloud, CloudError, Reading},
    failure::Reason,
    instance::{InstanceError, InstanceErrorClass, InstanceId},
    ledger::{Flight, Queued, Request},
    member::{Member, MemberKey},
    node_group::NodeGroupUuid,
    plan::{self, Removal, Resize},
    request::RequestError,
    settle::settled,
    verify::{Effect, Verdict},
    witnesses::{Contradiction, compare},
};

/// Everything that a resizer works with.
pub(super) struct Resizer {
    pub(super) group: NodeGroupUuid,
    /// Since when this process knows the group.
    pub(super) known_since: Instant,
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) state: Arc<SharedState>,
    pub(super) options: EngineOptions,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) wake: Arc<Notify>,
}

/// The group vanished, or nothing is left to do.
struct Ended;

/// What a resizer remembers from one resize to the next.
struct Course<'a> {
    /// Goes from one resize to the next, so that a group that hangs is waited for once.
    watch: Watch<'a>,
    /// When the resize in flight was sent, if it showed no effect in time. Magnum may come to it yet: a conductor that
    /// was down carries out what waits for it, however late.
    lost: Option<Instant>,
    /// Whether a resize was sent more than once, so that Magnum may carry out all of them.
    repeated: bool,
    /// What contradicted itself in the last reading, and since when it has.
    contradiction: Option<(Contradiction, Instant)>,
}

/// Why no resize is sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The process before this one may have sent one.
    JustStarted,
    /// Members vanished a moment ago that nobody named: the reading may be an old one, and the true group larger.
    InDoubt,
    /// A resize was sent more than once, and Magnum may not be done with all of them.
    Repeated,
    /// A change is going on.
    Unsettled,
    /// Heat, Magnum and Nova contradict each other.
    Contradiction(Contradiction),
}

impl Resizer {
    /// Works until the group is gone or the service stops.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut course =
            Course { watch: Watch::new(&self.options), lost: None, repeated: false, contradiction: None };
        let work = async {
            loop {
                self.wake.notified().await;
                while let Some(attempts) = self.attempts_so_far() {
                    let backoff = (self.options.poll_interval.1 * attempts).min(self.options.max_backoff);
                    sleep(self.options.coalesce_window + backoff).await;
                    if self.carry_out(&mut course).await.is_err() {
                        break;
                    }
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// How often the most unlucky of what is to be done was lost already; `None` when nothing is to be done.
    fn attempts_so_far(&self) -> Option<u32> {
        self.state
            .look_at(self.group, |group| {
                let queued = group.ledger.queued.iter().map(|queued| queued.attempts);
                queued.chain(group.ledger.flight.iter().map(|flight| flight.losses)).max()
            })
            .flatten()
    }

    /// One resize, from reading to verification.
    async fn carry_out(&self, course: &mut Course<'_>) -> Result<(), Ended> {
        course.watch.go_on();
        let reading = self.settled_reading(course).await?;
        let resize = if let Some(sent_at) = course.lost.take() {
            let Some(flight) = self.flight() else { return Ok(()) };
            if Effect::of(&flight, &reading).verdict() != Verdict::Lost {
                // It shows an effect after all.
                course.lost = self.verify(&mut course.watch, sent_at).await?;
                return Ok(());
            }
            if let Some(error) = obstacle_to_repetition(&flight, &reading) {
                self.refused(&reading, &error);
                return Ok(());
            }
            course.repeated = true;
            report::sent_again(&reading, &flight);
            // While Magnum may still come to it, only the very same may be sent: then it does not matter which of
            // them comes last.
            flight.resize
        } else {
            course.repeated = false;
            let Some(resize) = self.decide(&reading) else { return Ok(()) };
            report::sent(&reading, &resize);
            resize
        };
        let sent_at = Instant::now();
        match self.cloud.resize(self.group, &resize).await {
            Ok(()) => self.acknowledge_flight(),
            Err(error) if error.certainly_without_effect() => {
                self.refused(&reading, &RequestError::Cloud(error));
                return Ok(());
            }
            // Heard or not: only what happens to the group can tell.
            Err(error) => tracing::warn!("{}: {error}; looking whether it took effect", reading.group.id()),
        }
        course.watch.begin_anew();
        course.lost = self.verify(&mut course.watch, sent_at).await?;
        Ok(())
    }

    fn flight(&self) -> Option<Flight> {
        self.state.look_at(self.group, |group| group.ledger.flight.clone()).flatten()
    }

    /// Reads until the group may be resized. Whoever waits for that is acknowledged meanwhile.
    async fn settled_reading(&self, course: &mut Course<'_>) -> Result<Arc<Reading>, Ended> {
        // As long as nothing of it shows, nothing but the same is sent again.
        let repeated = course.repeated && course.lost.is_none();
        let Course { watch, contradiction: contradicted, .. } = course;
        loop {
            match self.read().await {
                Ok(reading) => {
                    let quiet = watch.quiet(&reading);
                    match self.obstacle(&reading, quiet, repeated) {
                        None => {
                            *contradicted = None;
                            return Ok(reading);
                        }
                        Some(Obstacle::Contradiction(contradiction)) => {
                            if self.outlasts_patience(&reading, contradiction, contradicted)? {
                                return Ok(reading);
                            }
                        }
                        Some(obstacle) => {
                            *contradicted = None;
                            if self.with_group(GroupState::acknowledge_queue).is_none() {
                                return Err(Ended);
                            }
                            if watch.first_wait() {
                                report::waiting(&reading, &obstacle);
                            }
                        }
                    }
                }
                Err(error) => {
                    self.refuse_waiting(&RequestError::Cloud(error.clone()))?;
                    watch.failed(self.group, &error);
                }
            }
            watch.pause().await;
        }
    }

    /// Whether a contradiction has lasted so long that the plan may decide by it: it refuses what could cost a node, what
    /// was acknowledged included. Until then, whoever still waits is refused once it shows a second time.
    fn outlasts_patience(
        &self,
        reading: &Reading,
        contradiction: Contradiction,
        known: &mut Option<(Contradiction, Instant)>,
    ) -> Result<bool, Ended> {
        let since = match known {
            Some((before, since)) if *before == contradiction => *since,
            _ => {
                report::waiting(reading, &Obstacle::Contradiction(contradiction.clone()));
                *known = Some((contradiction.clone(), Instant::now()));
                return Ok(false);
            }
        };
        if since.elapsed() >= self.options.patience.in_progress {
            return Ok(true);
        }
        let group = reading.group.id();
        self.refuse_waiting(&RequestError::Contradiction { group, contradiction })?;
        Ok(false)
    }

    /// Refuses what waits for an answer; ends when nothing is left to do.
    fn refuse_waiting(&self, error: &RequestError) -> Result<(), Ended> {
        let left = self.with_group(|group| {
            group.refuse_unanswered(error);
            group.busy = !group.ledger.is_empty();
            group.busy
        });
        if left == Some(true) { Ok(()) } else { Err(Ended) }
    }

    /// Why the group may not be resized by this reading.
    fn obstacle(&self, reading: &Reading, quiet: Duration, repeated: bool) -> Option<Obstacle> {
        let patience = &self.options.patience;
        if self.known_since.elapsed() < patience.after_start {
            return Some(Obstacle::JustStarted);
        }
        if repeated && quiet < patience.after_repetition {
            return Some(Obstacle::Repeated);
        }
        let shrunk_at = self.state.look_at(self.group, |group| group.shrunk_at).flatten();
        let in_doubt = shrunk_at.is_some_and(|at| Instant::from_std(at).elapsed() < patience.doubt);
        if in_doubt && quiet < patience.doubt {
            return Some(Obstacle::InDoubt);
        }
        // What a lost resize removes is to be removed still.
        let lost = self.flight().map(|flight| flight.resize);
        if !settled(reading, &self.named(reading, lost.as_ref()), quiet, patience) {
            return Some(Obstacle::Unsettled);
        }
        compare(reading).err().map(Obstacle::Contradiction)
    }

    async fn read(&self) -> Result<Arc<Reading>, CloudError> {
        let begun = Instant::now();
        let reading = self.cloud.read_group(self.group).await;
        let reading = Arc::new(reading.inspect_err(|error| self.state.note_trouble(self.group, error))?);
        self.state.apply_reading(&reading, begun.into_std(), begun.elapsed());
        Ok(reading)
    }

    fn with_group<T>(&self, change: impl FnOnce(&mut GroupState) -> T) -> Option<T> {
        self.state.with_group(self.group, change)
    }

    /// The members that the queue wants removed, and those that `resize` removes.
    fn named(&self, reading: &Reading, resize: Option<&Resize>) -> Vec<MemberKey> {
        let in_resize =
            |member: &Member| resize.is_some_and(|resize| resize.remove.contains(&Removal::of(member)));
        self.state
            .look_at(self.group, |group| {
                let id = |member: &Member| InstanceId::of_member(self.group, member.key, member.server);
                let is_named = |member: &&Member| group.ledger.queue_removes(id(member)) || in_resize(member);
                reading.counted().filter(is_named).map(|member| member.key).collect()
            })
            .unwrap_or_default()
    }

    /// Plans the queue; answers what needs no resize and puts the rest into the flight.
    fn decide(&self, reading: &Arc<Reading>) -> Option<Resize> {
        self.with_group(|group| {
            let now = now();
            let plan = plan::plan(reading, &group.ledger, now);
            let queued = std::mem::take(&mut group.ledger.queued);
            let cancelled: Vec<u32> =
                group.ledger.failed().keys().copied().take(plan.cancelled_failures).collect();
            for number in &cancelled {
                group.ledger.forget_failure(self.group, *number, now);
            }
            let mut cancelled = u32::try_from(cancelled.len()).unwrap_or(u32::MAX);
            let mut requests = Vec::new();
            for (mut queued, answer) in queued.into_iter().zip(plan.answers) {
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
                        group.answer(queued.ticket, Ok(()));
                    }
                    Err(error) => self.refuse(group, reading, &queued, &error),
                }
            }
            // What comes while the resize is being sent waits for its end and is acknowledged at once.
            group.busy = plan.resize.is_some();
            if let Some(resize) = &plan.resize {
                let before = Arc::clone(reading);
                group.ledger.flight = Some(Flight {
                    resize: resize.clone(),
                    before,
                    requests,
                    replaces: plan.replaces,
                    losses: 0,
                });
            }
            plan.resize
        })
        .flatten()
    }

    /// 202: the callers are told OK; the verification goes on in the background.
    fn acknowledge_flight(&self) {
        self.with_group(Self::acknowledge);
    }

    fn acknowledge(group: &mut GroupState) {
        let in_flight = group.ledger.flight.iter().flat_map(|flight| &flight.requests);
        let tickets: Vec<_> = in_flight.map(|queued| queued.ticket).collect();
        for ticket in tickets {
            group.answer(ticket, Ok(()));
        }
    }

    /// The cloud said no, or the resize in flight may not be sent again.
    fn refused(&self, reading: &Reading, error: &RequestError) {
        tracing::error!("{}: {error}", reading.group.id());
        self.recorder.resize_ended(&reading.group.id(), ResizeOutcome::Failed);
        self.with_group(|group| {
            for queued in group.ledger.flight.take().map(|flight| flight.requests).unwrap_or_default() {
                self.refuse(group, reading, &queued, error);
            }
            group.busy = !group.ledger.queued.is_empty();
        });
    }

    /// Follows the flight until its effect is clear, or for so long without any that it is taken for lost.
    async fn verify(&self, watch: &mut Watch<'_>, sent_at: Instant) -> Result<Option<Instant>, Ended> {
        let Some(flight) = self.flight() else { return Err(Ended) };
        loop {
            watch.pause().await;
            let reading = match self.read().await {
                Ok(reading) => reading,
                Err(error) if error.not_found() && self.state.look_at(self.group, |_| ()).is_none() => {
                    return Err(Ended);
                }
                Err(error) => {
                    watch.failed(self.group, &error);
                    continue;
                }
            };
            let quiet = watch.quiet(&reading);
            let effect = Effect::of(&flight, &reading);
            let patience = &self.options.patience;
            // What the services do not agree on says nothing of what became of the resize.
            let contradictory = compare(&reading).is_err() && quiet < patience.in_progress;
            if effect.seen {
                // No need to hold back any answer, whatever became of the request's own.
                self.acknowledge_flight();
                // While another group is updated, Magnum's sync writes Heat's status of before over ours until Heat has
                // begun: such an end says nothing, and a resize sent into it would meet this one in Heat.
                let not_begun = effect.untouched && sent_at.elapsed() < self.options.effect_timeout;
                let doubtful = contradictory || (!effect.complete() && quiet < patience.doubt);
                if not_begun || doubtful || !settled(&reading, &self.named(&reading, None), quiet, patience) {
                    continue;
                }
            } else {
                // A Heat that is busy with the update before may come to this one yet: its nodes must not come twice.
                let busy = reading.group.status.in_progress() && quiet < patience.in_progress;
                if busy || contradictory || sent_at.elapsed() < self.options.effect_timeout {
                    continue;
                }
            }
            let is_to_be_repeated = self.land(&flight, &reading, &effect, sent_at.elapsed());
            return Ok(is_to_be_repeated.then_some(sent_at));
        }
    }

    /// Reports what happened and closes the flight, with what is left undone put back into the queue; or keeps it, where
    /// nothing happened, to be sent again. Returns whether it is.
    fn land(&self, flight: &Flight, reading: &Reading, effect: &Effect, took: Duration) -> bool {
        let id = reading.group.id();
        let verdict = effect.verdict();
        report::landed(flight, reading, effect, took, &self.named(reading, None));
        self.recorder.resize_ended(&id, verdict.into());
        if verdict == Verdict::WrongRemoval {
            let count = u64::try_from(effect.missing_bystanders.len()).unwrap_or(u64::MAX);
            self.recorder.wrong_removals(&id, count);
        }
        self.with_group(|group| {
            // As long as Magnum shows nothing at all, it may still carry out what it was sent: not to be called off.
            let losses = flight.losses + 1;
            if verdict == Verdict::Lost && (losses < self.options.max_attempts || !effect.seen) {
                group.ledger.flight = Some(Flight { losses, ..flight.clone() });
                Self::acknowledge(group);
                return true;
            }
            group.busy = false;
            group.ledger.flight = None;
            if flight.replaces && effect.seen {
                group.ledger.note_replacement(now());
            }
            if verdict == Verdict::Lost {
                for queued in &flight.requests {
                    self.give_up(group, &id, &queued.request);
                }
                return false;
            }
            // In front, in the order they came in.
            for queued in effect.removals_left(flight).into_iter().rev() {
                if queued.attempts < self.options.max_attempts {
                    group.acknowledge_queue();
                    group.ledger.queued.insert(0, queued);
                } else {
                    self.give_up(group, &id, &queued.request);
                }
            }
            // Sent and acknowledged, but nothing came of it: show it, so that cluster-autoscaler can take it back.
            let short = if effect.superseded { 0 } else { effect.owed(flight) };
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
            group.ledger.fail(short, &error);
            false
        })
        .unwrap_or_default()
    }

    /// Reports a request that had no effect too often, and shows it.
    fn give_up(&self, group: &mut GroupState, id: &str, request: &Request) {
        report::given_up(id, request, group.view().map(Arc::as_ref));
        self.recorder.request_dropped(id, Dropped::Lost);
        show_failure(group, request, "Magnum took the resize several times without any effect");
    }

    /// Refuses a request: to its caller if still waiting, else where cluster-autoscaler will see it (I4).
    fn refuse(&self, group: &mut GroupState, reading: &Reading, queued: &Queued, error: &RequestError) {
        if group.answer(queued.ticket, Err(error.clone())) {
            tracing::info!("{}: refused: {error}", reading.group.id());
            return;
        }
        self.recorder.request_dropped(&reading.group.id(), Dropped::Refused);
        let view = group.view().map(Arc::as_ref);
        report::not_carried_out(&reading.group.id(), &queued.request, view, error);
        show_failure(group, &queued.request, &error.to_string());
    }
}

/// Why a resize that was lost may not be sent again.
fn obstacle_to_repetition(flight: &Flight, reading: &Reading) -> Option<RequestError> {
    let group = reading.group.id();
    match compare(reading) {
        Err(contradiction) if contradiction.endangers_nodes() => {
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

/// Shows the nodes of an accepted increase that will not come. A removal that will not happen shows by itself: its
/// node is running again.
fn show_failure(group: &mut GroupState, request: &Request, message: &str) {
    if let Request::Increase(delta) = *request {
        let error = InstanceError {
            code: "ResizeRefused",
            message: message.to_owned(),
            class: InstanceErrorClass::Other,
        };
        group.ledger.fail(delta, &error);
    }
}
