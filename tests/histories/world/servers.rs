//! What is known of every server, and who may be gone.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use cluster_autoscaler_provider_magnum::{
    core::{
        instance::{InstanceId, PlaceholderId},
        member::MemberKey,
        request::NodeReference,
    },
    simulator::Service,
};
use tokio::time::Instant;

use super::World;
use crate::{site::Removals, step::GROUPS};

/// How close to somebody else's resize ours may fall in between reading and sending; nobody can prevent that.
const RACE: Duration = Duration::from_secs(30);

/// A server that was seen at least once.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) group: usize,
    /// Of Heat's member. An index may be used again, so that it tells no server of Cluster API, which never does.
    pub(super) index: Option<u32>,
    first_seen: Instant,
    /// In ERROR when last seen: no node was ever on it. Heat replaces it at the next update of the group, and of Cluster
    /// API's machines it is the first to go.
    pub(super) in_error: bool,
}

impl World {
    /// Looks which servers there are and judges those that are gone.
    pub(crate) fn look(&mut self) {
        let now = Instant::now();
        let mut present = HashSet::new();
        for server in self.simulator.servers() {
            let Some(group) =
                server.group.as_deref().and_then(|name| GROUPS.iter().position(|known| *known == name))
            else {
                continue;
            };
            present.insert(server.uuid.clone());
            let known = self.known.entry(server.uuid).or_insert(Known {
                group,
                index: None,
                first_seen: now,
                in_error: false,
            });
            known.in_error = server.status == "ERROR";
            known.index = server.index.or(known.index);
        }
        self.note_failed_members(&present, now);
        self.note_replaced();
        let missing = self.known.keys().filter(|uuid| !present.contains(*uuid) && !self.gone.contains(*uuid));
        let missing: Vec<String> = missing.cloned().collect();
        if !missing.is_empty() {
            self.judge(missing, now);
        }
    }

    /// What a call has named may be replaced before its removal is carried out.
    fn note_replaced(&mut self) {
        let replaced = self.simulator.replaced_servers();
        let before = std::mem::take(&mut self.replaced_machines);
        for server in replaced.difference(&before) {
            if self.named.contains(server)
                && let Some(known) = self.known.get(server)
            {
                self.allow_another(known.group, server);
            }
        }
        self.replaced_machines = replaced;
    }

    /// By an old answer of Nova a server is there whose machine Cluster API has replaced, and what it has made in its place is
    /// not: a removal of it takes another one, once (docs/drivers.md#cluster-api).
    fn allow_another(&mut self, group: usize, server: &str) {
        let is_nova_old = self.lags.iter().any(|(service, ..)| *service == Service::Compute);
        if is_nova_old && self.replaced_and_named.insert(server.to_owned()) {
            self.unnamed[group] += 1;
        }
    }

    fn note_failed_members(&mut self, servers: &HashSet<String>, now: Instant) {
        for group in self.groups() {
            let members = self.simulator.group(GROUPS[group]).into_iter().flat_map(|record| record.members);
            for member in members.filter(|member| member.status == "CREATE_FAILED") {
                if member.server.as_ref().is_none_or(|server| !servers.contains(server)) {
                    self.failed_members.entry((group, member.index)).or_insert(now);
                }
                self.failed_when_named
                    .extend(member.server.filter(|server| self.acknowledged.contains(server)));
            }
        }
    }

    /// By how many nodes a group may be too small: an old answer of Heat shows no members that failed later, and Nova cannot, so
    /// that a removal by the count that is left takes them as well, and an increase counts them among the new ones.
    pub(super) fn failures_overlooked(&self, group: usize) -> i64 {
        let is_hidden = |failed: &Instant| {
            let mut of_heat = self.lags.iter().filter(|(service, ..)| *service == Service::Orchestration);
            of_heat.any(|(_, at, behind)| *failed + *behind >= *at)
        };
        let hidden = self.failed_members.iter().filter(|((of, _), failed)| *of == group && is_hidden(failed));
        i64::try_from(hidden.count()).unwrap()
    }

    /// Judges servers that are gone.
    fn judge(&mut self, missing: Vec<String>, now: Instant) {
        let mut replaced = self.simulator.replaced_servers();
        // Between two looks a server may fail and be replaced.
        replaced.append(&mut self.simulator.servers_gone_in_error());
        for uuid in missing {
            let Some(known) = self.known.get(&uuid) else { continue };
            let group = known.group;
            let may_go = replaced.contains(&uuid) || self.may_be_gone(&uuid, known, now);
            if !may_go && self.unnamed[group] > 0 {
                self.unnamed[group] -= 1;
            } else if !may_go {
                self.violations.push(format!(
                    "WRONG REMOVAL: server {uuid} (member {:?} of {}) is gone and nobody named it",
                    known.index, GROUPS[group]
                ));
            }
            self.gone.insert(uuid);
        }
    }

    fn may_be_gone(&self, uuid: &str, known: &Known, now: Instant) -> bool {
        let raced = self.operator[known.group]
            .is_some_and(|at| now - at < RACE * 2 && known.first_seen + RACE * 2 > now);
        let member_named =
            known.index.is_some_and(|index| self.named_members.contains(&(known.group, index)));
        self.named.contains(uuid) || member_named || raced || known.in_error
    }

    /// How many servers of a group are gone of which Cluster API's health check, or an operator, replaced the machines.
    pub(super) fn replaced_by_others(&self, group: usize) -> i64 {
        self.count_of_group(group, &self.simulator.replaced_servers())
    }

    /// How many servers of a group failed, or their members, after their removal was acknowledged: Heat may have made them anew
    /// first, and at the minimum others come for them.
    pub(super) fn replaced_when_named(&self, group: usize) -> i64 {
        let gone_in_error = &self.simulator.servers_gone_in_error() & &self.acknowledged;
        self.count_of_group(group, &(&gone_in_error | &self.failed_when_named))
    }

    /// How many of these servers are of a group.
    fn count_of_group(&self, group: usize, servers: &BTreeSet<String>) -> i64 {
        let of_group = |uuid: &&String| self.known.get(*uuid).is_some_and(|known| known.group == group);
        i64::try_from(servers.iter().filter(of_group).count()).unwrap()
    }

    /// What a call names may go.
    pub(super) fn note_named(&mut self, group: usize, nodes: &[NodeReference]) {
        match self.site.removals() {
            Removals::Named => {}
            Removals::Counted => {
                self.unnamed[group] += nodes.len();
                return;
            }
            Removals::Refused => return,
        }
        for node in nodes {
            match node.identity() {
                Ok(Some(InstanceId::Server(machine))) => {
                    let server = machine.to_string();
                    if self.simulator.replaced_servers().contains(&server) {
                        self.allow_another(group, &server);
                    }
                    self.named.insert(server);
                }
                Ok(Some(InstanceId::Placeholder(PlaceholderId::Member {
                    key: MemberKey::Index(index),
                    ..
                }))) => {
                    self.named_members.insert((group, index));
                }
                _ => {}
            }
        }
    }
}
