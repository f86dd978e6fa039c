//! Heat: stacks, their resources and their outputs.

use std::collections::HashMap;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::get,
};
use http::{HeaderName, StatusCode, Uri, header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    answer::{heat_error, heat_plain, ok, set_header},
    heat_common::{PartPath, StackPath, find, no_stack},
    nested_resources::{self, Wanted},
    site::{Site, authenticate},
    stack_bodies::{self, StackView},
    stack_events,
};
use crate::simulator::{faults::Staleness, traversal::StackPatch};

pub(super) fn routes(site: &Site) -> Router<Site> {
    let stack = "/orchestration/v1/{project}/stacks/{name}/{id}";
    Router::new()
        .route("/orchestration/v1/{project}/stacks", get(list))
        .route("/orchestration/v1/{project}/stacks/detail", get(list))
        .route("/orchestration/v1/{project}/stacks/{stack}", get(redirect).patch(redirect))
        .route("/orchestration/v1/{project}/stacks/{stack}/resources", get(redirect))
        .route("/orchestration/v1/{project}/stacks/{stack}/events", get(redirect))
        .route(stack, get(show).patch(update))
        .route(&format!("{stack}/resources"), get(list_resources))
        .route(&format!("{stack}/resources/{{part}}"), get(show_resource))
        .route(&format!("{stack}/resources/{{part}}/events"), get(stack_events::list_of_resource))
        .route(&format!("{stack}/resources/{{part}}/events/{{event}}"), get(stack_events::show))
        .route(&format!("{stack}/events"), get(stack_events::list))
        .route(&format!("{stack}/outputs"), get(list_outputs))
        .route(&format!("{stack}/outputs/{{part}}"), get(show_output))
        .layer(from_fn_with_state(site.clone(), authenticate))
        .layer(from_fn_with_state(site.clone(), add_request_id))
}

async fn add_request_id(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let request_id = site.simulator.request_id();
    set_header(&mut response, HeaderName::from_static("x-openstack-request-id"), &request_id);
    response
}

/// The stacks, newest first; nested ones only where they are asked for.
async fn list(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let nested = query.get("show_nested").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    site.simulator.read(staleness, |world| {
        let listed =
            stack_bodies::stacks(world).filter(|stack| nested || matches!(stack, StackView::Group(..)));
        // Magnum has yet to see that they are gone; Heat shows them to nobody.
        let listed = listed.filter(|stack| !stack.is_deleted());
        let mut stacks: Vec<Value> =
            listed.map(|stack| stack_bodies::stack_in_list(world, stack, &site.base)).collect();
        stacks.reverse();
        ok(&json!({"stacks": stacks}))
    })
}

/// By name or id alone, whatever the method: 302, with what comes behind it (docs/openstack-behaviour.md#heat,
/// `heat-resources-by-name-redirect.http`).
async fn redirect(State(site): State<Site>, Path((_, stack)): Path<(String, String)>, uri: Uri) -> Response {
    let id = Uuid::try_parse(&stack).ok();
    site.simulator.read(Staleness::default(), |world| {
        let found = stack_bodies::stacks(world)
            .find(|candidate| Some(candidate.id()) == id || candidate.name() == stack);
        let Some(found) = found else { return no_stack(&stack) };
        let mut location = stack_bodies::stack_href(found, &site.base);
        if let Some(part) = uri.path().split('/').nth(6) {
            location = format!("{location}/{part}");
        }
        if let Some(query) = uri.query() {
            location.push('?');
            location.push_str(query);
        }
        let message = format!(
            "The resource was found at <a href=\"{location}\">{location}</a>;\nyou should be redirected \
             automatically.\n\n"
        );
        let mut response = heat_plain(StatusCode::FOUND, &message);
        set_header(&mut response, header::LOCATION, &location);
        response
    })
}

async fn show(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Path((_, name, id)): Path<StackPath>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let resolve = query.get("resolve_outputs").is_none_or(|value| !value.eq_ignore_ascii_case("false"));
    site.simulator.read(staleness, |world| match find(world, &name, &id) {
        Some(stack) => ok(&json!({"stack": stack_bodies::stack(world, stack, &site.base, resolve)})),
        None => no_stack(&name),
    })
}

