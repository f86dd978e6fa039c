//! The four services over HTTP, under one origin.

mod answer;
mod certificates;
mod cluster_requests;
mod cluster_templates;
mod container_infra;
mod faulty;
mod group_requests;
mod heat_common;
mod identity;
mod json_patch;
mod magnum_bodies;
mod magnum_common;
mod magnum_statistics;
mod member_stack;
mod nested_resources;
mod nova;
mod orchestration;
mod resize;
mod server_groups;
mod site;
mod stack_bodies;
mod stack_events;
mod stack_resource;
mod wsme;

use axum::{Router, extract::State, middleware::from_fn_with_state, response::Response};
use http::{HeaderName, StatusCode, Uri};

pub use self::faulty::ConnectionCut;
use self::site::Site;
use super::Simulator;

impl Simulator {
    /// All services under one origin: `/identity/v3`, `/container-infra/v1`, `/orchestration/v1/{project}` and
    /// `/compute/v2.1`. The catalog, links and Location headers begin with `base_url`.
    pub fn router(&self, base_url: &str) -> Router {
        router(self.clone(), base_url)
    }
}

fn router(simulator: Simulator, base_url: &str) -> Router {
    let site = Site { simulator, base: base_url.trim_end_matches('/').into() };
    Router::new()
        .merge(identity::routes(&site))
        .merge(container_infra::routes(&site))
        .merge(orchestration::routes(&site))
        .merge(nova::routes(&site))
        .fallback(no_route)
        .layer(from_fn_with_state(site.clone(), faulty::carry))
        .with_state(site)
}

/// What the service says to a path that it does not know.
async fn no_route(State(site): State<Site>, uri: Uri) -> Response {
    let is_below = |prefix: &str| uri.path().starts_with(prefix);
    let (mut response, headers): (_, &[&'static str]) = if is_below("/orchestration") {
        (answer::heat_no_route(), &["x-openstack-request-id"])
    } else if is_below("/compute") {
        (answer::heat_no_route(), &["x-openstack-request-id", "x-compute-request-id"])
    } else if is_below("/container-infra") {
        (answer::magnum_no_route(), &["x-openstack-request-id"])
    } else {
        return answer::proxy_error(StatusCode::NOT_FOUND);
    };
    let request_id = site.simulator.request_id();
    for header in headers {
        answer::set_header(&mut response, HeaderName::from_static(header), &request_id);
    }
    response
}
