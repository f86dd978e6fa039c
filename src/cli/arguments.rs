//! The command line: a contract that scripts and manifests rely on.
//!
//! Each option is an environment variable too: `MAGNUM_AUTOSCALER_` and its name in capitals, `OS_CLOUD` apart.

use std::{
    net::{Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{
    Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    builder::{BoolishValueParser, NonEmptyStringValueParser},
};

use super::{driver_arguments::DriverArguments, kubernetes::KubernetesArguments};
use crate::{
    core::{lifecycle::Timing, provider_id::ProviderIdPrefix, template::labels::check_key},
    engine::EngineOptions,
    grpc::tls::SecurityOptions,
    telemetry::logs::{self, LogFormat},
};

/// A call waits for the window and then for Magnum, and cluster-autoscaler gives it 5 s by default.
const MAX_COALESCE_WINDOW: Duration = Duration::from_secs(2);

/// An external gRPC cloud provider that lets the Kubernetes cluster-autoscaler grow and shrink OpenStack Magnum
/// clusters.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve cluster-autoscaler
    ///
    /// Answers cluster-autoscaler's calls (--cloud-provider=externalgrpc) and carries them out on a Magnum cluster
    /// until SIGTERM. Exit code 0: stopped on request, 1: failed, 2: wrong usage or configuration.
    Serve(Box<ServeArguments>),
    #[cfg(feature = "simulator")]
    /// Run a simulated OpenStack alone
    ///
    /// Keystone, Magnum, Heat and Nova in memory over real HTTP, for other clients. Prints the credentials to use.
    Simulate(SimulateArguments),
    #[cfg(feature = "simulator")]
    /// Watch the service work, without any cloud
    ///
    /// Starts the simulator and the service on free ports of this machine, plays cluster-autoscaler's part over gRPC,
    /// and shows each call with the request to OpenStack that it becomes. Exit code 0: everything was as it should be,
    /// 1: something was not, or it was stopped.
    Demo(DemoArguments),
}

/// The options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Where cluster-autoscaler connects to, IP:PORT; ":PORT" for all addresses
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_ADDRESS",
        default_value = "127.0.0.1:8086",
        value_name = "IP:PORT",
        value_parser = parse_address
    )]
    pub address: SocketAddr,

    /// Where /metrics, /healthz and /readyz are served over plain HTTP, IP:PORT
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_ADMIN_ADDRESS",
        default_value = "127.0.0.1:8087",
        value_name = "IP:PORT",
        value_parser = parse_address
    )]
    pub admin_address: SocketAddr,

    /// YAML file with settings of single node groups: bounds, labels, taints, reserved resources, options, prices
    ///
    /// docs/templates.md describes it. A key that is not known is an error.
    #[arg(long, env = "MAGNUM_AUTOSCALER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Label that marks nodes with a GPU; its value is the GPU's kind [default: magnum.openstack.org/gpu]
    #[arg(long, env = "MAGNUM_AUTOSCALER_GPU_LABEL", value_name = "KEY", value_parser = parse_label_key)]
    pub gpu_label: Option<String>,

    /// Where the cloud is and what to scale.
    #[command(flatten, next_help_heading = "Cloud")]
    pub cloud: CloudArguments,

    /// The driver behind Magnum.
    #[command(flatten, next_help_heading = "Driver")]
    pub driver: DriverArguments,

    /// What Kubernetes is asked for.
    #[command(flatten, next_help_heading = "Kubernetes")]
    pub kubernetes: KubernetesArguments,

    /// How requests are paced.
    #[command(flatten, next_help_heading = "Pace")]
    pub pace: PaceArguments,

    /// Who may call.
    #[command(flatten, next_help_heading = "TLS")]
    pub tls: TlsArguments,

    /// What is logged.
    #[command(flatten, next_help_heading = "Log")]
    pub log: LogArguments,

    #[cfg(feature = "simulator")]
    /// Run against the built-in simulator instead of a cloud
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_SIMULATE",
        value_parser = BoolishValueParser::new(),
        conflicts_with = "cloud_config",
        help_heading = "Simulator"
    )]
    pub simulate: bool,

    #[cfg(feature = "simulator")]
    /// What is simulated.
    #[command(flatten, next_help_heading = "Simulator")]
    pub simulator: SimulatorArguments,
}

impl ServeArguments {
    /// Whether the cloud is the built-in simulator.
    #[must_use]
    pub fn simulates(&self) -> bool {
        #[cfg(feature = "simulator")]
        let simulates = self.simulate;
        #[cfg(not(feature = "simulator"))]
        let simulates = false;
        simulates
    }
}

