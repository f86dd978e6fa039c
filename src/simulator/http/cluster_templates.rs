//! Magnum's cluster templates: the one that the cluster was made of.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    answer::{magnum_error, ok},
    magnum_bodies::{IMAGE, KEYPAIR, cluster_labels, links},
    site::Site,
};
use crate::simulator::{
    cluster::{DEFAULT_WORKER, MASTER},
    credentials::CREDENTIALS,
    faults::Staleness,
    world::World,
};

/// All templates; the list and the list with details have the same fields.
pub(super) async fn list(State(site): State<Site>, Extension(staleness): Extension<Staleness>) -> Response {
    let template = site.simulator.read(staleness, |world| template(world, &site.base));
    ok(&json!({"clustertemplates": [template]}))
}

/// A template by name or UUID.
pub(super) async fn show(
    State(site): State<Site>,
    Extension(staleness): Extension<Staleness>,
    Path(wanted): Path<String>,
) -> Response {
    site.simulator.read(staleness, |world| {
        if wanted == name(world) || wanted == world.cluster.template.to_string() {
            return ok(&template(world, &site.base));
        }
        let detail = format!("ClusterTemplate {wanted} could not be found.");
        magnum_error(StatusCode::NOT_FOUND, &detail)
    })
}

fn name(world: &World) -> String {
    format!("{}-template", world.cluster.name)
}

fn template(world: &World, base: &str) -> Value {
    let cluster = &world.cluster;
    let flavor = |group| world.groups.get(&group).map(|group| group.flavor_id.clone());
    json!({
        "uuid": cluster.template,
        "name": name(world),
        "coe": "kubernetes",
        "image_id": IMAGE,
        "flavor_id": flavor(DEFAULT_WORKER),
        "master_flavor_id": flavor(MASTER),
        "dns_nameserver": null,
        "keypair_id": KEYPAIR,
        "external_network_id": "public",
        "fixed_network": "private",
        "fixed_subnet": "private-subnet",
        "network_driver": "flannel",
        "apiserver_port": null,
        "docker_volume_size": null,
        "cluster_distro": "fedora-coreos",
        "links": links(base, &format!("clustertemplates/{}", cluster.template)),
        "http_proxy": null,
        "https_proxy": null,
        "no_proxy": null,
        "volume_driver": null,
        "registry_enabled": false,
        "labels": cluster_labels(world),
        "tls_disabled": false,
        "public": false,
        "server_type": "vm",
        "insecure_registry": null,
        "docker_storage_driver": "overlay2",
        "master_lb_enabled": false,
        "floating_ip_enabled": false,
        "project_id": CREDENTIALS.project_id,
        "user_id": CREDENTIALS.user_id,
        "hidden": false,
        "tags": null,
        "created_at": world.clock.with_offset(cluster.created),
        "updated_at": null,
    })
}
