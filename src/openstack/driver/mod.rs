//! What differs between the drivers behind Magnum: who the members of a group are, and how they are resized.
//!
//! A driver is a folder or file in here and a line in `Drivers`. Magnum's records, bounds and selection, the session and
//! the memory of readings are the same for all of them.

mod cluster_api;
pub mod heat;
mod kind;
mod options;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use self::{cluster_api::ClusterApiDriver, heat::HeatDriver};
pub use self::{
    kind::DriverKind,
    options::{DriverOptions, ResizeMethod},
};
use super::{
    magnum::{ClusterRecord, Magnum, NodeGroupRecord},
    session::Session,
};
use crate::core::{
    capabilities::Capabilities,
    cloud::{CloudError, Reading},
    machine_id::MachineId,
    member::{Member, MemberKey},
    node_group::NodeGroupUuid,
    resize::Resize,
    status::Status,
};

/// A group whose members are to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Magnum's record; its detail is not needed.
    pub(super) record: &'a NodeGroupRecord,
    /// Whether what Magnum's record shows unchanged need not be read again.
    pub(super) reuse: bool,
}

/// The members of a group.
#[derive(Debug)]
pub(super) struct Members {
    /// By rising key.
    pub(super) members: Vec<Member>,
    /// See [`Reading::servers`].
    pub(super) servers: Option<BTreeMap<MachineId, MemberKey>>,
    /// What can be done to the group.
    pub(super) capabilities: Arc<Capabilities>,
    /// How far the group is, where Magnum's record does not tell.
    pub(super) progress: Option<Progress>,
}

/// How far a group is.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) status: Status,
    /// Of the status.
    pub(super) reason: String,
    /// See [`NodeGroup::updated_at`](crate::core::node_group::NodeGroup::updated_at).
    pub(super) updated_at: String,
    /// The count last asked for.
    pub(super) node_count: u32,
}

/// One kind of driver, for all groups of it.
#[async_trait]
pub(super) trait Driver: Debug + Send + Sync {
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
pub(super) trait Look: Debug + Send {
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
pub(super) fn only(looks: Vec<Result<Box<dyn Look>, CloudError>>) -> Result<Box<dyn Look>, CloudError> {
    let missing = || Err(CloudError::Incomplete("the members of the node group were not read".to_owned()));
    looks.into_iter().next().unwrap_or_else(missing)
}

/// All drivers. A cluster is of one of them, as its records tell.
#[derive(Debug)]
pub(super) struct Drivers {
    heat: HeatDriver,
    cluster_api: ClusterApiDriver,
    capi_helm: ClusterApiDriver,
    /// The one that the cluster was last found to be of.
    last: Mutex<DriverKind>,
}

impl Drivers {
    pub(super) fn new(session: Arc<Session>, magnum: Arc<Magnum>, options: DriverOptions) -> Self {
        let cluster_api =
            |kind| ClusterApiDriver::new(kind, Arc::clone(&session), Arc::clone(&magnum), options);
        Self {
            cluster_api: cluster_api(DriverKind::ClusterApi),
            capi_helm: cluster_api(DriverKind::CapiHelm),
            heat: HeatDriver::new(session, magnum, options.resize_method),
            last: Mutex::new(DriverKind::Heat),
        }
    }

    /// The driver of a cluster with these groups.
    pub(super) fn of_groups(&self, groups: &[NodeGroupRecord]) -> &dyn Driver {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = DriverKind::of(groups) {
            *last = kind;
        }
        let driver = self.of_kind(*last);
        driver.learn(groups);
        driver
    }

    /// The driver of the cluster as its groups were last read.
    pub(super) fn of_last_reading(&self) -> &dyn Driver {
        self.of_kind(*self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn of_kind(&self, kind: DriverKind) -> &dyn Driver {
        match kind {
            DriverKind::Heat => &self.heat,
            DriverKind::ClusterApi => &self.cluster_api,
            DriverKind::CapiHelm => &self.capi_helm,
        }
    }
}
