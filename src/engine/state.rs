//! What the engine knows, behind one lock that is never held over an await.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::{news::News, now, report};
use crate::core::{
    cloud::{CloudError, GroupObservation, Observation, Reading, UnscaledGroup},
    instance::InstanceId,
    ledger::{Ledger, Queued, Request, Ticket},
    machine_id::MachineId,
    node_group::NodeGroupUuid,
    quote::named,
    registration::Registrations,
    request::RequestError,
    snapshot::{GroupView, Snapshot},
};

/// The answer to one request.
pub(crate) type Answer = Result<(), RequestError>;

/// One node group.
#[derive(Debug)]
pub(crate) struct GroupState {
    /// Its id on the wire.
    id: String,
    /// The last good reading, and when it was begun.
    reading: Option<(Arc<Reading>, Instant)>,
    /// What was accepted.
    pub(crate) ledger: Ledger,
    /// Who waits for an answer; a queued request that is not here was answered already.
    answers: HashMap<Ticket, oneshot::Sender<Answer>>,
    /// Whether a change is known to be going on, so that new requests have to wait for its end.
    pub(crate) busy: bool,
    view: Option<Arc<GroupView>>,
    /// Why it cannot be read, and since when.
    trouble: Option<(CloudError, Instant)>,
    /// What was told of it.
    news: News,
    /// How long the last good reading of this group alone took.
    pub(crate) read_took: Option<Duration>,
    /// When members were last found missing that nobody named.
    pub(crate) shrunk_at: Option<Instant>,
    /// Wakes the group's resizer.
    pub(crate) wake: Arc<Notify>,
    /// Ends the group's resizer.
    pub(crate) gone: CancellationToken,
}

impl GroupState {
    fn new(id: String, gone: CancellationToken) -> Self {
        Self {
            id,
            reading: None,
            ledger: Ledger::default(),
            answers: HashMap::new(),
            busy: false,
            view: None,
            trouble: None,
            news: News::default(),
            read_took: None,
            shrunk_at: None,
            wake: Arc::default(),
            gone,
        }
    }

    /// What cluster-autoscaler sees of the group.
    pub(crate) fn view(&self) -> Option<&Arc<GroupView>> {
        self.view.as_ref()
    }

    /// Nodes that a resize of somebody else (or of this service before a restart) takes and that are still there.
    pub(crate) fn leaving_with_others(&self) -> u32 {
        let Some((reading, _)) = &self.reading else { return 0 };
        if self.ledger.flight.is_some() || !reading.group.status.in_progress() {
            return 0;
        }
        reading.size().saturating_sub(reading.group.node_count)
    }

