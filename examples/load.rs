//! Plays cluster-autoscaler's loop against a running server and prints what it costs.
//!
//! After `cargo build --release`, `cargo run --release --example load -- --start` starts a simulator (50 ms a request,
//! 5 groups of 200 nodes) and the server beside it, and measures the server's memory and its first loop as well;
//! without `--start` it takes `--address` and `--admin-address` of a server that runs already. It asks for scale-downs: never point it at a
//! cluster that somebody needs.
#![allow(clippy::print_stdout, reason = "its output is its purpose")]

use std::{
    error::Error,
    fmt::Write as _,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Parser;
use cluster_autoscaler_provider_magnum::grpc::externalgrpc::{
    ExternalGrpcNode, NodeGroup, NodeGroupAutoscalingOptions, NodeGroupAutoscalingOptionsRequest,
    NodeGroupDeleteNodesRequest, NodeGroupForNodeRequest, NodeGroupNodesRequest, NodeGroupTargetSizeRequest,
    NodeGroupTemplateNodeInfoRequest, NodeGroupsRequest, RefreshRequest,
    cloud_provider_client::CloudProviderClient, instance_status::InstanceState,
};
use futures_util::future::join_all;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::sleep,
};
use tonic::{Code, Status, transport::Channel};

type Client = CloudProviderClient<Channel>;
type Failure = Box<dyn Error + Send + Sync>;

/// Plays cluster-autoscaler's loop against a running server and prints what it costs.
#[derive(Parser, Debug)]
struct Arguments {
    /// Start this build's server on the simulator first, and stop it at the end.
    #[arg(long)]
    start: bool,
    /// gRPC address of the server.
    #[arg(long, default_value = "127.0.0.1:8086")]
    address: String,
    /// Admin address of the server, for its count of OpenStack requests and its memory.
    #[arg(long, default_value = "127.0.0.1:8087")]
    admin_address: String,
    /// Simulated time of an OpenStack request, for --start.
    #[arg(long, default_value = "50ms")]
    latency: String,
    /// Node groups of the simulator, for --start.
    #[arg(long, default_value_t = 5)]
    groups: usize,
    /// Nodes of each group, for --start.
    #[arg(long, default_value_t = 200)]
    nodes_per_group: usize,
    /// Loops to measure.
    #[arg(long, default_value_t = 20)]
    loops: usize,
    /// Clients that call NodeGroupNodes at once.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// One-node deletes in a burst.
    #[arg(long, default_value_t = 10)]
    burst: usize,
}

/// Durations of the calls of one method.
#[derive(Default)]
struct Durations(Vec<Duration>);

