//! The observer: reads the cloud at intervals and on demand, one reading at a time, and publishes snapshots.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{EngineOptions, Recorder, resizer::Resizer, state::SharedState};
use crate::core::cloud::{Cloud, Observation};

/// How far the readings have come. Numbers count readings from 1.
#[derive(Debug, Clone, Default)]
pub(super) struct Readings {
    /// The last one begun, and when.
    begun: u64,
    begun_at: Option<Instant>,
    /// The last one that ended.
    ended: u64,
    /// Why the last one failed, if it did.
    pub(super) error: Option<String>,
}

/// Lets others ask for a reading and wait for it.
#[derive(Debug)]
pub(super) struct Trigger {
    asked: Notify,
    readings: watch::Sender<Readings>,
}

impl Trigger {
    pub(super) fn new() -> Self {
        Self { asked: Notify::new(), readings: watch::Sender::new(Readings::default()) }
    }

    /// Why the last reading failed, if it did.
    pub(super) fn last_error(&self) -> Option<String> {
        self.readings.borrow().error.clone()
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

/// The task.
pub(super) struct Observer {
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) state: Arc<SharedState>,
    pub(super) trigger: Arc<Trigger>,
    pub(super) options: EngineOptions,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) tasks: TaskTracker,
}

impl Observer {
    /// Reads until the service stops.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut previous = None;
        let mut failures = 0_u32;
        let work = async {
            loop {
                failures = if self.read(&mut previous, &stop).await { 0 } else { failures + 1 };
                // A cloud in trouble is left alone for a while, whoever asks.
                if failures > 0 {
                    let backoff = self.options.poll_interval.0 * (1_u32 << failures.min(6));
                    sleep(backoff.min(self.options.max_backoff)).await;
                }
                tokio::select! {
                    () = self.trigger.asked.notified() => {}
                    () = sleep(self.options.refresh_interval) => {}
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn read(&self, previous: &mut Option<Observation>, stop: &CancellationToken) -> bool {
        let begun = Instant::now();
        self.trigger.readings.send_modify(|readings| {
            readings.begun += 1;
            readings.begun_at = Some(begun);
        });
        let observed = self.cloud.observe(previous.as_ref()).await;
        let error = match observed {
            Ok(observation) => {
                self.take_over(&observation, begun, stop);
                *previous = Some(observation);
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let success = error.is_none();
        self.trigger.readings.send_modify(|readings| {
            if readings.error != error {
                match &error {
                    Some(error) => tracing::warn!("OpenStack cannot be read: {error}"),
                    None => tracing::info!("OpenStack can be read again"),
                }
            }
            readings.ended = readings.begun;
            readings.error = error;
        });
        success
    }

    fn take_over(&self, observation: &Observation, begun: Instant, stop: &CancellationToken) {
        for group in self.state.apply_observation(observation, begun.into_std(), stop) {
            let resizer = Resizer {
                group: group.uuid,
                known_since: Instant::now(),
                cloud: Arc::clone(&self.cloud),
                state: Arc::clone(&self.state),
                options: self.options.clone(),
                recorder: Arc::clone(&self.recorder),
                wake: group.wake,
            };
            self.tasks.spawn(resizer.run(group.gone));
        }
    }
}
