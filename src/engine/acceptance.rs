//! Whether a request is accepted into a group's queue, by the state of the group as it is shown.
//!
//! Cheap and early, so that nothing is acknowledged that cannot be done; the last word has [`plan`](crate::core::plan),
//! by a fresh reading.

use std::time::Instant;

use super::state::GroupState;
use crate::core::{
    instance::{Instance, InstanceId, InstanceState},
    ledger::Request,
    machine_id::PlaceholderId,
    request::{NodeReference, RequestError},
    snapshot::GroupView,
};

/// Refuses what would exceed the maximum.
pub(super) fn check_increase(view: &GroupView, size: u32) -> Result<Option<Request>, RequestError> {
    let count = i64::from(view.target_size) + i64::from(size);
    if count > i64::from(view.bounds.max) {
        return Err(out_of_bounds(view, count));
    }
    accept(view, Request::Increase(size))
}

/// Takes as much as can be cancelled for certain, so that the target is lower at once and stays so: since 1.36
/// cluster-autoscaler takes back a whole increase after a time-out, even if some of its nodes came.
pub(super) fn check_cancellation(view: &GroupView, size: u32) -> Result<Option<Request>, RequestError> {
    match size.min(view.cancellable) {
        0 => Err(RequestError::NothingToCancel { group: view.id.clone(), current: view.target_size }),
        size => accept(view, Request::Decrease(size)),
    }
}

/// Finds what is left to remove: not what is going or gone already, and not what never came.
pub(super) fn check_removal(
    group: &GroupState,
    view: &GroupView,
    named: &[InstanceId],
    nodes: &[NodeReference],
    now: Instant,
) -> Result<Option<Request>, RequestError> {
    let mut left = Vec::new();
    for (id, node) in named.iter().zip(nodes) {
        let (node, group_id) = (node.label().to_owned(), view.id.clone());
        let shown = view.instances.iter().find(|instance| instance.id == *id);
        match (shown, id) {
            // Nothing of it is in the cloud; it is forgotten once the call is accepted.
            (Some(_), InstanceId::Placeholder(PlaceholderId::Failed { .. })) => {}
            (Some(_), InstanceId::Placeholder(PlaceholderId::Requested { .. })) => {
                return Err(RequestError::BeingRequested { node, group: group_id });
            }
            (Some(instance), _)
                if instance.state == InstanceState::Deleting
                    && instance.error.is_none()
                    && !group.is_removal_open(*id) => {}
            (Some(_), _) => left.push(*id),
            (None, _) if group.ledger.has_departed(*id) => {}
            (None, _) => return Err(RequestError::NotAMember { node, group: group_id }),
        }
    }
    if left.is_empty() {
        return Ok(None);
    }
    check_minimum(group, view, &left, now)?;
    accept(view, Request::Delete(left))
}

/// Accepts what the driver can do.
fn accept(view: &GroupView, request: Request) -> Result<Option<Request>, RequestError> {
    view.check_possible(&request)?;
    Ok(Some(request))
}

/// Refuses at once what would go below the minimum, so that nothing is acknowledged that cannot be done. Broken
/// members do not count where they may be replaced.
fn check_minimum(
    group: &GroupState,
    view: &GroupView,
    left: &[InstanceId],
    now: Instant,
) -> Result<(), RequestError> {
    let (mut sound, mut broken) = (0_i64, 0_i64);
    for instance in view.instances.iter().filter(|instance| left.contains(&instance.id)) {
        match (instance.state, &instance.error) {
            (InstanceState::Deleting, _) => {}
            // While a change goes on, what is broken now may be mended when its turn comes.
            (_, Some(_)) if !group.busy && group.ledger.may_replace(now) => broken += 1,
            _ => sound += 1,
        }
    }
    // Only what exists counts: what was asked for may fail to come.
    let exists =
        |instance: &&Instance| instance.member.is_some() && instance.state != InstanceState::Deleting;
    let existing = view.instances.iter().filter(exists).count();
    let cancelled = group.ledger.queued_cancellations().serverless;
    let leaving = i64::from(group.leaving_with_others()) + i64::from(cancelled);
    let count = i64::try_from(existing).unwrap_or(i64::MAX) - leaving - sound - broken;
    // A group that is below its minimum already may not become smaller.
    let minimum = i64::from(view.bounds.min).min(i64::try_from(existing).unwrap_or(i64::MAX));
    if sound + broken > 0 && count + broken < minimum {
        return Err(out_of_bounds(view, count));
    }
    Ok(())
}

fn out_of_bounds(view: &GroupView, count: i64) -> RequestError {
    RequestError::OutOfBounds {
        group: view.id.clone(),
        count,
        bounds: view.bounds,
        current: view.target_size,
    }
}