impl Durations {
    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted
            .get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

/// All methods in the order of their first call.
#[derive(Default)]
struct Measurements(Vec<(&'static str, Durations)>);

impl Measurements {
    fn add(&mut self, method: &'static str, duration: Duration) {
        match self.0.iter_mut().find(|(name, _)| *name == method) {
            Some((_, durations)) => durations.0.push(duration),
            None => self.0.push((method, Durations(vec![duration]))),
        }
    }

    async fn time<T>(
        &mut self,
        method: &'static str,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let begun = Instant::now();
        let result = call.await;
        self.add(method, begun.elapsed());
        result
    }

    fn print(&self) {
        println!("{:<28} {:>8} {:>10} {:>10}", "method", "calls", "p50 ms", "p99 ms");
        for (method, durations) in &self.0 {
            println!(
                "{method:<28} {:>8} {:>10.3} {:>10.3}",
                durations.0.len(),
                milliseconds(durations.percentile(50)),
                milliseconds(durations.percentile(99))
            );
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // On a worker: from the main thread each call would cost two changes of thread.
    tokio::spawn(measure(Arguments::parse())).await?
}

async fn measure(arguments: Arguments) -> Result<(), Failure> {
    // Fails only where one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let started = if arguments.start { Some(start(&arguments).await?) } else { None };
    let mut client = connect(&arguments.address).await?;
    let mut measurements = Measurements::default();
    let nodes = first_loop(&mut client, &mut measurements).await?;
    println!("{} nodes", nodes.len());
    if let Some((_, begun)) = &started {
        println!("first loop of a fresh process, from its start: {:.3} s", begun.elapsed().as_secs_f64());
    }

    for foreign in [0, 3] {
        let requests_before = openstack_requests(&arguments).await;
        let mut loops = Durations::default();
        for _ in 0..arguments.loops {
            loops.0.push(one_loop(&mut client, &nodes, foreign, &mut measurements).await?);
        }
        let requests = openstack_requests(&arguments).await.zip(requests_before);
        let mut line = format!(
            "loop, {foreign} foreign nodes: p50 {:.3} s, p99 {:.3} s",
            loops.percentile(50).as_secs_f64(),
            loops.percentile(99).as_secs_f64()
        );
        if let Some((after, before)) = requests {
            #[allow(clippy::cast_precision_loss, reason = "a few thousand requests")]
            let each = (after - before) / arguments.loops as f64;
            write!(line, ", {each:.1} OpenStack requests a loop")?;
        }
        println!("{line}");
    }
    throughput(&client, &arguments, "at rest").await?;
    burst(&mut client, &arguments, &mut measurements).await?;
    throughput(&client, &arguments, "during the resize").await?;
    measurements.print();
    if let Some(kib) = started.as_ref().and_then(|(started, _)| peak_memory(&started.server)) {
        println!("peak RSS of the server: {:.1} MB", kib / 1024.0);
    }
    Ok(())
}

/// A server on a simulator of its own, both stopped when this is dropped.
struct Started {
    server: Child,
    _simulator: Child,
}

/// Starts the simulator, waits for the credentials that it prints, and starts the server with them.
async fn start(arguments: &Arguments) -> Result<(Started, Instant), Failure> {
    let program = std::env::current_exe()?;
    let directory = program.parent().and_then(|examples| examples.parent()).ok_or("no build directory")?;
    let program = directory.join("cluster-autoscaler-provider-magnum");
    let mut simulator = Command::new(&program)
        .args(["simulate", "--address", "127.0.0.1:0", "--latency", &arguments.latency])
        .args(["--groups", &arguments.groups.to_string()])
        .args(["--nodes-per-group", &arguments.nodes_per_group.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(simulator.stdout.take().ok_or("no output of the simulator")?).lines();
    let mut environment = Vec::new();
    // All are written at once, and this is the last of them.
    while !environment.iter().any(|(name, _)| name == "OS_USER_DOMAIN_NAME") {
        let line = lines.next_line().await?.ok_or("the simulator did not start")?;
        let variable = line.strip_prefix("export ").and_then(|variable| variable.split_once('='));
        let (name, value) = variable.ok_or("the simulator printed no credentials")?;
        environment.push((name.to_owned(), value.trim_matches('\'').to_owned()));
    }
    let begun = Instant::now();
    let server = Command::new(&program)
        .args(["serve", "--cluster-name", "k8s", "--address", &arguments.address])
        .args(["--admin-address", &arguments.admin_address])
        .env_remove("OS_CLOUD")
        .envs(environment)
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok((Started { server, _simulator: simulator }, begun))
}

async fn connect(address: &str) -> Result<Client, Failure> {
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        match Client::connect(format!("http://{address}")).await {
            Ok(client) => return Ok(client),
            Err(error) if Instant::now() > give_up => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

/// The first loop, begun anew until the server has read the cloud, as cluster-autoscaler does when Refresh fails.
/// Returns all nodes.
async fn first_loop(client: &mut Client, measurements: &mut Measurements) -> Result<Vec<String>, Failure> {
    let give_up = Instant::now() + Duration::from_secs(30);
    while let Err(error) = client.refresh(RefreshRequest {}).await {
        if error.code() != Code::Unavailable || Instant::now() > give_up {
            return Err(error.into());
        }
    }
    let groups = groups(client, measurements).await?;
    let mut nodes = Vec::new();
    for group in &groups {
        let request = NodeGroupNodesRequest { id: group.id.clone() };
        let instances = client.node_group_nodes(request).await?.into_inner().instances;
        nodes.extend(instances.into_iter().map(|instance| instance.id));
    }
    after_refresh(client, &groups, &nodes, 3, &mut Measurements::default()).await?;
    Ok(nodes)
}

async fn groups(client: &mut Client, measurements: &mut Measurements) -> Result<Vec<NodeGroup>, Status> {
    let response = measurements.time("NodeGroups", client.node_groups(NodeGroupsRequest {})).await?;
    Ok(response.into_inner().node_groups)
}

fn node(provider_id: &str, name: &str) -> ExternalGrpcNode {
    ExternalGrpcNode { provider_id: provider_id.into(), name: name.into(), ..ExternalGrpcNode::default() }
}

/// The calls of one main loop, one after the other as cluster-autoscaler makes them.
async fn one_loop(
    client: &mut Client,
    nodes: &[String],
    foreign: usize,
    measurements: &mut Measurements,
) -> Result<Duration, Status> {
    let begun = Instant::now();
    measurements.time("Refresh", client.refresh(RefreshRequest {})).await?;
    let groups = groups(client, measurements).await?;
    after_refresh(client, &groups, nodes, foreign, measurements).await?;
    Ok(begun.elapsed())
}

/// What a loop asks once it knows the groups.
async fn after_refresh(
    client: &mut Client,
    groups: &[NodeGroup],
    nodes: &[String],
    foreign: usize,
    measurements: &mut Measurements,
) -> Result<(), Status> {
    for provider_id in nodes {
        let request = NodeGroupForNodeRequest { node: Some(node(provider_id, "node")) };
        measurements.time("NodeGroupForNode", client.node_group_for_node(request)).await?;
    }
    for number in 0..foreign {
        let provider_id = format!("openstack:///ffffffff-0000-4000-8000-00000000000{number}");
        let request = NodeGroupForNodeRequest { node: Some(node(&provider_id, "control-plane")) };
        measurements.time("NodeGroupForNode (foreign)", client.node_group_for_node(request)).await?;
    }
    for NodeGroup { id, .. } in groups {
        let request = NodeGroupTargetSizeRequest { id: id.clone() };
        measurements.time("NodeGroupTargetSize", client.node_group_target_size(request)).await?;
        let request = NodeGroupNodesRequest { id: id.clone() };
        measurements.time("NodeGroupNodes", client.node_group_nodes(request)).await?;
        let request = NodeGroupTemplateNodeInfoRequest { id: id.clone() };
        let template = client.node_group_template_node_info(request);
        measurements.time("NodeGroupTemplateNodeInfo", template).await?;
        let defaults = Some(NodeGroupAutoscalingOptions::default());
        let request = NodeGroupAutoscalingOptionsRequest { id: id.clone(), defaults };
        measurements.time("NodeGroupGetOptions", client.node_group_get_options(request)).await?;
    }
    Ok(())
}

/// NodeGroupNodes from many clients at once.
async fn throughput(client: &Client, arguments: &Arguments, when: &str) -> Result<(), Failure> {
    const CALLS: usize = 500;
    let mut first = client.clone();
    let groups = first.node_groups(NodeGroupsRequest {}).await?.into_inner().node_groups;
    let id = Arc::new(groups.into_iter().next().ok_or("no node group")?.id);
    let mut clients = Vec::new();
    for _ in 0..arguments.clients {
        clients.push(connect(&arguments.address).await?);
    }
    let begun = Instant::now();
    let tasks = clients.into_iter().map(|mut client| {
        let id = Arc::clone(&id);
        tokio::spawn(async move {
            let mut durations = Durations::default();
            for _ in 0..CALLS {
                let begun = Instant::now();
                client.node_group_nodes(NodeGroupNodesRequest { id: id.to_string() }).await?;
                durations.0.push(begun.elapsed());
            }
            Ok::<_, Status>(durations)
        })
    });
    let mut all = Durations::default();
    for task in join_all(tasks).await {
        all.0.extend(task??.0);
    }
    #[allow(clippy::cast_precision_loss, reason = "a few thousand calls")]
    let rate = all.0.len() as f64 / begun.elapsed().as_secs_f64();
    println!(
        "NodeGroupNodes {when}, {} clients: {rate:.0} calls/s, p50 {:.3} ms, p99 {:.3} ms",
        arguments.clients,
        milliseconds(all.percentile(50)),
        milliseconds(all.percentile(99))
    );
    Ok(())
}

/// Parallel one-node deletes of the first group, as scale-down sends them.
async fn burst(
    client: &mut Client,
    arguments: &Arguments,
    measurements: &mut Measurements,
) -> Result<(), Failure> {
    let group = client.node_groups(NodeGroupsRequest {}).await?.into_inner().node_groups.into_iter().next();
    let id = group.ok_or("no node group")?.id;
    let instances =
        client.node_group_nodes(NodeGroupNodesRequest { id: id.clone() }).await?.into_inner().instances;
    let victims = instances.into_iter().take(arguments.burst);
    let begun = Instant::now();
    let calls = victims.map(|instance| {
        let mut client = client.clone();
        let id = id.clone();
        async move {
            let begun = Instant::now();
            let nodes = vec![node(&instance.id, "node")];
            client.node_group_delete_nodes(NodeGroupDeleteNodesRequest { nodes, id }).await?;
            Ok::<_, Status>(begun.elapsed())
        }
    });
    for duration in join_all(calls).await {
        measurements.add("NodeGroupDeleteNodes", duration?);
    }
    println!(
        "{} parallel one-node deletes: all answered after {:.3} s",
        arguments.burst,
        begun.elapsed().as_secs_f64()
    );
    let instances = client.node_group_nodes(NodeGroupNodesRequest { id }).await?.into_inner().instances;
    let deleting = instances
        .iter()
        .filter(|instance| {
            instance
                .status
                .as_ref()
                .is_some_and(|status| status.instance_state() == InstanceState::InstanceDeleting)
        })
        .count();
    println!("shown as deleting at once: {deleting}");
    Ok(())
}

/// Sum of openstack_api_requests_total.
async fn openstack_requests(arguments: &Arguments) -> Option<f64> {
    let url = format!("http://{}/metrics", arguments.admin_address);
    // Fails only where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().ok()?;
    let text = client.get(url).send().await.ok()?.text().await.ok()?;
    let values = text
        .lines()
        .filter(|line| line.starts_with("openstack_api_requests_total"))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    Some(values.sum())
}

/// Peak resident memory of the server that was started, in KiB.
fn peak_memory(server: &Child) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()?)).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