/// Where the cloud is and what to scale.
#[derive(Debug, Clone, Args)]
pub struct CloudArguments {
    /// INI file that cluster-autoscaler's magnum provider and the OpenStack cloud provider read (cloud.conf)
    ///
    /// Without it, --os-cloud names an entry of clouds.yaml; without that, the OS_* variables count.
    #[arg(long, env = "MAGNUM_AUTOSCALER_CLOUD_CONFIG", value_name = "FILE")]
    pub cloud_config: Option<PathBuf>,

    /// Entry of clouds.yaml to use
    #[arg(long, env = "OS_CLOUD", value_name = "NAME")]
    pub os_cloud: Option<String>,

    #[cfg_attr(
        feature = "simulator",
        doc = "Name or UUID of the Magnum cluster; required unless --simulate"
    )]
    #[cfg_attr(not(feature = "simulator"), doc = "Name or UUID of the Magnum cluster; required")]
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_CLUSTER_NAME",
        value_name = "NAME-OR-UUID",
        value_parser = NonEmptyStringValueParser::new()
    )]
    #[cfg_attr(feature = "simulator", arg(required_unless_present = "simulate"))]
    #[cfg_attr(not(feature = "simulator"), arg(required = true))]
    pub cluster_name: Option<String>,

    /// Node group to scale, with the fewest and the most nodes it may have; repeatable, ";" between several in the
    /// environment
    ///
    /// Without --nodes and --node-group-auto-discovery, every group that has a maximum is scaled, groups of role
    /// master excepted.
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_NODES",
        value_name = "MIN:MAX:GROUP",
        value_delimiter = ';',
        conflicts_with = "node_group_auto_discovery"
    )]
    pub nodes: Vec<String>,

    /// Scale every node group of these roles that has a maximum; repeatable, ";" between several in the environment
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_NODE_GROUP_AUTO_DISCOVERY",
        value_name = "magnum:role=ROLE[,ROLE…]",
        value_delimiter = ';'
    )]
    pub node_group_auto_discovery: Vec<String>,

    /// Identify nodes without a provider ID by their names: for clusters whose nodes never get one
    ///
    /// So it is by itself where no node shows a provider ID and the label cloud_provider_enabled is not true. Elsewhere a
    /// node without one is not taken for a node of its group before it has got it.
    #[arg(long, env = "MAGNUM_AUTOSCALER_IDENTIFY_BY_NAME", value_parser = BoolishValueParser::new())]
    pub identify_by_name: bool,

    /// What provider IDs of nodes that are not registered yet begin with, like openstack:/// or openstack://RegionOne/
    /// [default: as registered nodes show it, else openstack:///]
    #[arg(long, env = "MAGNUM_AUTOSCALER_PROVIDER_ID_PREFIX", value_name = "PREFIX")]
    pub provider_id_prefix: Option<ProviderIdPrefix>,

    /// How long a single request to OpenStack may take, like 10s or 1m; a resize is given 30s at least
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_OPENSTACK_TIMEOUT",
        default_value = "10s",
        value_name = "DURATION",
        value_parser = parse_positive_duration
    )]
    pub openstack_timeout: Duration,
}

/// How requests are paced.
#[derive(Debug, Clone, Args)]
pub struct PaceArguments {
    /// How long requests for one node group are gathered into one resize, like 200ms; 2s at most, since
    /// cluster-autoscaler waits meanwhile
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_COALESCE_WINDOW",
        default_value = "200ms",
        value_name = "DURATION",
        value_parser = parse_coalesce_window
    )]
    pub coalesce_window: Duration,

    /// How often OpenStack is read when nobody asks
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_REFRESH_INTERVAL",
        default_value = "10s",
        value_name = "DURATION",
        value_parser = parse_positive_duration
    )]
    pub refresh_interval: Duration,
}

impl PaceArguments {
    /// For the engine.
    #[must_use]
    pub fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            refresh_interval: self.refresh_interval,
            timing: Timing { coalesce_window: self.coalesce_window, ..Timing::default() },
            ..EngineOptions::default()
        }
    }
}

/// Who may call.
#[derive(Debug, Clone, Args)]
pub struct TlsArguments {
    /// PEM file with the server's certificate chain; the three TLS options belong together
    #[arg(long, env = "MAGNUM_AUTOSCALER_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// PEM file with the server's private key
    #[arg(long, env = "MAGNUM_AUTOSCALER_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// PEM file with the authority that signs the certificates of callers
    #[arg(long, env = "MAGNUM_AUTOSCALER_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,

    /// Allow plaintext on an address that other machines can reach
    #[arg(long, env = "MAGNUM_AUTOSCALER_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,
}

impl TlsArguments {
    /// For the server.
    #[must_use]
    pub fn security_options(&self) -> SecurityOptions {
        SecurityOptions {
            certificate: self.tls_cert.clone(),
            key: self.tls_key.clone(),
            client_ca: self.tls_client_ca.clone(),
            insecure: self.insecure,
        }
    }
}

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

