//! The command `serve`: the rooms wired together, from the first line in the log to the last.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::{JoinError, JoinHandle},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    arguments::ServeArguments,
    connect::{connect, settings},
    error::StartError,
    first_reading::{FirstReading, is_fatal},
    signals::StopSignals,
    simulate::{StartedSimulator, announce, start_simulator},
};
use crate::{
    core::{
        cloud::{CloudError, Observation},
        settings::Settings,
    },
    engine::{Engine, Recorder},
    grpc::{
        call_layer::CallObserver,
        certificate,
        externalgrpc::cloud_provider_server::SERVICE_NAME,
        server::{Server, ServerError},
        service::CloudProviderService,
        tls::Security,
    },
    telemetry::{SnapshotSource, admin::AdminServer, metrics::Metrics},
};

/// How long calls may take to end after SIGTERM; Kubernetes kills after 30 s.
const DRAIN_TIME: Duration = Duration::from_secs(15);

/// How long the first lines of the log wait for the first reading, which may end the service.
const ANNOUNCE_AFTER: Duration = Duration::from_secs(2);

/// Serves until it is told to stop.
///
/// # Errors
/// When it cannot start, or when the first reading shows that it will never work.
pub async fn serve(arguments: &ServeArguments) -> Result<(), StartError> {
    let mut signals = StopSignals::listen()?;
    require_cluster(arguments)?;
    let settings = Arc::new(settings(arguments)?);
    let security_options = arguments.tls.security_options();
    let security = security_options.load(arguments.address.ip())?;
    let plaintext = matches!(security, Security::Plaintext);
    let server = Server::bind(arguments.address, security)?;
    let admin = AdminServer::bind(arguments.admin_address).await?;
    let metrics = Arc::new(Metrics::new()?);
    metrics.certificates_expire(&certificate::expiries(&security_options));
    let simulator = simulator(arguments).await?;
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let kubernetes = arguments.kubernetes.start(&stop).await?;
    if let Some(nodes) = &kubernetes.nodes {
        metrics.watch_nodes(Arc::clone(nodes));
    }
    let cloud =
        connect(arguments, simulator.as_ref(), &metrics, Arc::clone(&settings), kubernetes.nodes.clone())?;

    let (cloud, readings) = FirstReading::listen(cloud);
    let recorder: Arc<dyn Recorder> = metrics.clone();
    let mut options = arguments.pace.engine_options();
    options.identify_by_name = arguments.cloud.identify_by_name;
    options.provider_id_prefix.clone_from(&arguments.cloud.provider_id_prefix);
    options.nodes.clone_from(&kubernetes.nodes);
    if simulator.is_some() {
        // No process before this one has sent anything to it.
        options.patience.after_start = Duration::ZERO;
    }
    let engine = Engine::start(cloud, options, recorder);
    kubernetes.follow(&engine, &stop);
    let places = Places { grpc: server.address(), plaintext, admin: admin.address() };
    let running = Running::start(server, admin, engine, metrics, settings);
    running.until_stopped(&mut signals, readings, &places, simulator.is_some()).await
}

/// The parser sees to it unless `MAGNUM_AUTOSCALER_SIMULATE` is set to false, which it takes for present.
fn require_cluster(arguments: &ServeArguments) -> Result<(), StartError> {
    if arguments.simulate || arguments.cloud.cluster_name.is_some() {
        return Ok(());
    }
    Err(StartError::Configuration(
        "which cluster? give --cluster-name, or --simulate to try without one".to_owned(),
    ))
}

async fn simulator(arguments: &ServeArguments) -> Result<Option<StartedSimulator>, StartError> {
    if !arguments.simulate {
        return Ok(None);
    }
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let simulator = start_simulator(&arguments.simulator, any_port).await?;
    announce(&simulator, &arguments.simulator);
    Ok(Some(simulator))
}

/// Where the service is reached.
struct Places {
    grpc: SocketAddr,
    plaintext: bool,
    admin: SocketAddr,
}

impl Places {
    fn announce(&self) {
        let security = if self.plaintext { "plaintext" } else { "mutual TLS" };
        info!("serving cluster-autoscaler at {} ({security})", self.grpc);
        info!("serving /metrics, /healthz and /readyz at http://{}", self.admin);
    }

    /// A command line that calls this method from the same machine.
    fn grpcurl(&self, data: &str, method: &str) -> String {
        let mut line = "grpcurl ".to_owned();
        line.push_str(if self.plaintext { "-plaintext " } else { "-cacert CA -cert CERT -key KEY " });
        if !data.is_empty() {
            let _ = write!(line, "-d '{data}' ");
        }
        let ip = match self.grpc.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            // All IPv6 addresses are all IPv4 addresses as well.
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        let address = SocketAddr::new(ip, self.grpc.port());
        let _ = write!(line, "{address} {SERVICE_NAME}/{method}");
        line
    }
}

