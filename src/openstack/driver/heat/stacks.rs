//! The Heat stacks of a node group, and what is said where there are none.

use super::api::{Heat, StackRef};
use crate::{
    core::cloud::CloudError,
    openstack::{driver::kind, magnum::NodeGroupRecord},
};

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
/// [`CloudError::Unsuitable`] where it has none.
pub(super) fn heat_stack_id(group: &NodeGroupRecord) -> Result<&str, CloudError> {
    group.stack_id.as_deref().filter(|id| kind::is_heat(id)).ok_or_else(|| {
        CloudError::Unsuitable(format!(
            "node group {} has no Heat stack (stack id {:?}, status {}); it is either still being created or not of \
             Magnum's Heat driver, of which the cluster seems to be",
            group.name,
            group.stack_id.as_deref().unwrap_or_default(),
            group.status.as_deref().unwrap_or("unknown")
        ))
    })
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
            group.parsed_status()
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
