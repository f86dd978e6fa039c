//! What differs between the drivers behind Magnum: who the members of a group are, and how they are resized.
//!
//! A driver is a folder or file in here and a line in `Drivers`. Magnum's records, bounds and selection, the session and
//! the memory of readings are the same for all of them.

mod cluster_api;
pub mod heat;
mod kind;
mod options;
mod port;

use std::sync::{Arc, Mutex, PoisonError};

pub(super) use self::port::{Asked, Driver, Look, Members, Progress, only};
use self::{cluster_api::ClusterApiDriver, heat::HeatDriver};
pub use self::{
    kind::DriverKind,
    options::{DriverOptions, ResizeMethod},
};
use super::{
    magnum::{Magnum, NodeGroupRecord},
    session::Session,
};

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
