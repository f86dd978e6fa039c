//! Nova: servers and flavors, at any microversion from 2.1 on.

use std::collections::HashMap;

use axum::{
    Extension, Router,
    extract::{Path, Query, Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
    routing::get,
};
use http::{HeaderName, HeaderValue, StatusCode, header as headers};
use regex_lite::Regex;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    answer::{nova_error, ok, set_header},
    server_groups,
    site::{Refusal, Site, authenticate, header},
};
use crate::simulator::{
    compute::{FLAVORS, Flavor, Server, ServerStatus, flavor},
    credentials::CREDENTIALS,
    faults::Staleness,
    world::World,
};

/// The newest minor version, of Zed.
const NEWEST: u32 = 93;
/// Most servers on a page (`[api] max_limit`).
const PAGE: usize = 1000;
const IMAGE: &str = "fdf2ac83-0e2c-4b5a-8873-3f1d5235a4eb";
const HOST: &str = "3a5d167eeb437b20954b5517bbbc65acdd83447551218004efb24974";

/// The minor version that a request asks for.
#[derive(Debug, Clone, Copy)]
struct MinorVersion(u32);

pub(super) fn routes(site: &Site) -> Router<Site> {
    let version = Router::new()
        .route("/compute/v2.1", get(show_version))
        .route("/compute/v2.1/", get(show_version))
        .layer(from_fn(negotiate));
    Router::new()
        .route("/compute/v2.1/servers", get(list))
        .route("/compute/v2.1/servers/detail", get(list_detail))
        .route("/compute/v2.1/servers/{server}", get(show).delete(delete))
        .route("/compute/v2.1/os-server-groups", get(server_groups::list))
        .route("/compute/v2.1/flavors", get(list_flavors))
        .route("/compute/v2.1/flavors/detail", get(list_flavors_detail))
        .route("/compute/v2.1/flavors/{flavor}", get(show_flavor))
        .route("/compute/v2.1/flavors/{flavor}/os-extra_specs", get(show_extra_specs))
        .layer(from_fn(negotiate))
        .layer(from_fn_with_state(site.clone(), authenticate))
        .merge(version)
        .layer(from_fn_with_state(site.clone(), add_request_ids))
}

async fn add_request_ids(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let request_id = site.simulator.request_id();
    for name in ["x-openstack-request-id", "x-compute-request-id"] {
        set_header(&mut response, HeaderName::from_static(name), &request_id);
    }
    response
}

async fn negotiate(mut request: Request, next: Next) -> Response {
    let asked = header(request.headers(), "openstack-api-version")
        .and_then(|value| value.strip_prefix("compute "))
        .or_else(|| header(request.headers(), "x-openstack-nova-api-version"))
        .unwrap_or("2.1")
        .trim();
    let minor = if asked == "latest" {
        Some(NEWEST)
    } else {
        asked.strip_prefix("2.").and_then(|minor| minor.parse().ok())
    };
    let Some(minor) = minor.filter(|minor| (1..=NEWEST).contains(minor)) else {
        let message =
            format!("Version {asked} is not supported by the API. Minimum is 2.1 and maximum is 2.{NEWEST}.");
        return nova_error(StatusCode::NOT_ACCEPTABLE, "computeFault", &message);
    };
    request.extensions_mut().insert(MinorVersion(minor));
    let mut response = next.run(request).await;
    let version = format!("2.{minor}");
    set_header(
        &mut response,
        HeaderName::from_static("openstack-api-version"),
        &format!("compute {version}"),
    );
    set_header(&mut response, HeaderName::from_static("x-openstack-nova-api-version"), &version);
    for name in ["OpenStack-API-Version", "X-OpenStack-Nova-API-Version"] {
        set_header(&mut response, headers::VARY, name);
    }
    response
}

/// What clients learn the microversions from, without a token (`nova-version.http`).
async fn show_version(State(site): State<Site>) -> Response {
    ok(&json!({"version": {
        "id": "v2.1",
        "status": "CURRENT",
        "version": format!("2.{NEWEST}"),
        "min_version": "2.1",
        "updated": "2013-07-23T11:33:21Z",
        "links": [
            {"rel": "self", "href": format!("{}/compute/v2.1/", site.base)},
            {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"},
        ],
        "media-types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.compute+json;version=2.1",
        }],
    }}))
}

async fn list(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page(
        &site,
        staleness,
        &query,
        "servers",
        |_, id, server| json!({"id": id, "name": server.name, "links": links(&site.base, "servers", &id.to_string())}),
    )
}

