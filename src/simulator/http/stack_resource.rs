//! One resource of a Heat stack as JSON, and where a stack is.

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::simulator::{credentials::CREDENTIALS, state::State, world::World};

/// Where a stack is.
pub(super) fn href(base: &str, name: &str, id: Uuid) -> String {
    format!("{base}/orchestration/v1/{}/stacks/{name}/{id}", CREDENTIALS.project_id)
}

/// A resource; what varies with its kind is for the caller to add.
pub(super) fn resource(
    world: &World,
    (name, kind): (&str, &str),
    (created, updated): (Instant, Instant),
    state: &State,
    stack_href: &str,
    nested: Option<(String, Uuid)>,
) -> Value {
    let mut links = vec![
        json!({"href": format!("{stack_href}/resources/{name}"), "rel": "self"}),
        json!({"href": stack_href, "rel": "stack"}),
    ];
    let physical_id = nested.as_ref().map(|(_, id)| id.to_string()).unwrap_or_default();
    if let Some((href, _)) = nested {
        links.push(json!({"href": href, "rel": "nested"}));
    }
    json!({
        "updated_time": world.clock.with_z(updated),
        "creation_time": world.clock.with_z(created),
        "logical_resource_id": name,
        "resource_name": name,
        "physical_resource_id": physical_id,
        "resource_status": state.status(),
        "resource_status_reason": state.reason,
        "resource_type": kind,
        "links": links,
        "required_by": [],
    })
}
