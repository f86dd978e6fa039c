//! The command `serve`: the modules wired together, from the first line in the log to the last.

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
    first_reading::{self, is_fatal},
    signals::StopSignals,
};
use crate::{
    core::{
        cloud::{CloudError, Observation},
        settings::Settings,
    },
    engine::{Engine, Subscriber},
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
/// How long the engine may take to end after that, with a request to the cloud under way.
const ENGINE_TIME: Duration = Duration::from_secs(10);

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
    #[cfg(feature = "simulator")]
    let simulator = super::simulate::simulator_of(arguments).await?;
    #[cfg(feature = "simulator")]
    let own_cloud = simulator.as_ref().map(|simulator| &simulator.access);
    #[cfg(not(feature = "simulator"))]
    let own_cloud = None;
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let kubernetes = arguments.kubernetes.start(&stop).await?;
    if let Some(nodes) = &kubernetes.nodes {
        metrics.watch_nodes(Arc::clone(nodes));
    }
    let cloud = connect(arguments, own_cloud, &metrics, Arc::clone(&settings), kubernetes.nodes.clone())?;

    let mut subscribers: Vec<Arc<dyn Subscriber>> = vec![metrics.clone()];
    subscribers.extend(kubernetes.events);
    let mut options = arguments.pace.engine_options();
    options.identify_by_name = arguments.cloud.identify_by_name;
    options.provider_id_prefix.clone_from(&arguments.cloud.provider_id_prefix);
    options.nodes.clone_from(&kubernetes.nodes);
    if own_cloud.is_some() {
        // The simulated cloud is new: no earlier process has sent it anything.
        options.timing.timeouts.after_start = Duration::ZERO;
    }
    let (listen, readings) = first_reading::listen();
    let engine = Engine::start_observed(cloud, options, Arc::new(subscribers), listen);
    let addresses = Addresses { grpc: server.address(), plaintext, admin: admin.address() };
    let running = Running::start(server, admin, engine, metrics, settings);
    running.until_stopped(&mut signals, readings, &addresses, own_cloud.is_some()).await
}

/// The parser checks this already, except when `MAGNUM_AUTOSCALER_SIMULATE` is `false`: it takes that for given.
fn require_cluster(arguments: &ServeArguments) -> Result<(), StartError> {
    if arguments.simulates() || arguments.cloud.cluster_name.is_some() {
        return Ok(());
    }
    Err(StartError::Configuration(
        "which cluster? give --cluster-name, or --simulate to try without one".to_owned(),
    ))
}

/// Where the service is reached.
struct Addresses {
    grpc: SocketAddr,
    plaintext: bool,
    admin: SocketAddr,
}

impl Addresses {
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
        addresses: &Addresses,
        simulated: bool,
    ) -> Result<(), StartError> {
        // The first reading soon tells whether the configuration works, unless the cloud is slow.
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
                        addresses.announce();
                    }
                    // The engine has logged the failure and tries again.
                    if let Ok(observation) = reading {
                        // First which groups are scaled, then what to try.
                        let _ = self.engine.refresh(Instant::now() + ANNOUNCE_AFTER).await;
                        announce_cluster(&observation, addresses, simulated);
                    }
                }
                () = &mut silence, if !announced => {
                    announced = true;
                    addresses.announce();
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
        let ended = async {
            let drained = timeout(DRAIN_TIME, self.server).await;
            // Whoever keeps a connection open, the requests that were not sent are told.
            let stopped = timeout(ENGINE_TIME, self.engine.stop()).await;
            match (drained, stopped) {
                (_, Err(_)) => {
                    warn!("stopped with work for the cloud under way after {} s", ENGINE_TIME.as_secs());
                }
                (Err(_), _) => {
                    warn!("stopped with calls or connections still open after {} s", DRAIN_TIME.as_secs());
                }
                (Ok(_), Ok(())) => info!("stopped"),
            }
        };
        tokio::select! {
            () = ended => {}
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
fn announce_cluster(observation: &Observation, addresses: &Addresses, simulated: bool) {
    let cluster = &observation.cluster_name;
    if observation.groups.is_empty() {
        warn!("cluster {cluster} has no node group to scale: see --nodes and --node-group-auto-discovery");
    }
    if simulated {
        for line in suggestions(observation, addresses) {
            info!("try: {line}");
        }
    }
}

/// The calls to try: a look at the groups, and one node more in a group that has room.
fn suggestions(observation: &Observation, addresses: &Addresses) -> Vec<String> {
    let room = observation
        .groups
        .iter()
        .filter_map(|group| group.reading.as_ref().ok())
        .find(|reading| reading.size() < reading.group.bounds.max);
    let increase = room.map(|reading| {
        let data = format!(r#"{{"id":"{}","delta":1}}"#, reading.group.id());
        addresses.grpcurl(&data, "NodeGroupIncreaseSize")
    });
    std::iter::once(addresses.grpcurl("", "NodeGroups")).chain(increase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_to_try_can_be_pasted() {
        let addresses = Addresses {
            grpc: "0.0.0.0:8086".parse().unwrap(),
            plaintext: true,
            admin: "127.0.0.1:8087".parse().unwrap(),
        };
        assert_eq!(
            addresses.grpcurl("", "NodeGroups"),
            "grpcurl -plaintext 127.0.0.1:8086 \
             clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/NodeGroups"
        );
        assert_eq!(
            addresses.grpcurl(r#"{"id":"pool-b-12345678","delta":1}"#, "NodeGroupIncreaseSize"),
            r#"grpcurl -plaintext -d '{"id":"pool-b-12345678","delta":1}' 127.0.0.1:8086 "#.to_owned()
                + "clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/NodeGroupIncreaseSize"
        );
    }
}
