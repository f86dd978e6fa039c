//! Node objects as they are read: a handful of fields, each by itself, so that an odd one spoils no list.

use std::{borrow::Cow, collections::BTreeMap};

use kube::{Resource, api::ObjectMeta, core::ClusterResourceScope};
use serde::Deserialize;
use serde_json::Value;

use crate::core::{nodes::NodeObject, quantity::Quantity, template::labels::Taint};

/// The fields of `v1.Node` that matter.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct WatchedNode {
    metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "providerID")]
    provider_id: Option<String>,
    taints: Option<Vec<TaintRecord>>,
}

#[derive(Debug, Clone, Deserialize)]
struct TaintRecord {
    key: Option<String>,
    value: Option<String>,
    effect: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    capacity: Option<BTreeMap<String, Value>>,
    allocatable: Option<BTreeMap<String, Value>>,
    conditions: Option<Vec<Condition>>,
    node_info: Option<NodeInfo>,
}

#[derive(Debug, Clone, Deserialize)]
struct Condition {
    r#type: Option<String>,
    status: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    #[serde(rename = "machineID")]
    machine_id: Option<String>,
    #[serde(rename = "systemUUID")]
    system_uuid: Option<String>,
    architecture: Option<String>,
    kubelet_version: Option<String>,
}

impl Resource for WatchedNode {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        "Node".into()
    }

    fn group(_: &()) -> Cow<'_, str> {
        "".into()
    }

    fn version(_: &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural(_: &()) -> Cow<'_, str> {
        "nodes".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl From<WatchedNode> for NodeObject {
    fn from(node: WatchedNode) -> Self {
        let (metadata, spec, status) =
            (node.metadata, node.spec.unwrap_or_default(), node.status.unwrap_or_default());
        let info = status.node_info.unwrap_or_default();
        let is_ready = |condition: &Condition| {
            condition.r#type.as_deref() == Some("Ready") && condition.status.as_deref() == Some("True")
        };
        Self {
            name: metadata.name.unwrap_or_default(),
            created_at: metadata.creation_timestamp.map_or(0, |time| time.0.as_second()),
            labels: metadata.labels.unwrap_or_default(),
            provider_id: spec.provider_id.unwrap_or_default(),
            taints: spec.taints.into_iter().flatten().filter_map(taint).collect(),
            machine_id: info.machine_id.unwrap_or_default(),
            system_uuid: info.system_uuid.unwrap_or_default(),
            architecture: info.architecture.unwrap_or_default(),
            kubelet_version: info.kubelet_version.unwrap_or_default(),
            capacity: quantities(status.capacity),
            allocatable: quantities(status.allocatable),
            ready: status.conditions.iter().flatten().any(is_ready),
        }
    }
}

fn taint(record: TaintRecord) -> Option<Taint> {
    let TaintRecord { key, value, effect } = record;
    Taint::new(&key?, &value.unwrap_or_default(), &effect?).ok()
}

fn quantities(amounts: Option<BTreeMap<String, Value>>) -> BTreeMap<String, Quantity> {
    let amount = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        number => number.to_string().parse().ok(),
    };
    let amounts = amounts.into_iter().flatten();
    amounts.filter_map(|(name, value)| Some((name, amount(&value)?))).collect()
}
