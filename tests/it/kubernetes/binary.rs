//! The whole service with its options.

use std::process::Stdio;

use cluster_autoscaler_provider_magnum::simulator::{Simulator, SimulatorOptions};
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use super::{api::ApiServer, recorded_rhel};
use crate::grpc_fixture::eventually;

/// `serve` on free ports with this way to Kubernetes, killed at the end.
struct Service {
    log: Lines<BufReader<ChildStderr>>,
    _process: Child,
    _kubeconfig: NamedTempFile,
}

impl Service {
    fn start(api: &ApiServer, options: &[&str], variables: &[(&str, String)]) -> Self {
        let kubeconfig = api.kubeconfig();
        let mut process = Command::new(env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum"))
            .env_clear()
            .env("KUBECONFIG", kubeconfig.path())
            .envs(variables.iter().cloned())
            .args(["serve", "--address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0"])
            .args(options)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { log, _process: process, _kubeconfig: kubeconfig }
    }

    /// The next line of the log with this part.
    async fn until_told(&mut self, part: &str) -> String {
        loop {
            let line = self.log.next_line().await.unwrap().unwrap();
            if line.contains(part) {
                return line;
            }
        }
    }
}

#[tokio::test]
async fn serve_watches_kubernetes_where_it_is_told_to() {
    let api = ApiServer::start().await;
    api.apply(recorded_rhel());
    let options = ["--simulate", "--kube-lookup", "--provider-id-prefix", "openstack://RegionOne/"];
    // Not for the way to Kubernetes.
    let proxy = [("HTTP_PROXY", "http://127.0.0.1:9".to_owned())];
    let mut service = Service::start(&api, &options, &proxy);
    let line = service.until_told("watching the nodes of Kubernetes").await;
    assert!(line.contains(&api.address.to_string()) && line.contains("1 nodes"), "{line}");
}

#[tokio::test]
async fn serve_writes_events_where_it_is_told_to() {
    let api = ApiServer::start().await;
    let simulator = Simulator::new(SimulatorOptions::default());
    let cloud = simulator.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let credentials = simulator.credentials();
    let variables = [
        ("OS_AUTH_URL", cloud.auth_url()),
        ("OS_USERNAME", credentials.user_name.to_owned()),
        ("OS_PASSWORD", credentials.password.to_owned()),
        ("OS_USER_DOMAIN_NAME", credentials.domain_name.to_owned()),
        ("OS_PROJECT_NAME", credentials.project_name.to_owned()),
        ("OS_PROJECT_DOMAIN_NAME", credentials.domain_name.to_owned()),
    ];
    let options =
        ["--cluster-name", &simulator.cluster_name(), "--kube-events", "--refresh-interval", "100ms"];
    let mut service = Service::start(&api, &options, &variables);
    let _ = service.until_told("scaling ").await;
    let servers = simulator.servers();
    let worker = servers.iter().find(|server| server.group.is_some()).unwrap();
    assert!(simulator.delete_server(&worker.uuid));
    eventually("its loss is written", || !api.events().is_empty()).await;
    let (_, event) = &api.events()[0];
    assert_eq!((&event["regarding"]["name"], &event["reason"]), (&json!(worker.name), &json!("ServerGone")));
}
