//! The commands; the only module that uses all others.
//!
//! - [`arguments`]: the command line
//! - [`driver_arguments`], [`log_arguments`], `simulator_arguments`: parts of it
//! - [`serve`]: the service, wired together
//! - `simulate`: the simulator, alone or under the service (feature `simulator`)
//! - `demo`: the simulator, the service and a story played on them (feature `simulator`)
//! - [`connect`]: from the command line to a cloud
//! - [`first_reading`]: what the first look at the cloud says about the configuration
//! - [`kubernetes`]: the options about Kubernetes, and what they start
//! - [`signals`]: being told to stop
//! - [`error`]: why a command ended, and its exit code
//! - [`terminal`]: what is written to the terminal besides the log

mod argument_values;
pub mod arguments;
pub mod connect;
#[cfg(feature = "simulator")]
pub mod demo;
pub mod driver_arguments;
pub mod error;
pub mod first_reading;
pub mod kubernetes;
pub mod log_arguments;
pub mod serve;
pub mod signals;
#[cfg(feature = "simulator")]
pub mod simulate;
#[cfg(feature = "simulator")]
pub mod simulator_arguments;
pub mod terminal;

use std::{process::ExitCode, thread, time::Duration};

use tokio::runtime::{Builder, Runtime};

use self::{
    arguments::{Arguments, Command},
    error::StartError,
    log_arguments::LogArguments,
};
use crate::telemetry::{logs, standard_error};

/// More threads bring nothing to a service that mostly waits, and each costs memory.
const MAX_WORKER_THREADS: usize = 4;

/// How long the end of the process waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Parses the command line and runs the command: 0 if it was stopped on request, 1 if it failed, 2 for wrong usage
/// or configuration.
#[must_use]
pub fn run() -> ExitCode {
    let code = match execute(Arguments::parse_command_line().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::error(&error);
            error.exit_code()
        }
    };
    standard_error::flush(LAST_LINES);
    code
}

fn execute(command: Command) -> Result<(), StartError> {
    // The HTTP client takes the provider of the process; a second one would only be dead weight.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = runtime()?;
    let outcome = match command {
        Command::Serve(arguments) => {
            start_log(&arguments.log)?;
            runtime.block_on(serve::serve(&arguments))
        }
        #[cfg(feature = "simulator")]
        Command::Simulate(arguments) => {
            start_log(&arguments.log)?;
            runtime.block_on(simulate::simulate(&arguments))
        }
        #[cfg(feature = "simulator")]
        Command::Demo(arguments) => {
            if let Some(level) = &arguments.log_level {
                logs::start(logs::LogFormat::Text, logs::filter(Some(level))?)?;
            }
            runtime.block_on(demo::demo(&arguments))
        }
    };
    // What still runs now was given its time.
    runtime.shutdown_background();
    outcome
}

fn runtime() -> Result<Runtime, StartError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.min(MAX_WORKER_THREADS))
        .enable_all()
        .build()
        .map_err(|error| StartError::Run(format!("cannot start threads: {error}")))
}

fn start_log(arguments: &LogArguments) -> Result<(), StartError> {
    let filter = logs::filter(arguments.log_level.as_deref())?;
    Ok(logs::start(arguments.log_format.into(), filter)?)
}
