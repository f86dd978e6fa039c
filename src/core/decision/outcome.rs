//! Decisions that are counted.

use super::{Decision, DecisionKind};
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

/// Why a request that was acknowledged is not carried out; the metric label. It shows: as failed instances, or as nodes that
/// are running again.
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

impl DecisionKind {
    /// How a resize ended, if it is the end of one.
    #[must_use]
    pub fn resize_outcome(&self) -> Option<ResizeOutcome> {
        match self {
            Self::Ended(ended) => Some(ended.verdict.into()),
            Self::ResizeRefused { .. } => Some(ResizeOutcome::Failed),
            Self::RefusedForNow { .. } => Some(ResizeOutcome::Lost),
            _ => None,
        }
    }

    /// Why an acknowledged request is dropped, if it is.
    #[must_use]
    pub const fn dropped(&self) -> Option<Dropped> {
        match self {
            Self::NotCarriedOut { .. } => Some(Dropped::Refused),
            Self::GivenUp { .. } => Some(Dropped::Lost),
            _ => None,
        }
    }

    /// How many nodes that nobody named are gone after a resize. Must never be any.
    #[must_use]
    pub fn wrong_removals(&self) -> usize {
        match self {
            Self::Ended(ended) if ended.verdict == Verdict::WrongRemoval => ended.gone_unnamed.len(),
            _ => 0,
        }
    }
}

impl Decision {
    /// The particulars of each node but the first of many that failed alike, for those who look closely.
    pub fn particulars(&self) -> impl Iterator<Item = String> + '_ {
        let failed = match &self.kind {
            DecisionKind::MembersFailed { code, members, .. } => Some((code, members.iter().skip(1))),
            _ => None,
        };
        failed.into_iter().flat_map(move |(code, members)| {
            members.map(move |(name, reason)| format!("{}: {name} failed, {code} ({reason})", self.group))
        })
    }
}
