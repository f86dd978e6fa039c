//! Node templates as an encoded `k8s.io/api/core/v1` Node.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use k8s_pb::{
    api::core::v1::{Node, NodeCondition, NodeSpec, NodeStatus, NodeSystemInfo, Taint},
    apimachinery::pkg::{api::resource::Quantity, apis::meta::v1::ObjectMeta},
};
use prost::Message as _;

use super::externalgrpc::NodeGroupTemplateNodeInfoResponse;
use crate::core::{
    quantity,
    snapshot::{GroupView, Snapshot},
    template::{NodeTemplate, resources::Resources},
};

/// What a node that works says of itself (`k8s.io/api/core/v1`, `NodeConditionType`).
const CONDITIONS: [(&str, &str); 5] = [
    ("Ready", "True"),
    ("MemoryPressure", "False"),
    ("DiskPressure", "False"),
    ("PIDPressure", "False"),
    ("NetworkUnavailable", "False"),
];

/// The templates, each encoded once.
#[derive(Debug, Default)]
pub(super) struct EncodedTemplates(Mutex<HashMap<String, Encoded>>);

#[derive(Debug)]
struct Encoded {
    template: Arc<NodeTemplate>,
    provider_id: String,
    bytes: Arc<Vec<u8>>,
}

impl EncodedTemplates {
    /// The answer for a group: the same bytes in both fields, one for versions up to 1.34 and one from there on.
    pub(super) fn answer(&self, group: &GroupView, snapshot: &Snapshot) -> NodeGroupTemplateNodeInfoResponse {
        let bytes = self.bytes(group, snapshot);
        NodeGroupTemplateNodeInfoResponse { node_info: bytes.to_vec(), node_bytes: bytes.to_vec() }
    }

    fn bytes(&self, group: &GroupView, snapshot: &Snapshot) -> Arc<Vec<u8>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoded) = known.get(&group.id)
            && Arc::ptr_eq(&encoded.template, &group.template)
            && encoded.provider_id == group.template_provider_id
        {
            return Arc::clone(&encoded.bytes);
        }
        let bytes = Arc::new(node(&group.template, &group.template_provider_id).encode_to_vec());
        known.retain(|id, _| snapshot.group(id).is_ok());
        let encoded = Encoded {
            template: Arc::clone(&group.template),
            provider_id: group.template_provider_id.clone(),
            bytes: Arc::clone(&bytes),
        };
        known.insert(group.id.clone(), encoded);
        bytes
    }
}

fn node(template: &NodeTemplate, provider_id: &str) -> Node {
    let text = |text: &str| Some(text.to_owned());
    Node {
        metadata: Some(ObjectMeta {
            name: text(&template.name),
            labels: template.labels.clone(),
            ..ObjectMeta::default()
        }),
        spec: Some(NodeSpec {
            provider_id: text(provider_id),
            taints: template
                .taints
                .iter()
                .map(|taint| Taint {
                    key: text(&taint.key),
                    value: text(&taint.value),
                    effect: text(taint.effect.name()),
                    time_added: None,
                })
                .collect(),
            ..NodeSpec::default()
        }),
        status: Some(NodeStatus {
            capacity: quantities(&template.capacity),
            allocatable: quantities(&template.allocatable),
            conditions: CONDITIONS
                .iter()
                .map(|(kind, status)| NodeCondition {
                    r#type: text(kind),
                    status: text(status),
                    ..NodeCondition::default()
                })
                .collect(),
            node_info: Some(NodeSystemInfo {
                kubelet_version: text(&template.kubelet_version),
                operating_system: text("linux"),
                architecture: text(&template.architecture),
                ..NodeSystemInfo::default()
            }),
            ..NodeStatus::default()
        }),
    }
}

fn quantities(resources: &Resources) -> BTreeMap<String, Quantity> {
    let own = [
        ("cpu", quantity::cpu(resources.cpu_millis)),
        ("memory", quantity::bytes(resources.memory)),
        ("ephemeral-storage", quantity::bytes(resources.ephemeral_storage)),
        ("pods", quantity::count(resources.pods)),
    ];
    let own = own.into_iter().map(|(name, amount)| (name.to_owned(), amount));
    let extended = resources.extended.iter().map(|(name, number)| (name.clone(), quantity::count(*number)));
    own.chain(extended).map(|(name, amount)| (name, Quantity { string: Some(amount) })).collect()
}
