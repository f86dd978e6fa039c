//! Being told to stop.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::StartError;

/// SIGTERM and SIGINT, from the moment on that they are listened for.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    /// From now on the signals no longer end the process by themselves. Needs a Tokio runtime.
    ///
    /// # Errors
    /// When the system does not allow it.
    pub fn listen() -> Result<Self, StartError> {
        let error = |error: io::Error| StartError::Run(format!("cannot listen for signals: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(error)?,
            interrupt: signal(SignalKind::interrupt()).map_err(error)?,
        })
    }

    /// Waits for the next one and names it.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
