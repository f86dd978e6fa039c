//! The observer: reads the cloud at intervals and on demand, one reading at a time, and publishes snapshots.

use std::{future::pending, ops::ControlFlow, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{options::EngineOptions, resizer::Resizer, state::SharedState, task_group::TaskGroup};
use crate::core::cloud::{Cloud, CloudError, Observation};

/// How far the readings have come. Numbers count readings from 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Readings {
    /// The last one begun, and when.
    begun: u64,
    begun_at: Option<Instant>,
    /// The last one that ended.
    ended: u64,
    /// Why the last one failed, if it did.
    pub(super) error: Option<CloudError>,
}

/// Lets others ask for a reading and wait for it.
#[derive(Debug)]
pub(super) struct RefreshHandle {
    asked: Notify,
    readings: watch::Sender<Readings>,
}

impl RefreshHandle {
    pub(super) fn new() -> Self {
        Self { asked: Notify::new(), readings: watch::Sender::new(Readings::default()) }
    }

    /// Why the last reading failed, if it did.
    pub(super) fn last_error(&self) -> Option<String> {
        self.readings.borrow().error.as_ref().map(ToString::to_string)
    }

    /// Asks for a reading begun after now and waits until it has ended, but not beyond `by`, and not at all
    /// while the cloud is hanging.
    pub(super) async fn read(&self, patience: Duration, by: Instant) {
        let mut readings = self.readings.subscribe();
        let (first, begun, hanging) = {
            let now = readings.borrow_and_update();
            let running = now.begun > now.ended;
            let hanging = running && now.begun_at.is_some_and(|begun| begun.elapsed() > patience);
            (running && now.ended == 0, now.begun, hanging)
        };
        // The very first reading is as new as any.
        let wanted = if first { begun } else { begun + 1 };
        if !first {
            self.asked.notify_one();
        }
        if hanging {
            return;
        }
        let limit = by.min(Instant::now() + patience);
        // Too late or the observer has stopped: the caller makes do with the snapshot there is.
        let _ = timeout_at(limit, readings.wait_for(|now| now.ended >= wanted)).await;
    }
}

/// Looks at each reading of the whole cluster, and may end the readings.
pub type OnReading = Box<dyn FnMut(&Result<Observation, CloudError>) -> ControlFlow<()> + Send>;

/// The task.
pub(super) struct Observer {
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) on_reading: OnReading,
    pub(super) state: Arc<SharedState>,
    pub(super) refresh: Arc<RefreshHandle>,
    pub(super) options: EngineOptions,
    pub(super) tasks: TaskGroup,
}

impl Observer {
    /// Reads until the service stops.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut previous = None;
        let mut failures = 0_u32;
        let work = async {
            loop {
                match self.read(&mut previous, &stop).await {
                    Ok(()) => failures = 0,
                    // A cloud in trouble is left alone for a while, whoever asks.
                    Err(error) => {
                        failures += 1;
                        sleep(self.options.timing.backoff(failures, error.retry_after())).await;
                    }
                }
                tokio::select! {
                    () = self.refresh.asked.notified() => {}
                    () = sleep(self.options.refresh_interval) => {}
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// An error is that of the cloud, or of its groups where none could be read.
    async fn read(
        &mut self,
        previous: &mut Option<Observation>,
        stop: &CancellationToken,
    ) -> Result<(), CloudError> {
        let begun = Instant::now();
        self.refresh.readings.send_modify(|readings| {
            readings.begun += 1;
            readings.begun_at = Some(begun);
        });
        let reading = self.cloud.observe(previous.as_ref()).await;
        if (self.on_reading)(&reading).is_break() {
            return pending().await;
        }
        let (error, outcome) = match reading {
            Ok(observation) => {
                self.take_over(&observation, begun, stop);
                let trouble = trouble_of_all(&observation);
                *previous = Some(observation);
                (None, trouble.map_or(Ok(()), Err))
            }
            Err(error) => (Some(error.clone()), Err(error)),
        };
        self.refresh.readings.send_modify(|readings| {
            match (&readings.error, &error) {
                (Some(known), Some(error)) if known.is_like(error) => {}
                (_, Some(error)) => tracing::warn!("OpenStack cannot be read: {error}"),
                (Some(_), None) => tracing::info!("OpenStack can be read again"),
                (None, None) => {}
            }
            readings.ended = readings.begun;
            readings.error = error;
        });
        outcome
    }

    fn take_over(&self, observation: &Observation, begun: Instant, stop: &CancellationToken) {
        for group in self.state.apply_observation(observation, begun.into_std(), stop) {
            let resizer = Resizer {
                group: group.uuid,
                cloud: Arc::clone(&self.cloud),
                state: Arc::clone(&self.state),
                wake: group.wake,
            };
            self.tasks.spawn(resizer.run(group.gone));
        }
    }
}

/// The trouble of a group, where not one could be read; the one that wants the longest rest.
fn trouble_of_all(observation: &Observation) -> Option<CloudError> {
    let errors = || observation.groups.iter().filter_map(|group| group.reading.as_ref().err());
    let all = errors().count() == observation.groups.len();
    errors().max_by_key(|error| error.retry_after()).filter(|_| all).cloned()
}
