//! The handle on a simulated cloud, and what is behind it.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    chance::Chance,
    credentials::{CREDENTIALS, Credentials},
    faults::{Fault, FaultPlan, Faults, Request, Staleness},
    options::SimulatorOptions,
    records::{RequestKey, ResizeRecord},
    world::World,
};

/// Makes the seed of request ids and tokens another one than the cloud's, so that asking often changes nothing in
/// the cloud.
const WIRE_SEED: u64 = 0x77_69_72_65;

/// An OpenStack in memory with one Magnum cluster. Cheap to clone; all clones are the same cloud.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Mutex<Inner>>,
}

/// Everything that there is.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) world: World,
    /// What the world was like until when, oldest first, for stale reads.
    past: VecDeque<(Instant, World)>,
    pub(super) faults: Faults,
    /// How many resizes over HTTP the conductor will not hear of.
    pub(super) casts_to_lose: u32,
    /// When each token ends.
    pub(super) tokens: HashMap<String, Instant>,
    pub(super) request_counts: HashMap<RequestKey, u64>,
    pub(super) resizes: Vec<ResizeRecord>,
    wire_chance: Chance,
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").field("cluster", &self.cluster_uuid()).finish_non_exhaustive()
    }
}

impl Simulator {
    /// A cloud in which all groups have been complete for long.
    #[must_use]
    pub fn new(options: SimulatorOptions) -> Self {
        let inner = Inner {
            wire_chance: Chance::seeded(options.seed ^ WIRE_SEED),
            world: World::new(options),
            past: VecDeque::new(),
            faults: Faults::new(FaultPlan::none()),
            casts_to_lose: 0,
            tokens: HashMap::new(),
            request_counts: HashMap::new(),
            resizes: Vec::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Who can log in.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        CREDENTIALS
    }

    /// The state, moved on to the present.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.advance(Instant::now());
        inner
    }

    /// Reads the present or, for a stale read, the past.
    pub(super) fn read<T>(&self, staleness: Staleness, look: impl FnOnce(&World) -> T) -> T {
        let inner = self.lock();
        look(inner.world_before(staleness.0))
    }

    /// Changes something.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        let now = inner.world.now;
        inner.remember(now);
        let changed = change(&mut inner);
        inner.world.observe_stacks();
        changed
    }

    /// How long a request to this path takes on top of everything else.
    pub(super) fn latency(&self, path: &str) -> Duration {
        let inner = self.lock();
        let options = &inner.world.options;
        if path.starts_with("/orchestration/v1/") {
            options.latency + options.heat_latency()
        } else {
            options.latency
        }
    }

    /// Counts a request and draws its faults.
    pub(super) fn record_request(&self, key: RequestKey, request: &Request<'_>) -> Vec<Fault> {
        let mut inner = self.lock();
        *inner.request_counts.entry(key).or_default() += 1;
        inner.faults.draw(request)
    }

    pub(super) fn request_id(&self) -> String {
        self.lock().wire_chance.request_id()
    }

    pub(super) fn issue_token(&self) -> String {
        let mut inner = self.lock();
        let now = inner.world.now;
        let token = format!("gAAAAAB{}", inner.wire_chance.uuid().as_simple());
        let end = now + inner.world.options.token_lifetime;
        inner.tokens.retain(|_, end| *end > now);
        inner.tokens.insert(token.clone(), end);
        token
    }

    pub(super) fn accepts_token(&self, token: &str) -> bool {
        let inner = self.lock();
        inner.tokens.get(token).is_some_and(|end| *end > inner.world.now)
    }

    /// When a token of now was issued and when it ends, as Keystone writes it.
    pub(super) fn token_times(&self) -> (String, String) {
        let inner = self.lock();
        let World { clock, now, options, .. } = &inner.world;
        let write = |moment| format!("{}Z", clock.with_fraction(moment));
        (write(*now), write(*now + options.token_lifetime))
    }
}

impl Inner {
    /// Lets everything happen that is due by `now`, remembering what was before as long as a stale read can want it.
    fn advance(&mut self, now: Instant) {
        if self.faults.plan.longest_staleness().is_some() {
            while let Some(due) = self.world.next_event_time().filter(|due| *due <= now) {
                self.remember(due);
                self.world.advance(due);
            }
        }
        self.world.advance(now);
    }

    /// Keeps the world as it is until `until`.
    fn remember(&mut self, until: Instant) {
        let Some(reach) = self.faults.plan.longest_staleness() else {
            self.past.clear();
            return;
        };
        while self.past.front().is_some_and(|(end, _)| *end + reach < until) {
            self.past.pop_front();
        }
        self.past.push_back((until, self.world.clone()));
    }

    /// The world as it was this long ago; the present one where nothing has changed since.
    fn world_before(&self, age: Duration) -> &World {
        let still_so = |(until, _): &&(Instant, World)| *until + age > self.world.now;
        match self.past.iter().find(still_so) {
            Some((_, world)) if !age.is_zero() => world,
            _ => &self.world,
        }
    }
}
