//! Everything at once: scale-ups, removals, failing nodes, cut quotas, crashes of the service and of the cloud's own
//! services. At the end Nova tells which servers went, and each of them must have been named.

mod faults;
mod record;
mod settling;
mod verdict;

use std::{
    collections::BTreeSet,
    env,
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::instance_status::InstanceState;
use futures_util::future::join_all;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tonic::{Code, Status};

use self::{
    record::{Naming, Outcome, Record},
    verdict::{Size, Verdict},
};
use crate::{
    autoscaler::{Autoscaler, Node, listed},
    lab::QUOTA,
    openstack::{Group, OpenStack},
    scene::{CHANGE, Picture, Scene, eventually, play},
    site::Site,
};

/// How long the chaos lasts unless `LIVE_CHAOS_SECONDS` says otherwise.
const DEFAULT_SECONDS: u64 = 120;
/// No group is asked to have more nodes.
const LARGEST: usize = 6;
/// How long a chaos has to last for that.
const LONG: Duration = Duration::from_secs(600);

/// What all parts of the chaos write into.
type Shared = Arc<Mutex<Record>>;

/// Sees every server, by looking at Nova every second.
async fn watch(openstack: Arc<OpenStack>, groups: Vec<Group>, record: Shared) {
    loop {
        let lists = join_all(groups.iter().map(|group| openstack.servers(group))).await;
        // A list that cannot be read says nothing about who is gone.
        if let Ok(lists) = lists.into_iter().collect::<Result<Vec<_>, _>>() {
            let listed = lists.into_iter().flatten().map(|(id, server)| (id, server.name)).collect();
            record.lock().unwrap().note_servers(&listed);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// A fault that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Quota,
    Nodes,
}

struct Chaos<'a> {
    scene: &'a mut Scene,
    random: Xoshiro256PlusPlus,
    record: Shared,
    begun: Instant,
    lasts: Duration,
    /// What was shown as failed last.
    last_failed: String,
    /// Whether the service is killed now and then.
    crashes: bool,
    /// Groups of which a failed node could not be removed.
    at_minimum: Vec<Group>,
    faults: Vec<(Fault, Instant)>,
    restart: Option<JoinHandle<()>>,
}

impl Chaos<'_> {
    fn say(&self, what: &str) {
        println!("{:7.1} s  {what}", self.begun.elapsed().as_secs_f64());
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.random.random_ratio(percent, 100)
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.random.random_range(from..to))
    }

    fn group(&mut self) -> Group {
        let number = self.random.random_range(0..self.scene.groups.len());
        self.scene.groups[number].clone()
    }

    async fn nodes(&self, group: &Group) -> Vec<Node> {
        let nodes = self.scene.autoscaler().nodes(&group.id).await.unwrap_or_default();
        let running = nodes.iter().filter(|node| node.state == InstanceState::InstanceRunning);
        let running = running.filter_map(Node::server).map(str::to_owned);
        let failed = nodes.iter().filter(|node| node.error.is_some()).map(|node| node.id.clone());
        let mut record = self.record.lock().unwrap();
        record.ran.extend(running);
        record.failed.extend(failed);
        drop(record);
        nodes
    }

    /// One thing that happens.
    async fn step(&mut self) {
        let _ = self.scene.autoscaler().refresh().await;
        self.lift_faults(false).await;
        if self.chance(40) {
            self.clean_up().await;
        }
        match self.random.random_range(0..100) {
            0..30 => self.increase().await,
            30..50 => self.delete(1).await,
            50..64 => {
                let nodes = self.random.random_range(2..5);
                self.delete(nodes).await;
            }
            64..74 => self.delete_again().await,
            74..80 if self.crashes => self.crash().await,
            74..80 => {}
            80..87 => self.restart_in_the_cloud(),
            87..93 => self.break_nodes().await,
            93..97 => self.cut_quota().await,
            _ => self.delete_in_nova().await,
        }
        let pause = self.milliseconds(100, 3000);
        sleep(pause).await;
    }

    async fn increase(&mut self) {
        let group = self.group();
        let target = self.scene.autoscaler().target_size(&group.id).await.unwrap_or(LARGEST);
        let room = LARGEST.saturating_sub(target).min(3);
        if room == 0 {
            return;
        }
        let nodes = self.random.random_range(1..=room);
        self.call_increase(&group, nodes).await;
    }

    async fn call_increase(&mut self, group: &Group, nodes: usize) {
        let delta = i32::try_from(nodes).unwrap();
        let begun = Instant::now();
        let answer = self.scene.autoscaler().increase_size(&group.id, delta).await;
        let outcome = Outcome::of(&answer);
        {
            let mut record = self.record.lock().unwrap();
            record.note_call("IncreaseSize", outcome, begun.elapsed());
            *record.asked.entry((group.id.clone(), outcome)).or_default() += nodes;
        }
        self.say(&format!("{}: IncreaseSize by {delta}: {}", group.id, told(&answer)));
    }

    /// Removes some nodes, each in a call of its own, all at once; some of them twice.
    async fn delete(&mut self, most: usize) {
        let group = self.group();
        let mut nodes = self.nodes(&group).await;
        nodes.retain(|node| node.state != InstanceState::InstanceDeleting && !node.id.contains("requested"));
        let smallest = usize::from(group.id == self.scene.groups[0].id);
        let target = self.scene.autoscaler().target_size(&group.id).await.unwrap_or_default();
        let count = most.min(target.saturating_sub(smallest)).min(nodes.len());
        let mut named = Vec::new();
        for _ in 0..count {
            let position = self.random.random_range(0..nodes.len());
            named.push(nodes.swap_remove(position).id);
            if self.chance(20) {
                named.extend(named.last().cloned());
            }
        }
        // Now and then the service dies in the middle of it.
        let crash = (self.chance(8) && self.crashes).then(|| self.milliseconds(0, 800));
        self.call_deletions(&group, named, crash).await;
    }

    /// Names nodes that were named before: gone, going or, after a crash, running again.
    async fn delete_again(&mut self) {
        let group = self.group();
        let named: Vec<_> = {
            let record = self.record.lock().unwrap();
            record.named.keys().filter(|id| record.is_of(&group, id)).cloned().collect()
        };
        if !named.is_empty() {
            let id = named[self.random.random_range(0..named.len())].clone();
            self.call_deletions(&group, vec![id], None).await;
        }
    }

    /// As cluster-autoscaler does with instances that are creating and have an error.
    async fn clean_up(&mut self) -> usize {
        let mut failed = 0;
        for group in self.scene.groups.clone() {
            let nodes = self.nodes(&group).await;
            let named: Vec<_> = nodes
                .iter()
                .filter(|node| node.error.is_some() && node.state != InstanceState::InstanceRunning)
                .map(|node| node.id.clone())
                .collect();
            failed += named.len();
            if !named.is_empty() {
                let told = format!("{}: failed: {}", group.id, listed(&nodes));
                if told != self.last_failed {
                    self.say(&told);
                    self.last_failed = told;
                }
                self.call_deletions(&group, named, None).await;
            }
        }
        failed
    }

    async fn call_deletions(&mut self, group: &Group, named: Vec<String>, crash: Option<Duration>) {
        let mut calls = JoinSet::new();
        for id in named {
            let (autoscaler, group) = (self.scene.autoscaler().clone(), group.id.clone());
            calls.spawn(async move { call_deletion(&autoscaler, &group, id).await });
        }
        if let Some(after) = crash {
            sleep(after).await;
            self.crash().await;
        }
        for Deletion { id, answer, waited, at } in calls.join_all().await {
            let outcome = Outcome::of(&answer);
            {
                let mut record = self.record.lock().unwrap();
                record.note_call("DeleteNodes", outcome, waited);
                record.named.entry(id.clone()).or_default().push(Naming { at, outcome });
            }
            if answer.as_ref().is_err_and(|status| status.code() == Code::OutOfRange) {
                self.at_minimum.push(group.clone());
            }
            self.say(&format!("{}: DeleteNodes {id}: {}", group.id, told(&answer)));
        }
    }
}

