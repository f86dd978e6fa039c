//! Magnum's certificates of a cluster, for `openstack coe cluster config`. There is no Kubernetes behind them, and
//! nobody has the keys: whatever is to be signed, the answer is one fixed certificate.

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    answer::{json_answer, ok},
    magnum_bodies::links,
    magnum_common::{json_of, require_cluster},
    site::{Refusal, Site},
    wsme,
};
use crate::simulator::{faults::Staleness, world::World};

/// The authority of the cluster.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUD0wbYUx0kT3T1gR+nIJITW1gMKswCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRc2ltdWxhdGVkLWNsdXN0ZXIwIBcNMjYxMTI1MDgzMDA4WhgP
MjEyNjExMDEwODMwMDhaMBwxGjAYBgNVBAMMEXNpbXVsYXRlZC1jbHVzdGVyMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENgMiPFjDaKC9BYsSRqV1nYRdlPCD27cb
4LYpZcJmM1iYaSXuxgGn2ggKEtlu0N88fB29TAsi4Y0gvoDKWpNbDaNTMFEwHQYD
VR0OBBYEFLnctRY58XJgAUMd20k92+81jO0DMB8GA1UdIwQYMBaAFLnctRY58XJg
AUMd20k92+81jO0DMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIh
ANvG21LifC9prlMx6bsF1qWqAcQYh5KUrGpolKf/ZrkCAiBpn5op6TODqa2UjjSR
s/N3HoZYBZ7JSmInOVGxqKPdOw==
-----END CERTIFICATE-----
";
/// A user's certificate of that authority.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBQTCB6AIUVJY8/Sl39tKPjYezYGTlWrv0uD4wCgYIKoZIzj0EAwIwHDEaMBgG
A1UEAwwRc2ltdWxhdGVkLWNsdXN0ZXIwIBcNMjYxMTI1MDgzMDA4WhgPMjEyNjEx
MDEwODMwMDhaMCkxDjAMBgNVBAMMBWFkbWluMRcwFQYDVQQKDA5zeXN0ZW06bWFz
dGVyczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHKMeSn4VwmmzofhNfKNkP9g
2s6H9rIIxMX3gW2xV9q/S5UxbApRh3HSXug7wska2eX3Us5gyPadRsAEWquTmxow
CgYIKoZIzj0EAwIDSAAwRQIgXc/nYdlu+e5EtQDBb8CU//ItWJbZw+0qQFLIBQJW
OQICIQDnbcGSe/DgfJh16phuzhQs1x1uWH9tyR72j2n0PKfAoQ==
-----END CERTIFICATE-----
";

/// `GET /v1/certificates/{cluster}`.
pub(super) async fn show(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Path(cluster): Path<String>,
) -> Response {
    site.simulator.read(staleness, |world| match require_cluster(world, &cluster) {
        Ok(()) => ok(&certificate(world, &site.base, AUTHORITY)),
        Err(refusal) => *refusal,
    })
}

/// `POST /v1/certificates`.
pub(super) async fn sign(State(site): State<Site>, body: Bytes) -> Response {
    let signed = |world: &World| -> Result<Response, Refusal> {
        let request = json_of(&body)?;
        let cluster = request.get("cluster_uuid").or_else(|| request.get("bay_uuid"));
        let cluster = cluster.map(wsme::plain).unwrap_or_default();
        require_cluster(world, &cluster).map_err(|mut refusal| {
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            refusal
        })?;
        let mut answer = certificate(world, &site.base, CERTIFICATE);
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("csr".to_owned(), request.get("csr").cloned().unwrap_or_default());
        }
        Ok(json_answer(StatusCode::CREATED, &answer))
    };
    site.simulator.read(Staleness::default(), signed).unwrap_or_else(|refusal| *refusal)
}

fn certificate(world: &World, base: &str, pem: &str) -> Value {
    let cluster = world.cluster.uuid;
    json!({
        "bay_uuid": cluster,
        "cluster_uuid": cluster,
        "links": links(base, &format!("certificates/{cluster}")),
        "pem": pem,
    })
}
