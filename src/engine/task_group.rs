//! The engine's tasks, of which none may end unnoticed.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Runs tasks and notices when one of them panics: the group or snapshot that it cares for would stand still from then
/// on while calls are acknowledged.
#[derive(Debug, Clone, Default)]
pub(super) struct TaskGroup {
    tasks: TaskTracker,
    failed: CancellationToken,
}

impl TaskGroup {
    /// Runs a task.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let failed = self.failed.clone();
        self.tasks.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                failed.cancel();
            }
        });
    }

    /// Ends once a task has panicked.
    pub(super) async fn failure(&self) {
        self.failed.cancelled().await;
    }

    /// Waits for all tasks.
    pub(super) async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_noticed_and_an_end_is_not() {
        let tasks = TaskGroup::default();
        tasks.spawn(async {});
        tasks.finish().await;
        assert!(tasks.failure().now_or_never().is_none());
        tasks.spawn(async { panic!("boom") });
        tasks.failure().await;
    }
}
