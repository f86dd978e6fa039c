//! The simulator, alone or under the service.

use std::net::SocketAddr;

use tracing::info;

use super::{
    arguments::{SimulateArguments, SimulatorArguments},
    error::StartError,
    signals::StopSignals,
    terminal,
};

/// A simulator that answers; it stops when this is dropped.
#[derive(Debug)]
pub struct StartedSimulator {
    /// Where its services are; Keystone is at `<base_url>/identity/v3` or as `environment` says.
    pub base_url: String,
    /// The cluster it has.
    pub cluster_name: String,
    /// Who may log in, as the `OS_*` variables that all OpenStack clients read.
    pub environment: Vec<(String, String)>,
}

/// Starts a simulator at this address; port 0 takes any free one.
///
/// # Errors
/// [`StartError::Run`] when the port cannot be had.
pub async fn start_simulator(
    arguments: &SimulatorArguments,
    address: SocketAddr,
) -> Result<StartedSimulator, StartError> {
    let _ = (arguments, address);
    std::future::ready(Err(StartError::Run("this build has no simulator".to_owned()))).await
}

/// Says what was started.
pub fn announce(simulator: &StartedSimulator, arguments: &SimulatorArguments) {
    info!(
        "simulating OpenStack at {}: cluster {}, requests take {}, nodes boot in {}",
        simulator.base_url,
        simulator.cluster_name,
        humantime::format_duration(arguments.latency),
        humantime::format_duration(arguments.node_boot_time),
    );
}

/// The command `simulate`: runs until it is stopped, the credentials on standard output.
///
/// # Errors
/// When it cannot start.
pub async fn simulate(arguments: &SimulateArguments) -> Result<(), StartError> {
    let mut signals = StopSignals::listen()?;
    let simulator = start_simulator(&arguments.simulator, arguments.address).await?;
    announce(&simulator, &arguments.simulator);
    for (name, value) in &simulator.environment {
        terminal::line(format_args!("export {name}='{value}'"));
    }
    info!("{}: stopped", signals.next().await);
    Ok(())
}
