//! Random histories: cluster-autoscaler's calls, faults of the cloud, other people and restarts, in virtual time,
//! against the engine and the OpenStack client on the simulator. After each history the cloud is healed, left to
//! settle, and compared with what was named and acknowledged (I1–I4).
//!
//! `cargo test --test histories` plays 1,000 histories of 60 steps with the same seeds each time and 250 with fresh
//! ones, and a test of the test: with a bug planted on purpose the histories must fail. `-- --histories 10000` plays
//! more, `-- --seed 42` replays one with its log, `-- --seed 42 --bug RemovalByCount` with a bug; the variables
//! HISTORIES, HISTORIES_SEED and HISTORIES_STEPS do the same. A tenth as many are played with removals by updates of the
//! Heat stack; `--profile`, `--resize-method` and
//! `--allow-untargeted-removal` choose another cloud for all. A failure is shortened before it is printed, with the
//! command that replays it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a panic is how a test fails"
)]

mod counts;
mod planted;
#[path = "../it/router_transport/mod.rs"]
mod router_transport;
#[allow(dead_code, reason = "the tests of one process share it")]
#[path = "../it/simulated/mod.rs"]
mod simulated;
mod site;
mod step;
mod trials;
mod world;

use std::{process::ExitCode, sync::atomic::Ordering, time::Duration};

use cluster_autoscaler_provider_magnum::simulator::{Fault, FaultPlan, FaultRule, NodeRule};
use counts::Log;
use planted::Bug;
use site::Site;
use step::{Flavor, Step};
use tokio::time::sleep;
use tracing::subscriber::NoSubscriber;
use world::World;

/// What came of a history.
#[derive(Debug, Default)]
struct Outcome {
    violations: Vec<String>,
    resizes: u64,
    lost: u64,
    answered: u64,
    refused: u64,
    given_up: u64,
    wrong_removals: u64,
}

impl Outcome {
    /// Counts another history in.
    fn add(&mut self, other: &Self) {
        self.resizes += other.resizes;
        self.lost += other.lost;
        self.answered += other.answered;
        self.refused += other.refused;
        self.given_up += other.given_up;
        self.wrong_removals += other.wrong_removals;
    }
}

fn main() -> ExitCode {
    // With two subscribers tracing asks each thread's own; with one, what a thread without it is first to reach would
    // be missing in every log.
    tracing::subscriber::set_global_default(NoSubscriber::default()).unwrap();
    trials::conclude().exit_code()
}

fn run_logged(site: Site, seed: u64, flavor: Flavor, steps: &[Step], bug: Option<Bug>) -> (Outcome, String) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let outcome = tracing::subscriber::with_default(subscriber, || run(site, seed, flavor, steps, bug));
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    (outcome, text)
}

fn run(site: Site, seed: u64, flavor: Flavor, steps: &[Step], bug: Option<Bug>) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(site, seed, bug).await;
        for (number, step) in steps.iter().enumerate() {
            tracing::info!("step {number}: {step:?}");
            apply(&mut world, &step.clone().among(site.groups()), seed + u64::try_from(number).unwrap())
                .await;
            world.look();
            if !world.violations.is_empty() {
                break;
            }
        }
        if world.violations.is_empty() {
            heal(&mut world);
            world.settle(flavor == Flavor::Accountable).await;
        }
        let outcome = Outcome {
            violations: std::mem::take(&mut world.violations),
            resizes: world.counts.resizes.load(Ordering::Relaxed),
            lost: world.counts.lost.load(Ordering::Relaxed),
            refused: world.counts.refused.load(Ordering::Relaxed),
            given_up: world.counts.given_up.load(Ordering::Relaxed),
            wrong_removals: world.counts.wrong_removals.load(Ordering::Relaxed),
            answered: world.answered,
        };
        world.stop().await;
        outcome
    })
}

fn heal(world: &mut World) {
    world.set_faults(FaultPlan::none());
    world.simulator.lose_next_casts(0);
    world.simulator.fail_next_updates(0);
    world.simulator.set_quota(None);
    world.simulator.no_valid_host(false);
    world.simulator.clear_node_rules();
    world.widen_bounds();
}

async fn apply(world: &mut World, step: &Step, seed: u64) {
    match step {
        Step::Loop => world.main_loop().await,
        Step::Wait(time) => {
            // Looking often enough to see every server at least once.
            let mut left = *time;
            while !left.is_zero() {
                let pause = left.min(Duration::from_millis(400));
                sleep(pause).await;
                left -= pause;
                world.look();
            }
        }
        Step::Increase { group, delta } => world.increase(*group, *delta).await,
        Step::Delete { group, picks } => world.delete(*group, picks, false).await,
        Step::DeleteBurst { group, picks } => world.delete(*group, picks, true).await,
        Step::DeleteAgain { back } => world.delete_again(*back).await,
        Step::DeleteStranger { group, kind } => world.delete_stranger(*group, *kind).await,
        Step::Decrease { group, delta } => world.decrease(*group, *delta).await,
        Step::HangUp { group, pick } => world.hang_up(*group, *pick),
        Step::Operator { group, grow, pick } => world.operator_resize(*group, *grow, *pick),
        Step::OperatorBounds { group, min, max } => {
            world.operator_bounds(*group, *min, *max);
        }
        Step::NovaDelete { group, pick } => world.nova_delete(*group, *pick),
        Step::Storm { probability } => world.set_faults(storm(seed, *probability)),
        Step::Lag { service, behind } => world.lag(*service, *behind),
        Step::LoseCasts(count) => world.simulator.lose_next_casts(*count),
        Step::UpdateFails => world.fail_update(),
        Step::ConductorStops(pause) => world.simulator.stop_conductor(*pause),
        Step::ExpireTokens => world.simulator.expire_tokens(),
        Step::Quota(quota) => world.simulator.set_quota(*quota),
        Step::NoValidHost(none) => world.simulator.no_valid_host(*none),
        Step::NodesHang => world.simulator.set_node_rule("*", NodeRule::Hang),
        Step::NodesFail => world.simulator.set_node_rule("*", NodeRule::fail()),
        Step::NodesBoot => world.simulator.clear_node_rules(),
        Step::Calm => world.set_faults(FaultPlan::none()),
        Step::Restart => world.restart().await,
    }
}

/// All faults, but reads no older than what the engine distrusts (`SettleTimeouts::stale_read_guard`).
fn storm(seed: u64, probability: f64) -> FaultPlan {
    let mut plan = FaultPlan::storm(seed, probability);
    for FaultRule { fault, .. } in &mut plan.rules {
        if let Fault::StaleRead(age) = fault {
            *age = Duration::from_secs(2);
        }
    }
    plan
}
