//! The log lines of decisions: one for each resize sent, one for its end.

use std::time::Duration;

use super::resizer::Obstacle;
use crate::core::{
    cloud::Reading,
    ledger::{Flight, Request},
    plan::{Removal, Resize},
    verify::{Effect, Verdict},
};

/// What is being sent.
pub(super) fn sent(reading: &Reading, resize: &Resize) {
    let (id, size, count) = (reading.group.id(), reading.size(), resize.count);
    match (u32::try_from(resize.remove.len()).unwrap_or(u32::MAX), resize.additions) {
        (0, added) => tracing::info!("{id}: increasing size by {added}, {size} → {count}"),
        (removed, 0) => {
            tracing::info!(
                "{id}: removing {removed} {} ({}), {size} → {count}",
                nodes(removed),
                names(&resize.remove)
            );
        }
        (removed, added) => tracing::info!(
            "{id}: removing {removed} {} ({}) and adding {added}, {size} → {count}",
            nodes(removed),
            names(&resize.remove)
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
                "{id}: waiting a few seconds, since a resize from before this process knew the group may be under way"
            );
        }
        Obstacle::InDoubt => {
            tracing::info!("{id}: members disappeared unexpectedly; reading again before resizing");
        }
        Obstacle::Repeated => {
            tracing::info!("{id}: waiting a few seconds, since the last resize was sent more than once");
        }
        Obstacle::Contradiction(contradiction) => {
            tracing::warn!("{id}: not resized while its readings contradict each other: {contradiction}");
        }
        Obstacle::Unsettled => tracing::info!("{id}: waiting until the group has settled ({status})"),
    }
}

/// How it ended.
pub(super) fn landed(flight: &Flight, reading: &Reading, effect: &Effect, took: Duration) {
    let id = reading.group.id();
    let (size, asked, seconds) = (reading.size(), flight.resize.count, took.as_secs_f64());
    let (status, reason) = (&reading.group.status, &reading.group.status_reason);
    match effect.verdict() {
        Verdict::WrongRemoval => {
            let gone = names(&effect.missing_bystanders);
            tracing::error!("{id}: WRONG REMOVAL: nodes that nobody named are gone after the resize: {gone}");
        }
        Verdict::Lost => tracing::error!("{id}: the resize to {asked} had no effect within {seconds:.1} s"),
        Verdict::PartlyLost => {
            let names = names(&effect.remaining);
            tracing::error!("{id}: the removal of {names} was lost ({status} {reason})");
        }
        Verdict::Superseded => superseded(&id, reading, effect),
        Verdict::Failed => {
            let failed = effect.failed_newcomers;
            tracing::error!(
                "{id}: the resize to {asked} ended {status} with {size} nodes, {failed} of them failed: {reason}"
            );
        }
        Verdict::Done if status.in_progress() => {
            tracing::warn!(
                "{id}: still {status} after {seconds:.1} s without a change; treating the resize as finished"
            );
        }
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

fn superseded(id: &str, reading: &Reading, effect: &Effect) {
    let count = reading.group.node_count;
    if effect.missing_bystanders.is_empty() {
        tracing::warn!("{id}: somebody else resized the group to {count} meanwhile");
    } else {
        let gone = names(&effect.missing_bystanders);
        tracing::warn!(
            "{id}: somebody else resized the group to {count} meanwhile; gone without our asking: {gone}"
        );
    }
}

/// A request that was lost too often.
pub(super) fn given_up(group: &str, request: &Request) {
    let request = match request {
        Request::Increase(size) => format!("an increase by {size}"),
        Request::Decrease(size) => format!("the cancellation of {size}"),
        Request::Delete(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            format!("the removal of {}", ids.join(", "))
        }
    };
    tracing::error!("{group}: {request} was given up after several attempts without effect");
}

fn nodes(count: u32) -> &'static str {
    if count == 1 { "node" } else { "nodes" }
}

fn names(removals: &[Removal]) -> String {
    let name = |removal: &Removal| match removal.server {
        Some(server) => server.to_string(),
        None => format!("member {}", removal.index),
    };
    removals.iter().map(name).collect::<Vec<_>>().join(", ")
}
