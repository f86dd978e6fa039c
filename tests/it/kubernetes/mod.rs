//! The watch of Node objects and the events, against a Kubernetes API server on loopback, and what cluster-autoscaler sees
//! of them over gRPC.
//!
//! Both Node objects are recorded ones, less image lists and conditions. `node-openstack-rhel.json` is in the k8s-datasource
//! specification of openstack/vitrage-specs: its image brought a machineID along, and its systemUUID is the server's.
//! `node-openstack-coreos.json` is from a public repository of SAP Converged Cloud's users: a cloud on VMware, where neither id
//! is the server's. The provider ID is taken away where a test needs a node without one.

mod api;
mod binary;
mod foreign;
mod identity;
mod tls;
mod watching;
mod writing;

use serde_json::Value;

/// The server that the recorded node from Red Hat's image is on.
const RECORDED: &str = "41c40aab-80e9-4bb6-a280-27976bfc811f";

fn recorded_rhel() -> Value {
    serde_json::from_str(include_str!("../../fixtures/node-openstack-rhel.json")).unwrap()
}

fn recorded_coreos() -> Value {
    serde_json::from_str(include_str!("../../fixtures/node-openstack-coreos.json")).unwrap()
}

/// The recorded node without a provider ID, by another name and with these ids.
fn node(name: &str, machine_id: &str, system_uuid: &str) -> Value {
    let mut node = recorded_rhel();
    node["metadata"]["name"] = name.into();
    node["spec"]["providerID"].take();
    node["status"]["nodeInfo"]["machineID"] = machine_id.into();
    node["status"]["nodeInfo"]["systemUUID"] = system_uuid.into();
    node
}
