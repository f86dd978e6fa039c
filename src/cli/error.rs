//! Why a command ended, and its exit code.

use std::process::ExitCode;

use thiserror::Error;

use crate::{
    grpc::{server::ServerError, tls::SecurityError},
    telemetry::{admin::AdminBindError, logs::LogError},
};

/// Why a command did not run, or ended by itself. One line each.
#[derive(Debug, Error)]
pub enum StartError {
    /// An option, file or setting is wrong: exit code 2.
    #[error("{0}")]
    Configuration(String),
    /// A failure at run time, a port in use for instance: exit code 1.
    #[error("{0}")]
    Run(String),
}

impl StartError {
    /// The exit code that scripts rely on.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Configuration(_) => 2,
            Self::Run(_) => 1,
        }
    }
}

impl From<SecurityError> for StartError {
    fn from(error: SecurityError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<LogError> for StartError {
    fn from(error: LogError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<ServerError> for StartError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Tls(_) => Self::Configuration(error.to_string()),
            ServerError::Bind { .. } | ServerError::Transport(_) => Self::Run(error.to_string()),
        }
    }
}

impl From<AdminBindError> for StartError {
    fn from(error: AdminBindError) -> Self {
        Self::Run(error.to_string())
    }
}

impl From<prometheus::Error> for StartError {
    fn from(error: prometheus::Error) -> Self {
        Self::Run(format!("cannot set up metrics: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_two_and_the_world_is_one() {
        assert_eq!(StartError::from(ServerError::Tls("x".to_owned())).code(), 2);
        assert_eq!(StartError::from(SecurityError::Incomplete("--tls-key".to_owned())).code(), 2);
        assert_eq!(StartError::from(LogError::Level("x".to_owned())).code(), 2);
        assert_eq!(StartError::from(ServerError::Transport("x".to_owned())).code(), 1);
    }
}
