//! The log lines of decisions: one for each resize sent, one for its end.

use std::{fmt::Write as _, time::Duration};

use super::resizer::Obstacle;
use crate::core::{
    cloud::Reading,
    instance::{InstanceError, InstanceId, advice},
    ledger::{Flight, Request},
    member::{Member, MemberKey},
    plan::{Removal, Resize},
    request::RequestError,
    snapshot::GroupView,
    verify::{Effect, Verdict},
};

/// How many members a line about waiting names.
const MOST_WAITED_FOR: usize = 3;

/// What is being sent.
pub(super) fn sent(reading: &Reading, resize: &Resize) {
    let (id, size, count) = (reading.group.id(), reading.size(), resize.count);
    match (u32::try_from(resize.remove.len()).unwrap_or(u32::MAX), resize.additions) {
        (0, added) => tracing::info!("{id}: increasing size by {added}, {size} → {count}"),
        (removed, 0) => {
            tracing::info!(
                "{id}: removing {removed} {} ({}), {size} → {count}",
                nodes(removed),
                names(reading, &resize.remove)
            );
        }
        (removed, added) => tracing::info!(
            "{id}: removing {removed} {} ({}) and adding {added}, {size} → {count}",
            nodes(removed),
            names(reading, &resize.remove)
        ),
    }
}

/// What is being sent once more.
pub(super) fn sent_again(reading: &Reading, flight: &Flight) {
    let (id, count, losses) = (reading.group.id(), flight.resize.count, flight.losses);
    tracing::info!("{id}: sending the very same resize to {count} again, which had no effect {losses} times");
}

/// Why nothing is sent yet.
pub(super) fn waiting(reading: &Reading, obstacle: &Obstacle) {
    let (id, status) = (reading.group.id(), &reading.group.status);
    match obstacle {
        Obstacle::JustStarted => {
            tracing::info!(
                "{id}: accepted requests wait a few seconds, since a resize from before this process knew the group may be \
                 under way"
            );
        }
        Obstacle::InDoubt => {
            tracing::info!(
                "{id}: accepted requests wait for another reading, since members disappeared unexpectedly"
            );
        }
        Obstacle::Repeated => {
            tracing::info!(
                "{id}: accepted requests wait a few seconds, since the last resize was sent more than once"
            );
        }
        Obstacle::Contradiction(contradiction) => {
            tracing::warn!("{id}: not resized while its readings contradict each other: {contradiction}");
        }
        Obstacle::Unsettled => tracing::info!(
            "{id}: accepted requests wait until the group has settled ({status}{})",
            moving_members(reading)
        ),
    }
}

/// What keeps the group busy, where that is told.
fn moving_members(reading: &Reading) -> String {
    let moving: Vec<&Member> = reading.members.iter().filter(|member| member.status.in_progress()).collect();
    let shown = moving.iter().take(MOST_WAITED_FOR);
    let mut text: String = shown.map(|member| format!("; {} is {}", member.name, member.status)).collect();
    if moving.len() > MOST_WAITED_FOR {
        let _ = write!(text, " and {} more", moving.len() - MOST_WAITED_FOR);
    }
    text
}

/// A request that was accepted while another change goes on.
pub(super) fn accepted(group: &str, request: &Request, view: Option<&GroupView>, flight: Option<&Flight>) {
    let request = describe(request, view);
    match flight {
        Some(flight) => tracing::info!(
            "{group}: {request} is accepted and waits for the end of the resize to {} that is under way",
            flight.resize.count
        ),
        None => tracing::info!("{group}: {request} is accepted and waits until the group has settled"),
    }
}

/// How it ended. `named` are the members whose removal was asked for since.
pub(super) fn landed(
    flight: &Flight,
    reading: &Reading,
    effect: &Effect,
    took: Duration,
    named: &[MemberKey],
) {
    let id = reading.group.id();
    let (size, asked, seconds) = (node_count(reading), flight.resize.count, took.as_secs_f64());
    let (status, reason) = (&reading.group.status, &reading.group.status_reason);
    match effect.verdict() {
        Verdict::WrongRemoval => {
            let gone = names(&flight.before, &effect.missing_bystanders);
            tracing::error!("{id}: WRONG REMOVAL: nodes that nobody named are gone after the resize: {gone}");
        }
        Verdict::Lost => tracing::error!("{id}: the resize to {asked} had no effect within {seconds:.1} s"),
        Verdict::PartlyLost => {
            let names = names(reading, &effect.remaining);
            tracing::error!("{id}: the removal of {names} was lost ({status} {reason})");
        }
        Verdict::Superseded => superseded(&id, flight, reading, effect),
        Verdict::Failed => failed(&id, reading, effect, asked),
        Verdict::Done if status.in_progress() => unfinished(&id, reading, took, named),
        Verdict::Done => {
            let reached = format!("{id}: reached {size} {} after {seconds:.1} s", nodes(size));
            if status.failed() {
                tracing::warn!("{reached}, but is {status}: {reason}");
            } else {
                tracing::info!("{reached}");
            }
        }
    }
}

