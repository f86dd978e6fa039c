//! What the story plays on: the simulator and the service in front of it, in this process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinHandle;

use super::{
    requests::{Changes, RecordingTransport},
    servers::Nova,
};
use crate::{
    cli::{
        error::StartError,
        simulate::{StartedSimulator, start_simulator},
        simulator_arguments::SimulatorArguments,
    },
    config::{self, CloudChoice, CloudConfig, node_groups::GroupSelection},
    engine::{Engine, EngineOptions, Subscriber},
    grpc::{
        call_layer::CallObserver,
        server::{Server, ServerError},
        service::CloudProviderService,
        tls::Security,
    },
    openstack::{HttpTransport, MagnumCluster, Session},
    telemetry::metrics::Metrics,
};

/// The cloud and the service in front of it.
#[derive(Debug)]
pub struct Stage {
    pub cloud: SimulatedCloud,
    pub service: RunningService,
}

/// A simulated cloud, and what can be seen of it past the service.
#[derive(Debug)]
pub struct SimulatedCloud {
    pub simulator: StartedSimulator,
    /// What the service has asked it to change.
    pub changes: Changes,
    pub nova: Nova,
}

/// The service; it ends when this is dropped.
#[derive(Debug)]
pub struct RunningService {
    pub address: SocketAddr,
    engine: Arc<Engine>,
    server: JoinHandle<Result<(), ServerError>>,
}

impl Stage {
    /// Starts both on free ports of this machine.
    ///
    /// # Errors
    /// When that cannot be done.
    pub async fn start(node_boot_time: Duration) -> Result<Self, StartError> {
        let simulated = SimulatorArguments {
            profile: crate::simulator::Profile::default(),
            latency: Duration::ZERO,
            node_boot_time,
            groups: None,
            nodes_per_group: None,
        };
        let simulator = start_simulator(&simulated, any_port()).await?;
        let config = cloud_config(&simulator)?;
        let network = HttpTransport::new(&config).map_err(|error| StartError::Run(error.to_string()))?;
        let changes = Changes::default();
        let recording = RecordingTransport::new(network.clone(), changes.clone());
        let session = Session::new(config.clone(), Arc::new(recording));
        let cluster =
            MagnumCluster::new(Arc::new(session), simulator.access.cluster_name.clone(), GroupSelection::All);
        let service = RunningService::start(cluster)?;
        let nova = Nova::new(Session::new(config, Arc::new(network.clone())), network);
        Ok(Self { cloud: SimulatedCloud { simulator, changes, nova }, service })
    }
}

impl RunningService {
    fn start(cluster: MagnumCluster) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new()?);
        let server = Server::bind(any_port(), Security::Plaintext)?;
        let address = server.address();
        let mut options = EngineOptions::default();
        // No process before this one has sent anything to the cloud.
        options.timing.timeouts.after_start = Duration::ZERO;
        let subscriber: Arc<dyn Subscriber> = metrics.clone();
        let engine = Engine::start(Arc::new(cluster), options, subscriber);
        let observer: Arc<dyn CallObserver> = metrics;
        let service = CloudProviderService::new(Arc::clone(&engine));
        let server = tokio::spawn(server.run(service, observer, std::future::pending()));
        Ok(Self { address, engine, server })
    }

    /// Ends once a part of the service has ended by itself, and says which.
    pub async fn failure(&mut self) -> StartError {
        let why = tokio::select! {
            () = self.engine.failure() => "a part of the engine ended in a panic, please report this".to_owned(),
            ended = &mut self.server => match ended {
                Ok(Ok(())) => "the gRPC server stopped by itself".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => format!("the gRPC server failed: {error}"),
            },
        };
        StartError::Run(why)
    }
}

impl Drop for RunningService {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// As any client finds it in its environment.
fn cloud_config(simulator: &StartedSimulator) -> Result<CloudConfig, StartError> {
    config::load(&CloudChoice::default(), &simulator.access.environment)
        .map(|loaded| loaded.config)
        .map_err(|error| StartError::Run(error.to_string()))
}
