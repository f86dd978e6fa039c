//! What the engine knows, behind one lock that is never held over an await.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::{clock::now, events::Events};
use crate::core::{
    cloud::{GroupObservation, Observation, UnscaledGroup},
    lifecycle::{Effect, Event, Lifecycle, Timing, Work},
    machine_id::MachineId,
    node_group::NodeGroupUuid,
    pending::{Ask, Ticket},
    quote::named,
    registration::Registrations,
    request::RequestError,
    snapshot::{GroupView, Snapshot},
    witnesses::{self, Contradiction},
};

/// The answer to one request.
pub(crate) type Answer = Result<(), RequestError>;

/// One node group.
#[derive(Debug)]
struct Group {
    lifecycle: Lifecycle,
    /// Who waits for an answer.
    callers: HashMap<Ticket, oneshot::Sender<Answer>>,
    view: Option<Arc<GroupView>>,
    /// Wakes the group's driver.
    wake: Arc<Notify>,
    /// Ends the group's driver.
    gone: CancellationToken,
}

impl Group {
    fn new(lifecycle: Lifecycle, gone: CancellationToken) -> Self {
        Self { lifecycle, callers: HashMap::new(), view: None, wake: Arc::default(), gone }
    }

    /// Feeds an event, and shows what came of it.
    fn step(&mut self, event: Event, registrations: &Registrations, events: &Events) {
        if let Event::CallerGone(caller) = &event {
            self.callers.remove(caller);
        }
        let effects = self.lifecycle.step(event, now());
        self.carry_out(effects, registrations, events);
        self.rebuild(registrations, events);
    }

    fn carry_out(&mut self, effects: Vec<Effect>, registrations: &Registrations, events: &Events) {
        for effect in effects {
            match effect {
                Effect::Tell(decision) => events.tell(&decision, registrations),
                Effect::Answer(caller, answer) => {
                    if let Some(sender) = self.callers.remove(&caller) {
                        // Whoever does not listen any more has said so, or will.
                        let _ = sender.send(answer);
                    }
                }
            }
        }
    }

    fn rebuild(&mut self, registrations: &Registrations, events: &Events) {
        let (view, effects) = self.lifecycle.view(registrations, now());
        self.carry_out(effects, registrations, events);
        self.view = view.map(Arc::new);
    }
}

/// Everything behind the lock.
#[derive(Debug, Default)]
struct State {
    cluster_name: String,
    observed_at: Option<Instant>,
    order: Vec<NodeGroupUuid>,
    groups: HashMap<NodeGroupUuid, Group>,
    /// Groups that are not scaled, as far as that was told.
    unscaled: HashSet<NodeGroupUuid>,
}

/// The lock, and the snapshot that readers take without it.
#[derive(Debug)]
pub(crate) struct SharedState {
    state: Mutex<State>,
    timing: Timing,
    events: Events,
    /// Taken after the lock on the state where both are needed.
    registrations: RwLock<Registrations>,
    /// Whether nodes have registered that the snapshot does not show yet. cluster-autoscaler names all its nodes before it
    /// asks for the instances: one new snapshot has to do for all of them.
    registrations_changed: AtomicBool,
    snapshot: ArcSwapOption<Snapshot>,
}

impl SharedState {
    pub(crate) fn new(registrations: Registrations, timing: Timing, events: Events) -> Self {
        Self {
            state: Mutex::default(),
            timing,
            events,
            registrations: RwLock::new(registrations),
            registrations_changed: AtomicBool::default(),
            snapshot: ArcSwapOption::default(),
        }
    }

    fn registrations(&self) -> RwLockReadGuard<'_, Registrations> {
        self.registrations.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_registrations(&self, change: impl FnOnce(&mut Registrations)) {
        change(&mut self.registrations.write().unwrap_or_else(PoisonError::into_inner));
        self.registrations_changed.store(true, Ordering::Release);
    }

    /// Remembers that this server's node is registered and what it shows; its name if it certainly is this server's node.
    pub(crate) fn register(&self, machine: MachineId, provider_id: &str, name: Option<&str>, now: Instant) {
        if self.registrations().is_news(machine, provider_id, name) {
            self.change_registrations(|known| known.record(machine, provider_id, name, now));
        }
    }

    /// Whether a node of this server is known.
    pub(crate) fn is_registered(&self, machine: MachineId) -> bool {
        self.registrations().is_registered(machine)
    }

    /// Remembers that the cloud provider gives the nodes of this cluster their provider IDs.
    pub(crate) fn note_provider_id(&self) {
        if !self.registrations().provider_ids_seen() {
            self.change_registrations(Registrations::note_provider_id);
        }
    }

    /// Whether the nodes of a group get a provider ID.
    pub(crate) fn gives_provider_ids(&self, group: &GroupView) -> bool {
        // The view may be from before the first provider ID was seen.
        group.gives_provider_ids || self.registrations().provider_ids_count()
    }

