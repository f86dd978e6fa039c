//! What can happen in a history, and a seeded generator of it.

use std::time::Duration;

use cluster_autoscaler_provider_magnum::simulator::Service;
use rand::{Rng, RngExt, SeedableRng, rngs::Xoshiro256PlusPlus, seq::IndexedRandom};

/// Draws the same from a seed for ever, unlike rand's standard generators, which change with its version.
pub(crate) type Random = Xoshiro256PlusPlus;

/// The groups of the simulated cluster.
pub(crate) const GROUPS: [&str; 2] = ["default-worker", "pool-b"];

/// One thing that happens. Nodes are picked by their position among those shown at that moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// What cluster-autoscaler's loop reads.
    Loop,
    /// Time passes.
    Wait(Duration),
    Increase {
        group: usize,
        delta: i32,
    },
    /// One call that names these nodes.
    Delete {
        group: usize,
        picks: Vec<usize>,
    },
    /// One-node calls, all at once.
    DeleteBurst {
        group: usize,
        picks: Vec<usize>,
    },
    /// The call of before once more, as after a lost answer.
    DeleteAgain {
        back: usize,
    },
    /// A node that never was in the group: unknown, malformed, or of the other group.
    DeleteStranger {
        group: usize,
        kind: usize,
    },
    Decrease {
        group: usize,
        delta: i32,
    },
    /// A call whose caller hangs up at once.
    HangUp {
        group: usize,
        pick: usize,
    },
    /// `openstack coe cluster resize` by somebody else; removals by name.
    Operator {
        group: usize,
        grow: u32,
        pick: Option<usize>,
    },
    OperatorBounds {
        group: usize,
        min: u32,
        max: u32,
    },
    /// Somebody deletes a server in Nova.
    NovaDelete {
        group: usize,
        pick: usize,
    },
    /// Every kind of fault, each this often of 1.
    Storm {
        probability: f64,
    },
    LoseCasts(u32),
    /// The next update of a stack fails before it comes to the nodes.
    UpdateFails,
    /// One service answers from a database replica that is this far behind.
    Lag {
        service: Service,
        behind: Duration,
    },
    /// Magnum's conductor does nothing for this long, and then all that waits for it.
    ConductorStops(Duration),
    ExpireTokens,
    Quota(Option<u32>),
    NoValidHost(bool),
    NodesHang,
    NodesFail,
    NodesBoot,
    /// No more faults of the wire.
    Calm,
    /// kill -9 and a new process.
    Restart,
}

impl Step {
    /// The same where there are so many groups.
    pub(crate) fn among(mut self, groups: usize) -> Self {
        match &mut self {
            Self::Increase { group, .. }
            | Self::Delete { group, .. }
            | Self::DeleteBurst { group, .. }
            | Self::DeleteStranger { group, .. }
            | Self::Decrease { group, .. }
            | Self::HangUp { group, .. }
            | Self::Operator { group, .. }
            | Self::OperatorBounds { group, .. }
            | Self::NovaDelete { group, .. } => *group %= groups,
            _ => {}
        }
        self
    }
}

/// What kinds of steps a history may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavor {
    /// cluster-autoscaler alone with a faulty cloud: every node can be accounted for.
    Accountable,
    /// Operators, Nova deletes and restarts besides.
    Everything,
}

/// A history of this seed.
pub(crate) fn generate(seed: u64, steps: usize) -> (Flavor, Vec<Step>) {
    let mut random = Random::seed_from_u64(seed);
    let flavor = if random.random_bool(0.5) { Flavor::Accountable } else { Flavor::Everything };
    let steps = (0..steps).map(|_| step(&mut random, flavor)).collect();
    (flavor, steps)
}

fn step(random: &mut Random, flavor: Flavor) -> Step {
    let group = random.random_range(0..GROUPS.len());
    let foreign = match flavor {
        Flavor::Accountable => 0,
        Flavor::Everything => 12,
    };
    match random.random_range(0..88 + foreign) {
        0..18 => Step::Wait(pause(random)),
        18..30 => Step::Loop,
        30..42 => Step::Increase { group, delta: random.random_range(1..4) },
        42..52 => Step::Delete { group, picks: picks(random) },
        52..57 => Step::DeleteBurst { group, picks: picks(random) },
        57..61 => Step::DeleteAgain { back: random.random_range(0..4) },
        61..64 => Step::DeleteStranger { group, kind: random.random_range(0..5) },
        64..66 => Step::HangUp { group, pick: random.random_range(0..12) },
        66..69 => Step::Storm { probability: *[0.01, 0.05, 0.2].choose(random).unwrap_or(&0.05) },
        69 => match random.random_range(0..5) {
            0 => Step::LoseCasts(random.random_range(1..3)),
            1 => lag(random, Service::ContainerInfra),
            2 => lag(random, Service::Compute),
            _ => lag(random, Service::Orchestration),
        },
        // What waits for the conductor when this service is killed is known to nobody: see docs/behaviour.md.
        70 if flavor == Flavor::Accountable => {
            Step::ConductorStops(Duration::from_secs(random.random_range(10..400)))
        }
        70 => Step::LoseCasts(1),
        71 => Step::ExpireTokens,
        72..75 => Step::Quota(random.random_bool(0.6).then(|| random.random_range(2..8))),
        75 => Step::NoValidHost(random.random_bool(0.4)),
        76 => Step::NodesHang,
        77 => Step::NodesFail,
        78..81 => Step::NodesBoot,
        81 => Step::UpdateFails,
        82..88 => Step::Calm,
        88..91 => Step::Restart,
        91..93 => Step::NovaDelete { group, pick: random.random_range(0..12) },
        93..95 => Step::Decrease { group, delta: -random.random_range(1..4) },
        95..98 => Step::Operator {
            group,
            grow: random.random_range(0..3),
            pick: random.random_bool(0.5).then(|| random.random_range(0..12)),
        },
        _ => {
            let min = random.random_range(0..3);
            Step::OperatorBounds { group, min, max: min + random.random_range(2..10) }
        }
    }
}

fn lag(random: &mut impl Rng, service: Service) -> Step {
    Step::Lag { service, behind: Duration::from_secs(random.random_range(4..300)) }
}

fn picks(random: &mut impl Rng) -> Vec<usize> {
    (0..random.random_range(1..5)).map(|_| random.random_range(0..12)).collect()
}

fn pause(random: &mut impl Rng) -> Duration {
    Duration::from_millis(match random.random_range(0..4) {
        0 => random.random_range(10..500),
        1 => random.random_range(500..5_000),
        2 => random.random_range(5_000..20_000),
        _ => random.random_range(20_000..120_000),
    })
}
