//! Nova's records: servers and flavors.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::time::Instant;
use uuid::Uuid;

use super::queue::GroupNumber;

/// Status of a server, as far as the simulation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerStatus {
    Build,
    Active,
    Error,
    Deleted,
}

impl ServerStatus {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Build => "BUILD",
            Self::Active => "ACTIVE",
            Self::Error => "ERROR",
            Self::Deleted => "DELETED",
        }
    }
}

/// A server.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) status: ServerStatus,
    /// Flavor of the group, by name or id.
    pub(super) flavor_id: String,
    pub(super) address: String,
    pub(super) created: Instant,
    pub(super) updated: Instant,
    pub(super) launched: Option<Instant>,
    /// The member of a group that it was made for; masters belong to none.
    pub(super) member: Option<(GroupNumber, Uuid)>,
}

impl Server {
    pub(super) fn building(
        name: String,
        flavor_id: String,
        address: String,
        now: Instant,
        member: Option<(GroupNumber, Uuid)>,
    ) -> Self {
        Self {
            name,
            status: ServerStatus::Build,
            flavor_id,
            address,
            created: now,
            updated: now,
            launched: None,
            member,
        }
    }
}

/// All servers, in the order they were made.
#[derive(Debug, Clone, Default)]
pub(super) struct Servers {
    by_ordinal: BTreeMap<u64, (Uuid, Server)>,
    ordinals: HashMap<Uuid, u64>,
    made: u64,
    /// Those that are gone and were in ERROR to the end: there never was a node on them.
    pub(super) gone_in_error: BTreeSet<Uuid>,
}

impl Servers {
    pub(super) fn insert(&mut self, id: Uuid, server: Server) {
        self.made += 1;
        self.by_ordinal.insert(self.made, (id, server));
        self.ordinals.insert(id, self.made);
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&Server> {
        self.by_ordinal.get(self.ordinals.get(&id)?).map(|(_, server)| server)
    }

    pub(super) fn get_mut(&mut self, id: Uuid) -> Option<&mut Server> {
        self.by_ordinal.get_mut(self.ordinals.get(&id)?).map(|(_, server)| server)
    }

    pub(super) fn remove(&mut self, id: Uuid) -> Option<Server> {
        let ordinal = self.ordinals.remove(&id)?;
        let (_, server) = self.by_ordinal.remove(&ordinal)?;
        if server.status == ServerStatus::Error {
            self.gone_in_error.insert(id);
        }
        Some(server)
    }

    /// Newest first, as Nova lists them.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = (Uuid, &Server)> {
        self.by_ordinal.values().rev().map(|(id, server)| (*id, server))
    }

    /// How many count against the quota; a server in ERROR does.
    pub(super) fn count(&self) -> usize {
        self.by_ordinal.len()
    }
}

/// A flavor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flavor {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) vcpus: u32,
    /// In MiB.
    pub(super) ram: u32,
    /// In GiB.
    pub(super) disk: u32,
    pub(super) extra_specs: &'static [(&'static str, &'static str)],
}

/// All flavors there are (`nova-flavors-detail.http`).
pub(super) const FLAVORS: [Flavor; 3] = [
    Flavor {
        id: "11111111-0000-4000-8000-000000000001",
        name: "m1.master",
        vcpus: 2,
        ram: 4096,
        disk: 20,
        extra_specs: &[],
    },
    Flavor {
        id: "11111111-0000-4000-8000-000000000002",
        name: "m1.node",
        vcpus: 4,
        ram: 8192,
        disk: 20,
        extra_specs: &[],
    },
    Flavor {
        id: "11111111-0000-4000-8000-000000000003",
        name: "g1.gpu",
        vcpus: 8,
        ram: 32768,
        disk: 20,
        extra_specs: &[("capacity_lab:gpu", "1"), ("trait_lab", "gpu"), ("resources:VGPU", "0")],
    },
];

/// A flavor by its name or its id.
pub(super) fn flavor(name_or_id: &str) -> Option<&'static Flavor> {
    FLAVORS.iter().find(|flavor| flavor.id == name_or_id || flavor.name == name_or_id)
}
