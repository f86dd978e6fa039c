//! Whether a request is accepted: the plan tried on what is known of the group, so that nothing is acknowledged that the
//! plan would refuse.

use std::time::Instant;

use super::{Draft, Resolved};
use crate::core::{
    cloud::Reading,
    instance::{InstanceId, PlaceholderId},
    pending::{Ask, PendingRequests, Request},
    request::RequestError,
    resize::InFlightResize,
};

/// Whether a request is accepted by what is known of the group: [`plan`](super::plan()) tried on it, behind all that was
/// accepted before. What is accepted on a group that has settled, the plan takes on the same reading. Returns what is left to
/// do of it; none where everything is done, or on its way for a request that was acknowledged.
///
/// # Errors
/// Whatever the plan would refuse it with.
pub fn accept(
    reading: &Reading,
    pending: &PendingRequests,
    flight: Option<&InFlightResize>,
    ask: &Ask,
    now: Instant,
) -> Result<Option<Request>, RequestError> {
    let mut draft = Draft::new(reading, pending, flight, now);
    let at_rest = flight.is_none() && !reading.group.status.in_progress();
    // While a change goes on, what is broken now may be mended when its turn comes.
    draft.may_replace &= at_rest;
    draft.any_serverless = at_rest;
    for queued in &pending.queued {
        // What cannot be done any more is told when its turn comes.
        let _ = draft.judge(&queued.request);
    }
    let request = draft.accept(ask)?;
    if request.is_some() {
        draft.check_magnums_bounds()?;
    }
    Ok(request)
}

impl Draft<'_> {
    fn accept(&mut self, ask: &Ask) -> Result<Option<Request>, RequestError> {
        match ask {
            Ask::Increase(delta) => {
                self.judge(&Request::Increase(*delta))?;
                Ok(Some(Request::Increase(*delta)))
            }
            // As much as can be cancelled for certain, so that the target is lower at once and stays so.
            Ask::Decrease(delta) => {
                let before = self.cancellations;
                self.judge(&Request::Decrease(*delta))?;
                Ok(Some(Request::Decrease(self.cancellations - before)))
            }
            Ask::Delete(nodes) => self.accept_removal(nodes),
        }
    }

    /// Magnum takes no count outside of its own bounds, whatever it is for.
    fn check_magnums_bounds(&self) -> Result<(), RequestError> {
        let (count, bounds) = (self.count() + i64::from(self.coming()), self.reading.group.magnum_bounds);
        if self.is_idle() || bounds.contain_wide(count) {
            Ok(())
        } else {
            Err(self.out_of_bounds(count, bounds))
        }
    }

    /// Finds what is left to remove: not what is going or gone already, and not what never came.
    fn accept_removal(&mut self, nodes: &[(InstanceId, String)]) -> Result<Option<Request>, RequestError> {
        let mut left = Vec::new();
        for (id, node) in nodes {
            let not_a_member = || RequestError::NotAMember { node: node.clone(), group: self.group.clone() };
            match *id {
                InstanceId::Placeholder(PlaceholderId::Failed { group, number })
                    if group == self.reading.group.uuid && self.pending.failed().contains_key(&number) => {}
                InstanceId::Placeholder(PlaceholderId::Requested { group, ordinal })
                    if group == self.reading.group.uuid
                        && ordinal <= self.coming().saturating_add(self.additions) =>
                {
                    return Err(RequestError::BeingRequested {
                        node: node.clone(),
                        group: self.group.clone(),
                    });
                }
                id if self.pending.has_departed(id) => {
                    // An old list may lack it; what waits is judged by the ones that come.
                    if matches!(id, InstanceId::Server(server) if self.reading.lists_without_member(server)) {
                        left.push(id);
                    }
                }
                id => match self.resolve(id) {
                    Ok(resolved) => {
                        let is_done = match resolved {
                            Resolved::Member(removal) => self.remove.contains(&removal),
                            Resolved::Gone => true,
                            Resolved::StuckDeletion => false,
                        };
                        // What only a caller asks for who was not answered yet may still be refused or withdrawn.
                        if !is_done || is_unanswered(id, self.pending, self.flight) {
                            left.push(id);
                        }
                    }
                    Err(RequestError::NotAMember { .. }) => return Err(not_a_member()),
                    Err(error) => return Err(error),
                },
            }
        }
        let request = if left.is_empty() { None } else { Some(Request::Delete(left)) };
        if let Some(request) = &request {
            self.judge(request)?;
        }
        Ok(request)
    }
}

/// Whether the removal of this instance was asked for and no such request was acknowledged yet.
fn is_unanswered(id: InstanceId, pending: &PendingRequests, flight: Option<&InFlightResize>) -> bool {
    let in_flight = flight.iter().flat_map(|flight| &flight.requests);
    let mut removals =
        in_flight.chain(&pending.queued).filter(|queued| queued.request.removals().contains(&id)).peekable();
    removals.peek().is_some() && removals.all(|queued| queued.caller.is_some())
}
