//! The templates of `serve --simulate`, decoded by Kubernetes' own generated types. Needs Go and its module proxy, so
//! that it is ignored unless asked for: `cargo test --test it -- --ignored kubernetes_types::`.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::{
    NodeGroupTemplateNodeInfoRequest, NodeGroupsRequest, cloud_provider_client::CloudProviderClient,
};
use serde_json::Value;

use crate::free_address::free_address;

/// Builds the decoder.
fn decoder() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kubernetes_types");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubernetes-types");
    let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(source).output();
    let built = built.expect("the program go");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Each group's template, field 1 and field 2 of the answer.
async fn templates() -> Vec<(String, [Vec<u8>; 2])> {
    let free = free_address().to_string();
    let service = Command::new(env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum"))
        .env_clear()
        .args(["serve", "--simulate", "--admin-address", "127.0.0.1:0", "--address", &free])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _service = Service(service);
    let answered = async {
        loop {
            if let Ok(mut client) = CloudProviderClient::connect(format!("http://{free}")).await
                && let Ok(groups) = client.node_groups(NodeGroupsRequest {}).await
            {
                return (client, groups.into_inner().node_groups);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (mut client, groups) = tokio::time::timeout(Duration::from_secs(60), answered).await.unwrap();
    let mut templates = Vec::new();
    for group in groups {
        let request = NodeGroupTemplateNodeInfoRequest { id: group.id.clone() };
        let answer = client.node_group_template_node_info(request).await.unwrap().into_inner();
        templates.push((group.id, [answer.node_info, answer.node_bytes]));
    }
    templates
}

fn decode(decoder: &Path, nodes: &[&[u8]]) -> Vec<Value> {
    let mut child = Command::new(decoder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for node in nodes {
        let digits: String = node.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(stdin, "{digits}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
#[ignore = "needs Go and its module proxy"]
async fn kubernetes_understands_the_templates_of_serve_simulate() {
    let decoder = decoder();
    let templates = templates().await;
    let ids: Vec<_> = templates.iter().map(|(id, _)| id.rsplit_once('-').unwrap().0).collect();
    assert_eq!(ids, ["default-worker", "pool-b"]);
    for (id, fields) in &templates {
        for decoded in decode(&decoder, &[&fields[0], &fields[1]]) {
            println!("{decoded:#}");
            let (node, name) = (&decoded["Node"], id.rsplit_once('-').unwrap().0);
            assert_eq!(node["metadata"]["name"], format!("{id}-template"));
            let labels = &node["metadata"]["labels"];
            assert_eq!(labels["magnum.openstack.org/nodegroup"], name);
            assert_eq!(labels["node.kubernetes.io/instance-type"], "m1.node");
            assert_eq!(labels["topology.kubernetes.io/region"], "RegionOne");
            assert_eq!(labels["kubernetes.io/hostname"], node["metadata"]["name"]);
            assert!(node["spec"]["providerID"].as_str().unwrap().starts_with("openstack:///"));
            // 4 vCPUs, 8192 MiB and 20 GiB by the kubelet's arithmetic.
            let memory = (8192 - 128 - 16 - 64 - 100) * 1024 * 1024_u64;
            assert_eq!(
                ["MilliCPU", "Memory", "Storage", "Pods"].map(|what| decoded[what].as_u64().unwrap()),
                [4000, memory, 18 << 30, 110]
            );
            assert_eq!(node["status"]["capacity"]["memory"], "7984Mi");
            let conditions = node["status"]["conditions"].as_array().unwrap();
            let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
            assert_eq!((conditions.len(), &ready["status"]), (5, &Value::from("True")));
        }
    }
}
