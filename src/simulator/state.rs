//! The statuses of Heat and Magnum, `ACTION_PROGRESS`, with their reasons.

use std::fmt;

/// What was done last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Known to its stack, nothing made.
    Init,
    Create,
    Update,
    Delete,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    InProgress,
    Complete,
    Failed,
}

/// A status with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) action: Action,
    pub(super) phase: Phase,
    pub(super) reason: String,
}

impl State {
    /// A stack at work.
    pub(super) fn started(action: Action) -> Self {
        Self { action, phase: Phase::InProgress, reason: format!("Stack {action} started") }
    }

    /// A stack done.
    pub(super) fn completed(action: Action) -> Self {
        Self { action, phase: Phase::Complete, reason: format!("Stack {action} completed successfully") }
    }

    /// Something that went wrong.
    pub(super) fn failed(action: Action, reason: impl Into<String>) -> Self {
        Self { action, phase: Phase::Failed, reason: reason.into() }
    }

    /// A resource in a stack; Heat gives `state changed` as the reason of all but failures.
    pub(super) fn resource(action: Action, phase: Phase) -> Self {
        Self { action, phase, reason: "state changed".to_owned() }
    }

    /// A resource that its stack has not come to.
    pub(super) fn untouched() -> Self {
        Self { action: Action::Init, phase: Phase::Complete, reason: String::new() }
    }

    pub(super) fn in_progress(&self) -> bool {
        self.phase == Phase::InProgress
    }

    pub(super) fn is_failed(&self) -> bool {
        self.phase == Phase::Failed
    }

    /// The status alone, such as `UPDATE_FAILED`.
    pub(super) fn status(&self) -> String {
        let progress = match self.phase {
            Phase::InProgress => "IN_PROGRESS",
            Phase::Complete => "COMPLETE",
            Phase::Failed => "FAILED",
        };
        format!("{}_{progress}", self.action)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        })
    }
}
