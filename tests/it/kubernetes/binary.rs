//! The whole service with its options.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{api::ApiServer, recorded_rhel};

#[tokio::test]
async fn serve_watches_kubernetes_where_it_is_told_to() {
    let api = ApiServer::start().await;
    api.apply(recorded_rhel());
    let kubeconfig = api.kubeconfig();
    let mut service = Command::new(env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum"))
        .env_clear()
        .env("KUBECONFIG", kubeconfig.path())
        // Not for the way to Kubernetes.
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .args(["serve", "--simulate", "--kube-lookup", "--provider-id-prefix", "openstack://RegionOne/"])
        .args(["--address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(service.stderr.take().unwrap()).lines();
    loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if line.contains("watching the nodes of Kubernetes") {
            assert!(line.contains(&api.address.to_string()) && line.contains("1 nodes"), "{line}");
            break;
        }
    }
}
