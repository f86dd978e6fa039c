//! Statuses as Magnum and Heat write them: `ACTION_PROGRESS`.

use std::fmt;

/// How far the last action on a cluster, node group, stack or resource has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// `…_IN_PROGRESS`.
    InProgress,
    /// `…_COMPLETE`.
    Complete,
    /// `…_FAILED`.
    Failed,
    /// Anything else; never taken for complete or failed.
    Unknown,
}

/// The action a status speaks of; only those that this service tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `INIT_…`: a resource known to its stack, of which nothing was made yet.
    Init,
    /// `CREATE_…`.
    Create,
    /// `UPDATE_…`.
    Update,
    /// `DELETE_…`.
    Delete,
    /// `ROLLBACK_…`.
    Rollback,
    /// `RESUME_…`, `RESTORE_…`, `SNAPSHOT_…`, `CHECK_…`, `ADOPT_…`, `SUSPEND_…` and what may come.
    Other,
}

/// A status with its text, for messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Status {
    /// What was done.
    pub action: Action,
    /// How far it has come.
    pub progress: Progress,
    text: Box<str>,
}

impl Status {
    /// Reads a status; unknown words become [`Action::Other`] and [`Progress::Unknown`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (action, progress) = [
            ("_IN_PROGRESS", Progress::InProgress),
            ("_COMPLETE", Progress::Complete),
            ("_FAILED", Progress::Failed),
        ]
        .into_iter()
        .find_map(|(suffix, progress)| text.strip_suffix(suffix).map(|action| (action, progress)))
        .unwrap_or((text, Progress::Unknown));
        let action = match action {
            "INIT" => Action::Init,
            "CREATE" => Action::Create,
            "UPDATE" => Action::Update,
            "DELETE" => Action::Delete,
            "ROLLBACK" => Action::Rollback,
            _ => Action::Other,
        };
        Self { action, progress, text: text.into() }
    }

    /// Whether the last action is still running.
    #[must_use]
    pub fn in_progress(&self) -> bool {
        self.progress == Progress::InProgress
    }

    /// Whether the last action failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.progress == Progress::Failed
    }

    /// Whether Magnum's conductor carries out a resize of a cluster in this status.
    ///
    /// In any other it drops the request after the 202 and tells nobody
    /// (Magnum 15.0.1 `conductor/handlers/cluster_conductor.py:241-252`).
    #[must_use]
    pub fn allows_resize(&self) -> bool {
        match self.progress {
            Progress::Complete => !matches!(self.action, Action::Init | Action::Delete),
            Progress::InProgress | Progress::Failed => self.action == Action::Update,
            Progress::Unknown => false,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Magnum's record may have none.
        f.write_str(if self.text.is_empty() { "in no status" } else { &self.text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resize_is_sent_only_where_the_conductor_takes_it() {
        for taken in [
            "CREATE_COMPLETE",
            "UPDATE_COMPLETE",
            "UPDATE_FAILED",
            "UPDATE_IN_PROGRESS",
            "RESUME_COMPLETE",
            "ROLLBACK_COMPLETE",
            "ADOPT_COMPLETE",
        ] {
            assert!(Status::parse(taken).allows_resize(), "{taken}");
        }
        for dropped in [
            "CREATE_IN_PROGRESS",
            "CREATE_FAILED",
            "DELETE_IN_PROGRESS",
            "DELETE_COMPLETE",
            "ROLLBACK_FAILED",
            "ROLLBACK_IN_PROGRESS",
            "",
            "SOMETHING_NEW",
        ] {
            assert!(!Status::parse(dropped).allows_resize(), "{dropped}");
        }
    }
    #[test]
    fn no_status_is_told_as_such() {
        assert_eq!(Status::parse("").to_string(), "in no status");
        assert_eq!(Status::parse("UPDATE_FAILED").to_string(), "UPDATE_FAILED");
    }
}
