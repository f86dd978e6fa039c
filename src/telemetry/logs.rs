//! Logs: one line for each decision, on standard error, as text or JSON.

use std::{
    env, io,
    io::IsTerminal as _,
    panic::{self, PanicHookInfo},
};

use thiserror::Error;
use tracing::error;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::TryInitError};

use super::standard_error;
use crate::{core::quote::one_line, grpc::call_layer::panic_message};

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

/// Every peer can make the HTTP/2 library warn, as often as it likes. Of a watch that fails it is told here, once.
const QUIET_LIBRARIES: &str = "h2=error,kube_runtime=error,kube_client=error";

/// Starts the colours of a terminal.
const ESCAPE: char = '\u{1b}';

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
    let text = level.map(str::to_owned).or_else(from_environment);
    let text = text.unwrap_or_else(|| DEFAULT_LEVEL.to_owned());
    EnvFilter::try_new(of_this_service(&text)).map_err(|_| LogError::Level(text))
}

/// A bare level applies to this service alone: the libraries' lines about frames and sockets would hide its own.
fn of_this_service(level: &str) -> String {
    match level.trim().to_ascii_lowercase().as_str() {
        chatty @ ("debug" | "trace") => {
            format!("info,{QUIET_LIBRARIES},{}={chatty}", env!("CARGO_CRATE_NAME"))
        }
        bare @ ("info" | "warn") => format!("{bare},{QUIET_LIBRARIES}"),
        _ => level.to_owned(),
    }
}

/// Starts the log of the whole process; panics go there too.
///
/// # Errors
/// [`LogError::Twice`].
pub fn start(format: LogFormat, filter: EnvFilter) -> Result<(), LogError> {
    use tracing_subscriber::util::SubscriberInitExt as _;
    // An event that cannot be written is counted. A message about it could not be written either.
    let lines = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    match format {
        LogFormat::Text => {
            let colored = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none();
            let lines = lines.with_writer(Lines::Text { colored });
            lines.compact().with_target(false).with_ansi(colored).finish().try_init()?;
        }
        LogFormat::Json => {
            lines.with_writer(Lines::Json).json().flatten_event(true).finish().try_init()?;
        }
    }
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Takes each event as one line.
#[derive(Debug, Clone, Copy)]
enum Lines {
    /// Whatever is in a message, it stays one line; a coloured one keeps its colours.
    Text { colored: bool },
    /// Escaped already.
    Json,
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

impl io::Write for Lines {
    /// Never fails: the service goes on without its log.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        standard_error::write(match self {
            Self::Text { colored } => text_line(event, *colored),
            Self::Json => event.to_vec(),
        });
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn text_line(event: &[u8], colored: bool) -> Vec<u8> {
    let text = String::from_utf8_lossy(event);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let mut line = one_line(text, colored.then_some(ESCAPE)).into_owned();
    line.push('\n');
    line.into_bytes()
}

/// Logs a panic as one event. The default hook writes several lines, which log collectors take for several events.
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
            "cluster_autoscaler_provider_magnum=debug,kube_runtime=error,kube_client=error,h2=error,info"
        );
        assert_eq!(filter(Some("warn,h2=debug")).unwrap().to_string(), "h2=debug,warn");
    }

    #[test]
    fn a_peer_cannot_fill_the_log_with_warnings_of_the_http2_library() {
        let quiet = "kube_runtime=error,kube_client=error,h2=error,info";
        assert_eq!(filter(None).unwrap().to_string(), quiet);
        for level in ["info", "WARN", "warn"] {
            assert!(filter(Some(level)).unwrap().to_string().contains("h2=error"), "{level}");
        }
        assert_eq!(filter(Some("error")).unwrap().to_string(), "error");
    }

    #[test]
    fn an_event_is_one_line_of_text_whatever_is_in_it() {
        let event = "INFO a\nERROR b\u{2028}c\n".as_bytes();
        assert_eq!(text_line(event, false), b"INFO a\\nERROR b\\u{2028}c\n");
        assert_eq!(text_line(b"\x1b[2mx\x1b[0m\n", true), b"\x1b[2mx\x1b[0m\n");
        assert_eq!(text_line(b"\xff\n", false), "\u{fffd}\n".as_bytes());
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
