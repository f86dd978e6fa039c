//! Magnum's changes to node groups other than their size (Magnum 15.0.1 `api/controllers/v1/nodegroup.py`).

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    answer::{json_answer, magnum_error, magnum_server_error},
    json_patch,
    magnum_bodies::{self, cluster_labels},
    magnum_common::{self, MinorVersion, bad_request, no_group, require_cluster},
    site::{Refusal, Site},
    wsme,
};
use crate::simulator::{
    cluster::{DEFAULT_WORKER, Group},
    faults::Staleness,
    options::GroupOptions,
    queue::{Cast, Order},
    world::World,
};

/// What a new group may have.
const FIELDS: [&str; 10] = [
    "name",
    "docker_volume_size",
    "labels",
    "flavor_id",
    "image_id",
    "node_count",
    "role",
    "min_node_count",
    "max_node_count",
    "merge_labels",
];
/// What Magnum fills in by itself.
const READ_ONLY: [&str; 4] = ["project_id", "links", "node_addresses", "stack_id"];
/// What no patch may touch: all but the bounds.
const INTERNAL: [&str; 21] = [
    "created_at",
    "id",
    "links",
    "updated_at",
    "uuid",
    "project_id",
    "user_id",
    "name",
    "cluster_id",
    "docker_volume_size",
    "labels",
    "flavor_id",
    "image_id",
    "node_addresses",
    "node_count",
    "role",
    "is_default",
    "stack_id",
    "status",
    "status_reason",
    "version",
];
/// What the answer to a creation does not have yet (`magnum-slash-nodegroup-create-202.http`).
const NOT_YET: [&str; 10] = [
    "id",
    "docker_volume_size",
    "node_addresses",
    "is_default",
    "stack_id",
    "status",
    "status_reason",
    "version",
    "created_at",
    "updated_at",
];

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
    let (least, labels) = site
        .simulator
        .read(Staleness::default(), |world| (world.options.profile.least_size(), cluster_labels(world)));
    let options = match parse_creation(&body, least, labels) {
        Ok(options) => options,
        Err(detail) => return bad_request(&detail),
    };
    site.simulator
        .change(|inner| {
            let world = &mut inner.world;
            require_cluster(world, &cluster)?;
            check_creation(world, &options)?;
            let number = world.create_group(options);
            let group = world.groups.get(&number).ok_or_else(|| Box::new(no_group("")))?;
            let mut answer = magnum_bodies::group(world, version, number, group, &site.base);
            if let Some(fields) = answer.as_object_mut() {
                fields.retain(|field, _| !NOT_YET.contains(&field.as_str()));
            }
            Ok(json_answer(StatusCode::ACCEPTED, &answer))
        })
        .unwrap_or_else(|refusal: Refusal| *refusal)
}

fn parse_creation(
    body: &[u8],
    least: u32,
    of_cluster: BTreeMap<String, String>,
) -> Result<GroupOptions, String> {
    const ARGUMENT: &str = "nodegroup";
    let known: Vec<&str> = FIELDS.iter().chain(&READ_ONLY).copied().collect();
    let fields = wsme::object(body, ARGUMENT, &known)?;
    for field in READ_ONLY {
        if let Some(value) = fields.get(field) {
            return Err(wsme::invalid(field, value, "Cannot set read only field."));
        }
    }
    let count = |field: &str, least: u32| wsme::count(&fields, field, ARGUMENT, least);
    // No name is found out only when all else is well.
    let name = wsme::text_of(&fields, "name")?.unwrap_or_default();
    let mut options = GroupOptions::new(
        name,
        count("node_count", least)?.unwrap_or(1),
        count("min_node_count", least)?.unwrap_or(least),
        count("max_node_count", 0)?,
    );
    if let Some(flavor_id) = wsme::text_of(&fields, "flavor_id")? {
        options.flavor_id = flavor_id;
    }
    if let Some(role) = wsme::text_of(&fields, "role")? {
        options.role = role;
    }
    options.labels = parse_labels(&fields, of_cluster)?;
    Ok(options)
}

