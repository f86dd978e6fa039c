//! What others do to the cloud and to the service.

use cluster_autoscaler_provider_magnum::simulator::{FaultPlan, MemberRecord};
use tokio::time::Instant;

use super::{World, start};
use crate::{site::Removals, step::GROUPS};

impl World {
    pub(crate) fn operator_resize(&mut self, group: usize, grow: u32, pick: Option<usize>) {
        let Some(record) = self.simulator.group(GROUPS[group]) else { return };
        let is_staying = |member: &&MemberRecord| match self.site.is_cluster_api() {
            true => member.status != "Deleting",
            false => member.reference.is_some(),
        };
        let members: Vec<_> = record.members.iter().filter(is_staying).collect();
        let named = members.iter().filter(|member| member.reference.is_some()).collect::<Vec<_>>();
        let victim = pick.and_then(|pick| named.get(pick % named.len().max(1)));
        let remove: Vec<String> = victim.iter().filter_map(|member| self.name_for_magnum(member)).collect();
        let count = u32::try_from(members.len() - remove.len()).unwrap() + grow;
        self.operator[group] = Some(Instant::now());
        self.changed_by_others[group] = true;
        if self.simulator.operator_resize(GROUPS[group], count, &remove).is_ok()
            && let Some(member) = victim
        {
            match (self.site.removals(), self.site.is_cluster_api()) {
                (Removals::Named, is_cluster_api) => {
                    self.named.extend(member.server.clone());
                    if !is_cluster_api {
                        self.named_members.insert((group, member.index));
                    }
                }
                (Removals::Counted | Removals::Refused, _) => self.unnamed[group] += 1,
            }
        }
    }

    /// What `nodes_to_remove` has of a member.
    fn name_for_magnum(&self, member: &MemberRecord) -> Option<String> {
        if self.site.is_cluster_api() { member.reference.clone() } else { Some(member.index.to_string()) }
    }

    pub(crate) fn operator_bounds(&mut self, group: usize, min: u32, max: u32) {
        if !self.site.has_node_groups() {
            return;
        }
        self.changed_by_others[group] = true;
        self.simulator.set_bounds(GROUPS[group], min.max(self.site.least_size()), Some(max));
    }

    /// Takes back the bounds that somebody set. Magnum takes no size outside of them, so that what is outside stays
    /// as it is, broken members included.
    pub(crate) fn widen_bounds(&self) {
        for (group, _) in self.changed_by_others.iter().enumerate().filter(|(_, changed)| **changed) {
            self.simulator.set_bounds(GROUPS[group], self.site.least_size(), Some(20));
        }
    }

    pub(crate) fn nova_delete(&mut self, group: usize, pick: usize) {
        let servers: Vec<_> = self
            .simulator
            .servers()
            .into_iter()
            .filter(|server| server.group.as_deref() == Some(GROUPS[group]))
            .collect();
        if let Some(server) = servers.get(pick % servers.len().max(1)) {
            self.named.insert(server.uuid.clone());
            self.simulator.delete_server(&server.uuid);
        }
    }

    /// kill -9: nothing of the process survives.
    pub(crate) async fn restart(&mut self) {
        self.engine.stop().await;
        (self.engine, self.cloud) = start(&self.simulator, self.site, self.bug, &self.counts);
        self.acknowledged.clear();
        self.counts.refused_now.lock().unwrap().clear();
        self.unheard = true;
        let faults = self.simulator.faults();
        self.simulator.set_faults(FaultPlan::none());
        self.refresh_until_read().await;
        self.simulator.set_faults(faults);
    }
}
