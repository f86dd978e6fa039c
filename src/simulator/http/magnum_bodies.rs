//! Magnum's clusters and node groups as JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::magnum_common::MinorVersion;
use crate::simulator::{
    cluster::{DEFAULT_WORKER, Group, MASTER},
    credentials::CREDENTIALS,
    queue::GroupNumber,
    state::Action,
    world::World,
};

/// Image of all nodes.
pub(super) const IMAGE: &str = "fedora-coreos";
/// Key pair of all nodes.
pub(super) const KEYPAIR: &str = "lab";
const COE_VERSION: &str = "v1.23.3";

/// The labels of the cluster, which groups have as well unless they were given others.
pub(super) fn cluster_labels(world: &World) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        ("kube_tag", COE_VERSION),
        ("boot_volume_size", "0"),
        ("etcd_volume_size", "0"),
        ("cloud_provider_enabled", "true"),
    ]);
    if world.options.auto_scaling {
        labels.insert("auto_scaling_enabled", "true");
    }
    if !world.options.auto_healing {
        labels.insert("auto_healing_enabled", "false");
    }
    labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Takes out what the simulated release does not tell.
fn without_newer_fields(world: &World, mut body: Value) -> Value {
    if !world.options.profile.has_merged_labels()
        && let Some(fields) = body.as_object_mut()
    {
        for field in ["merge_labels", "labels_overridden", "labels_added", "labels_skipped"] {
            fields.remove(field);
        }
    }
    body
}

