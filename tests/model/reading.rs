//! What is read of the cloud.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cluster_autoscaler_provider_magnum::core::{
    cloud::Reading,
    machine_id::MachineId,
    member::{Member, MemberKey, ServerPresence},
    sample,
    status::Status,
};

use crate::{
    cloud::{BOUNDS, Cloud, Slot, Stage, State, Witnesses},
    numbers::Set,
};

/// Readings that were made before: equal ones are one.
#[derive(Debug, Default)]
pub(crate) struct Readings(HashMap<(Witnesses, Set, Vec<u8>), Arc<Reading>>);

impl Readings {
    /// What the cloud tells now.
    pub(crate) fn look(&mut self, cloud: &mut Cloud) -> Arc<Reading> {
        let shown = cloud.shown();
        cloud.note_seen(&shown);
        let key = (shown, cloud.seen, cloud.indices.clone());
        if let Some(reading) = self.0.get(&key) {
            return Arc::clone(reading);
        }
        let reading = Arc::new(cloud.reading(&key.0));
        self.0.insert(key, Arc::clone(&reading));
        reading
    }
}

impl State {
    fn status(self) -> Status {
        Status::parse(match self {
            Self::Complete => "UPDATE_COMPLETE",
            Self::InProgress => "UPDATE_IN_PROGRESS",
            Self::Failed => "UPDATE_FAILED",
        })
    }
}

impl Cloud {
    /// Takes note of what is being read.
    fn note_seen(&mut self, shown: &Witnesses) {
        for server in shown.heat.members.iter().filter_map(|slot| slot.server) {
            if self.told.nova.contains(server) || shown.nova.contains(server) {
                self.seen.insert(server);
            }
        }
    }

    /// What the adapter makes of what it is told (src/openstack/driver/heat/members.rs).
    fn reading(&self, shown: &Witnesses) -> Reading {
        let Witnesses { heat, magnum, nova } = shown;
        let in_progress = magnum.state == State::InProgress;
        let member = |slot: &Slot| {
            let told = |server: &u8| slot.counts() || self.seen.contains(*server) || nova.contains(*server);
            let server = slot.server.filter(told);
            Member {
                server: server.map(machine),
                presence: match server {
                    Some(server) if nova.contains(server) => ServerPresence::Present,
                    Some(server) if self.seen.contains(server) && !in_progress => ServerPresence::Gone,
                    _ => ServerPresence::Unknown,
                },
                counted: slot.counts(),
                status: Status::parse(match slot.stage {
                    Stage::Known | Stage::Made => "CREATE_IN_PROGRESS",
                    Stage::Complete if heat.updating => "UPDATE_IN_PROGRESS",
                    Stage::Complete => "UPDATE_COMPLETE",
                    Stage::Failed => "CREATE_FAILED",
                    Stage::Leaving => "DELETE_IN_PROGRESS",
                    Stage::Stuck => "DELETE_FAILED",
                }),
                name: format!("n{}", slot.index),
                ..sample::member(slot.index.into())
            }
        };
        let has_successor =
            |slot: &&Slot| heat.members.iter().any(|other| other.counts() && other.index == slot.index);
        let listed = heat.members.iter().filter(|slot| slot.counts() || !has_successor(slot));
        let mut reading = sample::reading(listed.map(member).collect());
        let index = |server: u8| self.indices.get(usize::from(server)).copied().unwrap_or_default();
        let servers = nova.iter().map(|server| (machine(server), MemberKey::Index(index(server).into())));
        reading.servers = Some(servers.collect::<BTreeMap<_, _>>());
        reading.cluster_status = magnum.state.status();
        reading.group.status = magnum.state.status();
        reading.group.node_count = magnum.node_count.into();
        reading.group.updated_at = magnum.updated.to_string();
        (reading.group.bounds, reading.group.magnum_bounds) = (BOUNDS, BOUNDS);
        reading
    }
}

/// A server's UUID.
pub(crate) fn machine(server: u8) -> MachineId {
    sample::server(server.into())
}
