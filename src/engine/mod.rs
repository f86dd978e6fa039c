//! What runs: the observer that keeps the snapshot fresh, and one resizer for each node group.

mod observer;
mod provider_ids;
mod report;
mod resizer;
mod state;
mod watch;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time::timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    observer::{Observer, Trigger},
    provider_ids::ProviderIds,
    state::{Answer, GroupState, SharedState},
};
use crate::core::{
    cloud::Cloud,
    instance::{Instance, InstanceId, InstanceState},
    ledger::{Request, Ticket},
    machine_id::{PlaceholderId, ProviderId},
    node_group::NodeGroupUuid,
    request::{NodeReference, RequestError},
    settle::Patience,
    snapshot::{GroupView, Snapshot},
};

/// Most requests that may wait for one group.
const MAX_WAITING: usize = 1000;

/// How the engine paces itself.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// How often the cloud is read when nobody calls Refresh.
    pub refresh_interval: Duration,
    /// How long Refresh waits for the cloud at most; after that the snapshot there is has to do.
    pub refresh_patience: Duration,
    /// How long requests for one group are gathered into one resize.
    pub coalesce_window: Duration,
    /// Age at which a snapshot is too old for Refresh to answer OK.
    pub max_snapshot_age: Duration,
    /// Shortest and longest pause between two readings of a group that is being resized.
    pub poll_interval: (Duration, Duration),
    /// Longest pause after failed readings.
    pub max_backoff: Duration,
    /// How long a resize may show no effect before it counts as lost.
    pub effect_timeout: Duration,
    /// How often a request is sent before it is given up.
    pub max_attempts: u32,
    /// When a group counts as settled.
    pub patience: Patience,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            refresh_interval: Duration::from_secs(10),
            refresh_patience: Duration::from_secs(2),
            coalesce_window: Duration::from_millis(200),
            max_snapshot_age: Duration::from_secs(300),
            poll_interval: (Duration::from_millis(500), Duration::from_secs(3)),
            max_backoff: Duration::from_secs(30),
            effect_timeout: Duration::from_secs(60),
            max_attempts: 5,
            patience: Patience::default(),
        }
    }
}

/// How a resize ended; the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResizeOutcome {
    /// Everything named went, nobody else did, and the size is as asked.
    Done,
    /// The cloud refused it or failed at it.
    Failed,
    /// It had no effect, or not all of it; the rest is sent again.
    Lost,
    /// Somebody else changed the group meanwhile.
    Superseded,
}

impl ResizeOutcome {
    /// All of them, for metrics that start at 0.
    pub const ALL: [Self; 4] = [Self::Done, Self::Failed, Self::Lost, Self::Superseded];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Superseded => "superseded",
        }
    }
}

/// Why a request that was acknowledged is not carried out; the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dropped {
    /// When its turn came it could not be done any more, or the cloud refused it.
    Refused,
    /// It was sent several times without any effect.
    Lost,
}

impl Dropped {
    /// Both, for metrics that start at 0.
    pub const ALL: [Self; 2] = [Self::Refused, Self::Lost];

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// Is told what the engine did, for metrics.
pub trait Recorder: Send + Sync + 'static {
    /// A resize of this group ended.
    fn resize_ended(&self, group: &str, outcome: ResizeOutcome);
    /// A request for this group was acknowledged and is not carried out. It shows: as failed instances, or as nodes
    /// that are running again.
    fn request_dropped(&self, group: &str, why: Dropped);
    /// Nodes that nobody named are gone after a resize of this group. Must never happen.
    fn wrong_removals(&self, group: &str, nodes: u64);
}