/// How a group's labels differ from the cluster's (Magnum `api/utils.py` get_labels_diff): those with another value,
/// told with the cluster's; those that the cluster lacks; those that the group lacks.
fn label_differences(
    labels: &BTreeMap<String, String>,
    of_cluster: &BTreeMap<String, String>,
) -> [(&'static str, Value); 3] {
    let select = |from: &BTreeMap<String, String>, keep: &dyn Fn(&str, &str) -> bool| -> Value {
        let kept = from.iter().filter(|(key, value)| keep(key, value));
        kept.map(|(key, value)| (key.clone(), json!(value))).collect()
    };
    let other_value = |key: &str, value: &str| labels.get(key).is_some_and(|own| own != value);
    [
        ("labels_overridden", select(of_cluster, &other_value)),
        ("labels_added", select(labels, &|key, _| !of_cluster.contains_key(key))),
        ("labels_skipped", select(of_cluster, &|key, _| !labels.contains_key(key))),
    ]
}

/// A record's links.
pub(super) fn links(base: &str, path: &str) -> Value {
    json!([
        {"href": format!("{base}/container-infra/v1/{path}"), "rel": "self"},
        {"href": format!("{base}/container-infra/{path}"), "rel": "bookmark"},
    ])
}

fn workers(world: &World) -> impl Iterator<Item = &Group> {
    world.groups.iter().filter(|(number, _)| **number != MASTER).map(|(_, group)| group)
}

/// The sum over all worker groups (docs/openstack-behaviour.md#reading-a-cluster).
fn cluster_node_count(world: &World) -> u32 {
    workers(world).map(|group| group.node_count).sum()
}

/// The cluster as the list of clusters shows it.
pub(super) fn cluster_in_list(world: &World, version: MinorVersion, base: &str) -> Value {
    let cluster = &world.cluster;
    let stack_id = world.stack_id(DEFAULT_WORKER);
    let flavor_id = world.groups.get(&DEFAULT_WORKER).map(|group| group.flavor_id.clone());
    let mut body = json!({
        "uuid": cluster.uuid,
        "name": cluster.name,
        "cluster_template_id": cluster.template,
        "keypair": KEYPAIR,
        "node_count": cluster_node_count(world),
        "master_count": 1,
        "docker_volume_size": null,
        "labels": cluster_labels(world),
        "master_flavor_id": "m1.master",
        "flavor_id": flavor_id,
        "create_timeout": 60,
        "links": links(base, &format!("clusters/{}", cluster.uuid)),
        "stack_id": stack_id,
        "status": cluster.shown_status(),
        "health_status": null,
        "merge_labels": false,
    });
    // `cluster_id` takes the place of `stack_id` (docs/openstack-behaviour.md#api-versions).
    if version >= MinorVersion(13)
        && let Some(fields) = body.as_object_mut()
        && let Some(stack_id) = fields.remove("stack_id")
    {
        fields.insert("cluster_id".to_owned(), stack_id);
    }
    without_newer_fields(world, body)
}

/// The cluster in full.
pub(super) fn cluster(world: &World, version: MinorVersion, base: &str) -> Value {
    let cluster = &world.cluster;
    let mut body = cluster_in_list(world, version, base);
    let Some(fields) = body.as_object_mut() else { return body };
    let addresses: Vec<&String> = workers(world).flat_map(|group| &group.addresses).collect();
    let details = json!({
        "status_reason": cluster.status_reason,
        "health_status_reason": {},
        "discovery_url": format!("http://127.0.0.1:38087/{}", cluster.uuid.as_simple()),
        "api_address": format!("https://{}:6443", world.master_address),
        "coe_version": COE_VERSION,
        "container_version": "1.12.6",
        "project_id": CREDENTIALS.project_id,
        "user_id": CREDENTIALS.user_id,
        "node_addresses": addresses,
        "master_addresses": [world.master_address],
        "fixed_network": "private",
        "fixed_subnet": "private-subnet",
        "floating_ip_enabled": false,
        "labels_overridden": {},
        "labels_added": {},
        "labels_skipped": {},
        "master_lb_enabled": false,
        "created_at": world.clock.with_offset(cluster.created),
        "updated_at": world.clock.with_offset(cluster.updated),
    });
    if let Value::Object(details) = details {
        fields.extend(details);
    }
    if cluster.shown_status().ends_with("_FAILED") && world.options.profile.has_node_groups() {
        let failed = workers(world).filter(|group| group.state.is_failed());
        let faults: Map<String, Value> =
            failed.map(|group| (group.name.clone(), json!(group.state.reason))).collect();
        fields.insert("faults".to_owned(), Value::Object(faults));
    }
    without_newer_fields(world, body)
}

/// A group as the list shows it: never with its true bounds (docs/openstack-behaviour.md#reading-a-cluster).
pub(super) fn group_in_list(world: &World, number: GroupNumber, group: &Group) -> Value {
    let stack_id = world.stack_id(number);
    let body = json!({
        "uuid": group.uuid,
        "name": group.name,
        "flavor_id": group.flavor_id,
        "image_id": IMAGE,
        "node_count": group.node_count,
        "role": group.role,
        "min_node_count": world.options.profile.least_size(),
        "max_node_count": null,
        "is_default": number <= DEFAULT_WORKER,
        "stack_id": stack_id,
        "status": group.state.status(),
        "merge_labels": false,
    });
    without_newer_fields(world, body)
}

/// A group in full.
pub(super) fn group(
    world: &World,
    version: MinorVersion,
    number: GroupNumber,
    group: &Group,
    base: &str,
) -> Value {
    let mut body = group_in_list(world, number, group);
    let Some(fields) = body.as_object_mut() else { return body };
    let cluster = world.cluster.uuid;
    let of_cluster = cluster_labels(world);
    let labels = group.labels.clone().unwrap_or_else(|| of_cluster.clone());
    // Until it is made, Magnum has no reason and no time of a change.
    let in_creation = group.state.action == Action::Create && group.state.in_progress();
    let updated = (!in_creation).then(|| world.clock.with_offset(group.updated));
    let reason = Some(&group.state.reason).filter(|reason| !reason.is_empty());
    let details = json!({
        "id": number,
        "cluster_id": cluster,
        "project_id": CREDENTIALS.project_id,
        "docker_volume_size": null,
        "labels": labels,
        "links": links(base, &format!("clusters/{cluster}/nodegroups/{}", group.uuid)),
        "node_addresses": group.addresses,
        "min_node_count": group.min,
        "max_node_count": group.max,
        "status_reason": reason,
        "version": null,
        "created_at": world.clock.with_offset(group.created),
        "updated_at": updated,
    });
    if let Value::Object(details) = details {
        fields.extend(details);
    }
    fields.extend(label_differences(&labels, &of_cluster).map(|(field, labels)| (field.to_owned(), labels)));
    if version >= MinorVersion(14) {
        let taints = group
            .node_taints
            .iter()
            .map(|[key, value, effect]| json!({"key": key, "value": value, "effect": effect}));
        fields.insert("node_labels".to_owned(), json!(group.node_labels));
        fields.insert("node_taints".to_owned(), taints.collect());
    }
    without_newer_fields(world, body)
}