/// The labels that the group will have; `None` for the cluster's.
fn parse_labels(
    fields: &Map<String, Value>,
    of_cluster: BTreeMap<String, String>,
) -> Result<Option<BTreeMap<String, String>>, String> {
    let given = match fields.get("labels") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(labels)) => labels,
        Some(other) => return Err(wsme::invalid("labels", other, "Wrong type.")),
    };
    let merge = fields.get("merge_labels").is_some_and(|merge| match merge {
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        other => other == &Value::Bool(true),
    });
    let mut labels = if merge { of_cluster } else { BTreeMap::new() };
    labels.extend(given.iter().map(|(key, value)| (key.clone(), wsme::plain(value))));
    Ok(Some(labels))
}

fn check_creation(world: &World, options: &GroupOptions) -> Result<(), Refusal> {
    let GroupOptions { name, node_count, min, max, role, .. } = options;
    if world.find_group(name).is_some() {
        let cluster = &world.cluster.name;
        return Err(conflict(&format!(
            "A node group with name {name} already exists in the cluster {cluster}."
        )));
    }
    check_counts(name, *node_count, *min, *max)?;
    if role == "master" {
        return Err(Box::new(bad_request("Creating master nodegroups is currently not supported.")));
    }
    if name.is_empty() {
        return Err(Box::new(magnum_server_error("Field `name' cannot be None")));
    }
    Ok(())
}

/// A maximum of 0 counts as none here (`_validate_node_count`).
fn check_counts(name: &str, node_count: u32, min: u32, max: Option<u32>) -> Result<(), Refusal> {
    let (attribute, explanation) = match max.filter(|max| *max > 0) {
        Some(max) if max < min => {
            let text = format!("min_node_count ({min}) should be less or equal to max_node_count ({max})");
            ("max_node_count", text)
        }
        Some(max) if node_count > max => {
            let text = format!("node_count ({node_count}) should be less or equal to max_node_count ({max})");
            ("max_node_count", text)
        }
        _ if min > node_count => {
            let text = format!("min_node_count ({min}) should be less or equal to node_count ({node_count})");
            ("min_node_count", text)
        }
        _ => return Ok(()),
    };
    Err(conflict(&format!("{attribute} for {name} is invalid ({explanation}).")))
}

fn conflict(detail: &str) -> Refusal {
    Box::new(magnum_error(StatusCode::CONFLICT, detail))
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
    magnum_common::patch(&site, &cluster, &body, &INTERNAL, |inner, operations| {
        let world = &mut inner.world;
        let Some((number, group)) = world.find_group(&nodegroup) else {
            return Err(Box::new(no_group(&nodegroup)));
        };
        let mut changed = group.clone();
        patch_bounds(&mut changed, operations, world.options.profile.least_size())
            .map_err(|detail| Box::new(bad_request(&detail)))?;
        check_counts(&changed.name, changed.node_count, changed.min, changed.max)?;
        let order = Order::SetBounds { min: changed.min, max: changed.max };
        world.cast(Cast { group: number, order, refused: false }, Duration::ZERO);
        let answer = magnum_bodies::group(world, version, number, &changed, &site.base);
        Ok(json_answer(StatusCode::ACCEPTED, &answer))
    })
}

/// Sets the bounds that a patch names; one that is removed falls back to Magnum's default.
fn patch_bounds(group: &mut Group, operations: &[json_patch::Operation], least: u32) -> Result<(), String> {
    let mut record = Map::new();
    record.insert("min_node_count".to_owned(), json!(group.min));
    record.insert("max_node_count".to_owned(), json!(group.max));
    json_patch::apply(operations, &mut record)?;
    group.min = json_patch::count(&record, "min_node_count", least)?.unwrap_or(least);
    group.max = json_patch::count(&record, "max_node_count", 0)?;
    Ok(())
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
