//! Magnum's changes to node groups other than their size.

use std::time::Duration;

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use serde_json::Value;

use super::{
    Site,
    answer::{json_answer, magnum_error},
    container_infra::{MinorVersion, no_group, require_cluster},
    magnum_bodies,
};
use crate::simulator::{
    cluster::DEFAULT_WORKER,
    conductor::{Cast, Order},
    options::GroupOptions,
};

/// `POST …/nodegroups`.
pub(super) async fn create(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Path(cluster): Path<String>,
    body: Bytes,
) -> Response {
    if let Err(refusal) = version.require(9, "post") {
        return *refusal;
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return bad_request("Request is not in valid JSON format");
    };
    let Some(name) = request.get("name").and_then(Value::as_str) else {
        return bad_request(
            "Invalid input for field/attribute name. Value: 'None'. Mandatory field missing.",
        );
    };
    let number = |field: &str| request.get(field).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let (min, max) = (number("min_node_count").unwrap_or(0), number("max_node_count"));
    let mut options = GroupOptions::new(name, number("node_count").unwrap_or(1), min, max);
    if let Some(flavor_id) = request.get("flavor_id").and_then(Value::as_str) {
        flavor_id.clone_into(&mut options.flavor_id);
    }
    site.simulator.change(|inner| {
        let world = &mut inner.world;
        if let Err(refusal) = require_cluster(world, &cluster) {
            return *refusal;
        }
        if world.find_group(&options.name).is_some() {
            let cluster = &world.cluster.name;
            let detail =
                format!("A node group with name {} already exists in the cluster {cluster}", options.name);
            return magnum_error(StatusCode::CONFLICT, &detail);
        }
        let number = world.create_group(options);
        let Some(group) = world.groups.get(&number) else { return no_group("") };
        json_answer(StatusCode::ACCEPTED, &magnum_bodies::group(world, version, number, group, &site.base))
    })
}

/// `PATCH …/nodegroups/{nodegroup}`: the answer shows the new bounds with the old status
/// (`magnum-nodegroup-patch-min-max.http`).
pub(super) async fn update(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Path((cluster, nodegroup)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    if let Err(refusal) = version.require(9, "patch") {
        return *refusal;
    }
    let Ok(Value::Array(operations)) = serde_json::from_slice(&body) else {
        return bad_request("Request is not in valid JSON format");
    };
    site.simulator.change(|inner| {
        let world = &mut inner.world;
        if let Err(refusal) = require_cluster(world, &cluster) {
            return *refusal;
        }
        let Some((number, group)) = world.find_group(&nodegroup) else { return no_group(&nodegroup) };
        let mut changed = group.clone();
        for operation in &operations {
            let path = operation.get("path").and_then(Value::as_str).unwrap_or_default();
            let value = operation.get("value").and_then(Value::as_u64);
            let value = value.and_then(|value| u32::try_from(value).ok());
            match (path, value) {
                ("/min_node_count", value) => changed.min = value.unwrap_or(0),
                ("/max_node_count", value) => changed.max = value,
                _ => {
                    let path = path.trim_start_matches('/');
                    return bad_request(&format!("'{path}' is an internal attribute and can not be updated"));
                }
            }
        }
        let order = Order::SetBounds { min: changed.min, max: changed.max };
        world.cast(Cast { group: number, order, refused: false }, Duration::ZERO);
        json_answer(StatusCode::ACCEPTED, &magnum_bodies::group(world, version, number, &changed, &site.base))
    })
}

/// `DELETE …/nodegroups/{nodegroup}`.
pub(super) async fn delete(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Path((cluster, nodegroup)): Path<(String, String)>,
) -> Response {
    if let Err(refusal) = version.require(9, "delete") {
        return *refusal;
    }
    site.simulator.change(|inner| {
        let world = &mut inner.world;
        if let Err(refusal) = require_cluster(world, &cluster) {
            return *refusal;
        }
        let Some((number, _)) = world.find_group(&nodegroup) else { return no_group(&nodegroup) };
        if number <= DEFAULT_WORKER {
            return bad_request("Deleting a default nodegroup is not supported.");
        }
        world.cast(Cast { group: number, order: Order::Delete, refused: false }, Duration::ZERO);
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    })
}

fn bad_request(detail: &str) -> Response {
    magnum_error(StatusCode::BAD_REQUEST, detail)
}
