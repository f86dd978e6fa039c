//! What the engine tells of its work, for metrics.

use crate::core::verify::Verdict;

/// How a resize ended; the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResizeOutcome {
    /// Everything named went, nobody else did, and the size is as asked.
    Done,
    /// The cloud refused it or failed at it.
    Failed,
    /// It had no effect, or not all of it; the rest is sent again.
    Lost,
    /// Somebody else changed the group meanwhile.
    Superseded,
}

impl From<Verdict> for ResizeOutcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Done => Self::Done,
            Verdict::WrongRemoval | Verdict::Failed => Self::Failed,
            Verdict::Lost | Verdict::PartlyLost => Self::Lost,
            Verdict::Superseded => Self::Superseded,
        }
    }
}

impl ResizeOutcome {
    /// All of them, for metrics that start at 0.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Lost, Self::Superseded];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Superseded => "superseded",
        }
    }
}

/// Why a request that was acknowledged is not carried out; the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// When its turn came it could not be done any more, or the cloud refused it.
    Refused,
    /// It was sent several times without any effect.
    Lost,
}

impl Dropped {
    /// Both, for metrics that start at 0.
    pub const ALL: [Self; 2] = [Self::Refused, Self::Lost];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// Is told what the engine did, for metrics.
pub trait Recorder: Send + Sync + 'static {
    /// A resize of this group ended.
    fn resize_ended(&self, group: &str, outcome: ResizeOutcome);
    /// A request for this group was acknowledged and is not carried out. It shows: as failed instances, or as nodes
    /// that are running again.
    fn request_dropped(&self, group: &str, why: Dropped);
    /// Nodes that nobody named are gone after a resize of this group. Must never happen.
    fn wrong_removals(&self, group: &str, nodes: u64);
}
