//! Logs: one line for each decision, on standard error, as text or JSON.

use std::{
    env, io,
    io::IsTerminal as _,
    panic::{self, PanicHookInfo},
};

use thiserror::Error;
use tracing::error;
use tracing_subscriber::{EnvFilter, util::TryInitError};

use crate::grpc::call_layer::panic_message;

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, message.
    #[default]
    Text,
    /// For machines: one JSON object in a line.
    Json,
}

/// What is logged unless `--log-level` or `RUST_LOG` says otherwise.
pub const DEFAULT_LEVEL: &str = "info";

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level or filter is not understood.
    #[error(
        "log level {0:?} is neither a level (error, warn, info, debug, trace) nor a filter like info,h2=warn"
    )]
    Level(String),
    /// There is one already.
    #[error("the log was started twice: {0}")]
    Twice(#[from] TryInitError),
}

/// Reads a level or filter. `level` wins over `RUST_LOG`, that over `info`.
///
/// # Errors
/// [`LogError::Level`].
pub fn filter(level: Option<&str>) -> Result<EnvFilter, LogError> {
    let from_environment = || env::var(EnvFilter::DEFAULT_ENV).ok().filter(|value| !value.is_empty());
    let text = level.map(of_this_service).or_else(from_environment);
    let text = text.unwrap_or_else(|| DEFAULT_LEVEL.to_owned());
    EnvFilter::try_new(&text).map_err(|_| LogError::Level(text))
}

/// A bare `debug` or `trace` means this service; with the libraries' frames and sockets nobody would find a line.
fn of_this_service(level: &str) -> String {
    match level.to_ascii_lowercase().as_str() {
        chatty @ ("debug" | "trace") => format!("info,{}={chatty}", env!("CARGO_CRATE_NAME")),
        _ => level.to_owned(),
    }
}

/// Starts the log of the whole process; panics go there too.
///
/// # Errors
/// [`LogError::Twice`].
pub fn start(format: LogFormat, filter: EnvFilter) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt as _;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            let colored = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
            lines.compact().with_target(false).with_ansi(colored).finish().try_init()?;
        }
        LogFormat::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// In place of the default hook's several lines, which no log collector takes for one event.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic_message(panic.payload());
    error!("panic at {place}: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debugging_this_service_does_not_debug_its_libraries() {
        assert_eq!(
            filter(Some("debug")).unwrap().to_string(),
            "cluster_autoscaler_provider_magnum=debug,info"
        );
        assert_eq!(filter(Some("warn,h2=debug")).unwrap().to_string(), "h2=debug,warn");
    }

    #[test]
    fn levels_and_filters_are_understood_and_nonsense_is_not() {
        for level in ["info", "debug", "warn,cluster_autoscaler_provider_magnum=debug", "off"] {
            assert!(filter(Some(level)).is_ok(), "{level}");
        }
        let error = filter(Some("info,=x=y")).unwrap_err();
        assert!(error.to_string().contains("info,=x=y"), "{error}");
    }
}