fn superseded(id: &str, flight: &Flight, reading: &Reading, effect: &Effect) {
    let (asked, count, size) = (flight.resize.count, reading.group.node_count, node_count(reading));
    let gone = match effect.missing_bystanders.as_slice() {
        [] => String::new(),
        gone => format!("; gone without our asking: {}", names(&flight.before, gone)),
    };
    tracing::warn!(
        "{id}: the resize to {asked} ended with {size} {}, since somebody else resized the group to {count} meanwhile{gone}",
        nodes(size)
    );
}

fn failed(id: &str, reading: &Reading, effect: &Effect, asked: u32) {
    let (status, reason, size) = (&reading.group.status, &reading.group.status_reason, node_count(reading));
    let failed: Vec<(&Member, InstanceError)> = reading
        .counted()
        .filter(|member| effect.newcomers.contains(&member.key) && member.status.failed())
        .map(|member| (member, InstanceError::of_failed_creation(&member.reason)))
        .collect();
    let ended = format!("{id}: the resize to {asked} ended {status} with {size} {}", nodes(size));
    let Some((_, first)) = failed.first() else {
        tracing::error!("{ended}, {} too few: {reason}", effect.shortage);
        return;
    };
    let names: Vec<String> =
        failed.iter().map(|(member, error)| format!("{} ({})", member.name, error.code)).collect();
    let advice = advice(first.code);
    tracing::error!("{ended}; {} failed: {}: {advice} (Magnum: {reason})", names.len(), names.join(", "));
}

/// All that was asked for is there, and Heat is not done: nodes that hang.
fn unfinished(id: &str, reading: &Reading, took: Duration, named: &[MemberKey]) {
    let (size, status, seconds) = (node_count(reading), &reading.group.status, took.as_secs_f64());
    let mut moving = reading.members.iter().filter(|member| member.status.in_progress()).peekable();
    if moving.peek().is_some() && moving.all(|member| named.contains(&member.key)) {
        tracing::info!(
            "{id}: no longer waiting for what is to be removed after {seconds:.1} s ({status}{})",
            moving_members(reading)
        );
    } else {
        tracing::warn!(
            "{id}: has {size} {} after {seconds:.1} s, but is {status} without a change for too long; no longer waited \
             for{}",
            nodes(size),
            moving_members(reading)
        );
    }
}

/// A request that was lost too often.
pub(super) fn given_up(group: &str, request: &Request, view: Option<&GroupView>) {
    let request = describe(request, view);
    tracing::error!("{group}: {request} was given up after several attempts without effect");
}

/// A request that was acknowledged and whose turn came too late.
pub(super) fn not_carried_out(
    group: &str,
    request: &Request,
    view: Option<&GroupView>,
    error: &RequestError,
) {
    let request = describe(request, view);
    tracing::error!("{group}: {request} was accepted and cannot be carried out: {error}");
}

fn describe(request: &Request, view: Option<&GroupView>) -> String {
    match request {
        Request::Increase(size) => format!("an increase by {size}"),
        Request::Decrease(size) => format!("the cancellation of {size}"),
        Request::Delete(ids) => {
            let ids: Vec<String> = ids.iter().map(|id| instance_name(*id, view)).collect();
            format!("the removal of {}", ids.join(", "))
        }
    }
}

fn instance_name(id: InstanceId, view: Option<&GroupView>) -> String {
    let found = view.and_then(|view| {
        let instance = view.instances.iter().find(|instance| instance.id == id)?;
        instance.member.map(|_| (instance.name.as_str(), id))
    });
    found.map_or_else(|| id.to_string(), |(name, id)| format!("{name} ({id})"))
}

/// How many nodes a group has: members that failed are none.
pub(super) fn node_count(reading: &Reading) -> u32 {
    let sound = reading.counted().filter(|member| !member.is_broken());
    u32::try_from(sound.count()).unwrap_or(u32::MAX)
}

pub(super) fn nodes(count: u32) -> &'static str {
    if count == 1 { "node" } else { "nodes" }
}

/// The members as they were when the reading was taken.
fn names(reading: &Reading, removals: &[Removal]) -> String {
    let name = |removal: &Removal| {
        let member = reading.member(removal.key).filter(|member| member.is(removal.key, removal.server));
        member.map_or_else(|| removal.key.to_string(), Member::label)
    };
    removals.iter().map(name).collect::<Vec<_>>().join(", ")
}
