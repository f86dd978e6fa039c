//! What the exhaustive search takes for the same situation.

use std::{collections::BTreeSet, hash::DefaultHasher, time::Instant};

use super::*;
use crate::core::{node_group::NodeGroup, sample};

impl Scene {
    fn hash(&self) -> u64 {
        use std::hash::Hasher as _;
        let mut hasher = DefaultHasher::new();
        self.group.hash_at(self.now, &mut hasher);
        hasher.finish()
    }
}

/// The same life, begun at some other time and for this long.
fn life(start: Duration, steps: &[(u64, Event)], rest: u64) -> u64 {
    let before = nodes(2);
    let now = Instant::now() + start;
    let group = Lifecycle::new(before.group.uuid, before.group.id(), Timing::default(), now);
    let mut scene = Scene { group, now };
    scene.step(Event::Observed { reading: Ok(Arc::new(before)), begun: now, shared: None });
    for (pause, event) in steps {
        scene.wait(Duration::from_millis(*pause));
        scene.step(event.clone());
    }
    scene.wait(Duration::from_millis(rest));
    scene.hash()
}

fn read(reading: Reading) -> Event {
    Event::Read { reading: Ok(Arc::new(reading)), begun: Instant::now() + Duration::from_secs(86_400) }
}

fn asked(size: u32) -> Event {
    Event::Asked { caller: CALLER, ask: Ask::Increase(size) }
}

#[test]
fn when_it_was_makes_no_difference_and_everything_else_does() {
    let settling = || vec![(30_000, asked(1)), (200, Event::Tick)];
    let mut busy = nodes(2);
    busy.group.status = Status::parse("UPDATE_IN_PROGRESS");
    let with = |more: Vec<(u64, Event)>| settling().into_iter().chain(more).collect::<Vec<_>>();
    let waiting = with(vec![(0, read(busy.clone()))]);
    let sending = with(vec![(0, read(nodes(2)))]);
    let following = [sending.clone(), vec![(0, Event::ResizeAnswered(Ok(())))]].concat();
    let lives = [
        (vec![], 30_000),
        // The start still matters.
        (vec![], 5000),
        (vec![(30_000, asked(1))], 0),
        (vec![(30_000, asked(1))], 100),
        (vec![(30_000, asked(2))], 0),
        (vec![(30_000, asked(1)), (0, Event::CallerGone(CALLER))], 0),
        (settling(), 0),
        (waiting.clone(), 0),
        (waiting.clone(), 100),
        (waiting, 1000),
        (sending, 0),
        (following.clone(), 0),
        (following.clone(), 100),
        (following.clone(), 1000),
    ];
    let hashes: Vec<u64> = lives.iter().map(|(steps, rest)| life(Duration::ZERO, steps, *rest)).collect();
    for (number, (steps, rest)) in lives.iter().enumerate() {
        assert_eq!(hashes[number], life(Duration::from_secs(7), steps, *rest), "{number}: at another time");
        for (other, hash) in hashes.iter().enumerate().take(number) {
            assert_ne!(hashes[number], *hash, "{number} and {other}");
        }
    }
    // Whether it is read next, or has to be woken first.
    let (due, woken) = (following.clone(), [following, vec![(500, Event::Tick)]].concat());
    assert_ne!(life(Duration::ZERO, &due, 500), life(Duration::ZERO, &woken, 0));
    // For how long the group has been as it is.
    let mut other = busy.clone();
    other.group.updated_at.clear();
    let error = Err(CloudError::Inconsistent("pool".to_owned()));
    let unreadable = Event::Read { reading: error, begun: Instant::now() };
    let last = || vec![(1000, read(busy.clone())), (1000, unreadable.clone())];
    let unchanged = with([vec![(0, read(busy.clone()))], last()].concat());
    let changed = with([vec![(0, read(other))], last()].concat());
    assert_ne!(life(Duration::ZERO, &unchanged, 0), life(Duration::ZERO, &changed, 0));
    // What is longer ago than anything that counts.
    assert_eq!(life(Duration::ZERO, &[], 30_000), life(Duration::ZERO, &[], 90_000));
}

/// What is remembered of members and of replacements counts as well.
#[test]
fn what_is_remembered_makes_a_difference() {
    let hash = |change: &dyn Fn(&mut PendingRequests, Instant), later: u64| {
        let mut scene = Scene::new(nodes(2));
        change(&mut scene.group.pending, scene.now);
        scene.wait(Duration::from_secs(later));
        scene.hash()
    };
    let (two, one) = (nodes(2), nodes(1));
    let nothing = hash(&|_, _| {}, 0);
    let departed = |pending: &mut PendingRequests, now| pending.note_departures(&two, &one, now);
    let replaced = |pending: &mut PendingRequests, now| pending.note_replacement(now);
    let given_up = |pending: &mut PendingRequests, _| pending.give_up([MemberKey::Index(1)]);
    let failed = |pending: &mut PendingRequests, _| {
        let reason = crate::core::failure::Reason::default();
        pending.fail(1, &crate::core::instance::InstanceError::of_failed_creation(&reason));
    };
    let hashes = [
        nothing,
        hash(&departed, 0),
        hash(&departed, 60),
        hash(&replaced, 0),
        hash(&replaced, 60),
        hash(&given_up, 0),
        hash(&failed, 0),
    ];
    let different: BTreeSet<_> = hashes.into_iter().collect();
    assert_eq!(different.len(), hashes.len());
    assert_eq!(hash(&replaced, 300), hash(&replaced, 600), "another replacement is due in both");
    assert_eq!(nothing, hash(&|_, _| {}, 600));
}

#[test]
fn what_is_known_of_the_group_makes_a_difference() {
    let two = || nodes(2);
    let failed = Status::parse("UPDATE_FAILED");
    let readings = [
        two(),
        nodes(3),
        Reading { cluster_status: failed.clone(), ..two() },
        Reading { servers: Some(sample::servers(0..2)), ..two() },
        Reading { group: NodeGroup { status: failed, ..two().group }, ..two() },
    ];
    let hashes: BTreeSet<u64> = readings.into_iter().map(|reading| Scene::new(reading).hash()).collect();
    assert_eq!(hashes.len(), 5);
}