/// PATCH: any parameter will do, also one that the template does not have; an update runs all the same, and Magnum
/// does not hear of it (docs/openstack-behaviour.md#heat).
async fn update(State(site): State<Site>, Path((_, name, id)): Path<StackPath>, body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return heat_error(StatusCode::BAD_REQUEST, "HTTPBadRequest", "JSON parse error");
    };
    let patch = match parse_patch(request.get("parameters")) {
        Ok(patch) => patch,
        Err(message) => return heat_error(StatusCode::BAD_REQUEST, "StackValidationFailed", &message),
    };
    site.simulator.change(|inner| {
        let group = match find(&inner.world, &name, &id) {
            Some(StackView::Group(group, _)) => group,
            _ => return no_stack(&name),
        };
        inner.update_stack(group, patch);
        heat_plain(StatusCode::ACCEPTED, "The request is accepted for processing.<br /><br />\n\n\n")
    })
}

fn parse_patch(parameters: Option<&Value>) -> Result<StackPatch, String> {
    let mut patch = StackPatch::default();
    let Some(parameters) = parameters else { return Ok(patch) };
    if let Some(value) = parameters.get("number_of_minions") {
        let number = match value {
            Value::String(text) => text.parse().ok(),
            _ => value.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        let number = number.ok_or_else(|| {
            format!("Parameter 'number_of_minions' is invalid: could not convert {value} to a count")
        })?;
        patch.number_of_minions = Some(number);
    }
    patch.minions_to_remove = parameters.get("minions_to_remove").map(|value| match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        other => plain(other).split(',').map(str::to_owned).filter(|name| !name.is_empty()).collect(),
    });
    Ok(patch)
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn list_resources(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Path((_, name, id)): Path<StackPath>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let wanted = match Wanted::parse(&query) {
        Ok(wanted) => wanted,
        Err(refusal) => return *refusal,
    };
    site.simulator.read(staleness, |world| match find(world, &name, &id) {
        Some(stack) => {
            let resources = nested_resources::list(world, stack, &wanted, &site.base);
            ok(&json!({"resources": resources}))
        }
        None => no_stack(&name),
    })
}

async fn show_resource(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Path((_, name, id, part)): Path<PartPath>,
) -> Response {
    site.simulator.read(staleness, |world| {
        let Some(stack) = find(world, &name, &id) else { return no_stack(&name) };
        let resources = stack_bodies::resources(world, stack, &site.base);
        let found = resources.into_iter().find(|resource| resource["resource_name"] == part.as_str());
        let Some(mut resource) = found else {
            let message = format!("The Resource ({part}) could not be found in Stack {name}.");
            return heat_error(StatusCode::NOT_FOUND, "ResourceNotFound", &message);
        };
        nested_resources::add_detail(stack, &mut resource);
        ok(&json!({"resource": resource}))
    })
}

async fn list_outputs(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Path((_, name, id)): Path<StackPath>,
) -> Response {
    site.simulator.read(staleness, |world| {
        let Some(stack) = find(world, &name, &id) else { return no_stack(&name) };
        let mut outputs = stack_bodies::outputs(world, stack);
        for output in &mut outputs {
            if let Some(fields) = output.as_object_mut() {
                fields.retain(|key, _| key == "output_key" || key == "description");
            }
        }
        ok(&json!({"outputs": outputs}))
    })
}

async fn show_output(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Path((_, name, id, part)): Path<PartPath>,
) -> Response {
    site.simulator.read(staleness, |world| {
        let Some(stack) = find(world, &name, &id) else { return no_stack(&name) };
        let outputs = stack_bodies::outputs(world, stack);
        match outputs.into_iter().find(|output| output["output_key"] == part.as_str()) {
            Some(output) => ok(&json!({"output": output})),
            None => {
                let message = format!("Specified output key {part} not found.");
                heat_error(StatusCode::NOT_FOUND, "NotFound", &message)
            }
        }
    })
}
