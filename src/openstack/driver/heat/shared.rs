//! What the driver and its looks both need.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use super::{api::Heat, first_seen::FirstSeen, reading::Trace, updates::Updates};
use crate::{
    core::node_group::NodeGroupUuid,
    openstack::{magnum::Magnum, nova::Nova, session::Session},
};

/// How groups are resized.
pub(super) const BY_MAGNUM: &str = "resized by Magnum";
/// The other way.
pub(super) const BY_HEAT: &str = "nodes are removed by updates of the Heat stack";

/// What a look of the driver needs as well as the driver.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) magnum: Arc<Magnum>,
    pub(super) heat: Heat,
    pub(super) nova: Nova,
    pub(super) nova_failing: AtomicBool,
    /// A convenience, never a source.
    pub(super) traces: Mutex<BTreeMap<NodeGroupUuid, Trace>>,
    pub(super) first_seen: FirstSeen,
    pub(super) updates: Updates,
}

impl Shared {
    pub(super) fn new(session: Arc<Session>, magnum: Arc<Magnum>) -> Self {
        Self {
            magnum,
            heat: Heat::new(Arc::clone(&session)),
            nova: Nova::new(session),
            nova_failing: AtomicBool::new(false),
            traces: Mutex::default(),
            first_seen: FirstSeen::default(),
            updates: Updates::default(),
        }
    }

    pub(super) fn traces(&self) -> MutexGuard<'_, BTreeMap<NodeGroupUuid, Trace>> {
        // Nothing is left half-done in here when a holder panics.
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
