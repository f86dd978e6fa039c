//! Everything that can happen.

use crate::{cloud::Witness, promises::Wish};

/// What may happen next. Those that cost one of the faults are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Ask(Wish),
    /// A fault: the time of the caller who has waited longest is up.
    CallerOutOfTime,
    /// A fault: it hangs up.
    CallerGone,
    /// The work that the machine wants done is done.
    Read,
    /// A fault.
    ReadFails,
    Accept,
    /// A fault: Magnum says no.
    Refuse,
    /// A fault: neither the request nor an answer arrives.
    LoseRequest,
    /// A fault: it is heard, and its answer is lost.
    LoseAnswer,
    /// A fault: it is answered 202, and never carried out.
    LoseCast,
    /// Somebody reads the whole cluster.
    Observe,
    TimePasses,
    Conduct,
    /// A fault: Heat is updated already, and drops this one.
    ConductDropped,
    /// A fault: Heat refuses the update.
    ConductRefused,
    Reach,
    DeleteLeaving,
    Make,
    /// A fault: a member cannot be made.
    MakeFails,
    /// A fault: a member cannot be deleted.
    DeleteFails,
    /// A fault: the update is called off, while its members go on.
    UpdateFails,
    UpdateEnds,
    Sync,
    /// A fault: what the status sync writes it has read before the update.
    SyncLate,
    /// A fault: one of the services answers as it did before the update.
    Lag(Witness),
    /// All of them do.
    AllLag,
    LagEnds,
    /// A fault.
    ConductorStops,
    ConductorReturns,
    /// A fault: kill -9.
    Restart,
    /// A fault: a person asks for one node more.
    OperatorGrows,
    /// A fault: or for one less, and names none.
    OperatorShrinks,
    /// Somebody deletes a server in Nova.
    ServerDeleted(u8),
}

impl Action {
    /// Whether it costs one of the faults.
    pub(crate) const fn is_fault(self) -> bool {
        match self {
            Self::CallerOutOfTime
            | Self::CallerGone
            | Self::ReadFails
            | Self::Refuse
            | Self::LoseRequest
            | Self::LoseAnswer
            | Self::LoseCast
            | Self::ConductDropped
            | Self::ConductRefused
            | Self::MakeFails
            | Self::DeleteFails
            | Self::UpdateFails
            | Self::SyncLate
            | Self::Lag(_)
            | Self::ConductorStops
            | Self::Restart
            | Self::OperatorGrows
            | Self::OperatorShrinks => true,
            Self::Ask(_)
            | Self::Read
            | Self::Accept
            | Self::Observe
            | Self::TimePasses
            | Self::Conduct
            | Self::Reach
            | Self::DeleteLeaving
            | Self::Make
            | Self::UpdateEnds
            | Self::Sync
            | Self::AllLag
            | Self::LagEnds
            | Self::ConductorReturns
            | Self::ServerDeleted(_) => false,
        }
    }
}
