//! The driver of one node group: does the work that its [`Lifecycle`](crate::core::lifecycle::Lifecycle) asks for, one
//! piece at a time, and tells it what came of it.

use std::sync::Arc;

use tokio::{sync::Notify, time::sleep_until};
use tokio_util::sync::CancellationToken;

use super::{clock::now, state::SharedState};
use crate::core::{
    cloud::Cloud,
    lifecycle::{Event, Work},
    node_group::NodeGroupUuid,
};

/// Everything that a driver works with.
pub(super) struct Resizer {
    pub(super) group: NodeGroupUuid,
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) state: Arc<SharedState>,
    /// Wakes it when requests have come.
    pub(super) wake: Arc<Notify>,
}

impl Resizer {
    /// Works until the group is gone or the service stops.
    pub(super) async fn run(self, stop: CancellationToken) {
        let work = async {
            while let Some(work) = self.state.work(self.group) {
                self.carry_out(work).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn carry_out(&self, work: Work) {
        let event = match work {
            Work::Nothing => return self.wake.notified().await,
            Work::WakeAt(at) => {
                tokio::select! {
                    () = sleep_until(at.into()) => self.state.tick(self.group),
                    () = self.wake.notified() => {}
                }
                return;
            }
            Work::Read => {
                let begun = now();
                let reading = self.cloud.read_group(self.group).await.map(Arc::new);
                Event::Read { reading, begun }
            }
            Work::Send(resize) => Event::ResizeAnswered(self.cloud.resize(self.group, &resize).await),
        };
        self.state.step(self.group, event);
    }
}
