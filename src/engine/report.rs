//! The log lines of decisions: one for each resize sent, one for its end.

use std::time::Duration;

use super::{ResizeOutcome, resizer::Obstacle};
use crate::core::{
    cloud::Reading,
    ledger::{Flight, Request},
    plan::{Removal, Resize},
    verify::Effect,
};

/// What is being sent.
pub(super) fn sent(reading: &Reading, resize: &Resize) {
    let (id, size, count) = (reading.group.id(), reading.counted().count(), resize.count);
    match (resize.remove.len(), resize.additions) {
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

/// Why nothing is sent yet.
pub(super) fn waiting(reading: &Reading, obstacle: Obstacle) {
    let (id, status) = (reading.group.id(), &reading.group.status);
    match obstacle {
        Obstacle::JustStarted => {
            tracing::info!(
                "{id}: waiting a few seconds after the start for what may be under way from before it"
            );
        }
        Obstacle::InDoubt => tracing::info!("{id}: waiting for a reading that is beyond doubt"),
        Obstacle::Unsettled => tracing::info!("{id}: waiting until the group has settled ({status})"),
    }
}

/// How it ended.
pub(super) fn landed(flight: &Flight, reading: &Reading, effect: &Effect, took: Duration) -> ResizeOutcome {
    let id = reading.group.id();
    let (size, seconds) = (reading.counted().count(), took.as_secs_f64());
    let status = &reading.group.status;
    if !effect.seen || (effect.nothing && !effect.superseded) {
        tracing::error!("{id}: the resize to {} had no effect within {seconds:.1} s", flight.resize.count);
        return ResizeOutcome::Lost;
    }
    if !effect.missing_bystanders.is_empty() {
        let gone = names(&effect.missing_bystanders);
        if effect.superseded {
            tracing::warn!(
                "{id}: somebody else resized the group meanwhile; gone without our asking: {gone}"
            );
            return ResizeOutcome::Superseded;
        }
        tracing::error!("{id}: WRONG REMOVAL: nodes that nobody named are gone after the resize: {gone}");
        return ResizeOutcome::Failed;
    }
    if !effect.remaining.is_empty() {
        let names = names(&effect.remaining);
        tracing::error!("{id}: the removal of {names} was lost ({status} {})", reading.group.status_reason);
        return ResizeOutcome::Lost;
    }
    if effect.superseded {
        tracing::warn!("{id}: somebody else resized the group to {} meanwhile", reading.group.node_count);
        return ResizeOutcome::Superseded;
    }
    if effect.shortage > 0 || effect.failed_newcomers > 0 {
        let failed = effect.failed_newcomers;
        tracing::error!(
            "{id}: the resize to {} ended {status} with {size} nodes, {failed} of them failed: {}",
            flight.resize.count,
            reading.group.status_reason
        );
        return ResizeOutcome::Failed;
    }
    let reached = format!("{id}: reached {size} {} after {seconds:.1} s", nodes(size));
    if status.in_progress() {
        tracing::warn!("{id}: still {status} after {seconds:.1} s without a change; going on");
    } else if status.failed() {
        tracing::warn!("{reached}, but is {status}: {}", reading.group.status_reason);
    } else {
        tracing::info!("{reached}");
    }
    ResizeOutcome::Done
}

/// A request that was lost too often.
pub(super) fn given_up(group: &str, request: &Request) {
    tracing::error!("{group}: given up after several attempts without effect: {request:?}");
}

fn nodes(count: usize) -> &'static str {
    if count == 1 { "node" } else { "nodes" }
}

fn names(removals: &[Removal]) -> String {
    let name = |removal: &Removal| match removal.server {
        Some(server) => server.to_string(),
        None => format!("member {}", removal.index),
    };
    removals.iter().map(name).collect::<Vec<_>>().join(", ")
}
