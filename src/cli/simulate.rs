//! The simulator, alone or under the service.

use std::net::{Ipv4Addr, SocketAddr};

use tracing::info;

use super::{
    arguments::ServeArguments,
    connect::OwnCloud,
    error::StartError,
    signals::StopSignals,
    simulator_arguments::{SimulateArguments, SimulatorArguments},
    terminal,
};
use crate::simulator::{RunningSimulator, Simulator, SimulatorOptions};

/// A simulator that answers; it stops when this is dropped.
#[derive(Debug)]
pub struct StartedSimulator {
    /// Where its services are; Keystone is at `<base_url>/identity/v3` or as `environment` says.
    pub base_url: String,
    /// Its cluster and who may log in.
    pub access: OwnCloud,
    /// The cloud itself, for what its services do not offer.
    pub simulator: Simulator,
    _running: RunningSimulator,
}

/// Starts a simulator at this address; port 0 takes any free one.
///
/// # Errors
/// [`StartError::Run`] when the port cannot be had.
pub async fn start_simulator(
    arguments: &SimulatorArguments,
    address: SocketAddr,
) -> Result<StartedSimulator, StartError> {
    let options = SimulatorOptions {
        profile: arguments.profile,
        latency: arguments.latency,
        node_boot_time: arguments.node_boot_time,
        seed: rand::random(),
        ..match arguments.groups {
            Some(groups) => SimulatorOptions::sized(groups, arguments.nodes_per_group.unwrap_or(1)),
            None => SimulatorOptions::default(),
        }
    };
    let simulator = Simulator::new(options);
    let running = simulator
        .listen(address)
        .await
        .map_err(|error| StartError::Run(format!("cannot listen on {address}: {error}")))?;
    let credentials = simulator.credentials();
    let environment = [
        ("OS_AUTH_URL", running.auth_url()),
        ("OS_IDENTITY_API_VERSION", "3".to_owned()),
        ("OS_USERNAME", credentials.user_name.to_owned()),
        ("OS_PASSWORD", credentials.password.to_owned()),
        ("OS_USER_DOMAIN_NAME", credentials.domain_name.to_owned()),
        ("OS_PROJECT_NAME", credentials.project_name.to_owned()),
        ("OS_PROJECT_DOMAIN_NAME", credentials.domain_name.to_owned()),
        ("OS_REGION_NAME", credentials.region.to_owned()),
        // gophercloud's AuthOptionsFromEnv refuses a user's name without it.
        ("OS_DOMAIN_NAME", credentials.domain_name.to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    Ok(StartedSimulator {
        base_url: running.base_url.clone(),
        access: OwnCloud { environment, cluster_name: simulator.cluster_name() },
        simulator,
        _running: running,
    })
}

/// The simulator that `serve --simulate` stands before, on a free port of this machine; none without that option.
///
/// # Errors
/// As [`start_simulator`].
pub async fn simulator_of(arguments: &ServeArguments) -> Result<Option<StartedSimulator>, StartError> {
    if !arguments.simulate {
        return Ok(None);
    }
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let simulator = start_simulator(&arguments.simulator, any_port).await?;
    announce(&simulator, &arguments.simulator);
    Ok(Some(simulator))
}

/// Says what was started.
pub fn announce(simulator: &StartedSimulator, arguments: &SimulatorArguments) {
    info!(
        "simulating OpenStack ({}) at {}: cluster {}, requests take {}, nodes boot in {}",
        arguments.profile,
        simulator.base_url,
        simulator.access.cluster_name,
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
    for (name, value) in &simulator.access.environment {
        terminal::line(format_args!("export {name}='{value}'"));
    }
    info!("{}: stopped", signals.next().await);
    Ok(())
}