async fn list_detail(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Extension(staleness): Extension<Staleness>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    page(&site, staleness, &query, "servers/detail", |world, id, server| {
        server_body(world, id, server, version, &site.base)
    })
}

/// A page of servers, newest first; `name` is a regular expression (docs/openstack-behaviour.md#nova).
fn page(
    site: &Site,
    staleness: Staleness,
    query: &HashMap<String, String>,
    path: &str,
    body: impl Fn(&World, Uuid, &Server) -> Value,
) -> Response {
    // Nova escapes the bar for its database (nova 26.2.2 `db/main/api.py:1957`, seen on the lab): no alternatives.
    let name = match query.get("name").map(|name| Regex::new(&name.replace('|', "\\|"))).transpose() {
        Ok(name) => name,
        Err(error) => {
            return nova_error(StatusCode::BAD_REQUEST, "badRequest", &format!("Invalid filter: {error}"));
        }
    };
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    site.simulator.read(staleness, |world| {
        let matching = |server: &Server| name.as_ref().is_none_or(|name| name.is_match(&server.name));
        let mut servers = world.servers.newest_first().filter(|(_, server)| matching(server)).peekable();
        if let Some(marker) = query.get("marker")
            && !servers.any(|(id, _)| id.to_string() == *marker)
        {
            let message = format!("marker [{marker}] not found");
            return nova_error(StatusCode::BAD_REQUEST, "badRequest", &message);
        }
        let mut page = Vec::new();
        let mut last = Uuid::nil();
        while page.len() < limit
            && let Some((id, server)) = servers.next()
        {
            last = id;
            page.push(body(world, id, server));
        }
        let mut answer = json!({"servers": page});
        if servers.peek().is_some()
            && let Some(fields) = answer.as_object_mut()
        {
            let href = next_page(&site.base, path, query, limit, last);
            fields.insert("servers_links".to_owned(), json!([{"rel": "next", "href": href}]));
        }
        ok(&answer)
    })
}

fn next_page(base: &str, path: &str, query: &HashMap<String, String>, limit: usize, marker: Uuid) -> String {
    let mut next = url::form_urlencoded::Serializer::new(String::new());
    next.append_pair("limit", &limit.to_string());
    if let Some(name) = query.get("name") {
        next.append_pair("name", name);
    }
    next.append_pair("marker", &marker.to_string());
    format!("{base}/compute/v2.1/{path}?{}", next.finish())
}

async fn show(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Extension(staleness): Extension<Staleness>,
    Path(server): Path<String>,
) -> Response {
    site.simulator.read(staleness, |world| {
        let id = Uuid::try_parse(&server).unwrap_or_default();
        match world.servers.get(id) {
            Some(record) => ok(&json!({"server": server_body(world, id, record, version, &site.base)})),
            None => no_server(&server),
        }
    })
}

async fn delete(State(site): State<Site>, Path(server): Path<String>) -> Response {
    let deleted = Uuid::try_parse(&server).is_ok_and(|id| site.simulator.delete_server_with_id(id));
    if !deleted {
        return no_server(&server);
    }
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(headers::CONTENT_TYPE, content_type);
    response
}

fn no_server(server: &str) -> Response {
    let message = format!("Instance {server} could not be found.");
    nova_error(StatusCode::NOT_FOUND, "itemNotFound", &message)
}

fn links(base: &str, kind: &str, id: &str) -> Value {
    json!([
        {"rel": "self", "href": format!("{base}/compute/v2.1/{kind}/{id}")},
        {"rel": "bookmark", "href": format!("{base}/compute/{kind}/{id}")},
    ])
}

