//! Counters of each node group, and how long they outlive their group.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use prometheus::{Error, IntCounterVec, Registry};

use super::family::{Family, int_counters};
use crate::core::decision::{Decision, Dropped, ResizeOutcome};

/// How long the counters of a group stay after it is gone: twice the longest window of the alerts in
/// `deploy/prometheus/alerts.yaml`, so that what happened last is not missed.
const KEPT_AFTER_THE_GROUP: Duration = Duration::from_secs(2 * 60 * 60);

/// What happened to each group since the start.
pub(super) struct GroupCounters {
    resizes: Family<IntCounterVec, 2>,
    dropped: Family<IntCounterVec, 2>,
    wrong_removals: Family<IntCounterVec, 1>,
    /// When each group that has series was last there or had something to count. Held while series are made or
    /// removed.
    last_seen: Mutex<HashMap<String, Instant>>,
}

impl GroupCounters {
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        Ok(Self {
            resizes: int_counters(
                registry,
                "magnum_autoscaler_resizes_total",
                "Resizes that ended, by outcome: done, failed, lost (no effect), superseded (changed by others).",
                ["node_group", "outcome"],
            )?,
            dropped: int_counters(
                registry,
                "magnum_autoscaler_dropped_requests_total",
                "Acknowledged requests that are not carried out: refused when their turn came, or lost several times.",
                ["node_group", "reason"],
            )?,
            wrong_removals: int_counters(
                registry,
                "magnum_autoscaler_wrong_removals_total",
                "Nodes that went with a resize although nobody named them. Anything but 0 is worth an alert.",
                ["node_group"],
            )?,
            last_seen: Mutex::default(),
        })
    }

    /// Counts a decision, if it is one that is counted.
    pub(super) fn count(&self, decision: &Decision) {
        let (group, kind) = (decision.group.as_str(), &decision.kind);
        let _kept = self.seen(group, Instant::now());
        if let Some(outcome) = kind.resize_outcome() {
            self.resizes.of([group, outcome.label()]).inc();
        }
        if let Some(why) = kind.dropped() {
            self.dropped.of([group, why.label()]).inc();
        }
        let wrong_removals = u64::try_from(kind.wrong_removals()).unwrap_or(u64::MAX);
        if wrong_removals > 0 {
            self.wrong_removals.of([group]).inc_by(wrong_removals);
        }
    }

    /// The group is there: all its counters are shown, those at 0 too, since a counter that appears with its first
    /// event has no rate to alert on.
    pub(super) fn show(&self, group: &str, now: Instant) {
        let _kept = self.seen(group, now);
        self.wrong_removals.of([group]).inc_by(0);
        for why in Dropped::ALL {
            self.dropped.of([group, why.label()]).inc_by(0);
        }
        for outcome in ResizeOutcome::ALL {
            self.resizes.of([group, outcome.label()]).inc_by(0);
        }
    }

    /// Removes the counters of the groups that have long been gone.
    pub(super) fn remove_gone(&self, now: Instant) {
        self.last_seen().retain(|group, seen| {
            let kept = now.saturating_duration_since(*seen) < KEPT_AFTER_THE_GROUP;
            if !kept {
                self.wrong_removals.remove([group]);
                for why in Dropped::ALL {
                    self.dropped.remove([group, why.label()]);
                }
                for outcome in ResizeOutcome::ALL {
                    self.resizes.remove([group, outcome.label()]);
                }
            }
            kept
        });
    }

    fn seen(&self, group: &str, now: Instant) -> MutexGuard<'_, HashMap<String, Instant>> {
        let mut last_seen = self.last_seen();
        match last_seen.get_mut(group) {
            Some(seen) => *seen = now.max(*seen),
            None => {
                last_seen.insert(group.to_owned(), now);
            }
        }
        last_seen
    }

    fn last_seen(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.last_seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;
    use crate::core::{
        decision::{DecisionKind, RequestedChange},
        request::RequestError,
        sample,
        verify::Verdict,
    };

    fn page(registry: &Registry) -> String {
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn the_counters_of_a_group_that_is_gone_go_when_every_alert_has_seen_them() {
        let registry = Registry::new();
        let counters = GroupCounters::register(&registry).unwrap();
        let start = Instant::now();
        counters.show("pool-a-1", start);
        counters.show("pool-b-2", start);
        let request = RequestedChange::Increase(1);
        for kind in [
            sample::ended(Verdict::Lost, 0),
            sample::ended(Verdict::WrongRemoval, 1),
            DecisionKind::NotCarriedOut { request, error: RequestError::Stopping },
        ] {
            counters.count(&Decision { group: "pool-b-2".to_owned(), kind });
        }

        let soon = start + KEPT_AFTER_THE_GROUP / 2;
        counters.show("pool-a-1", soon);
        counters.remove_gone(soon);
        assert!(
            page(&registry).contains("magnum_autoscaler_wrong_removals_total{node_group=\"pool-b-2\"} 1")
        );

        let later = Instant::now() + KEPT_AFTER_THE_GROUP;
        counters.show("pool-a-1", later);
        counters.remove_gone(later);
        let page = page(&registry);
        assert!(!page.contains("pool-b-2"), "{page}");
        for family in [
            "magnum_autoscaler_resizes_total",
            "magnum_autoscaler_dropped_requests_total",
            "magnum_autoscaler_wrong_removals_total",
        ] {
            assert!(page.contains(&format!("{family}{{node_group=\"pool-a-1\"")), "{page}");
        }
    }

    #[test]
    fn what_happens_to_a_group_that_is_gone_is_counted() {
        let registry = Registry::new();
        let counters = GroupCounters::register(&registry).unwrap();
        let kind = sample::ended(Verdict::WrongRemoval, 2);
        counters.count(&Decision { group: "pool-b-2".to_owned(), kind });
        counters.remove_gone(Instant::now());
        assert!(
            page(&registry).contains("magnum_autoscaler_wrong_removals_total{node_group=\"pool-b-2\"} 2")
        );
    }
}
