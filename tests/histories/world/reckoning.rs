//! The end of a history: cluster-autoscaler cleans up until nothing changes, and the cloud is compared with what was
//! named and acknowledged.

use std::{sync::atomic::Ordering, time::Duration};

use cluster_autoscaler_provider_magnum::core::instance::InstanceState;
use tokio::time::{Instant, sleep};

use super::{
    World,
    callers::{DeleteCall, reference},
};
use crate::step::GROUPS;

/// After these an operator replaces the machines of Cluster API that its health check leaves alone: too many of their group
/// are no good.
const ROUNDS_BEFORE_THE_OPERATOR: u32 = 120;
/// After which cluster-autoscaler removes an instance that did not become a node (`--max-node-provision-time`).
const PROVISION_TIME: Duration = Duration::from_secs(15 * 60);

impl World {
    /// Heals the cloud, plays cluster-autoscaler's cleaning until nothing changes, and compares with the model.
    pub(crate) async fn settle(&mut self, accountable: bool) {
        let mut calm = 0;
        for round in 0..self.site.rounds_to_settle() {
            if round == ROUNDS_BEFORE_THE_OPERATOR {
                self.simulator.replace_broken_machines();
            }
            sleep(Duration::from_secs(5)).await;
            self.main_loop().await;
            self.look();
            self.clean_up().await;
            let quiet = self.simulator.is_at_rest() && self.groups().all(|group| self.at_rest(group));
            calm = if quiet { calm + 1 } else { 0 };
            // Longer than any retry or repeated look takes.
            if calm > 20 {
                return self.compare(accountable);
            }
        }
        for group in self.groups() {
            let (view, name) = (self.view(group), GROUPS[group]);
            let record = self.simulator.group(name);
            self.violations.push(format!("{name} does not settle: {view:?} {record:?}"));
        }
    }

    /// What cluster-autoscaler does with instances that are creating with an error, or for too long.
    async fn clean_up(&mut self) {
        let now = Instant::now();
        for group in self.groups() {
            let Some(view) = self.view(group) else { continue };
            let mut nodes = Vec::new();
            for instance in &view.instances {
                let id = instance.provider_id.clone();
                if instance.state != InstanceState::Creating {
                    self.creating_since.remove(&id);
                    continue;
                }
                let since = *self.creating_since.entry(id.clone()).or_insert(now);
                if instance.error.is_some() || now - since > PROVISION_TIME {
                    nodes.push(reference(&id));
                }
            }
            if !nodes.is_empty() {
                self.delete_calls(vec![DeleteCall { group, nodes }]).await;
            }
        }
    }

    fn at_rest(&self, group: usize) -> bool {
        self.view(group).is_some_and(|view| {
            let settled = view.instances.iter().all(|instance| instance.state == InstanceState::Running);
            settled && usize::try_from(view.target_size).unwrap() == view.instances.len()
        })
    }

    fn compare(&mut self, accountable: bool) {
        // What was given up after several losses is reported, and its nodes run on.
        let given_up = self.counts.given_up.load(Ordering::Relaxed) > 0;
        let heard = !self.unheard && !given_up;
        for group in self.groups() {
            let name = GROUPS[group];
            let (Some(view), Some(record)) = (self.view(group), self.simulator.group(name)) else {
                continue;
            };
            let members = record.members.iter().filter(|member| member.reference.is_some()).count();
            if usize::try_from(view.target_size).unwrap() != members {
                self.violations
                    .push(format!("{name}: target {} but {members} members: {record:?}", view.target_size));
            }
            let surplus = i64::try_from(members).unwrap() - self.expected[group];
            // A machine that the health check deletes while another is to go fills its place, so that both are gone.
            let by_others = self.replaced_by_others(group);
            let replaced = self.replaced[group] + self.replaced_when_named(group);
            let overlooked = self.failures_overlooked(group);
            let allowed = -by_others - overlooked..=replaced + self.not_removed(group) + by_others;
            if accountable && heard && !allowed.contains(&surplus) {
                self.violations.push(format!(
                    "{name}: {members} members where the acknowledged calls make {}",
                    self.expected[group]
                ));
            }
        }
        for group in self.groups() {
            let still_there = self.still_there(group);
            if still_there.len() > self.reported(group) && !given_up {
                self.violations
                    .push(format!("acknowledged removals never happened, unreported: {still_there:?}"));
            }
        }
        let wrong = self.counts.wrong_removals.load(Ordering::Relaxed);
        // What Cluster API's health check takes during a removal cannot be told from what the removal took (docs/drivers.md).
        let by_health_check: u64 = self.simulator.replaced_servers().len().try_into().unwrap();
        if accountable && wrong > by_health_check && self.bug.is_none() {
            self.violations.push(format!("wrong_removals_total is {wrong}"));
        }
    }

    /// Servers of a group whose removal was acknowledged and that are there all the same, where nobody else changed
    /// the group.
    fn still_there(&self, group: usize) -> Vec<&String> {
        let of_group = |uuid: &&String| self.known.get(*uuid).is_some_and(|known| known.group == group);
        self.acknowledged
            .iter()
            .filter(|uuid| !self.gone.contains(*uuid) && !self.changed_by_others[group])
            .filter(of_group)
            .collect()
    }

    /// How many members may be left of which the removal was acknowledged and could not be carried out after all, as was told.
    /// magnum-cluster-api removes none as long as another has no server (docs/drivers.md). An update of Heat may fail that
    /// replaced a broken member at the minimum, and the next replacement is due only later (docs/behaviour.md).
    fn not_removed(&self, group: usize) -> i64 {
        let reported = self.reported(group);
        let left = if self.site.is_cluster_api() {
            self.still_there(group).len().min(reported)
        } else if self.has_failed_update {
            // A member without a server is not among those that are still there.
            reported
        } else {
            0
        };
        i64::try_from(left).unwrap()
    }

    /// How many acknowledged requests of a group had become impossible, each for one node. Not found before the call
    /// was answered, say: a removal by the process before this one, of which the cloud had shown nothing yet.
    fn reported(&self, group: usize) -> usize {
        let refused = self.counts.refused_now.lock().unwrap();
        refused.iter().filter(|(id, _)| id.starts_with(GROUPS[group])).map(|(_, count)| count).sum()
    }
}