/// An answered call of DeleteNodes.
struct Deletion {
    id: String,
    answer: Result<(), Status>,
    waited: Duration,
    /// When the answer came.
    at: Instant,
}

async fn call_deletion(autoscaler: &Autoscaler, group: &str, id: String) -> Deletion {
    let begun = Instant::now();
    let answer = autoscaler.delete_nodes(group, &[&id]).await;
    Deletion { id, answer, waited: begun.elapsed(), at: Instant::now() }
}

fn told(answer: &Result<(), Status>) -> String {
    match answer {
        Ok(()) => "OK".to_owned(),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

pub(crate) async fn only_the_named_go_whatever_happens(site: Site) {
    let seconds = number("LIVE_CHAOS_SECONDS").unwrap_or(DEFAULT_SECONDS);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let seed = number("LIVE_CHAOS_SEED").unwrap_or(clock);
    // A crash forgets what was acknowledged and not sent; without crashes the sizes have to come out exactly.
    let crashes = number("LIVE_CHAOS_CRASHES").unwrap_or(1) > 0;
    play("only_the_named_go_whatever_happens", site, async |scene| {
        println!("chaos for {seconds} s with seed {seed}");
        let groups = scene.groups.clone();
        let record = Shared::default();
        let watcher = tokio::spawn(watch(Arc::clone(&scene.openstack), groups.clone(), Arc::clone(&record)));
        let begun = Instant::now();
        let mut chaos = Chaos {
            scene,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            record: Arc::clone(&record),
            begun,
            lasts: Duration::from_secs(seconds),
            last_failed: String::new(),
            crashes,
            at_minimum: Vec::new(),
            faults: Vec::new(),
            restart: None,
        };
        eventually("the watcher's first look", Duration::from_secs(30), async || {
            if record.lock().unwrap().servers.is_empty() { Err("nothing".to_owned()) } else { Ok(()) }
        })
        .await;
        let mut first = Vec::new();
        for group in &groups {
            first.push(chaos.scene.servers(group).await.len());
        }
        while begun.elapsed() < chaos.lasts {
            chaos.step().await;
        }
        chaos.settle().await;
        watcher.abort();

        let log = scene.service().log();
        let record = std::mem::take(&mut *record.lock().unwrap());
        let verdict = Verdict::of(&record, &groups);
        println!(
            "chaos: seed {seed}, {:.0} s; IncreaseSize {}; DeleteNodes {}; longest call {:.0} ms; {} crashes of the \
             service; restarts in the cloud {:?}; servers: {} made, {} gone, of which {} deleted in Nova and {} \
             replaced by Heat; acknowledged removals: {} forgotten by a crash, {} reported as not possible; wrong removals {}",
            begun.elapsed().as_secs_f64(),
            record.calls("IncreaseSize"),
            record.calls("DeleteNodes"),
            record.longest.as_secs_f64() * 1000.0,
            record.crashes.len(),
            record.restarts,
            record.servers.len() - first.iter().sum::<usize>(),
            verdict.removed,
            verdict.by_hand,
            verdict.replaced.len(),
            verdict.forgotten,
            verdict.spared.len(),
            verdict.unnamed.len() + verdict.refused.len(),
        );
        println!("replaced by Heat: {:?}", verdict.replaced);
        for (group, first) in groups.iter().zip(first) {
            let size = Size::of(&record, group, first);
            println!(
                "{}: {} nodes; the calls explain {}, less {} that failed and were taken back, plus at most {} that \
                 took the place of failed ones",
                size.group, size.is, size.most, size.cancelled, size.replaceable
            );
            assert!(size.is <= size.most + size.replaceable, "{} has nodes that nobody asked for", size.group);
            let forgetful = crashes || !record.crashes.is_empty() || record.asked.keys().any(|(_, outcome)| *outcome == Outcome::Unknown);
            assert!(forgetful || size.is + size.cancelled >= size.most, "{} lacks nodes", size.group);
        }
        assert!(verdict.unnamed.is_empty(), "gone although nobody named them: {:?}", verdict.unnamed);
        assert!(verdict.refused.is_empty(), "gone although their removal was refused: {:?}", verdict.refused);
        // What cannot be done any more when its turn comes is told by a counter, and shown: the node is there.
        let reported = usize::try_from(record.dropped).unwrap();
        assert!(verdict.spared.len() <= reported, "acknowledged and not removed: {:?}", verdict.spared);
        assert_eq!(record.wrong_removals, 0, "the service's own count of wrong removals");
        assert!(!log.contains("WRONG REMOVAL"), "the service found a wrong removal itself");
        assert!(record.longest < Duration::from_secs(5), "a call took {:?}", record.longest);
        scene.lab().reset().await;
    })
    .await;
}
