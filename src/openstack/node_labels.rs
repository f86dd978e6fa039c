//! The labels and taints that newer Magnums give to a group's nodes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::core::template::{KubernetesFields, labels::Taint};

/// What 1.14 adds to a node group's record. Each value is read by itself: one that makes no sense spoils no other.
#[derive(Deserialize)]
pub(super) struct KubernetesRecord {
    node_labels: Option<BTreeMap<String, Value>>,
    node_taints: Option<Vec<Value>>,
}

impl From<KubernetesRecord> for KubernetesFields {
    fn from(record: KubernetesRecord) -> Self {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let labels = record.node_labels.into_iter().flatten().map(|(key, value)| (key, text(value)));
        let taints = record.node_taints.iter().flatten().filter_map(|taint| {
            let part = |part: &str| taint.get(part).and_then(Value::as_str).unwrap_or_default();
            match taint.as_str() {
                Some(text) => text.parse().ok(),
                None => Taint::new(part("key"), part("value"), part("effect")).ok(),
            }
        });
        Self { labels: labels.collect(), taints: taints.collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn node_labels_and_taints_are_read_one_by_one() {
        let record: KubernetesRecord = serde_json::from_value(json!({
            "node_labels": {"disk": "ssd", "rank": 1},
            "node_taints": [
                {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"},
                {"key": "x", "value": null, "effect": "NoExecute"},
                "y=z:PreferNoSchedule",
                {"key": "x", "effect": "Never"}, {}, 1, "nonsense",
            ],
        }))
        .unwrap();
        let fields = KubernetesFields::from(record);
        assert_eq!(fields.labels, [("disk", "ssd"), ("rank", "1")].map(|(k, v)| (k.into(), v.into())).into());
        let taints: Vec<_> = fields.taints.iter().map(ToString::to_string).collect();
        assert_eq!(taints, ["dedicated=gpu:NoSchedule", "x:NoExecute", "y=z:PreferNoSchedule"]);
        let none: KubernetesRecord = serde_json::from_value(json!({"node_taints": null})).unwrap();
        assert_eq!(KubernetesFields::from(none), KubernetesFields::default());
    }
}
