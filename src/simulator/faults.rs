//! What goes wrong between a client and the cloud, and inside of the cloud, on purpose and by a seed.

use std::time::Duration;

use http::Method;

use super::{chance::Chance, node_rule::glob_matches, records::Service};

/// One way to go wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This HTTP status from a proxy in front, 500 or 503 say; the request is not processed.
    Answer(u16),
    /// 429 with `Retry-After: 1`; the request is not processed.
    TooManyRequests,
    /// 401 as for an expired token; the token stays good.
    Unauthorized,
    /// The request is held back this long before it is processed; not at all if the client leaves meanwhile.
    Hang(Duration),
    /// The request is processed at once and the answer held back this long.
    Slow(Duration),
    /// The answer is the first half of itself.
    TruncatedBody,
    /// The connection breaks before the request is processed.
    CutBefore,
    /// The connection breaks after the request was processed: the answer is lost.
    CutAfter,
    /// Magnum and Heat answer a read from a state up to this much older.
    StaleRead(Duration),
    /// A read is answered from the state of exactly this long ago, as by a database replica that lags behind: what one
    /// service says is free of contradictions, and old.
    Lagging(Duration),
    /// A resize gets its 202, and the conductor never hears of it.
    LostCast,
    /// The conductor hears of a resize up to this much later.
    DelayedCast(Duration),
    /// Heat refuses what the conductor asks for: UPDATE_FAILED, the count unchanged
    /// (docs/openstack-behaviour.md#a-resize-what-is-checked-and-when).
    HeatRefuses,
}

impl Fault {
    /// Whether the fault can happen to a request of this kind.
    fn applies_to(&self, request: &Request<'_>) -> bool {
        match self {
            Self::StaleRead(_) => {
                *request.method == Method::GET
                    && matches!(request.service, Service::ContainerInfra | Service::Orchestration)
            }
            Self::Lagging(_) => *request.method == Method::GET,
            Self::LostCast | Self::DelayedCast(_) | Self::HeatRefuses => {
                *request.method == Method::POST && request.path.ends_with("/actions/resize")
            }
            // Keystone is what tokens come from.
            Self::Unauthorized => request.service != Service::Identity,
            _ => true,
        }
    }
}

/// A fault with the requests that it happens to and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// What goes wrong.
    pub fault: Fault,
    /// How often, of 1.
    pub probability: f64,
    /// Only requests to this service.
    pub service: Option<Service>,
    /// Only requests with this method.
    pub method: Option<Method>,
    /// Only requests whose path behind the service's prefix matches this glob,
    /// `/v1/clusters/*/actions/resize` say.
    pub path: Option<String>,
    /// At most this many times; `None` for ever.
    pub times: Option<u32>,
}

impl FaultRule {
    /// Happens to every request that it applies to.
    #[must_use]
    pub const fn always(fault: Fault) -> Self {
        Self { fault, probability: 1.0, service: None, method: None, path: None, times: None }
    }

    /// Happens to the first request that it applies to, and to no other.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self { times: Some(1), ..Self::always(fault) }
    }

    /// Happens to requests this often, of 1.
    #[must_use]
    pub const fn with_probability(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    /// Only at most this many times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Only requests to this service.
    #[must_use]
    pub const fn at(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// Only requests with this method and a path (behind the service's prefix) that matches this glob.
    #[must_use]
    pub fn to(mut self, method: Method, path: impl Into<String>) -> Self {
        self.method = Some(method);
        self.path = Some(path.into());
        self
    }

    fn matches(&self, request: &Request<'_>) -> bool {
        self.times != Some(0)
            && self.service.is_none_or(|service| service == request.service)
            && self.method.as_ref().is_none_or(|method| method == request.method)
            && self.path.as_deref().is_none_or(|glob| glob_matches(glob, request.path))
            && self.fault.applies_to(request)
    }
}

/// Everything that is to go wrong. Each rule is asked about each request on its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultPlan {
    /// Seed of the decisions.
    pub seed: u64,
    /// The rules.
    pub rules: Vec<FaultRule>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Only these go wrong, where chance has a say with seed 0.
    #[must_use]
    pub fn of(rules: impl IntoIterator<Item = FaultRule>) -> Self {
        Self { seed: 0, rules: rules.into_iter().collect() }
    }

    /// Every kind of fault at every place, each this often of 1, times that a client can live through.
    #[must_use]
    pub fn storm(seed: u64, probability: f64) -> Self {
        let faults = [
            Fault::Answer(500),
            Fault::Answer(503),
            Fault::TooManyRequests,
            Fault::Unauthorized,
            Fault::Hang(Duration::from_secs(60)),
            Fault::Slow(Duration::from_secs(5)),
            Fault::TruncatedBody,
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::StaleRead(Duration::from_secs(3)),
            Fault::LostCast,
            Fault::DelayedCast(Duration::from_secs(5)),
            Fault::HeatRefuses,
        ];
        let rules = faults.map(|fault| FaultRule::always(fault).with_probability(probability));
        Self { seed, rules: rules.to_vec() }
    }

    /// How far back stale reads can reach; `None` when none can happen.
    pub(super) fn longest_staleness(&self) -> Option<Duration> {
        let reaches = self.rules.iter().filter_map(|rule| match rule.fault {
            Fault::StaleRead(reach) | Fault::Lagging(reach) => Some(reach),
            _ => None,
        });
        reaches.max()
    }
}

/// A request as the rules see it.
pub(super) struct Request<'a> {
    pub(super) service: Service,
    pub(super) method: &'a Method,
    /// Behind the service's prefix.
    pub(super) path: &'a str,
}

/// What becomes of a resize on its way from Magnum's API to Heat.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CastOutcome {
    pub(super) lost: bool,
    pub(super) delay: Duration,
    pub(super) refused: bool,
}

/// How much older than now the state is that a read is answered from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Staleness(pub(super) Duration);

/// The plan at work.
#[derive(Debug)]
pub(super) struct Faults {
    pub(super) plan: FaultPlan,
    chance: Chance,
    /// How often each rule was drawn.
    drawn: Vec<u64>,
}

impl Faults {
    pub(super) fn new(plan: FaultPlan) -> Self {
        Self { chance: Chance::seeded(plan.seed), drawn: vec![0; plan.rules.len()], plan }
    }

    /// The faults that happen to a request, with random times drawn.
    pub(super) fn draw(&mut self, request: &Request<'_>) -> Vec<Fault> {
        let Self { plan, chance, drawn } = self;
        let mut faults = Vec::new();
        for (rule, drawn) in plan.rules.iter_mut().zip(drawn) {
            if !rule.matches(request) || !chance.happens(rule.probability) {
                continue;
            }
            *drawn += 1;
            rule.times = rule.times.map(|times| times.saturating_sub(1));
            faults.push(match rule.fault {
                Fault::StaleRead(most) => Fault::StaleRead(chance.up_to(most)),
                Fault::DelayedCast(most) => Fault::DelayedCast(chance.up_to(most)),
                ref fault => fault.clone(),
            });
        }
        faults
    }

    /// How often each rule of the plan was drawn, in its order.
    pub(super) fn counts(&self) -> Vec<(Fault, u64)> {
        self.plan.rules.iter().map(|rule| rule.fault.clone()).zip(self.drawn.iter().copied()).collect()
    }
}
