//! Magnum's resize: everything that is checked before the 202, which is not much
//! (docs/openstack-behaviour.md#a-resize-what-is-checked-and-when).

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    answer::{json_answer, magnum_error},
    magnum_common::{MinorVersion, no_group, require_cluster},
    site::{Refusal, Site},
    wsme,
};
use crate::simulator::{
    cluster::{DEFAULT_WORKER, MASTER},
    faults::{CastOutcome, Staleness},
    profile::Profile,
    resizing::{ResizeRefusal, ResizeRequest},
    world::World,
};

/// What Magnum calls the body of a resize.
const ARGUMENT: &str = "cluster_resize_req";
/// The fields that a resize may have.
const FIELDS: [&str; 3] = ["node_count", "nodes_to_remove", "nodegroup"];

pub(super) async fn resize(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Extension(outcome): Extension<CastOutcome>,
    Path(cluster): Path<String>,
    body: Bytes,
) -> Response {
    if let Err(refusal) = version.require(7, "resize") {
        return *refusal;
    }
    let profile = site.simulator.read(Staleness::default(), |world| world.options.profile);
    let (node_count, remove, nodegroup) = match parse(&body, profile) {
        Ok(request) => request,
        Err(detail) => return magnum_error(StatusCode::BAD_REQUEST, &detail),
    };
    site.simulator
        .change(|inner| {
            let world = &inner.world;
            require_cluster(world, &cluster)?;
            let group = find_group(world, nodegroup.as_deref())?;
            if node_count == 0 && version < MinorVersion(10) {
                let detail = "Resizing a nodegroup to zero is not supported in the provided microversion.";
                return Err(Box::new(magnum_error(StatusCode::BAD_REQUEST, detail)));
            }
            let uuid = world.cluster.uuid;
            let request = ResizeRequest { group, node_count, remove, outcome, by_operator: false };
            match inner.resize(request) {
                Ok(()) => Ok(accepted(profile.resize_answers_uuid().then_some(uuid))),
                Err(refusal) => Err(Box::new(refuse(&refusal))),
            }
        })
        .unwrap_or_else(|refusal: Refusal| *refusal)
}

/// The cluster's UUID, or a body without anything.
pub(super) fn accepted(cluster: Option<Uuid>) -> Response {
    match cluster {
        Some(uuid) => json_answer(StatusCode::ACCEPTED, &json!({"uuid": uuid})),
        None => StatusCode::ACCEPTED.into_response(),
    }
}

fn refuse(refusal: &ResizeRefusal) -> Response {
    magnum_error(StatusCode::BAD_REQUEST, &refusal.to_string())
}

fn find_group(world: &World, nodegroup: Option<&str>) -> Result<u32, Refusal> {
    let Some(nodegroup) = nodegroup else { return Ok(DEFAULT_WORKER) };
    let (number, _) = world.find_group(nodegroup).ok_or_else(|| Box::new(no_group(nodegroup)))?;
    if number == MASTER {
        let detail = world.options.profile.master_refusal();
        return Err(Box::new(magnum_error(StatusCode::BAD_REQUEST, detail)));
    }
    Ok(number)
}

type Parsed = (u32, Vec<String>, Option<String>);

fn parse(body: &[u8], profile: Profile) -> Result<Parsed, String> {
    // The last of them came with node groups.
    let fields = if profile.has_node_groups() { &FIELDS[..] } else { &FIELDS[..2] };
    let fields = wsme::object(body, ARGUMENT, fields)?;
    let node_count = wsme::count(&fields, "node_count", ARGUMENT, profile.least_size())?
        .ok_or_else(|| wsme::missing("node_count"))?;
    let nodegroup = wsme::text_of(&fields, "nodegroup")?;
    let remove = match fields.get("nodes_to_remove") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) => names.iter().map(wsme::plain).collect(),
        Some(other) => return Err(wsme::invalid("nodes_to_remove", other, "Wrong type.")),
    };
    Ok((node_count, remove, nodegroup))
}