fn server_body(world: &World, id: Uuid, server: &Server, version: MinorVersion, base: &str) -> Value {
    let (vm_state, power_state, task_state) = match server.status {
        ServerStatus::Build => ("building", 0, Some("spawning")),
        ServerStatus::Active => ("active", 1, None),
        ServerStatus::Error => ("error", 0, None),
        ServerStatus::Deleted => ("deleted", 0, None),
    };
    let launched = server.launched.map(|moment| world.clock.with_fraction(moment));
    let mut body = json!({
        "id": id,
        "name": server.name,
        "status": server.status.name(),
        "tenant_id": CREDENTIALS.project_id,
        "user_id": CREDENTIALS.user_id,
        "metadata": {},
        "hostId": HOST,
        "image": {
            "id": IMAGE,
            "links": [{"rel": "bookmark", "href": format!("{base}/compute/images/{IMAGE}")}],
        },
        "flavor": embedded_flavor(&server.flavor_id, version, base),
        "created": world.clock.with_z(server.created),
        "updated": world.clock.with_z(server.updated),
        "addresses": {"private": [{
            "version": 4,
            "addr": server.address,
            "OS-EXT-IPS:type": "fixed",
            "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:c9:b5:73",
        }]},
        "accessIPv4": "",
        "accessIPv6": "",
        "links": links(base, "servers", &id.to_string()),
        "OS-DCF:diskConfig": "MANUAL",
        "progress": 0,
        "OS-EXT-AZ:availability_zone": "nova",
        "config_drive": "",
        "key_name": null,
        "OS-SRV-USG:launched_at": launched,
        "OS-SRV-USG:terminated_at": null,
        "security_groups": [{"name": format!("{}-secgroup", world.cluster.name)}],
        "OS-EXT-STS:task_state": task_state,
        "OS-EXT-STS:vm_state": vm_state,
        "OS-EXT-STS:power_state": power_state,
        "os-extended-volumes:volumes_attached": [],
    });
    if let Some(fields) = body.as_object_mut() {
        for (since, field, value) in
            [(9, "locked", json!(false)), (19, "description", Value::Null), (26, "tags", json!([]))]
        {
            if version.0 >= since {
                fields.insert(field.to_owned(), value);
            }
        }
    }
    body
}

/// From 2.47 on the flavor itself without its id, below only the id (docs/openstack-behaviour.md#nova).
fn embedded_flavor(flavor_id: &str, version: MinorVersion, base: &str) -> Value {
    let Some(flavor) = flavor(flavor_id) else { return json!({"id": flavor_id, "links": []}) };
    if version.0 >= 47 {
        return json!({
            "vcpus": flavor.vcpus,
            "ram": flavor.ram,
            "disk": flavor.disk,
            "ephemeral": 0,
            "swap": 0,
            "original_name": flavor.name,
            "extra_specs": extra_specs(flavor),
        });
    }
    let bookmark = format!("{base}/compute/flavors/{}", flavor.id);
    json!({"id": flavor.id, "links": [{"rel": "bookmark", "href": bookmark}]})
}

fn extra_specs(flavor: &Flavor) -> Value {
    flavor.extra_specs.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect()
}

fn flavor_body(flavor: &Flavor, version: MinorVersion, base: &str) -> Value {
    let mut body = json!({
        "id": flavor.id,
        "name": flavor.name,
        "ram": flavor.ram,
        "disk": flavor.disk,
        "swap": "",
        "OS-FLV-EXT-DATA:ephemeral": 0,
        "OS-FLV-DISABLED:disabled": false,
        "vcpus": flavor.vcpus,
        "os-flavor-access:is_public": true,
        "rxtx_factor": 1.0,
        "links": links(base, "flavors", flavor.id),
    });
    if let Some(fields) = body.as_object_mut() {
        if version.0 >= 55 {
            fields.insert("description".to_owned(), Value::Null);
        }
        if version.0 >= 61 {
            fields.insert("extra_specs".to_owned(), extra_specs(flavor));
        }
    }
    body
}

async fn list_flavors(State(site): State<Site>) -> Response {
    let flavors: Vec<Value> = FLAVORS
        .iter()
        .map(|flavor| {
            json!({"id": flavor.id, "name": flavor.name, "links": links(&site.base, "flavors", flavor.id)})
        })
        .collect();
    ok(&json!({"flavors": flavors}))
}

async fn list_flavors_detail(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
) -> Response {
    let flavors: Vec<Value> = FLAVORS.iter().map(|flavor| flavor_body(flavor, version, &site.base)).collect();
    ok(&json!({"flavors": flavors}))
}

/// By id alone; by name there is none (`nova-flavor-by-name-404.http`).
fn flavor_with_id(id: &str) -> Result<&'static Flavor, Refusal> {
    FLAVORS.iter().find(|flavor| flavor.id == id).ok_or_else(|| {
        let message = format!("Flavor {id} could not be found.");
        Box::new(nova_error(StatusCode::NOT_FOUND, "itemNotFound", &message))
    })
}

async fn show_flavor(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Path(id): Path<String>,
) -> Response {
    match flavor_with_id(&id) {
        Ok(flavor) => ok(&json!({"flavor": flavor_body(flavor, version, &site.base)})),
        Err(refusal) => *refusal,
    }
}

async fn show_extra_specs(Path(id): Path<String>) -> Response {
    match flavor_with_id(&id) {
        Ok(flavor) => ok(&json!({"extra_specs": extra_specs(flavor)})),
        Err(refusal) => *refusal,
    }
}
