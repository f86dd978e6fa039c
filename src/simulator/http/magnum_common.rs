//! What all of Magnum's routes share: the microversion asked for, what is not there, and how a patch begins.

use axum::{body::Bytes, response::Response};
use http::StatusCode;

use super::{
    answer::{magnum_error, magnum_not_acceptable},
    json_patch,
    site::{Refusal, Site},
};
use crate::simulator::{handle::Inner, world::World};

/// The minor version that a request asks for; the major version is always 1 (docs/openstack-behaviour.md#api-versions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MinorVersion(pub(super) u32);

impl MinorVersion {
    /// Refuses a method that came with a later version, in the name that Magnum has for it.
    pub(super) fn require(self, since: u32, method: &str) -> Result<(), Refusal> {
        if self.0 >= since {
            return Ok(());
        }
        let detail = format!(
            "Version 1.{} was requested but the requested API {method} is not supported for this version.",
            self.0
        );
        Err(Box::new(magnum_not_acceptable(&detail)))
    }
}

/// 404 unless this is the cluster, by name or UUID.
pub(super) fn require_cluster(world: &World, name_or_uuid: &str) -> Result<(), Refusal> {
    let cluster = &world.cluster;
    if cluster.name == name_or_uuid || cluster.uuid.to_string() == name_or_uuid {
        return Ok(());
    }
    let detail = format!("Cluster {name_or_uuid} could not be found.");
    Err(Box::new(magnum_error(StatusCode::NOT_FOUND, &detail)))
}

/// Answers a `PATCH` of something of this cluster, of which no patch may touch the attributes `internal`.
pub(super) fn patch(
    site: &Site,
    cluster: &str,
    body: &Bytes,
    internal: &[&str],
    change: impl FnOnce(&mut Inner, &[json_patch::Operation]) -> Result<Response, Refusal>,
) -> Response {
    let operations = match json_patch::parse(body, internal) {
        Ok(operations) => operations,
        Err(detail) => return bad_request(&detail),
    };
    site.simulator
        .change(|inner| {
            require_cluster(&inner.world, cluster)?;
            change(inner, &operations)
        })
        .unwrap_or_else(|refusal: Refusal| *refusal)
}

/// 404 for a node group.
pub(super) fn no_group(name_or_uuid: &str) -> Response {
    magnum_error(StatusCode::NOT_FOUND, &format!("Nodegroup {name_or_uuid} could not be found."))
}

/// 400 with Magnum's words.
pub(super) fn bad_request(detail: &str) -> Response {
    magnum_error(StatusCode::BAD_REQUEST, detail)
}

/// The body of a request, as far as it is JSON.
pub(super) fn json_of(body: &Bytes) -> Result<serde_json::Value, Refusal> {
    serde_json::from_slice(body).map_err(|_| Box::new(bad_request(super::wsme::NO_JSON)))
}