    /// Queues a request; the receiver hears what becomes of it.
    pub(crate) fn enqueue(&mut self, ticket: Ticket, request: Request) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.answers.insert(ticket, sender);
        if self.busy {
            report::accepted(&self.id, &request, self.view.as_deref(), self.ledger.flight.as_ref());
        }
        self.ledger.queued.push(Queued { ticket, request, attempts: 0 });
        if self.busy {
            self.acknowledge_queue();
        }
        self.wake.notify_one();
        receiver
    }

    /// Takes a request back that was neither answered nor sent.
    pub(crate) fn withdraw(&mut self, ticket: Ticket) -> bool {
        let before = self.ledger.queued.len();
        if self.answers.remove(&ticket).is_some() {
            self.ledger.queued.retain(|queued| queued.ticket != ticket);
        }
        self.ledger.queued.len() < before
    }

    /// Answers a request. False where it was answered before, or its caller's time has just run out: that caller is told
    /// OK.
    pub(crate) fn answer(&mut self, ticket: Ticket, answer: Answer) -> bool {
        self.answers.remove(&ticket).is_some_and(|sender| sender.send(answer).is_ok())
    }

    /// Whether the request was acknowledged or its caller is gone.
    pub(crate) fn is_answered(&self, ticket: Ticket) -> bool {
        !self.answers.contains_key(&ticket)
    }

    /// Whether the removal of this instance was asked for and no such request was acknowledged yet: it may still be
    /// refused or withdrawn.
    pub(crate) fn is_removal_open(&self, id: InstanceId) -> bool {
        let in_flight = self.ledger.flight.iter().flat_map(|flight| &flight.requests);
        let mut removals = in_flight
            .chain(&self.ledger.queued)
            .filter(|queued| matches!(&queued.request, Request::Delete(ids) if ids.contains(&id)))
            .peekable();
        removals.peek().is_some() && removals.all(|queued| !self.is_answered(queued.ticket))
    }

    /// Acknowledges everything that waits: it was found valid, and a change has to end first.
    pub(crate) fn acknowledge_queue(&mut self) {
        self.busy = true;
        let tickets: Vec<Ticket> = self.ledger.queued.iter().map(|queued| queued.ticket).collect();
        for ticket in tickets {
            self.answer(ticket, Ok(()));
        }
        self.ledger.part_deletes();
    }

    /// Refuses what waits and was not acknowledged.
    pub(crate) fn refuse_unanswered(&mut self, error: &RequestError) {
        let tickets: Vec<Ticket> = self.answers.keys().copied().collect();
        for ticket in tickets {
            if self.answer(ticket, Err(error.clone())) {
                self.ledger.queued.retain(|queued| queued.ticket != ticket);
            }
        }
    }

    /// Acknowledges a request whose caller's time runs out, if this group takes so long to read that it always will:
    /// it was found valid by what is shown. False where the cloud does not answer as it did before.
    pub(crate) fn acknowledge_late(&mut self, ticket: Ticket, time: Duration) -> bool {
        let slow = self.read_took.is_some_and(|took| took > time / 2);
        slow && self.answers.remove(&ticket).is_some()
    }

    /// Takes over a reading unless a later one is known.
    fn apply(&mut self, reading: &Arc<Reading>, begun: Instant) {
        if self.reading.as_ref().is_some_and(|(_, known)| *known > begun) {
            return;
        }
        if let Some((_, since)) = self.trouble.take() {
            let seconds = now().saturating_duration_since(since).as_secs();
            tracing::info!("{}: can be read again after {seconds} s", self.id);
        }
        let Some((before, _)) = self.reading.replace((Arc::clone(reading), begun)) else {
            self.news.begin(reading, &self.ledger, self.busy);
            return;
        };
        self.news.change(&before, reading, &self.ledger, self.busy);
        self.ledger.note_departures(&before, reading, begun);
        if reading.lost_any_of(&before, |member| self.ledger.flight_removes(member.index, member.server)) {
            self.shrunk_at = Some(begun);
        }
        if reading.group.status.in_progress() {
            let complete = Reading::clone(reading).with_servers_of(&before);
            self.reading = Some((Arc::new(complete), begun));
        }
    }

    /// Takes note that it cannot be read. Said once for each kind of trouble.
    fn note_trouble(&mut self, error: &CloudError) {
        let since = match &self.trouble {
            Some((known, since)) if known.is_like(error) => *since,
            before => {
                let consequence = match &self.view {
                    Some(_) => "serving its last known state",
                    None => "it is not served until then",
                };
                tracing::warn!("{}: cannot be read, {consequence}: {error}", self.id);
                before.as_ref().map_or_else(now, |(_, since)| *since)
            }
        };
        self.trouble = Some((error.clone(), since));
    }

    /// Why it cannot be read; empty where it can.
    fn trouble_text(&self) -> String {
        self.trouble.as_ref().map(|(error, _)| error.to_string()).unwrap_or_default()
    }

    fn rebuild(&mut self, registrations: &Registrations) {
        if let Some((reading, _)) = &self.reading {
            let mut view = GroupView::new(reading, &self.ledger, registrations, now());
            view.trouble = self.trouble.as_ref().map(|(error, _)| error.to_string());
            self.news.failures(reading, &view);
            self.view = Some(Arc::new(view));
        }
    }
}

/// Everything behind the lock.
#[derive(Debug, Default)]
struct State {
    cluster_name: String,
    observed_at: Option<Instant>,
    order: Vec<NodeGroupUuid>,
    groups: HashMap<NodeGroupUuid, GroupState>,
    /// Groups that are not scaled, as far as that was told.
    unscaled: HashSet<NodeGroupUuid>,
}

/// The lock, and the snapshot that readers take without it.
#[derive(Debug, Default)]
pub(crate) struct SharedState {
    state: Mutex<State>,
    /// Taken after the lock on the state where both are needed.
    registrations: RwLock<Registrations>,
    /// Whether nodes have registered that the snapshot does not show yet. cluster-autoscaler names all its nodes before it
    /// asks for the instances: one new snapshot has to do for all of them.
    registrations_changed: AtomicBool,
    snapshot: ArcSwapOption<Snapshot>,
}

impl SharedState {
    pub(crate) fn new(registrations: Registrations) -> Self {
        Self { registrations: RwLock::new(registrations), ..Self::default() }
    }

    fn registrations(&self) -> RwLockReadGuard<'_, Registrations> {
        self.registrations.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_registrations(&self, change: impl FnOnce(&mut Registrations)) {
        change(&mut self.registrations.write().unwrap_or_else(PoisonError::into_inner));
        self.registrations_changed.store(true, Ordering::Release);
    }

