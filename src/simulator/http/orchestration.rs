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
use http::{HeaderName, StatusCode, header};
use serde_json::{Value, json};

use super::{
    Site,
    answer::{heat_error, heat_plain, ok, set_header},
    authenticate,
    stack_bodies::{self, StackView},
};
use crate::simulator::{faults::Staleness, traversal::StackPatch, world::World};

/// Where a request's stack is: project, name, id.
type StackPath = (String, String, String);
/// The same with a resource or an output.
type PartPath = (String, String, String, String);

pub(super) fn routes(site: &Site) -> Router<Site> {
    let stack = "/orchestration/v1/{project}/stacks/{name}/{id}";
    Router::new()
        .route("/orchestration/v1/{project}/stacks", get(list))
        .route("/orchestration/v1/{project}/stacks/{stack}", get(redirect).patch(redirect))
        .route(stack, get(show).patch(update))
        .route(&format!("{stack}/resources"), get(list_resources))
        .route(&format!("{stack}/resources/{{part}}"), get(show_resource))
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

fn no_stack(name: &str) -> Response {
    let message = format!("The Stack ({name}) could not be found.");
    heat_error(StatusCode::NOT_FOUND, "EntityNotFound", &message)
}

/// The stack with this name and this id.
fn find<'a>(world: &'a World, name: &str, id: &str) -> Option<StackView<'a>> {
    stack_bodies::stacks(world).find(|stack| stack.id().to_string() == id && stack.name() == name)
}

async fn list(State(site): State<Site>, Extension(staleness): Extension<Staleness>) -> Response {
    site.simulator.read(staleness, |world| {
        let own = stack_bodies::stacks(world).filter(|stack| matches!(stack, StackView::Group(..)));
        let stacks: Vec<Value> =
            own.map(|stack| stack_bodies::stack_in_list(world, stack, &site.base)).collect();
        ok(&json!({"stacks": stacks}))
    })
}

/// By name or id alone, whatever the method: 302 (docs/openstack-behaviour.md#heat).
async fn redirect(State(site): State<Site>, Path((_, stack)): Path<(String, String)>) -> Response {
    site.simulator.read(Staleness::default(), |world| {
        let found = stack_bodies::stacks(world)
            .find(|candidate| candidate.id().to_string() == stack || candidate.name() == stack);
        let Some(found) = found else { return no_stack(&stack) };
        let location = stack_bodies::stack_href(found, &site.base);
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
        let world = &mut inner.world;
        let group = match find(world, &name, &id) {
            Some(StackView::Group(group, _)) => group,
            _ => return no_stack(&name),
        };
        world.patch_stack(group, patch);
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
) -> Response {
    site.simulator.read(staleness, |world| match find(world, &name, &id) {
        Some(stack) => {
            let resources = stack_bodies::resources(world, stack, &site.base);
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
        if let Some(fields) = resource.as_object_mut() {
            fields.remove("parent_resource");
            fields.insert("description".to_owned(), json!(""));
            fields.insert("attributes".to_owned(), stack_bodies::attributes(stack));
        }
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
