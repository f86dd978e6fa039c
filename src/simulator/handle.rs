//! The handle on a simulated cloud, and what is behind it.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::Router;
use tokio::time::Instant;

use super::{
    chance::Chance,
    credentials::{CREDENTIALS, Credentials},
    faults::{Fault, FaultPlan, Faults, Request, Staleness},
    http,
    options::SimulatorOptions,
    records::{RequestKey, ResizeRecord},
    running::RunningSimulator,
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
    /// What the world was like at the latest looks at it, for stale reads.
    past: VecDeque<World>,
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

    /// All services under one origin: `/identity/v3`, `/container-infra/v1`, `/orchestration/v1/{project}` and
    /// `/compute/v2.1`. The catalog, links and Location headers begin with `base_url`.
    pub fn router(&self, base_url: &str) -> Router {
        http::router(self.clone(), base_url)
    }

    /// Serves all services over HTTP until the result is stopped or dropped. Port 0 finds a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn listen(&self, address: SocketAddr) -> std::io::Result<RunningSimulator> {
        RunningSimulator::start(self, address).await
    }

    /// Who can log in.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        CREDENTIALS
    }

    /// The state, moved on to the present.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.world.advance(Instant::now());
        inner.remember();
        inner
    }

    /// Reads the present or, for a stale read, the past.
    pub(super) fn read<T>(&self, staleness: Staleness, look: impl FnOnce(&World) -> T) -> T {
        let inner = self.lock();
        look(inner.world_before(staleness.0))
    }

    /// Changes something.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.lock())
    }

    pub(super) fn latency(&self) -> Duration {
        self.lock().world.options.latency
    }

    /// Counts a request and draws its faults.
    pub(super) fn meet_request(&self, key: RequestKey, request: &Request<'_>) -> Vec<Fault> {
        let mut inner = self.lock();
        *inner.request_counts.entry(key).or_default() += 1;
        inner.faults.strike(request)
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
    /// Keeps what the world is like for as long as a stale read can want it.
    fn remember(&mut self) {
        let Some(reach) = self.faults.plan.longest_staleness() else {
            self.past.clear();
            return;
        };
        let now = self.world.now;
        // The newest of those out of reach is still what was there at the reach's end.
        while self.past.get(1).is_some_and(|world| now.saturating_duration_since(world.now) >= reach) {
            self.past.pop_front();
        }
        self.past.push_back(self.world.clone());
    }

    /// The world as it was last seen this long ago or earlier; as far back as is known.
    fn world_before(&self, age: Duration) -> &World {
        if age.is_zero() {
            return &self.world;
        }
        let old_enough = |world: &&World| self.world.now.saturating_duration_since(world.now) >= age;
        self.past.iter().rev().find(old_enough).or_else(|| self.past.front()).unwrap_or(&self.world)
    }
}
