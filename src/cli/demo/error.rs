//! Why the demonstration ended before its end.

use std::time::Duration;

use thiserror::Error;
use tonic::{Code, Status};

use crate::{cli::error::StartError, core::cloud::CloudError, grpc::status::code_label};

/// Why the story was not told to its end.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The simulator or the service did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The service did not answer OK.
    #[error("{method} was answered with {}: {}", code_label(status.code()), status.message())]
    Call { method: &'static str, status: Status },
    /// The simulated OpenStack did not answer the demonstration itself.
    #[error("the simulated OpenStack cannot be read: {0}")]
    OpenStack(#[from] CloudError),
    /// Something is not as it should be.
    #[error("{0}")]
    Unexpected(String),
    /// The time is up.
    #[error("waited for {awaited}, and the time is up ({}); a slow machine may need a longer --time-limit", humantime::format_duration(*.limit))]
    TimeLimit {
        /// What was waited for.
        awaited: String,
        /// The limit that was given.
        limit: Duration,
    },
    #[error("stopped by {0} before the end")]
    Stopped(&'static str),
}

impl DemoError {
    /// Whether the service said that it cannot tell yet.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Call { status, .. } if status.code() == Code::Unavailable)
    }
}

impl From<DemoError> for StartError {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Start(error) => error,
            other => Self::Run(other.to_string()),
        }
    }
}