    /// Whether this node has been without a provider ID for long.
    pub(crate) fn waits_for_long(&self, machine: MachineId, now: Instant) -> bool {
        self.registrations().waits_for_long(machine, now)
    }

    /// Forgets the registrations of servers that are no more. They are shown nowhere.
    pub(crate) fn forget_registrations_but(&self, exists: impl Fn(MachineId) -> bool) {
        self.registrations.write().unwrap_or_else(PoisonError::into_inner).retain(exists);
    }

    /// Publishes a snapshot that shows the nodes that have registered since the last one.
    pub(crate) fn show_registrations(&self) {
        if self.registrations_changed.swap(false, Ordering::AcqRel) {
            let mut state = self.lock();
            let registrations = self.registrations();
            for group in state.groups.values_mut() {
                group.rebuild(&registrations, &self.events);
            }
            self.publish(&state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock leaves valid, if older, values behind; the next reading replaces them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshot, once there is one.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    /// What the driver of a group has to do next; `None` when the group is no more.
    pub(crate) fn work(&self, group: NodeGroupUuid) -> Option<Work> {
        self.lock().groups.get(&group).map(|group| group.lifecycle.work())
    }

    /// Feeds an event to one group and publishes the result. Nothing happens when the group is no more.
    pub(crate) fn step(&self, group: NodeGroupUuid, event: Event) {
        let mut state = self.lock();
        if let Some(group) = state.groups.get_mut(&group) {
            group.step(event, &self.registrations(), &self.events);
            self.publish(&state);
        }
    }

    /// Tells one group that the time has come that it waited for. That changes only what is done next, so nothing is shown
    /// anew.
    pub(crate) fn tick(&self, group: NodeGroupUuid) {
        if let Some(group) = self.lock().groups.get_mut(&group) {
            let effects = group.lifecycle.step(Event::Tick, now());
            group.carry_out(effects, &self.registrations(), &self.events);
        }
    }

    /// Asks one group for a change; the receiver hears the answer. `None` when the group is no more.
    pub(crate) fn ask(
        &self,
        group: NodeGroupUuid,
        caller: Ticket,
        ask: Ask,
    ) -> Option<oneshot::Receiver<Answer>> {
        let mut state = self.lock();
        let group = state.groups.get_mut(&group)?;
        let (sender, receiver) = oneshot::channel();
        group.callers.insert(caller, sender);
        group.step(Event::Asked { caller, ask }, &self.registrations(), &self.events);
        group.wake.notify_one();
        self.publish(&state);
        Some(receiver)
    }

    /// Takes over an observation, begun at this time. Returns the groups that are new; the ended ones are cancelled.
    pub(crate) fn apply_observation(
        &self,
        observation: &Observation,
        begun: Instant,
        parent: &CancellationToken,
    ) -> Vec<NewGroup> {
        let mut state = self.lock();
        state.cluster_name.clone_from(&observation.cluster_name);
        state.observed_at = Some(begun);
        state.order = observation.groups.iter().map(|group| group.uuid).collect();
        let mut new = Vec::new();
        let registrations = self.registrations();
        let mut shared = witnesses::servers_in_two_groups(observation);
        for observed in &observation.groups {
            let group = state.groups.entry(observed.uuid).or_insert_with(|| {
                let gone = parent.child_token();
                let id = observed.uuid.wire_id(&observed.name);
                let lifecycle = Lifecycle::new(observed.uuid, id, self.timing.clone(), now());
                let created = Group::new(lifecycle, gone.clone());
                new.push(NewGroup { uuid: observed.uuid, wake: Arc::clone(&created.wake), gone });
                created
            });
            let event = observed_event(observed, shared.remove(&observed.uuid), begun);
            group.step(event, &registrations, &self.events);
        }
        state.end_missing_groups(&observation.unscaled, &registrations, &self.events);
        self.publish(&state);
        new
    }

    /// How many accepted requests of each group were not sent yet; groups without any are left out.
    pub(crate) fn unsent(&self) -> Vec<(String, usize)> {
        let state = self.lock();
        let groups = state.groups.values().map(|group| &group.lifecycle);
        let groups = groups.map(|group| (group.id().to_owned(), group.pending().queued.len()));
        groups.filter(|(_, requests)| *requests > 0).collect()
    }

    fn publish(&self, state: &State) {
        let Some(observed_at) = state.observed_at else { return };
        let groups: Vec<_> = state
            .order
            .iter()
            .filter_map(|uuid| state.groups.get(uuid))
            .filter_map(|group| group.view.clone())
            .collect();
        let unread = state.groups.values().filter(|group| group.view.is_none()).map(|group| &group.lifecycle);
        let unread =
            unread.map(|group| (group.id().to_owned(), group.read_error().unwrap_or_default())).collect();
        let snapshot = Snapshot::new(observed_at, groups).with_unread(unread);
        self.snapshot.store(Some(Arc::new(snapshot)));
    }
}

/// A group that was not there before.
pub(crate) struct NewGroup {
    /// Which one.
    pub(crate) uuid: NodeGroupUuid,
    /// Wakes its driver.
    pub(crate) wake: Arc<Notify>,
    /// Ends its driver.
    pub(crate) gone: CancellationToken,
}

fn observed_event(observed: &GroupObservation, shared: Option<Contradiction>, begun: Instant) -> Event {
    Event::Observed { reading: observed.reading.clone(), begun, shared }
}

impl State {
    fn end_missing_groups(
        &mut self,
        unscaled: &[UnscaledGroup],
        registrations: &Registrations,
        events: &Events,
    ) {
        let is_unscaled = |uuid: &NodeGroupUuid| unscaled.iter().any(|group| group.uuid == *uuid);
        for (uuid, mut group) in self.groups.extract_if(|uuid, _| !self.order.contains(uuid)) {
            let is_there = is_unscaled(&uuid);
            if is_there {
                self.unscaled.insert(uuid);
            }
            let effects = group.lifecycle.step(Event::Ended { is_there }, now());
            group.carry_out(effects, registrations, events);
            group.gone.cancel();
        }
        self.unscaled.retain(is_unscaled);
        for group in unscaled {
            if self.unscaled.insert(group.uuid) {
                let (name, remedy) = (named(&group.name), &group.remedy);
                tracing::info!(
                    "node group {name} is not scaled, it has no maximum; to give it one: {remedy}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::{node_group::NodeGroup, sample};

    fn group(name: &str, uuid: u128, nodes: u32) -> GroupObservation {
        let mut reading = sample::reading((0..nodes).map(sample::member).collect());
        let uuid = NodeGroupUuid::from_uuid(uuid::Uuid::from_u128(uuid));
        reading.group = NodeGroup { uuid, name: name.to_owned(), ..reading.group };
        GroupObservation { uuid, name: name.to_owned(), reading: Ok(Arc::new(reading)) }
    }

    fn observation(groups: Vec<GroupObservation>) -> Observation {
        Observation { cluster_name: "k8s".to_owned(), groups, unscaled: Vec::new() }
    }

    fn state() -> SharedState {
        SharedState::new(Registrations::default(), Timing::default(), Events::new(Arc::new(())))
    }

    /// Names and sizes, in the order of the snapshot.
    fn shown(state: &SharedState) -> Vec<(String, u32)> {
        let snapshot = state.snapshot().unwrap();
        let size =
            |group: &Arc<GroupView>| (group.id.rsplit_once('-').unwrap().0.to_owned(), group.target_size);
        snapshot.groups().iter().map(size).collect()
    }

    /// A group is read by its own driver and by the observer, and the reading that was begun first may end last.
    #[test]
    fn a_reading_that_was_begun_earlier_does_not_take_the_place_of_a_later_one() {
        let (state, stop) = (state(), CancellationToken::new());
        let start = now();
        let begun = |seconds| start + Duration::from_secs(seconds);
        state.apply_observation(&observation(vec![group("pool", 1, 3)]), begun(0), &stop);
        assert_eq!(shown(&state), [("pool".to_owned(), 3)]);
        let GroupObservation { uuid, reading, .. } = group("pool", 1, 2);
        state.step(uuid, Event::Read { reading, begun: begun(2) });
        assert_eq!(shown(&state), [("pool".to_owned(), 2)]);
        state.apply_observation(&observation(vec![group("pool", 1, 3)]), begun(1), &stop);
        assert_eq!(shown(&state), [("pool".to_owned(), 2)]);
        state.apply_observation(&observation(vec![group("pool", 1, 4)]), begun(3), &stop);
        assert_eq!(shown(&state), [("pool".to_owned(), 4)]);
    }

    #[test]
    fn groups_come_go_and_are_shown_in_magnums_order() {
        let (state, stop) = (state(), CancellationToken::new());
        let groups = [group("a", 1, 1), group("b", 2, 2), group("c", 3, 3)];
        let [a, b, c] = &groups;
        let new = state.apply_observation(&observation(vec![b.clone(), a.clone()]), now(), &stop);
        assert_eq!(new.iter().map(|group| group.uuid).collect::<Vec<_>>(), [b.uuid, a.uuid]);
        assert_eq!(shown(&state), [("b".to_owned(), 2), ("a".to_owned(), 1)]);
        let newer =
            state.apply_observation(&observation(vec![a.clone(), c.clone(), b.clone()]), now(), &stop);
        assert_eq!(newer.iter().map(|group| group.uuid).collect::<Vec<_>>(), [c.uuid]);
        assert_eq!(shown(&state), [("a".to_owned(), 1), ("c".to_owned(), 3), ("b".to_owned(), 2)]);
        state.apply_observation(&observation(vec![c.clone()]), now(), &stop);
        assert_eq!(shown(&state), [("c".to_owned(), 3)]);
        assert!(new.iter().all(|group| group.gone.is_cancelled()), "their drivers end");
        assert!(!newer[0].gone.is_cancelled());
        assert_eq!(state.work(a.uuid), None);
    }
}