    /// Remembers that this server's node is registered and what it shows.
    pub(crate) fn register(&self, machine: MachineId, provider_id: &str, now: Instant) {
        if self.registrations().is_news(machine, provider_id) {
            self.change_registrations(|known| known.record(machine, provider_id, now));
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
                group.rebuild(&registrations);
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

    /// Changes one group and publishes the result. `None` when the group is no more.
    pub(crate) fn with_group<T>(
        &self,
        group: NodeGroupUuid,
        change: impl FnOnce(&mut GroupState) -> T,
    ) -> Option<T> {
        let mut state = self.lock();
        let group = state.groups.get_mut(&group)?;
        let result = change(group);
        group.rebuild(&self.registrations());
        self.publish(&state);
        Some(result)
    }

    /// Looks at one group without changing it.
    pub(crate) fn look_at<T>(&self, group: NodeGroupUuid, look: impl FnOnce(&GroupState) -> T) -> Option<T> {
        self.lock().groups.get(&group).map(look)
    }

    /// Takes over the reading of one group alone, begun at this time.
    pub(crate) fn apply_reading(&self, reading: &Arc<Reading>, begun: Instant, took: Duration) {
        self.with_group(reading.group.uuid, |group| {
            group.read_took = Some(took);
            group.apply(reading, begun);
        });
    }

    /// Takes note that one group alone could not be read.
    pub(crate) fn note_trouble(&self, group: NodeGroupUuid, error: &CloudError) {
        self.with_group(group, |group| group.note_trouble(error));
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
        for group in &observation.groups {
            state.groups.entry(group.uuid).or_insert_with(|| {
                let gone = parent.child_token();
                let created = GroupState::new(group.uuid.wire_id(&group.name), gone.clone());
                new.push(NewGroup { uuid: group.uuid, wake: Arc::clone(&created.wake), gone });
                created
            });
            apply_group(&mut state, group, begun);
            if let Some(group) = state.groups.get_mut(&group.uuid) {
                group.rebuild(&registrations);
            }
        }
        state.end_missing_groups(&observation.unscaled);
        self.publish(&state);
        new
    }

    /// How many accepted requests of each group were not sent yet; groups without any are left out.
    pub(crate) fn unsent(&self) -> Vec<(String, usize)> {
        let state = self.lock();
        let groups = state.groups.values().map(|group| (group.id.clone(), group.ledger.queued.len()));
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
        let unread = state.groups.values().filter(|group| group.view.is_none());
        let unread = unread.map(|group| (group.id.clone(), group.trouble_text())).collect();
        let snapshot = Snapshot::new(state.cluster_name.clone(), observed_at, groups).with_unread(unread);
        self.snapshot.store(Some(Arc::new(snapshot)));
    }
}

/// A group that was not there before.
pub(crate) struct NewGroup {
    /// Which one.
    pub(crate) uuid: NodeGroupUuid,
    /// Wakes its resizer.
    pub(crate) wake: Arc<Notify>,
    /// Ends its resizer.
    pub(crate) gone: CancellationToken,
}

fn apply_group(state: &mut State, observed: &GroupObservation, begun: Instant) {
    let Some(group) = state.groups.get_mut(&observed.uuid) else { return };
    match &observed.reading {
        Ok(reading) => group.apply(reading, begun),
        Err(error) => group.note_trouble(error),
    }
}

impl State {
    fn end_missing_groups(&mut self, unscaled: &[UnscaledGroup]) {
        let order = &self.order;
        let is_unscaled = |uuid: &NodeGroupUuid| unscaled.iter().any(|group| group.uuid == *uuid);
        self.groups.retain(|uuid, group| {
            let stays = order.contains(uuid);
            if !stays {
                let id = group.id.clone();
                if is_unscaled(uuid) {
                    self.unscaled.insert(*uuid);
                    tracing::info!("{id}: no longer scaled: it has no maximum");
                } else {
                    tracing::info!("{id}: no longer scaled: the node group is gone");
                }
                group.refuse_unanswered(&RequestError::GroupDeleted { id });
                group.gone.cancel();
            }
            stays
        });
        self.unscaled.retain(is_unscaled);
        for group in unscaled {
            if self.unscaled.insert(group.uuid) {
                let (cluster, name) = (named(&self.cluster_name), named(&group.name));
                tracing::info!(
                    "node group {name} is not scaled, it has no maximum; to give it one: openstack coe nodegroup update \
                     {cluster} {name} --max-nodes NUMBER (before python-magnumclient 5: replace max_node_count=NUMBER)"
                );
            }
        }
    }
}
