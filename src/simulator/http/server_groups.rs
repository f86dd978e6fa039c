//! Nova's server groups, which vexxhost's driver makes one of for each node group: the only place where a tenant sees
//! which group a server was made for (docs/openstack-behaviour.md#cluster-api-drivers: `<stack_id>-<group>`, utils.py:658-668).

use axum::{Extension, extract::State, response::Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{answer::ok, site::Site};
use crate::simulator::{faults::Staleness, world::World};

/// `GET /os-server-groups`, as at 2.1.
pub(super) async fn list(State(site): State<Site>, Extension(staleness): Extension<Staleness>) -> Response {
    site.simulator.read(staleness, |world| ok(&json!({"server_groups": server_groups(world)})))
}

fn server_groups(world: &World) -> Vec<Value> {
    let Some(cluster) =
        world.cluster.capi_name.as_ref().filter(|_| world.options.profile.has_server_groups())
    else {
        return Vec::new();
    };
    let groups = world.deployments.iter().filter_map(|(number, deployment)| {
        let group = world.groups.get(number)?;
        let members: Vec<Uuid> = deployment
            .machines
            .values()
            .filter_map(|machine| machine.server)
            .filter(|server| world.servers.get(*server).is_some())
            .collect();
        Some(json!({
            "id": Uuid::new_v5(&group.uuid, b"server-group"),
            "name": format!("{cluster}-{}", group.name),
            "policies": ["soft-anti-affinity"],
            "members": members,
            "metadata": {},
        }))
    });
    groups.collect()
}
