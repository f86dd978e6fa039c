//! Why there is no usable configuration.

use std::{fmt, path::PathBuf};

use thiserror::Error;

use super::warning::ConfigWarning;

/// There is no usable configuration. No message holds a password, secret or token (I8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub problem: ConfigProblem,
    /// What was passed over before: a misspelt key is often the cause.
    pub warnings: Vec<ConfigWarning>,
}

impl std::error::Error for ConfigError {}

impl From<ConfigProblem> for ConfigError {
    fn from(problem: ConfigProblem) -> Self {
        Self { problem, warnings: Vec::new() }
    }
}

/// One line: the problem, then what was passed over before.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        let warnings: Vec<_> = self.warnings.iter().map(ToString::to_string).collect();
        if warnings.is_empty() { Ok(()) } else { write!(f, " (noticed before: {})", warnings.join("; ")) }
    }
}

/// Why there is no usable configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigProblem {
    /// A file that was named cannot be read.
    #[error("{}: {reason}", file.display())]
    Unreadable {
        file: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// A file that breaks the rules of its format.
    #[error("{}, line {line}: {reason}", file.display())]
    Syntax {
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong and what to do about it.
        reason: String,
    },
    /// A setting is missing, contradicts another or makes no sense.
    #[error("{origin}: {reason}")]
    Setting {
        /// Where the settings come from: file and section, file and cloud, or the environment.
        origin: String,
        /// What is wrong, with the key's name in the source's own spelling.
        reason: String,
    },
    /// Nothing says where the cloud is.
    #[error(
        "no cloud is configured: give --cloud-config FILE, or --os-cloud NAME with a clouds.yaml, or set \
         OS_AUTH_URL and the other OS_* variables (looked for clouds.yaml in {searched})"
    )]
    NoCloud {
        /// Where a `clouds.yaml` was looked for.
        searched: String,
    },
    /// `clouds.yaml` lacks the cloud, or has several and none was chosen.
    #[error("{}: {reason}", file.display())]
    Choice {
        file: PathBuf,
        /// What to choose from.
        reason: String,
    },
}
