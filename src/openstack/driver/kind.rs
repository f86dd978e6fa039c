//! Which driver a cluster is of, told by the form of the stack ids in Magnum's records
//! (docs/openstack-behaviour.md#cluster-api-drivers).

use uuid::Uuid;

use crate::openstack::magnum::NodeGroupRecord;

/// The drivers behind Magnum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverKind {
    /// Magnum's own, of one Heat stack a group.
    Heat,
    /// magnum-cluster-api, by Vexxhost.
    ClusterApi,
    /// magnum-capi-helm.
    CapiHelm,
}

impl DriverKind {
    /// The driver of a cluster with these groups; none where no group has a stack id. The drivers of Cluster API give one
    /// to the default groups only.
    #[must_use]
    pub fn of(groups: &[NodeGroupRecord]) -> Option<Self> {
        let ids = groups.iter().filter_map(|group| group.stack_id.as_deref()).filter(|id| !id.is_empty());
        let mut kind = None;
        for id in ids {
            if is_heat(id) {
                return Some(Self::Heat);
            }
            kind = Some(if is_cluster_api(id) { Self::ClusterApi } else { Self::CapiHelm });
        }
        kind
    }

    /// Its usual name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heat => "heat",
            Self::ClusterApi => "magnum-cluster-api",
            Self::CapiHelm => "magnum-capi-helm",
        }
    }
}

/// Whether it is the id of a Heat stack.
#[must_use]
pub(super) fn is_heat(stack_id: &str) -> bool {
    Uuid::try_parse(stack_id).is_ok()
}

/// `kube-` and five letters or digits (magnum-cluster-api 0.38.1).
fn is_cluster_api(stack_id: &str) -> bool {
    stack_id
        .strip_prefix("kube-")
        .is_some_and(|rest| rest.len() == 5 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(stack_id: Option<&str>) -> NodeGroupRecord {
        serde_json::from_value(serde_json::json!({
            "uuid": "531cd801-d372-468e-b865-e775c513c86f", "name": "g", "status": "CREATE_COMPLETE",
            "stack_id": stack_id,
        }))
        .unwrap()
    }

    #[test]
    fn the_driver_is_told_by_the_stack_ids() {
        let uuid = "4e0de985-0f28-44cf-8943-b993e3c44762";
        for (ids, kind) in [
            (vec![Some(uuid)], Some(DriverKind::Heat)),
            (vec![Some(uuid), None], Some(DriverKind::Heat)),
            (vec![None, Some("")], None),
            (vec![None, Some("kube-x7k2p")], Some(DriverKind::ClusterApi)),
            (vec![Some("kube-x7k2p"), None], Some(DriverKind::ClusterApi)),
            (vec![Some("kube-x7k2p"), Some(uuid)], Some(DriverKind::Heat)),
            (vec![Some("kube-x7k2pq")], Some(DriverKind::CapiHelm)),
            (vec![None, Some("my-cluster-ab12cd34ef56")], Some(DriverKind::CapiHelm)),
        ] {
            let groups: Vec<_> = ids.iter().map(|id| group(*id)).collect();
            assert_eq!(DriverKind::of(&groups), kind, "{ids:?}");
        }
    }
}
