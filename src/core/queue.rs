//! What callers ask for, and what waits to be carried out.

use super::instance::InstanceId;

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// That many nodes more.
    Increase(u32),
    /// Exactly these nodes go; with each the words that the caller has for it.
    Delete(Vec<(InstanceId, String)>),
    /// Up to that many requested nodes that never got a server are called off.
    Decrease(u32),
}

/// A request that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// Add this many nodes.
    Increase(u32),
    /// Remove exactly these.
    Delete(Vec<InstanceId>),
    /// Cancel up to this many requested nodes that never got a server.
    Decrease(u32),
}

/// Tells the requests of one group apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A request in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Queued {
    /// Who waits for its answer; none once it was acknowledged.
    pub caller: Option<Ticket>,
    /// What is asked for.
    pub request: Request,
    /// How often a resize left it undone already.
    pub attempts: u32,
}
