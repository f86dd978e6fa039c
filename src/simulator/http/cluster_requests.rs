//! `PATCH /v1/clusters/{cluster}`: the size of the default worker group, past its bounds
//! (Magnum 15.0.1 `api/controllers/v1/cluster.py` _patch; `magnum-cluster-patch-above-max.http`).

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use serde_json::json;

use super::{
    answer::json_answer,
    json_patch, magnum_bodies,
    magnum_common::{self, MinorVersion, bad_request},
    site::{Refusal, Site},
};

/// What no patch may touch.
const INTERNAL: [&str; 19] = [
    "created_at",
    "id",
    "links",
    "updated_at",
    "uuid",
    "project_id",
    "user_id",
    "api_address",
    "node_addresses",
    "master_addresses",
    "stack_id",
    "ca_cert_ref",
    "magnum_cert_ref",
    "trust_id",
    "trustee_user_name",
    "trustee_password",
    "trustee_user_id",
    "etcd_ca_cert_ref",
    "front_proxy_ca_cert_ref",
];
/// What a patch may change; of all others Magnum says that it cannot.
const CHANGEABLE: [&str; 3] = ["node_count", "health_status", "health_status_reason"];

pub(super) async fn update(
    State(site): State<Site>,
    Extension(version): Extension<MinorVersion>,
    Path(cluster): Path<String>,
    body: Bytes,
) -> Response {
    magnum_common::patch(&site, &cluster, &body, &INTERNAL, |inner, operations| {
        let world = &mut inner.world;
        let least = world.options.profile.least_size();
        let before = magnum_bodies::cluster(world, version, &site.base);
        let before = before.as_object().cloned().unwrap_or_default();
        let refuse = |detail: String| -> Refusal { Box::new(bad_request(&detail)) };
        let mut after = before.clone();
        json_patch::apply(operations, &mut after).map_err(refuse)?;
        let node_count = json_patch::count(&after, "node_count", least).map_err(refuse)?;
        let unchangeable: Vec<&str> = after
            .iter()
            .filter(|(field, value)| before.get(*field) != Some(value))
            .map(|(field, _)| field.as_str())
            .filter(|field| !CHANGEABLE.contains(field))
            .collect();
        if !unchangeable.is_empty() {
            let fields = unchangeable.join(", ");
            return Err(refuse(format!("cannot change cluster property(ies) {fields}.")));
        }
        // The cluster's own count is that of all groups; the patch means the default one's.
        if operations.iter().any(|operation| operation.is_of("node_count")) {
            let node_count = node_count.unwrap_or(1);
            if node_count == 0 && version < MinorVersion(10) {
                let detail = "Resizing a nodegroup to zero is not supported in the provided microversion.";
                return Err(refuse(detail.to_owned()));
            }
            inner.update_cluster(node_count);
        }
        Ok(json_answer(StatusCode::ACCEPTED, &json!({"uuid": inner.world.cluster.uuid})))
    })
}
