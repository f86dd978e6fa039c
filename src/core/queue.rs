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

impl Request {
    /// What it removes.
    #[must_use]
    pub fn removals(&self) -> &[InstanceId] {
        match self {
            Self::Delete(ids) => ids,
            Self::Increase(_) | Self::Decrease(_) => &[],
        }
    }
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

impl Queued {
    /// The same node by node: once a removal was acknowledged, each of its nodes may succeed or fail alone.
    pub(super) fn node_by_node(self) -> Vec<Self> {
        match self.request {
            Request::Delete(ids) => {
                ids.into_iter().map(|id| Self { request: Request::Delete(vec![id]), ..self }).collect()
            }
            Request::Increase(_) | Request::Decrease(_) => vec![self],
        }
    }
}
