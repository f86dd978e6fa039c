//! Options about the log.

use clap::{Args, ValueEnum};

use crate::telemetry::logs::{self, LogFormat};

/// What is logged, on standard error.
#[derive(Debug, Clone, Args)]
pub struct LogArguments {
    /// Text for people, or one JSON object in a line
    #[arg(long, env = "MAGNUM_AUTOSCALER_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormatArgument,

    /// error, warn, info, debug or trace of this service, or a filter like "info,h2=debug"
    /// [default: $RUST_LOG, else info]
    #[arg(long, env = "MAGNUM_AUTOSCALER_LOG_LEVEL", value_name = "LEVEL", value_parser = parse_log_level)]
    pub log_level: Option<String>,
}

/// The values of `--log-format`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormatArgument {
    /// Time, level and message
    Text,
    /// One object in a line
    Json,
}

impl From<LogFormatArgument> for LogFormat {
    fn from(argument: LogFormatArgument) -> Self {
        match argument {
            LogFormatArgument::Text => Self::Text,
            LogFormatArgument::Json => Self::Json,
        }
    }
}

/// A level, or a filter.
pub(super) fn parse_log_level(text: &str) -> Result<String, String> {
    logs::filter(Some(text)).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
