//! What every driver does.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use async_trait::async_trait;

use crate::{
    core::{
        capabilities::Capabilities,
        cloud::{CloudError, Reading},
        machine_id::MachineId,
        member::{Member, MemberKey},
        node_group::NodeGroupUuid,
        resize::Resize,
        status::Status,
    },
    openstack::magnum::{ClusterRecord, NodeGroupRecord},
};

/// A group whose members are to be read.
#[derive(Debug, Clone, Copy)]
pub(in crate::openstack) struct Asked<'a> {
    /// Magnum's record; its detail is not needed.
    pub(in crate::openstack) record: &'a NodeGroupRecord,
    /// Whether what Magnum's record shows unchanged need not be read again.
    pub(in crate::openstack) reuse: bool,
}

/// The members of a group.
#[derive(Debug)]
pub(in crate::openstack) struct Members {
    /// By rising key.
    pub(in crate::openstack) members: Vec<Member>,
    /// See [`Reading::servers`].
    pub(in crate::openstack) servers: Option<BTreeMap<MachineId, MemberKey>>,
    /// What can be done to the group.
    pub(in crate::openstack) capabilities: Arc<Capabilities>,
    /// How far the group is, where Magnum's record does not tell.
    pub(in crate::openstack) progress: Option<Progress>,
}

/// How far a group is.
#[derive(Debug)]
pub(in crate::openstack) struct Progress {
    pub(in crate::openstack) status: Status,
    /// Of the status.
    pub(in crate::openstack) reason: String,
    /// See [`NodeGroup::updated_at`](crate::core::node_group::NodeGroup::updated_at).
    pub(in crate::openstack) updated_at: String,
    /// The count last asked for.
    pub(in crate::openstack) node_count: u32,
}

/// One kind of driver, for all groups of it.
#[async_trait]
pub(in crate::openstack) trait Driver: Debug + Send + Sync {
    /// What it is and how it works on this cloud, for people.
    ///
    /// # Errors
    /// When the cloud does not tell.
    async fn describe(&self) -> Result<String, CloudError>;

    /// Takes note of all groups that the cluster has.
    fn learn(&self, groups: &[NodeGroupRecord]) {
        let _ = groups;
    }

    /// Looks at the members of these groups, all at once; one answer for each.
    async fn look(&self, groups: &[Asked<'_>]) -> Vec<Result<Box<dyn Look>, CloudError>>;

    /// Asks for a size and for the removal of the members that it names.
    ///
    /// # Errors
    /// [`CloudError::certainly_without_effect`] tells whether it may have been heard nevertheless.
    async fn resize(&self, cluster: &str, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError>;

    /// Does what is left to do of an earlier resize of a group that was just read, if anything.
    async fn finish(&self, cluster: &str, record: &NodeGroupRecord) {
        let _ = (cluster, record);
    }

    /// Forgets what it remembers of other groups than these.
    fn retain(&self, exists: &dyn Fn(NodeGroupUuid) -> bool);
}

/// What was seen of a group's members. Magnum's detail of the group, which is read at the same time, completes it.
#[async_trait]
pub(in crate::openstack) trait Look: Debug + Send {
    /// The members, given what they were before.
    ///
    /// # Errors
    /// When what was seen is no ground for any decision.
    async fn members(
        self: Box<Self>,
        cluster: &ClusterRecord,
        detail: &NodeGroupRecord,
        before: Option<&Reading>,
    ) -> Result<Members, CloudError>;
}

/// What came of looking at a single group.
pub(in crate::openstack) fn only(
    looks: Vec<Result<Box<dyn Look>, CloudError>>,
) -> Result<Box<dyn Look>, CloudError> {
    let missing = || Err(CloudError::Incomplete("the members of the node group were not read".to_owned()));
    looks.into_iter().next().unwrap_or_else(missing)
}
