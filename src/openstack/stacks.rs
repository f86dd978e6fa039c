//! The Heat stacks of a node group, and what is said where there are none.

use uuid::Uuid;

use super::{
    heat::{Heat, StackRef},
    magnum::NodeGroupRecord,
};
use crate::core::{cloud::CloudError, status::Status};

/// The stacks that make up a node group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStacks {
    /// The group's own, which the default groups share with the masters; its name is the servers' prefix.
    pub stack: StackRef,
    /// The one nested within as `kube_minions`; none while it is not made yet.
    pub minions: Option<StackRef>,
}

/// The id of a group's Heat stack.
///
/// # Errors
/// [`CloudError::Unsuitable`] where the group belongs to a Cluster API driver, told by the form of its stack id or,
/// since those give none to further groups, of its siblings' (docs/openstack-behaviour.md#cluster-api-drivers).
pub(super) fn heat_stack_id<'a>(
    group: &'a NodeGroupRecord,
    siblings: &[NodeGroupRecord],
) -> Result<&'a str, CloudError> {
    let of_group = group.stack_id.as_deref().filter(|id| !id.is_empty());
    if let Some(id) = of_group.filter(|id| is_heat(id)) {
        return Ok(id);
    }
    let foreign = of_group.or_else(|| {
        siblings
            .iter()
            .filter_map(|sibling| sibling.stack_id.as_deref())
            .find(|id| !id.is_empty() && !is_heat(id))
    });
    let name = &group.name;
    Err(CloudError::Unsuitable(match foreign {
        Some(id) => format!(
            "node group {name} looks like one of the {} driver (stack id {id:?}); this version supports the Heat \
             driver of Magnum only",
            if is_vexxhost(id) { "magnum-cluster-api" } else { "magnum-capi-helm" }
        ),
        None => format!(
            "node group {name} has no Heat stack (status {}); it is either still being created or not of the Heat \
             driver, which alone this version supports",
            group.status.as_deref().unwrap_or("unknown")
        ),
    }))
}

fn is_heat(id: &str) -> bool {
    Uuid::try_parse(id).is_ok()
}

/// `kube-` and five letters or digits (magnum-cluster-api 0.38.1).
fn is_vexxhost(id: &str) -> bool {
    id.strip_prefix("kube-")
        .is_some_and(|rest| rest.len() == 5 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Finds the group's own stack.
pub(super) async fn find_stack(
    heat: &Heat,
    group: &NodeGroupRecord,
    id: &str,
) -> Result<StackRef, CloudError> {
    heat.stack(id).await.map_err(|error| {
        if !error.not_found() {
            return error;
        }
        CloudError::Unsuitable(format!(
            "the Heat stack {id} of node group {} does not exist (Magnum's status of the group is {}); it was deleted \
             behind Magnum's back, or the login may not see it",
            group.name,
            Status::parse(group.status.as_deref().unwrap_or_default())
        ))
    })
}

/// Finds the stack nested within a group's own.
pub(super) async fn find_minions(
    heat: &Heat,
    group: &NodeGroupRecord,
    stack: &StackRef,
) -> Result<Option<StackRef>, CloudError> {
    heat.kube_minions(stack).await.map_err(|error| {
        if !error.not_found() {
            return error;
        }
        CloudError::Unsuitable(format!(
            "the Heat stack {} of node group {} has no resource kube_minions; it is not of one of Magnum's Kubernetes \
             templates",
            stack.name, group.name
        ))
    })
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
    fn the_driver_is_told_by_the_stack_id() {
        let uuid = "4e0de985-0f28-44cf-8943-b993e3c44762";
        assert_eq!(heat_stack_id(&group(Some(uuid)), &[]).unwrap(), uuid);
        for (own, sibling, words) in [
            (Some("kube-x7k2p"), None, "magnum-cluster-api"),
            (Some("my-cluster-ab12cd34ef56"), None, "magnum-capi-helm"),
            (None, Some("kube-x7k2p"), "magnum-cluster-api"),
            (None, Some("my-cluster-ab12cd34ef56"), "magnum-capi-helm"),
            (None, Some(uuid), "no Heat stack (status CREATE_COMPLETE)"),
            (None, None, "no Heat stack"),
        ] {
            let error = heat_stack_id(&group(own), &[group(sibling)]).unwrap_err();
            assert!(matches!(&error, CloudError::Unsuitable(text) if text.contains(words)), "{error}");
            assert!(error.to_string().contains("Heat"), "{error}");
        }
    }
}