/// The service while it runs.
struct Running {
    engine: Arc<Engine>,
    stop: CancellationToken,
    server: JoinHandle<Result<(), ServerError>>,
    admin: JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(
        server: Server,
        admin: AdminServer,
        engine: Arc<Engine>,
        metrics: Arc<Metrics>,
        settings: Arc<Settings>,
    ) -> Self {
        let snapshots: Arc<dyn SnapshotSource> = engine.clone();
        metrics.watch(Arc::clone(&snapshots));
        let stop = CancellationToken::new();
        let observer: Arc<dyn CallObserver> = metrics.clone();
        let service = CloudProviderService::new(Arc::clone(&engine)).with_settings(settings);
        let server = tokio::spawn(server.run(service, observer, stop.clone().cancelled_owned()));
        // Probes and scrapers are served to the very end.
        let admin = tokio::spawn(admin.run(metrics, snapshots, std::future::pending()));
        Self { engine, stop, server, admin }
    }

    async fn until_stopped(
        mut self,
        signals: &mut StopSignals,
        mut readings: UnboundedReceiver<Result<Observation, CloudError>>,
        places: &Places,
        simulated: bool,
    ) -> Result<(), StartError> {
        // The first reading tells in a moment whether the configuration is any good; unless the cloud is slow.
        let silence = sleep(ANNOUNCE_AFTER);
        tokio::pin!(silence);
        let mut announced = false;
        loop {
            tokio::select! {
                Some(reading) = readings.recv() => {
                    if let Err(error) = &reading && is_fatal(error) {
                        return Err(StartError::Configuration(error.to_string()));
                    }
                    if !std::mem::replace(&mut announced, true) {
                        places.announce();
                    }
                    // The engine has told of a failure and tries on.
                    if let Ok(observation) = reading {
                        // What is scaled comes before what to try.
                        let _ = self.engine.refresh(Instant::now() + ANNOUNCE_AFTER).await;
                        announce_cluster(&observation, places, simulated);
                    }
                }
                () = &mut silence, if !announced => {
                    announced = true;
                    places.announce();
                }
                ended = &mut self.server => return Err(server_ended("gRPC", ended)),
                ended = &mut self.admin => {
                    let ended = ended.map(|ended| ended.map_err(|error| StartError::Run(format!("the admin server failed: {error}"))));
                    return Err(server_ended("admin", ended));
                }
                () = self.engine.failure() => {
                    let why = "a part of the engine ended in a panic, please report this";
                    return Err(StartError::Run(why.to_owned()));
                }
                signal = signals.next() => {
                    info!("{signal}: stopping, calls under way are answered");
                    self.drain(signals).await;
                    return Ok(());
                }
            }
        }
    }

    /// Says NOT_SERVING, takes no more calls, waits a while for those under way, and ends the engine.
    async fn drain(self, signals: &mut StopSignals) {
        self.stop.cancel();
        let drained = timeout(DRAIN_TIME, async {
            let _ = self.server.await;
            self.engine.stop().await;
        });
        tokio::select! {
            drained = drained => match drained {
                Ok(()) => info!("stopped"),
                Err(_) => warn!("stopped with calls or connections still open after {} s", DRAIN_TIME.as_secs()),
            },
            signal = signals.next() => warn!("{signal} again: stopped at once"),
        }
        self.admin.abort();
    }
}

fn server_ended<E: Into<StartError>>(which: &str, ended: Result<Result<(), E>, JoinError>) -> StartError {
    match ended {
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) => StartError::Run(format!("the {which} server stopped by itself")),
        Err(error) => StartError::Run(format!("the {which} server failed: {error}")),
    }
}

/// Says where nothing is scaled, and for the simulator what to try. The engine tells of each group.
fn announce_cluster(observation: &Observation, places: &Places, simulated: bool) {
    let cluster = &observation.cluster_name;
    if observation.groups.is_empty() {
        warn!("cluster {cluster} has no node group to scale: see --nodes and --node-group-auto-discovery");
    }
    if simulated {
        for line in suggestions(observation, places) {
            info!("try: {line}");
        }
    }
}

/// The calls to try: a look at the groups, and one node more in a group that has room.
fn suggestions(observation: &Observation, places: &Places) -> Vec<String> {
    let room = observation
        .groups
        .iter()
        .filter_map(|group| group.reading.as_ref().ok())
        .find(|reading| reading.size() < reading.group.bounds.max);
    let increase = room.map(|reading| {
        let data = format!(r#"{{"id":"{}","delta":1}}"#, reading.group.id());
        places.grpcurl(&data, "NodeGroupIncreaseSize")
    });
    std::iter::once(places.grpcurl("", "NodeGroups")).chain(increase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_to_try_can_be_pasted() {
        let places = Places {
            grpc: "0.0.0.0:8086".parse().unwrap(),
            plaintext: true,
            admin: "127.0.0.1:8087".parse().unwrap(),
        };
        assert_eq!(
            places.grpcurl("", "NodeGroups"),
            "grpcurl -plaintext 127.0.0.1:8086 \
             clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/NodeGroups"
        );
        assert_eq!(
            places.grpcurl(r#"{"id":"pool-b-12345678","delta":1}"#, "NodeGroupIncreaseSize"),
            r#"grpcurl -plaintext -d '{"id":"pool-b-12345678","delta":1}' 127.0.0.1:8086 "#.to_owned()
                + "clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/NodeGroupIncreaseSize"
        );
    }
}
