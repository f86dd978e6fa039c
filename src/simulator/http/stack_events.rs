//! Heat's events over HTTP (heat 19.0 `api/openstack/v1/events.py`; `heat-events-limit.http`).

use std::collections::HashMap;

use axum::{
    Extension,
    extract::{Path, Query, State as Shared},
    response::Response,
};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    answer::{heat_error, ok},
    heat_common::{PartPath, StackPath, find, no_stack},
    nested_resources::depth_of,
    site::{Refusal, Site},
    stack_bodies::{self, StackView, group_of, nested, stack_href},
};
use crate::simulator::{
    events::{StackEvent, Subject},
    faults::Staleness,
    member_parts::PARTS,
    world::World,
};

/// Where an event is: project, stack's name and id, resource, event.
type EventPath = (String, String, String, String, String);

/// `GET …/events`.
pub(super) async fn list(
    Shared(site): Shared<Site>,
    Extension(staleness): Extension<Staleness>,
    Path((_, name, id)): Path<StackPath>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    site.simulator.read(staleness, |world| match find(world, &name, &id) {
        Some(stack) => match page(world, stack, &query, &site.base) {
            Ok(events) => ok(&json!({"events": events})),
            Err(refusal) => *refusal,
        },
        None => no_stack(&name),
    })
}

/// `GET …/resources/{resource}/events`.
pub(super) async fn list_of_resource(
    Shared(site): Shared<Site>,
    Extension(staleness): Extension<Staleness>,
    Path((_, name, id, part)): Path<PartPath>,
    Query(mut query): Query<HashMap<String, String>>,
) -> Response {
    query.insert("resource_name".to_owned(), part.clone());
    site.simulator.read(staleness, |world| {
        let Some(stack) = find(world, &name, &id) else { return no_stack(&name) };
        match page(world, stack, &query, &site.base) {
            Ok(events) if events.is_empty() => not_found(&format!("No events found for resource {part}")),
            Ok(events) => ok(&json!({"events": events})),
            Err(refusal) => *refusal,
        }
    })
}

/// `GET …/resources/{resource}/events/{event}`.
pub(super) async fn show(
    Shared(site): Shared<Site>,
    Extension(staleness): Extension<Staleness>,
    Path((_, name, id, part, event)): Path<EventPath>,
) -> Response {
    site.simulator.read(staleness, |world| {
        let Some(stack) = find(world, &name, &id) else { return no_stack(&name) };
        let found = events(world, &[stack])
            .into_iter()
            .find(|found| found.id().to_string() == event && resource_name(stack, found.subject) == part);
        let Some(found) = found else { return not_found(&format!("No event {event} found")) };
        let mut body = event_body(world, stack, &found, None, &site.base);
        if let Some(fields) = body.as_object_mut() {
            fields.insert("resource_type".to_owned(), json!(resource_type(stack, found.subject)));
            fields.insert("resource_properties".to_owned(), json!({}));
        }
        ok(&json!({"event": body}))
    })
}

fn not_found(message: &str) -> Response {
    heat_error(StatusCode::NOT_FOUND, "HTTPNotFound", message)
}