#[cfg(feature = "simulator")]
/// The options of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArguments {
    /// Where the simulated services listen, IP:PORT
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_ADDRESS",
        default_value = "127.0.0.1:8088",
        value_name = "IP:PORT",
        value_parser = parse_address
    )]
    pub address: SocketAddr,

    /// What is simulated.
    #[command(flatten)]
    pub simulator: SimulatorArguments,

    /// What is logged.
    #[command(flatten, next_help_heading = "Log")]
    pub log: LogArguments,
}

#[cfg(feature = "simulator")]
/// What is simulated.
#[derive(Debug, Clone, Args)]
pub struct SimulatorArguments {
    /// Releases and driver to behave as; docs/simulator-profiles.md tells what differs
    #[arg(long, env = "MAGNUM_AUTOSCALER_PROFILE", default_value = "zed", value_name = "NAME")]
    pub profile: crate::simulator::Profile,

    /// How long each simulated request takes, like 50ms
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_LATENCY",
        default_value = "0ms",
        value_name = "DURATION",
        value_parser = humantime::parse_duration
    )]
    pub latency: Duration,

    /// How long a simulated node takes to boot, like 3s
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_NODE_BOOT_TIME",
        default_value = "3s",
        value_name = "DURATION",
        value_parser = humantime::parse_duration
    )]
    pub node_boot_time: Duration,

    /// Simulate this many equal groups instead of default-worker (1 node, 1–6) and pool-b (0 nodes, 0–10)
    #[arg(long, env = "MAGNUM_AUTOSCALER_GROUPS", value_name = "NUMBER")]
    pub groups: Option<usize>,

    /// Nodes in each of the simulated --groups
    #[arg(long, env = "MAGNUM_AUTOSCALER_NODES_PER_GROUP", value_name = "NUMBER", requires = "groups")]
    pub nodes_per_group: Option<u32>,
}

#[cfg(feature = "simulator")]
/// The options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// How long a simulated node takes to boot, like 2s
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_NODE_BOOT_TIME",
        default_value = "2s",
        value_name = "DURATION",
        value_parser = humantime::parse_duration
    )]
    pub node_boot_time: Duration,

    /// How long all of it may take
    #[arg(
        long,
        env = "MAGNUM_AUTOSCALER_TIME_LIMIT",
        default_value = "60s",
        value_name = "DURATION",
        value_parser = parse_positive_duration
    )]
    pub time_limit: Duration,

    /// Show the service's log as well, on standard error: error, warn, info, debug, trace or a filter
    #[arg(long, env = "MAGNUM_AUTOSCALER_LOG_LEVEL", value_name = "LEVEL", value_parser = parse_log_level)]
    pub log_level: Option<String>,
}

#[cfg(feature = "simulator")]
/// The options of [`SimulatorArguments`], which mean nothing to `serve` without `--simulate`.
const SIMULATOR_OPTIONS: [&str; 5] = ["profile", "latency", "node_boot_time", "groups", "nodes_per_group"];

impl Arguments {
    /// Parses the command line of the process; prints help, version or what is wrong, and exits, where that is
    /// due.
    #[must_use]
    pub fn parse_command_line() -> Self {
        let matches = Self::definition().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The whole command line.
    #[must_use]
    pub fn definition() -> clap::Command {
        #[cfg(not(feature = "simulator"))]
        let definition = Self::command();
        #[cfg(feature = "simulator")]
        let definition = Self::with_simulator_options(Self::command());
        definition
    }

    #[cfg(feature = "simulator")]
    fn with_simulator_options(definition: clap::Command) -> clap::Command {
        definition.mut_subcommand("serve", |serve| {
            serve.mut_args(|option| {
                if SIMULATOR_OPTIONS.contains(&option.get_id().as_str()) {
                    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                    option.requires("simulate").help(format!("{help}; with --simulate only"))
                } else {
                    option
                }
            })
        })
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|error| format!("{port:?} is not a port number: {error}"))?;
        return Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    let text =
        text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "expected IP:PORT, like 127.0.0.1:8086, [::]:8086 or :8086".to_owned())
}

fn parse_label_key(text: &str) -> Result<String, String> {
    check_key(text).map(|()| text.to_owned()).map_err(|error| error.to_string())
}

fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be longer than 0".to_owned()) } else { Ok(duration) }
}

fn parse_coalesce_window(text: &str) -> Result<Duration, String> {
    let window = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if window > MAX_COALESCE_WINDOW {
        return Err(format!("must not be longer than {} s", MAX_COALESCE_WINDOW.as_secs()));
    }
    Ok(window)
}

fn parse_log_level(text: &str) -> Result<String, String> {
    logs::filter(Some(text)).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
mod tests;
