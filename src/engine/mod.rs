//! What runs: the observer that keeps the snapshot fresh, and one resizer for each node group.

mod ambiguous;
mod clock;
mod events;
mod observer;
mod options;
mod resizer;
mod state;
mod task_group;
mod unidentified;

use std::{
    fmt,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::{sync::oneshot, time::timeout_at};
use tokio_util::sync::CancellationToken;

use self::{
    ambiguous::Ambiguous,
    clock::now,
    events::Events,
    observer::{Observer, RefreshHandle},
    state::{Answer, SharedState},
    task_group::TaskGroup,
    unidentified::Unidentified,
};
pub use self::{events::Subscriber, observer::OnReading, options::EngineOptions};
use crate::core::{
    cloud::Cloud,
    identity::{self, Found, Unplaced},
    instance::{InstanceId, PlaceholderId},
    lifecycle::Event,
    machine_id::MachineId,
    node_group::NodeGroupUuid,
    nodes::NodeIndex,
    pending::{Ask, Ticket},
    provider_id::is_of_openstack,
    registration::Registrations,
    request::{NodeReference, RequestError},
    snapshot::{GroupView, Snapshot},
};

/// The running engine.
pub struct Engine {
    state: Arc<SharedState>,
    refresh: Arc<RefreshHandle>,
    unidentified: Unidentified,
    ambiguous: Ambiguous,
    options: EngineOptions,
    tickets: AtomicU64,
    stop: CancellationToken,
    tasks: TaskGroup,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts reading the cloud at once and goes on until [`Engine::stop`]; returns without waiting for it.
    #[must_use]
    pub fn start(
        cloud: Arc<dyn Cloud>,
        options: EngineOptions,
        subscriber: Arc<dyn Subscriber>,
    ) -> Arc<Self> {
        Self::start_observed(cloud, options, subscriber, Box::new(|_| ControlFlow::Continue(())))
    }

    /// The same, with somebody who looks at each reading.
    #[must_use]
    pub fn start_observed(
        cloud: Arc<dyn Cloud>,
        options: EngineOptions,
        subscriber: Arc<dyn Subscriber>,
        on_reading: OnReading,
    ) -> Arc<Self> {
        let engine = Arc::new(Self {
            state: Arc::new(SharedState::new(
                Registrations::new(options.identify_by_name).with_prefix(options.provider_id_prefix.clone()),
                options.timing.clone(),
                Events::new(subscriber),
            )),
            refresh: Arc::new(RefreshHandle::new()),
            unidentified: Unidentified::default(),
            ambiguous: Ambiguous::default(),
            options: options.clone(),
            tickets: AtomicU64::new(1),
            stop: CancellationToken::new(),
            tasks: TaskGroup::default(),
        });
        let observer = Observer {
            cloud,
            on_reading,
            state: Arc::clone(&engine.state),
            refresh: Arc::clone(&engine.refresh),
            options,
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
        self.state.show_registrations();
        self.published_snapshot()
    }

    /// The snapshot as it was published last: nodes that have registered since may be missing in what is shown of them.
    fn published_snapshot(&self) -> Result<Arc<Snapshot>, RequestError> {
        self.state.snapshot().ok_or_else(|| RequestError::NoSnapshot {
            reason: self.last_error().unwrap_or_else(|| String::from("the first reading has not ended")),
        })
    }

    /// Why the last reading of the cloud failed, if it did.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.refresh.last_error()
    }

    /// Triggers a reading of the cloud and waits for it, [`EngineOptions::refresh_patience`] at most.
    ///
    /// # Errors
    /// [`RequestError::NoSnapshot`] or [`RequestError::SnapshotTooOld`]: there is nothing to go by.
    pub async fn refresh(&self, deadline: Instant) -> Result<(), RequestError> {
        self.refresh.read(self.options.refresh_patience, deadline.into()).await;
        let snapshot = self.snapshot()?;
        let age = snapshot.age(now());
        if age > self.options.max_snapshot_age {
            let reason = self.last_error().unwrap_or_else(|| String::from("it has not answered since"));
            return Err(RequestError::SnapshotTooOld { age, reason });
        }
        self.state.forget_registrations_but(|machine| snapshot.contains(machine));
        let nodes = self.nodes();
        self.unidentified.retain(&snapshot, nodes.as_deref());
        if let Some(nodes) = nodes {
            self.ambiguous.retain(|name| nodes.get(name).is_some());
        }
        Ok(())
    }

    /// Adds `delta` nodes to a group. `Ok` means accepted: it takes effect or shows up as failed instances.
    ///
    /// # Errors
    /// When it is refused; nothing was changed then.
    pub async fn increase_size(
        &self,
        group: &str,
        delta: i32,
        deadline: Instant,
    ) -> Result<(), RequestError> {
        let size = u32::try_from(delta).ok().filter(|delta| *delta > 0);
        let expected = "an increase needs a positive number of nodes";
        let size = size.ok_or(RequestError::InvalidDelta { delta, expected })?;
        let snapshot = self.snapshot()?;
        self.ask(snapshot.group(group)?, deadline, Ask::Increase(size)).await
    }

    /// Removes exactly these nodes from a group. `Ok` means accepted, or that they are gone already.
    ///
    /// # Errors
    /// When it is refused; nothing was changed then, for none of the nodes.
    pub async fn delete_nodes(
        &self,
        group: &str,
        nodes: &[NodeReference],
        deadline: Instant,
    ) -> Result<(), RequestError> {
        if nodes.is_empty() {
            return Err(RequestError::NoNodes);
        }
        let snapshot = self.snapshot()?;
        let view = snapshot.group(group)?;
        let known = self.nodes();
        let identify = |node| identity::identify(&snapshot, view, known.as_deref(), node);
        let named: Result<Vec<InstanceId>, _> = nodes.iter().map(identify).collect();
        let named = named.inspect_err(|error| {
            self.unidentified.refused(view, error);
            self.ambiguous.refused(error);
        })?;
        let failures: Vec<u32> = named.iter().filter_map(failed_request).collect();
        let labels = nodes.iter().map(|node| node.label().to_owned());
        self.ask(view, deadline, Ask::Delete(named.into_iter().zip(labels).collect())).await?;
        if !failures.is_empty() {
            self.state.step(view.uuid, Event::Forget(failures));
        }
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
        deadline: Instant,
    ) -> Result<(), RequestError> {
        let size = delta.checked_neg().and_then(|size| u32::try_from(size).ok()).filter(|size| *size > 0);
        let expected = "a decrease needs a negative number of nodes";
        let size = size.ok_or(RequestError::InvalidDelta { delta, expected })?;
        let snapshot = self.snapshot()?;
        self.ask(snapshot.group(group)?, deadline, Ask::Decrease(size)).await
    }

    /// The group of a registered node, `None` when it is not ours, or not yet: it has no provider ID and will get one.
    /// Learns that it is registered, and the form of its provider ID.
    ///
    /// # Errors
    /// [`RequestError::NoSnapshot`] until the cloud was read once.
    pub fn group_of(&self, node: &NodeReference) -> Result<Option<Arc<GroupView>>, RequestError> {
        let snapshot = self.published_snapshot()?;
        // Instances that never registered are asked for by the name that was emitted for them.
        let is_registered = node.name != node.provider_id;
        if is_registered
            && let Ok(Some(InstanceId::Server(server))) = node.identity()
            && (is_of_openstack(&node.provider_id) || snapshot.contains(server))
        {
            self.state.note_provider_id();
        }
        match identity::group_of(&snapshot, self.nodes().as_deref(), node) {
            Err(Unplaced::Foreign) => Ok(None),
            Err(Unplaced::Ambiguous { ambiguity, servers }) => {
                self.register_as_one_of(&servers, node);
                self.ambiguous.tell(&node.name, &ambiguity);
                Ok(None)
            }
            Ok(found) if is_registered && !self.counts(&found, node) => Ok(None),
            Ok(found) => Ok(Some(Arc::clone(found.group))),
        }
    }

    /// Whether a registered node of a group is one for cluster-autoscaler, too. Learns that it is registered.
    fn counts(&self, found: &Found<'_>, node: &NodeReference) -> bool {
        if let Some(ambiguity) = &found.ambiguity {
            self.register_as_one_of(&found.servers, node);
            self.ambiguous.tell(&node.name, ambiguity);
        } else {
            // One of them at most, if there is no doubt.
            for server in &found.servers {
                self.state.register(*server, &node.provider_id, Some(&node.name), now());
            }
            self.ambiguous.settled(&node.name);
        }
        // Its group now would make cluster-autoscaler take the node for ready, while the cloud provider's taint still
        // keeps every pod off, and ask for more nodes in each loop.
        if !node.provider_id.is_empty() || found.is_complete {
            self.unidentified.identified(found.group, &node.name);
        } else if self.state.gives_provider_ids(found.group) && !found.servers.is_empty() {
            if found.servers.iter().any(|server| self.state.waits_for_long(*server, now())) {
                self.unidentified.missing(found.group, &node.name);
            }
            return false;
        }
        true
    }

    /// Remembers what the node shows for each server that it may be on, and of which no node is known for certain:
    /// cluster-autoscaler would delete an instance of which no node shows the id.
    fn register_as_one_of(&self, servers: &[MachineId], node: &NodeReference) {
        for server in servers.iter().filter(|server| !self.state.is_registered(**server)) {
            self.state.register(*server, &node.provider_id, None, now());
        }
    }

    /// The Node objects, if they are to be had.
    fn nodes(&self) -> Option<Arc<NodeIndex>> {
        self.options.nodes.as_ref().and_then(|source| source.nodes())
    }

    /// A word for people about what keeps cluster-autoscaler from removing nodes of the group; none where all is well.
    #[must_use]
    pub fn note_about(&self, group: &GroupView) -> Option<String> {
        self.unidentified.note(group)
    }

    /// Ends once a part of the engine has panicked, a bug: nothing but a new process makes it whole.
    pub async fn failure(&self) {
        self.tasks.failure().await;
    }

    /// Takes no more writes; call once those under way were answered or gave up. Ends all tasks.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.finish().await;
        for (group, requests) in self.state.unsent() {
            tracing::warn!(
                "{group}: stopped with {requests} accepted requests that were not sent; cluster-autoscaler will ask again"
            );
        }
    }

    /// Asks for a change and waits for the answer until the deadline.
    async fn ask(&self, group: &GroupView, deadline: Instant, ask: Ask) -> Result<(), RequestError> {
        if self.stop.is_cancelled() {
            return Err(RequestError::Stopping);
        }
        let caller = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let waited = deadline.saturating_duration_since(now());
        let Some(answer) = self.state.ask(group.uuid, caller, ask) else {
            return Err(RequestError::GroupDeleted { id: group.id.clone() });
        };
        let mut waiting = Waiting { state: &self.state, group: group.uuid, caller, answer };
        match timeout_at(deadline.into(), &mut waiting.answer).await {
            Ok(answer) => answer.unwrap_or(Err(RequestError::Stopping)),
            Err(_) => {
                self.state.step(group.uuid, Event::CallerOutOfTime { caller, waited });
                waiting.answer.try_recv().unwrap_or(Err(RequestError::Stopping))
            }
        }
    }
}

/// A caller who waits. One who hangs up is told of when this is dropped.
struct Waiting<'a> {
    state: &'a SharedState,
    group: NodeGroupUuid,
    caller: Ticket,
    answer: oneshot::Receiver<Answer>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answer.is_terminated() {
            self.state.step(self.group, Event::CallerGone(self.caller));
        }
    }
}

/// The number of a requested node that came to nothing.
const fn failed_request(id: &InstanceId) -> Option<u32> {
    match id {
        InstanceId::Placeholder(PlaceholderId::Failed { number, .. }) => Some(*number),
        InstanceId::Placeholder(_) | InstanceId::Server(_) => None,
    }
}
