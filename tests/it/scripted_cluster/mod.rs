//! A cluster behind a scripted OpenStack whose answers follow from a world that a test changes.

use std::sync::{Arc, Mutex};

use cluster_autoscaler_provider_magnum::{
    core::{
        cloud::{Cloud as _, Observation, Reading},
        node_group::NodeGroupUuid,
    },
    openstack::MagnumCluster,
};
use serde_json::Value;

use crate::openstack_fake::{Fake, ok};

/// The cluster, one group of which is looked at.
pub(crate) struct ScriptedCluster<W> {
    pub(crate) fake: Fake,
    pub(crate) world: Arc<Mutex<W>>,
    pub(crate) cluster: MagnumCluster,
    pub(crate) group: NodeGroupUuid,
}

impl<W> ScriptedCluster<W> {
    pub(crate) fn change(&self, change: impl FnOnce(&mut W)) {
        change(&mut self.world.lock().unwrap());
    }

    pub(crate) async fn observe(&self, previous: Option<&Observation>) -> Observation {
        self.cluster.observe(previous).await.unwrap()
    }

    pub(crate) async fn read(&self) -> Reading {
        self.cluster.read_group(self.group).await.unwrap()
    }
}

/// Answers what is asked with what follows from the world.
pub(crate) fn answer_by<W: Send + 'static>(
    fake: &Fake,
    world: &Arc<Mutex<W>>,
    what: &str,
    respond: impl Fn(&W) -> Value + Send + Sync + 'static,
) {
    let world = Arc::clone(world);
    fake.on(what, move |_| ok(respond(&world.lock().unwrap())));
}