/// The running engine.
pub struct Engine {
    state: Arc<SharedState>,
    trigger: Arc<Trigger>,
    provider_ids: ProviderIds,
    options: EngineOptions,
    tickets: AtomicU64,
    stop: CancellationToken,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts reading the cloud at once and goes on until [`Engine::stop`]; returns without waiting for it.
    #[must_use]
    pub fn start(cloud: Arc<dyn Cloud>, options: EngineOptions, recorder: Arc<dyn Recorder>) -> Arc<Self> {
        let engine = Arc::new(Self {
            state: Arc::default(),
            trigger: Arc::new(Trigger::new()),
            provider_ids: ProviderIds::default(),
            options: options.clone(),
            tickets: AtomicU64::new(1),
            stop: CancellationToken::new(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        let observer = Observer {
            cloud,
            state: Arc::clone(&engine.state),
            trigger: Arc::clone(&engine.trigger),
            options,
            recorder,
            tasks: engine.tasks.clone(),
        };
        engine.tasks.spawn(observer.run(engine.stop.clone()));
        engine
    }

    /// The snapshot that reads are answered from.
    ///
    /// # Errors
    /// [`RequestError::NoSnapshot`] until the cloud was read once.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, RequestError> {
        self.state.snapshot().ok_or_else(|| RequestError::NoSnapshot {
            reason: self.last_error().unwrap_or_else(|| String::from("the first reading has not ended")),
        })
    }

    /// Why the last reading of the cloud failed, if it did.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.trigger.last_error()
    }

    /// Has the cloud read anew and waits for it a short while at most.
    ///
    /// # Errors
    /// [`RequestError::NoSnapshot`] or [`RequestError::SnapshotTooOld`]: there is nothing to go by.
    pub async fn refresh(&self, by: Instant) -> Result<(), RequestError> {
        self.trigger.read(self.options.refresh_patience, by.into()).await;
        let snapshot = self.snapshot()?;
        let age = snapshot.age(now());
        if age > self.options.max_snapshot_age {
            let reason = self.last_error().unwrap_or_else(|| String::from("it has not answered since"));
            return Err(RequestError::SnapshotTooOld { age, reason });
        }
        self.provider_ids.retain(|machine| snapshot.contains(machine));
        Ok(())
    }

    /// Adds `delta` nodes to a group. `Ok` means accepted: it takes effect or shows up as failed instances.
    ///
    /// # Errors
    /// When it is refused; nothing was changed then.
    pub async fn increase_size(&self, group: &str, delta: i32, by: Instant) -> Result<(), RequestError> {
        let size = u32::try_from(delta).ok().filter(|delta| *delta > 0);
        let size = size.ok_or(RequestError::InvalidDelta { delta, expected: "it must be positive" })?;
        let snapshot = self.snapshot()?;
        let view = snapshot.group(group)?;
        self.submit(view.uuid, by, |_, view| {
            let count = i64::from(view.target_size) + i64::from(size);
            if count > i64::from(view.bounds.max) {
                return Err(out_of_bounds(view, count));
            }
            Ok(Some(Request::Increase(size)))
        })
        .await
    }

    /// Removes exactly these nodes from a group. `Ok` means accepted, or that they are gone already.
    ///
    /// # Errors
    /// When it is refused; nothing was changed then, for none of the nodes.
    pub async fn delete_nodes(
        &self,
        group: &str,
        nodes: &[NodeReference],
        by: Instant,
    ) -> Result<(), RequestError> {
        if nodes.is_empty() {
            return Err(RequestError::NoNodes);
        }
        let snapshot = self.snapshot()?;
        let view = snapshot.group(group)?;
        let named: Vec<InstanceId> =
            nodes.iter().map(|node| view.identify(node)).collect::<Result<_, _>>()?;
        self.submit(view.uuid, by, |group, view| check_removal(group, view, &named, nodes)).await?;
        self.forget_failures(view.uuid, &named);
        Ok(())
    }

    /// Cancels up to `-delta` requested nodes of a group that never got a server.
    ///
    /// # Errors
    /// When there is none to cancel, or it is refused otherwise.
    pub async fn decrease_target_size(
        &self,
        group: &str,
        delta: i32,
        by: Instant,
    ) -> Result<(), RequestError> {
        let size = delta.checked_neg().and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
        let size = size.ok_or(RequestError::InvalidDelta { delta, expected: "it must be negative" })?;
        let snapshot = self.snapshot()?;
        let view = snapshot.group(group)?;
        self.submit(view.uuid, by, |_, view| {
            if view.instances.iter().all(|instance| matches!(instance.id, InstanceId::Server(_))) {
                let current = view.target_size;
                return Err(RequestError::NothingToCancel { group: view.id.clone(), current });
            }
            Ok(Some(Request::Decrease(size)))
        })
        .await
    }

    /// The provider ID to emit for an instance: byte for byte what its node shows, once the node was seen.
    #[must_use]
    pub fn provider_id(&self, id: &InstanceId) -> String {
        self.provider_ids.of(id)
    }

    /// The group of a node, `None` when it is not ours. Also learns the form of its provider ID.
    ///
    /// # Errors
    /// [`RequestError::NoSnapshot`] until the cloud was read once.
    pub fn group_of(&self, node: &NodeReference) -> Result<Option<Arc<GroupView>>, RequestError> {
        let snapshot = self.snapshot()?;
        let Some(group) = snapshot.group_of(node) else { return Ok(None) };
        if let Ok(Some(ProviderId::Server(machine))) = node.identity() {
            self.provider_ids.learn(machine, &node.provider_id);
        }
        Ok(Some(Arc::clone(group)))
    }

    /// Takes no more writes; call once those under way were answered or gave up. Ends all tasks.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Forgets the named nodes that were asked for and will not come.
    fn forget_failures(&self, group: NodeGroupUuid, named: &[InstanceId]) {
        let numbers: Vec<u32> = named
            .iter()
            .filter_map(|id| match id {
                InstanceId::Placeholder(PlaceholderId::Failed { number, .. }) => Some(*number),
                _ => None,
            })
            .collect();
        if !numbers.is_empty() {
            self.state.with_group(group, |state| {
                for number in numbers {
                    state.ledger.forget_failure(group, number, now());
                }
            });
        }
    }

    /// Queues the request that `check` finds to be left to do, if any, and waits for its answer until `by`.
    async fn submit(
        &self,
        group: NodeGroupUuid,
        by: Instant,
        check: impl FnOnce(&mut GroupState, &GroupView) -> Result<Option<Request>, RequestError>,
    ) -> Result<(), RequestError> {
        if self.stopping.is_cancelled() {
            return Err(RequestError::Stopping);
        }
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let queued = self.state.with_group(group, |state| {
            let view = state.view().map(Arc::clone).ok_or(RequestError::Stopping)?;
            let waiting = state.ledger.queued.len();
            if waiting >= MAX_WAITING {
                return Err(RequestError::Busy { group: view.id.clone(), waiting });
            }
            Ok(check(state, &view)?.map(|request| state.enqueue(ticket, request)))
        });
        match queued {
            Some(Ok(Some(answer))) => self.await_answer(group, ticket, answer, by).await,
            Some(Ok(None)) => Ok(()),
            Some(Err(error)) => Err(error),
            None => Err(RequestError::Stopping),
        }
    }

    async fn await_answer(
        &self,
        group: NodeGroupUuid,
        ticket: Ticket,
        answer: oneshot::Receiver<Answer>,
        by: Instant,
    ) -> Result<(), RequestError> {
        match timeout_at(by.into(), answer).await {
            Ok(Ok(answer)) => answer,
            // The resizer ended before it sent anything.
            Ok(Err(_)) => Err(RequestError::Stopping),
            Err(_) if self.state.with_group(group, |state| state.withdraw(ticket)) == Some(true) => {
                Err(RequestError::Deadline { doing: "reading the node group" })
            }
            // It is on its way to Magnum: it will take effect, or show up as failed.
            Err(_) => Ok(()),
        }
    }
}

/// Finds what is left to remove: not what is going or gone already, and not what never came.
fn check_removal(
    group: &GroupState,
    view: &GroupView,
    named: &[InstanceId],
    nodes: &[NodeReference],
) -> Result<Option<Request>, RequestError> {
    let mut left = Vec::new();
    for (id, node) in named.iter().zip(nodes) {
        let (node, group_id) = (node.label().to_owned(), view.id.clone());
        let shown = view.instances.iter().find(|instance| instance.id == *id);
        match (shown, id) {
            // Nothing of it is in the cloud; it is forgotten once the call is accepted.
            (Some(_), InstanceId::Placeholder(PlaceholderId::Failed { .. })) => {}
            (Some(_), InstanceId::Placeholder(PlaceholderId::Requested { .. })) => {
                return Err(RequestError::BeingRequested { node, group: group_id });
            }
            (Some(instance), _)
                if instance.state == InstanceState::Deleting
                    && instance.error.is_none()
                    && !group.is_removal_open(*id) => {}
            (Some(_), _) => left.push(*id),
            (None, _) if group.ledger.has_departed(*id) => {}
            (None, _) => return Err(RequestError::NotAMember { node, group: group_id }),
        }
    }
    check_minimum(group, view, &left)?;
    Ok((!left.is_empty()).then_some(Request::Delete(left)))
}

/// Refuses at once what would go below the minimum, so that nothing is acknowledged that cannot be done. Broken
/// members do not count where they may be replaced.
fn check_minimum(group: &GroupState, view: &GroupView, left: &[InstanceId]) -> Result<(), RequestError> {
    let (mut sound, mut broken) = (0_i64, 0_i64);
    for instance in view.instances.iter().filter(|instance| left.contains(&instance.id)) {
        match (instance.state, &instance.error) {
            (InstanceState::Deleting, _) => {}
            // While a change goes on, what is broken now may be mended when its turn comes.
            (_, Some(_)) if !group.busy && group.ledger.may_replace(now()) => broken += 1,
            _ => sound += 1,
        }
    }
    // Only what exists counts: what was asked for may fail to come.
    let exists =
        |instance: &&Instance| instance.member.is_some() && instance.state != InstanceState::Deleting;
    let existing = view.instances.iter().filter(exists).count();
    let (_, _, serverless) = group.ledger.queued_cancellations();
    let leaving = i64::from(group.leaving_with_others()) + i64::from(serverless);
    let count = i64::try_from(existing).unwrap_or(i64::MAX) - leaving - sound - broken;
    if sound + broken > 0 && count + broken < i64::from(view.bounds.min) {
        return Err(out_of_bounds(view, count));
    }
    Ok(())
}

fn out_of_bounds(view: &GroupView, count: i64) -> RequestError {
    RequestError::OutOfBounds {
        group: view.id.clone(),
        count,
        bounds: view.bounds,
        current: view.target_size,
    }
}

/// The clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