/// The events of these stacks of one group, newest first.
fn events(world: &World, stacks: &[StackView<'_>]) -> Vec<StackEvent> {
    let ids: Vec<Uuid> = stacks.iter().map(StackView::id).collect();
    let group = stacks.first().and_then(|stack| group_of(world, *stack));
    group.map(|group| world.events.of(group, &ids, world.now)).unwrap_or_default()
}

/// Newest first unless `sort_dir` says `asc`. A marker that is not known is passed over
/// (`heat-events-marker-unknown.http`).
fn page(
    world: &World,
    stack: StackView<'_>,
    query: &HashMap<String, String>,
    base: &str,
) -> Result<Vec<Value>, Refusal> {
    let depth = depth_of(query)?;
    let limit = match query.get("limit").filter(|limit| !limit.is_empty()) {
        None => usize::MAX,
        Some(limit) => limit.parse().map_err(|_| {
            let message = "Only integer is acceptable by 'limit'.";
            Box::new(heat_error(StatusCode::BAD_REQUEST, "HTTPBadRequest", message))
        })?,
    };
    let mut stacks = vec![stack];
    add_nested(stack, depth, &mut stacks);
    let root = (depth > 0).then_some(stack);
    let by_id: HashMap<Uuid, StackView<'_>> = stacks.iter().map(|stack| (stack.id(), *stack)).collect();
    let mut events = events(world, &stacks);
    if query.get("sort_dir").is_some_and(|direction| direction == "asc") {
        events.reverse();
    }
    let marker = query.get("marker").and_then(|marker| {
        events.iter().position(|event| event.id().to_string() == *marker).map(|place| place + 1)
    });
    let rendered = events.iter().skip(marker.unwrap_or(0)).filter_map(|event| {
        let stack = *by_id.get(&event.stack)?;
        takes(query, stack, event).then(|| event_body(world, stack, event, root, base))
    });
    Ok(rendered.take(limit).collect())
}

fn add_nested<'a>(stack: StackView<'a>, depth: u32, stacks: &mut Vec<StackView<'a>>) {
    if depth > 0 {
        for below in nested(stack) {
            stacks.push(below);
            add_nested(below, depth - 1, stacks);
        }
    }
}

fn takes(query: &HashMap<String, String>, stack: StackView<'_>, event: &StackEvent) -> bool {
    let status = event.state.status();
    let (action, status) = status.split_once('_').unwrap_or_default();
    let is = |key: &str, value: &str| {
        query.get(key).filter(|wanted| !wanted.is_empty()).is_none_or(|wanted| wanted == value)
    };
    is("resource_name", &resource_name(stack, event.subject))
        && is("resource_status", status)
        && is("resource_action", action)
        && is("resource_type", resource_type(stack, event.subject))
}

/// A stack's own events are told as of a resource with its name.
fn resource_name(stack: StackView<'_>, subject: Subject) -> String {
    match subject {
        Subject::Stack => stack.name().into_owned(),
        Subject::Minions => "kube_minions".to_owned(),
        Subject::Member(index) => index.to_string(),
        Subject::Part(place) => PARTS.get(place).map(|part| part.name).unwrap_or_default().to_owned(),
    }
}

fn resource_type(stack: StackView<'_>, subject: Subject) -> &'static str {
    match (subject, stack) {
        (Subject::Minions, _) => "OS::Heat::ResourceGroup",
        (Subject::Member(_), _) | (Subject::Stack, StackView::Member(..)) => stack_bodies::MEMBER_TYPE,
        (Subject::Part(place), _) => PARTS.get(place).map(|part| part.kind).unwrap_or_default(),
        (Subject::Stack, _) => "OS::Heat::Stack",
    }
}

/// Before a resource has an id, Heat gives the name that it will have in its service.
fn physical_id(stack: StackView<'_>, event: &StackEvent, resource: &str) -> String {
    match event.physical_id {
        Some(id) => id.to_string(),
        None => format!("{}-{resource}", stack.name()),
    }
}

fn event_body(
    world: &World,
    stack: StackView<'_>,
    event: &StackEvent,
    root: Option<StackView<'_>>,
    base: &str,
) -> Value {
    let id = event.id();
    let name = resource_name(stack, event.subject);
    let stack_link = stack_href(stack, base);
    let resource = format!("{stack_link}/resources/{name}");
    let mut links = vec![
        json!({"href": format!("{resource}/events/{id}"), "rel": "self"}),
        json!({"href": resource, "rel": "resource"}),
        json!({"href": stack_link, "rel": "stack"}),
    ];
    if let Some(root) = root {
        links.push(json!({"href": stack_href(root, base), "rel": "root_stack"}));
    }
    json!({
        "id": id,
        "links": links,
        "event_time": world.clock.with_z(event.at),
        "logical_resource_id": name,
        "resource_name": name,
        "physical_resource_id": physical_id(stack, event, &name),
        "resource_status": event.state.status(),
        "resource_status_reason": event.state.reason,
    })
}
