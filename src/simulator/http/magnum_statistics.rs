//! Magnum's statistics, and what it tells to administrators alone.

use std::collections::HashMap;

use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use http::StatusCode;
use serde_json::json;

use super::{
    answer::{magnum_error, ok},
    site::Site,
};
use crate::simulator::{credentials::CREDENTIALS, faults::Staleness};

/// `GET /v1/stats`: masters count as nodes (`magnum-stats.http`).
pub(super) async fn show(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let project = query.get("project_id").filter(|project| !project.is_empty());
    if project.is_some_and(|project| project != CREDENTIALS.project_id) {
        return magnum_error(StatusCode::FORBIDDEN, "Not authorized.");
    }
    let nodes = site
        .simulator
        .read(staleness, |world| -> u32 { world.groups.values().map(|group| group.node_count).sum() });
    ok(&json!({"clusters": 1, "nodes": nodes}))
}

/// `GET /v1/mservices`, of which a member of a project sees nothing (`magnum-services-403.http`).
pub(super) async fn services() -> Response {
    forbidden("magnum-service:get_all")
}

/// `GET /v1/quotas`, of which a member of a project sees nothing.
pub(super) async fn quotas() -> Response {
    forbidden("quota:get_all")
}

fn forbidden(policy: &str) -> Response {
    let detail = format!("Policy doesn't allow {policy} to be performed.");
    magnum_error(StatusCode::FORBIDDEN, &detail)
}
