//! Magnum: its routes, its microversions, and reading the cluster and its node groups.

use std::collections::HashMap;

use axum::{
    Extension, Router,
    extract::{Path, Query, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::{MethodRouter, get, post},
};
use http::{HeaderName, StatusCode, header as headers};
use serde_json::{Value, json};

use super::{
    answer::{json_answer, magnum_error, magnum_no_route, magnum_not_acceptable, ok, set_header},
    certificates, cluster_requests, cluster_templates, group_requests, magnum_bodies,
    magnum_common::{MinorVersion, no_group, require_cluster},
    magnum_statistics, resize,
    site::{Site, authenticate, header},
};
use crate::simulator::{cluster::Group, faults::Staleness, world::World};

/// Most records on a page.
const PAGE: usize = 1000;

pub(super) fn routes(site: &Site) -> Router<Site> {
    let group = get(show_group).patch(group_requests::update).delete(group_requests::delete);
    let records: [(&str, MethodRouter<Site>); 13] = [
        ("clusters", get(list_clusters)),
        ("clusters/{cluster}", get(show_cluster).patch(cluster_requests::update)),
        ("clusters/{cluster}/detail", get(no_detail)),
        ("clusters/{cluster}/actions/resize", post(resize::resize)),
        ("clusters/{cluster}/nodegroups", get(list_groups).post(group_requests::create)),
        ("clusters/{cluster}/nodegroups/{nodegroup}", group),
        ("clustertemplates", get(cluster_templates::list)),
        ("clustertemplates/{template}", get(cluster_templates::show)),
        ("certificates", post(certificates::sign)),
        ("certificates/{cluster}", get(certificates::show)),
        ("stats", get(magnum_statistics::show)),
        ("mservices", get(magnum_statistics::services)),
        ("quotas", get(magnum_statistics::quotas)),
    ];
    let mut v1 = Router::new()
        .route("/container-infra/v1/clusters/detail", get(list_clusters_in_full))
        .route("/container-infra/v1/clusters/detail/", get(no_detail))
        .route("/container-infra/v1/clustertemplates/detail", get(cluster_templates::list));
    for (path, methods) in records {
        // Magnum takes a slash at the end as well, and python-magnumclient sends one.
        v1 = v1
            .route(&format!("/container-infra/v1/{path}"), methods.clone())
            .route(&format!("/container-infra/v1/{path}/"), methods);
    }
    let v1 = v1
        .layer(from_fn_with_state(site.clone(), negotiate))
        .layer(from_fn_with_state(site.clone(), authenticate));
    // The only documents that need no token (docs/openstack-behaviour.md#api-versions).
    Router::new()
        .route("/container-infra", get(versions))
        .route("/container-infra/", get(versions))
        .route("/container-infra/v1", get(resources))
        .route("/container-infra/v1/", get(resources))
        .merge(v1)
        .layer(from_fn_with_state(site.clone(), add_request_id))
}

async fn add_request_id(State(site): State<Site>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let request_id = site.simulator.request_id();
    set_header(&mut response, HeaderName::from_static("x-openstack-request-id"), &request_id);
    response
}

/// Reads `OpenStack-API-Version`, and says in every answer which version it is of.
async fn negotiate(State(site): State<Site>, request: Request, next: Next) -> Response {
    let newest = newest(&site);
    let Ok(version) = requested_version(header(request.headers(), "openstack-api-version"), newest) else {
        return magnum_not_acceptable("Invalid service type for OpenStack-API-Version header");
    };
    let Some(minor) = version.filter(|minor| (1..=newest).contains(minor)) else {
        let asked = header(request.headers(), "openstack-api-version").unwrap_or_default();
        let asked = asked.rsplit(' ').next().unwrap_or_default().to_owned();
        let mut response = unsupported_version(&asked, newest);
        add_version_headers(&mut response, &asked, newest);
        return response;
    };
    let mut request = request;
    request.extensions_mut().insert(MinorVersion(minor));
    let mut response =
        if has_route(&site, request.uri().path()) { next.run(request).await } else { magnum_no_route() };
    // Magnum's method routing answers before there is a version to speak of.
    if response.status() != StatusCode::NOT_ACCEPTABLE {
        add_version_headers(&mut response, &format!("1.{minor}"), newest);
    }
    response
}

/// Whether the simulated release knows of such a path.
fn has_route(site: &Site, path: &str) -> bool {
    let profile = site.simulator.read(Staleness::default(), |world| world.options.profile);
    (profile.has_resize() || !path.contains("/actions/resize"))
        && (profile.has_node_groups() || !path.contains("/nodegroups"))
}

fn newest(site: &Site) -> u32 {
    site.simulator.read(Staleness::default(), |world| world.options.newest_minor())
}

/// `Err` without the service type, `None` for a version that cannot be.
fn requested_version(header: Option<&str>, newest: u32) -> Result<Option<u32>, ()> {
    let Some(header) = header else { return Ok(Some(1)) };
    let version = header.strip_prefix("container-infra ").ok_or(())?.trim();
    if version == "latest" {
        return Ok(Some(newest));
    }
    Ok(version.strip_prefix("1.").and_then(|minor| minor.parse().ok()))
}

fn unsupported_version(asked: &str, newest: u32) -> Response {
    let description = format!(
        "Version {asked} was requested but the minor version is not supported by this service. The supported \
         version range is: [container-infra 1.1, container-infra 1.{newest}]."
    );
    let error = json!({
        "code": "magnum.microversion-unsupported",
        "title": "Requested microversion is unsupported",
        "description": description,
        "max_version": format!("1.{newest}"),
        "min_version": "1.1",
        "links": [{"rel": "help", "href": "http://docs.openstack.org/api-guide/compute/microversions.html"}],
    });
    json_answer(StatusCode::NOT_ACCEPTABLE, &json!({"errors": [error]}))
}

fn add_version_headers(response: &mut Response, version: &str, newest: u32) {
    for (name, value) in [
        ("openstack-api-minimum-version", "container-infra 1.1".to_owned()),
        ("openstack-api-maximum-version", format!("container-infra 1.{newest}")),
        ("openstack-api-version", format!("container-infra {version}")),
    ] {
        set_header(response, HeaderName::from_static(name), &value);
    }
    set_header(response, headers::VARY, "OpenStack-API-Version");
}

async fn versions(State(site): State<Site>) -> Response {
    ok(&json!({
        "name": "OpenStack Magnum API",
        "description": "Magnum is an OpenStack project which aims to provide container cluster management.",
        "versions": [{
            "id": "v1",
            "links": [{"href": format!("{}/container-infra/v1/", site.base), "rel": "self"}],
            "status": "CURRENT",
            "max_version": format!("1.{}", newest(&site)),
            "min_version": "1.1",
        }],
    }))
}

/// What there is below `/v1` (`magnum-v1.http`), as far as it is simulated.
async fn resources(State(site): State<Site>) -> Response {
    let root = format!("{}/container-infra", site.base);
    let mut body = json!({
        "id": "v1",
        "media_types": [{
            "base": "application/json",
            "type": "application/vnd.openstack.magnum.v1+json",
        }],
        "links": [{"href": format!("{root}/v1/"), "rel": "self"}],
    });
    if let Some(fields) = body.as_object_mut() {
        for resource in ["clustertemplates", "clusters", "quotas", "certificates", "mservices", "stats"] {
            let links = magnum_bodies::links(&site.base, &format!("{resource}/"));
            fields.insert(resource.to_owned(), links);
        }
    }
    ok(&body)
}

async fn list_clusters_in_full(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Extension(version): Extension<MinorVersion>,
) -> Response {
    let cluster = site.simulator.read(staleness, |world| {
        let mut cluster = magnum_bodies::cluster(world, version, &site.base);
        // Only the cluster alone is told with what went wrong.
        if let Some(fields) = cluster.as_object_mut() {
            fields.remove("faults");
        }
        cluster
    });
    ok(&json!({"clusters": [cluster]}))
}

/// Details are of all clusters at once, and Magnum takes no slash behind them (`magnum-cluster-detail-of-one.http`,
/// its words).
async fn no_detail() -> Response {
    magnum_error(StatusCode::NOT_FOUND, "The %(name)s resource %(id)s could not be found.")
}

async fn list_clusters(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Extension(version): Extension<MinorVersion>,
) -> Response {
    let cluster =
        site.simulator.read(staleness, |world| magnum_bodies::cluster_in_list(world, version, &site.base));
    ok(&json!({"clusters": [cluster]}))
}

async fn show_cluster(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Extension(version): Extension<MinorVersion>,
    Path(cluster): Path<String>,
) -> Response {
    site.simulator.read(staleness, |world| match require_cluster(world, &cluster) {
        Ok(()) => ok(&magnum_bodies::cluster(world, version, &site.base)),
        Err(refusal) => *refusal,
    })
}

async fn list_groups(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Extension(version): Extension<MinorVersion>,
    Path(cluster): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    // Magnum's routing takes a list for what it calls get_one (`magnum-nodegroups-list-1.8-406.http`).
    if let Err(refusal) = version.require(9, "get_one") {
        return *refusal;
    }
    site.simulator.read(staleness, |world| match require_cluster(world, &cluster) {
        Ok(()) => group_page(world, &site.base, &query),
        Err(refusal) => *refusal,
    })
}

fn group_page(world: &World, base: &str, query: &HashMap<String, String>) -> Response {
    let wanted = query.get("role").map(String::as_str);
    let in_role = |group: &Group| wanted.is_none_or(|role| group.role == role);
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let after = match query.get("marker") {
        None => 0,
        Some(marker) => match world.find_group(marker) {
            Some((number, _)) => number,
            None => return no_group(marker),
        },
    };
    let mut groups =
        world.groups.iter().filter(|(number, group)| **number > after && in_role(group)).peekable();
    let mut page: Vec<Value> = Vec::new();
    let mut last = String::new();
    while page.len() < limit
        && let Some((number, group)) = groups.next()
    {
        last = group.uuid.to_string();
        page.push(magnum_bodies::group_in_list(world, *number, group));
    }
    let mut body = json!({"nodegroups": page});
    if groups.peek().is_some()
        && let Some(fields) = body.as_object_mut()
    {
        let cluster = world.cluster.uuid;
        let next =
            format!("{base}/container-infra/v1/clusters/{cluster}/nodegroups?limit={limit}&marker={last}");
        fields.insert("next".to_owned(), json!(next));
    }
    ok(&body)
}

async fn show_group(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Extension(version): Extension<MinorVersion>,
    Path((cluster, group)): Path<(String, String)>,
) -> Response {
    if let Err(refusal) = version.require(9, "get_one") {
        return *refusal;
    }
    site.simulator.read(staleness, |world| {
        if let Err(refusal) = require_cluster(world, &cluster) {
            return *refusal;
        }
        match world.find_group(&group) {
            Some((number, record)) => ok(&magnum_bodies::group(world, version, number, record, &site.base)),
            None => no_group(&group),
        }
    })
}
