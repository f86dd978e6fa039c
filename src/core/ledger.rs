//! What was accepted for a node group and is not yet visible in the cloud.
//!
//! The ledger is bookkeeping for display and for verification; the cloud stays the memory (I7). Losing it in a
//! restart loses no node: what was sent shows in the next reading, what was not sent shows as not done.

use std::{collections::HashMap, sync::Arc, time::Instant};

use super::{
    cloud::Reading,
    instance::{InstanceError, InstanceId},
    machine_id::MachineId,
    member::MemberIndex,
    plan::{Removal, Resize},
};

/// A request that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Add this many nodes.
    Increase(u32),
    /// Remove exactly these.
    Delete(Vec<InstanceId>),
    /// Cancel up to this many requested nodes that never got a server.
    Decrease(u32),
}

/// A resize on its way: sent, its effect not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// What was sent.
    pub resize: Resize,
    /// The reading that it was reckoned from.
    pub before: Arc<Reading>,
}

/// What was accepted for one group.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Accepted, not sent yet, in order of arrival.
    pub queued: Vec<Request>,
    /// Sent, not verified yet.
    pub flight: Option<Flight>,
    /// One entry for each requested node that the cloud refused or dropped; shown until it is deleted.
    pub failed: Vec<InstanceError>,
    /// Members that left on request, to answer a repeated request with the same OK (I3).
    pub removed: HashMap<InstanceId, Instant>,
}

impl Ledger {
    /// Additions not sent yet, in nodes.
    #[must_use]
    pub fn queued_additions(&self) -> u32 {
        self.queued
            .iter()
            .map(|request| match request {
                Request::Increase(delta) => *delta,
                Request::Delete(_) | Request::Decrease(_) => 0,
            })
            .sum()
    }

    /// Whether the resize on its way removes this member.
    #[must_use]
    pub fn flight_removes(&self, index: MemberIndex, server: Option<MachineId>) -> bool {
        let removal = Removal { index, server };
        self.flight.as_ref().is_some_and(|flight| flight.resize.remove.contains(&removal))
    }

    /// Whether a request that is not sent yet removes this instance.
    #[must_use]
    pub fn queue_removes(&self, id: InstanceId) -> bool {
        self.queued.iter().any(|request| match request {
            Request::Delete(ids) => ids.contains(&id),
            Request::Increase(_) | Request::Decrease(_) => false,
        })
    }

    /// Remembers that a member left on request.
    pub fn remember_removed(&mut self, id: InstanceId, at: Instant) {
        self.removed.insert(id, at);
    }
}
