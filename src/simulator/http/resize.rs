//! Magnum's resize: everything that is checked before the 202, which is not much
//! (docs/openstack-behaviour.md#a-resize-what-is-checked-and-when).

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    Refusal, Site,
    answer::{json_answer, magnum_error},
    container_infra::{MinorVersion, no_group, require_cluster},
};
use crate::simulator::{
    cluster::{DEFAULT_WORKER, MASTER},
    faults::CastFate,
    resizing::{ResizeRefusal, ResizeRequest},
    world::World,
};

/// The fields that a resize may have.
const FIELDS: [&str; 3] = ["node_count", "nodes_to_remove", "nodegroup"];

pub(super) async fn resize(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Extension(fate): Extension<CastFate>,
    Path(cluster): Path<String>,
    body: Bytes,
) -> Response {
    if let Err(refusal) = version.require(7, "resize") {
        return *refusal;
    }
    let (node_count, remove, nodegroup) = match parse(&body) {
        Ok(request) => request,
        Err(detail) => return magnum_error(StatusCode::BAD_REQUEST, &detail),
    };
    site.simulator
        .change(|inner| {
            let world = &inner.world;
            require_cluster(world, &cluster)?;
            let group = find_group(world, nodegroup.as_deref())?;
            if node_count == 0 && version < MinorVersion(10) {
                let detail = "Resizing a nodegroup to zero is not supported in the provided microversion.";
                return Err(Box::new(magnum_error(StatusCode::BAD_REQUEST, detail)));
            }
            let uuid = world.cluster.uuid;
            let request = ResizeRequest { group, node_count, remove, fate, by_operator: false };
            match inner.resize(request) {
                Ok(()) => Ok(json_answer(StatusCode::ACCEPTED, &json!({"uuid": uuid}))),
                Err(refusal) => Err(Box::new(refuse(&refusal))),
            }
        })
        .unwrap_or_else(|refusal: Refusal| *refusal)
}

fn refuse(refusal: &ResizeRefusal) -> Response {
    magnum_error(StatusCode::BAD_REQUEST, &refusal.to_string())
}

fn find_group(world: &World, nodegroup: Option<&str>) -> Result<u32, Refusal> {
    let Some(nodegroup) = nodegroup else { return Ok(DEFAULT_WORKER) };
    let (number, _) = world.find_group(nodegroup).ok_or_else(|| Box::new(no_group(nodegroup)))?;
    if number == MASTER {
        let detail = "Resizing a master nodegroup is not supported.";
        return Err(Box::new(magnum_error(StatusCode::BAD_REQUEST, detail)));
    }
    Ok(number)
}

type Parsed = (u32, Vec<String>, Option<String>);

fn parse(body: &[u8]) -> Result<Parsed, String> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err("Request is not in valid JSON format".to_owned());
    };
    if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(format!("Unknown attribute for argument cluster_resize_req: {unknown}"));
    }
    let node_count = parse_node_count(&fields)?;
    let nodegroup = match fields.get("nodegroup") {
        None | Some(Value::Null) => None,
        Some(Value::String(nodegroup)) => Some(nodegroup.clone()),
        Some(other) => return Err(invalid("nodegroup", other, "Wrong type.")),
    };
    let remove = match fields.get("nodes_to_remove") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names.iter().map(text).collect(),
        Some(other) => return Err(invalid("nodes_to_remove", other, "Wrong type.")),
    };
    Ok((node_count, remove, nodegroup))
}

fn parse_node_count(fields: &Map<String, Value>) -> Result<u32, String> {
    let value = match fields.get("node_count") {
        None | Some(Value::Null) => {
            return Err(invalid("node_count", &Value::Null, "Mandatory field missing."));
        }
        Some(value) => value,
    };
    let number = match value {
        Value::String(text) => text.trim().parse::<i64>().map_err(|_| {
            let request = Value::Object(fields.clone());
            let reason = format!("invalid literal for int() with base 10: {}", python(value));
            invalid("cluster_resize_req", &request, &reason)
        })?,
        _ => value.as_i64().ok_or_else(|| invalid("node_count", value, "Wrong type."))?,
    };
    u32::try_from(number).map_err(|_| invalid("node_count", value, "Value should be greater or equal to 0"))
}

fn invalid(field: &str, value: &Value, reason: &str) -> String {
    let value = match value {
        Value::String(text) => text.clone(),
        other => python(other),
    };
    format!("Invalid input for field/attribute {field}. Value: '{value}'. {reason}")
}

/// A value as a message of Heat's parameter list would have it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python(other),
    }
}

/// A value as Python prints it.
fn python(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!("[{}]", list(items.iter().map(python).collect())),
        Value::Object(fields) => {
            let entries = fields.iter().map(|(key, value)| format!("'{key}': {}", python(value))).collect();
            format!("{{{}}}", list(entries))
        }
    }
}
