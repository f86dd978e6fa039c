//! Options of the simulator, and the commands that are nothing without it.

use std::{net::SocketAddr, time::Duration};

use clap::Args;

use super::{
    argument_values::{parse_address, parse_positive_duration},
    log_arguments::{LogArguments, parse_log_level},
};

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

/// The options of [`SimulatorArguments`], which mean nothing to `serve` without `--simulate`.
pub(super) const SIMULATOR_OPTIONS: [&str; 5] =
    ["profile", "latency", "node_boot_time", "groups", "nodes_per_group"];
