//! The list of a stack's resources, with those of its nested stacks where a depth is asked for.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Value, json};

use super::{
    answer::heat_error,
    site::Refusal,
    stack_bodies::{self, StackView},
};
use crate::simulator::world::World;

/// What a list can be narrowed by.
const FILTERS: [&str; 6] = ["type", "status", "name", "action", "id", "physical_resource_id"];

/// What is asked of a list.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    depth: u32,
    with_detail: bool,
    filters: Vec<(&'static str, &'a str)>,
}

impl<'a> Wanted<'a> {
    /// Reads a query; Heat refuses what it does not know (`heat-resources-bad-filter.http`).
    pub(super) fn parse(query: &'a HashMap<String, String>) -> Result<Self, Refusal> {
        let known = |key: &str| FILTERS.contains(&key) || ["nested_depth", "with_detail"].contains(&key);
        let unknown: Vec<String> =
            query.keys().filter(|key| !known(key)).map(|key| format!("'{key}'")).collect();
        if !unknown.is_empty() {
            return Err(bad_request(&format!("Invalid filter parameters [{}]", unknown.join(", "))));
        }
        let filters = FILTERS.iter().filter_map(|key| Some((*key, query.get(*key)?.as_str())));
        Ok(Self {
            depth: depth_of(query)?,
            with_detail: query.get("with_detail").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            filters: filters.filter(|(_, value)| !value.is_empty()).collect(),
        })
    }

    fn takes(&self, resource: &Value) -> bool {
        let text = |field: &str| resource.get(field).and_then(Value::as_str).unwrap_or_default();
        let (action, status) = text("resource_status").split_once('_').unwrap_or_default();
        self.filters.iter().all(|(key, wanted)| match *key {
            "type" => text("resource_type").contains(wanted),
            "status" => status == *wanted,
            "action" => action == *wanted,
            "name" => text("resource_name") == *wanted,
            _ => text("physical_resource_id") == *wanted,
        })
    }
}

/// `nested_depth` of a query, 0 without it.
pub(super) fn depth_of(query: &HashMap<String, String>) -> Result<u32, Refusal> {
    let Some(depth) = query.get("nested_depth").filter(|depth| !depth.is_empty()) else { return Ok(0) };
    depth.parse().map_err(|_| bad_request("Only integer is acceptable by 'nested_depth'."))
}

fn bad_request(message: &str) -> Refusal {
    Box::new(heat_error(StatusCode::BAD_REQUEST, "HTTPBadRequest", message))
}

/// The resources of a stack, then those of each nested stack in turn.
pub(super) fn list(world: &World, view: StackView<'_>, wanted: &Wanted<'_>, base: &str) -> Vec<Value> {
    let mut resources = Vec::new();
    collect(world, view, wanted.depth, wanted.with_detail, base, &mut resources);
    resources.retain(|resource| wanted.takes(resource));
    resources
}

fn collect(
    world: &World,
    view: StackView<'_>,
    depth: u32,
    with_detail: bool,
    base: &str,
    resources: &mut Vec<Value>,
) {
    for mut resource in stack_bodies::resources(world, view, base) {
        if with_detail {
            add_detail(view, &mut resource);
        }
        resources.push(resource);
    }
    if depth > 0 {
        for nested in stack_bodies::nested(view) {
            collect(world, nested, depth - 1, with_detail, base, resources);
        }
    }
}

/// What a resource has when it is shown alone.
pub(super) fn add_detail(view: StackView<'_>, resource: &mut Value) {
    let attributes = {
        let name = resource.get("resource_name").and_then(Value::as_str).unwrap_or_default();
        stack_bodies::attributes(view, name)
    };
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("description".to_owned(), json!(""));
        fields.insert("attributes".to_owned(), attributes);
    }
}
