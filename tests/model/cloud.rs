//! The model's OpenStack: one node group in Heat, Magnum and Nova, small enough to be compared as a whole.
//!
//! The rules are those of docs/openstack-behaviour.md. What takes its time there takes its step here.

use std::{collections::BTreeMap, sync::Arc};

use cluster_autoscaler_provider_magnum::core::{
    cloud::Reading,
    machine_id::MachineId,
    member::{Member, MemberKey, ServerPresence},
    node_group::Bounds,
    sample,
    status::Status,
};

use crate::promises::{Author, Exception};

/// A set of small numbers: indices of members, or servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Set(pub(crate) u32);

impl Set {
    pub(crate) fn one(number: u8) -> Self {
        Self(1 << number)
    }

    pub(crate) fn contains(self, number: u8) -> bool {
        self.0 & (1 << number) != 0
    }

    pub(crate) fn insert(&mut self, number: u8) {
        self.0 |= 1 << number;
    }

    pub(crate) fn remove(&mut self, number: u8) {
        self.0 &= !(1 << number);
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..32).filter(move |number| self.contains(*number))
    }
}

/// How far a member has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Counted, and without a server.
    Known,
    /// Its server is there and has not reported.
    Made,
    Complete,
    Failed,
    /// Not counted any more; its server may run.
    Leaving,
    /// Its deletion failed.
    Stuck,
}

/// A member of `kube_minions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) index: u8,
    pub(crate) server: Option<u8>,
    pub(crate) stage: Stage,
}

impl Slot {
    pub(crate) fn counts(&self) -> bool {
        !matches!(self.stage, Stage::Leaving | Stage::Stuck)
    }
}

/// The state of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Complete,
    InProgress,
    Failed,
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

/// What a reader is told by Heat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Listing {
    pub(crate) members: Vec<Slot>,
    /// Whether the complete ones are being updated.
    pub(crate) updating: bool,
}

/// What a reader is told by Magnum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) node_count: u8,
    pub(crate) state: State,
    /// Goes up with each change.
    pub(crate) updated: u8,
}

/// What a reader is told by all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Witnesses {
    pub(crate) heat: Listing,
    pub(crate) magnum: Record,
    pub(crate) nova: Set,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Witness {
    Heat,
    Magnum,
    Nova,
}

/// A resize that the conductor has not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Cast {
    pub(crate) count: u8,
    /// Indices of members; others mean nothing to Heat.
    pub(crate) remove: Set,
    pub(crate) author: Author,
    /// Why it may do harm, if somebody came in between.
    pub(crate) excuse: Option<Exception>,
    /// Whether it cancels members without a server.
    pub(crate) cancels: bool,
    /// Whether it has waited for as long as a conductor at work lets it.
    pub(crate) is_due: bool,
}

/// The update that Heat was asked for last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Update {
    pub(crate) count: u8,
    pub(crate) remove: Set,
    pub(crate) state: State,
    /// For how many turns it has been on its way to `kube_minions`; none once it is there.
    pub(crate) walking: Option<u8>,
    pub(crate) author: Author,
    pub(crate) excuse: Option<Exception>,
    pub(crate) cancels: bool,
    /// Where `remove` is from an update before: what had come in between when that was carried out.
    pub(crate) kept: Option<Exception>,
}

/// Longest way of an update to `kube_minions`, in turns: shorter than the time after which a resize counts as lost.
pub(crate) const MAX_WALK: u8 = 2;

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Cloud {
    pub(crate) told: Witnesses,
    /// What they told before the last update; a lagging one tells it still.
    pub(crate) before: Option<Arc<Witnesses>>,
    pub(crate) lagging: Option<Witness>,
    pub(crate) update: Update,
    /// Indices that are never used again.
    pub(crate) skipped: Set,
    /// The index in the name of each server that ever was.
    pub(crate) indices: Vec<u8>,
    /// What Magnum's status sync has read before the update and not written yet.
    pub(crate) late_sync: Option<(u8, State)>,
    pub(crate) casts: Vec<Cast>,
    pub(crate) conductor_stopped: bool,
    /// Servers that whoever reads has seen before.
    pub(crate) seen: Set,
}

/// What went with one step of Heat.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    pub(crate) members: Vec<Slot>,
}

impl Cloud {
    /// A group at rest with so many sound members.
    pub(crate) fn at_rest(members: u8) -> Self {
        let slot = |index| Slot { index, server: Some(index), stage: Stage::Complete };
        let record = Record { node_count: members, state: State::Complete, updated: 0 };
        Self {
            told: Witnesses {
                heat: Listing { members: (0..members).map(slot).collect(), updating: false },
                magnum: record,
                nova: Set((1 << members) - 1),
            },
            before: None,
            lagging: None,
            update: Update {
                count: members,
                remove: Set::default(),
                state: State::Complete,
                walking: None,
                author: Author::Operator,
                excuse: None,
                cancels: false,
                kept: None,
            },
            skipped: Set::default(),
            indices: (0..members).collect(),
            late_sync: None,
            casts: Vec::new(),
            conductor_stopped: false,
            seen: Set::default(),
        }
    }

    /// What a reader is told now.
    pub(crate) fn shown(&self) -> Witnesses {
        let mut shown = self.told.clone();
        if let (Some(before), Some(lagging)) = (&self.before, self.lagging) {
            match lagging {
                Witness::Heat => shown.heat = before.heat.clone(),
                Witness::Magnum => shown.magnum = before.magnum,
                Witness::Nova => shown.nova = before.nova,
            }
        }
        shown
    }

    /// The first resize that waits is carried out. `stored` is false where Heat drops the update that it leads to.
    pub(crate) fn conduct(&mut self, stored: bool) -> Option<Cast> {
        if self.casts.is_empty() {
            return None;
        }
        let cast = self.casts.remove(0);
        // A replica that lags stays where it is.
        if self.lagging.is_none() {
            self.before = Some(Arc::new(self.told.clone()));
        }
        self.late_sync =
            Some((self.update.count, self.update.state)).filter(|(_, state)| *state != State::InProgress);
        let magnum = &mut self.told.magnum;
        *magnum = Record { node_count: cast.count, state: State::InProgress, updated: magnum.updated + 1 };
        if stored {
            let Cast { count, mut remove, author, excuse, cancels, .. } = cast;
            let mut kept = None;
            // Without names the ones of before stay.
            if remove == Set::default() {
                remove = self.update.remove;
                kept = self.update.kept.or(self.update.excuse);
            }
            let (state, walking) = (State::InProgress, Some(0));
            self.update = Update { count, remove, state, walking, author, excuse, cancels, kept };
        }
        Some(cast)
    }

    /// Heat refuses the update: the count of before is put back.
    pub(crate) fn refuse(&mut self) {
        if !self.casts.is_empty() {
            self.casts.remove(0);
            self.told.magnum.state = State::Failed;
            self.told.magnum.updated += 1;
        }
    }

    /// The update has come to `kube_minions`: the named go, and then those with the highest indices.
    pub(crate) fn reach(&mut self) -> Gone {
        self.update.walking = None;
        self.late_sync = None;
        let listing = &mut self.told.heat;
        listing.updating = true;
        for index in self.update.remove.iter() {
            let is_known = listing.members.iter().any(|slot| slot.counts() && slot.index == index);
            if is_known {
                self.skipped.insert(index);
            }
        }
        let free = (0..32).filter(|index| !self.skipped.contains(*index));
        let wanted: Vec<u8> = free.take(self.update.count.into()).collect();
        let mut gone = Gone::default();
        for slot in &mut listing.members {
            match slot.stage {
                // A deletion that failed is tried again.
                Stage::Stuck => slot.stage = Stage::Leaving,
                Stage::Leaving => {}
                _ if !wanted.contains(&slot.index) => {
                    gone.members.push(*slot);
                    slot.stage = Stage::Leaving;
                }
                // So is a creation.
                Stage::Failed => slot.stage = if slot.server.is_some() { Stage::Made } else { Stage::Known },
                Stage::Known | Stage::Made | Stage::Complete => {}
            }
        }
        let mut is_wedged = false;
        for index in wanted {
            let namesakes = || listing.members.iter().filter(|slot| slot.index == index);
            if namesakes().any(Slot::counts) {
                continue;
            }
            // A member whose namesake is still being deleted loses its nested stack to that deletion.
            let stage = if namesakes().next().is_some() { Stage::Failed } else { Stage::Known };
            is_wedged |= stage == Stage::Failed;
            listing.members.push(Slot { index, server: None, stage });
        }
        listing.members.sort_by_key(|slot| (slot.index, slot.server));
        if is_wedged {
            self.end(State::Failed);
        }
        gone
    }

    /// The first member that makes or can make progress.
    pub(crate) fn first(&self, stages: &[Stage]) -> Option<usize> {
        self.told.heat.members.iter().position(|slot| stages.contains(&slot.stage))
    }

    /// A server of a member that leaves is deleted. Returns the member.
    pub(crate) fn delete_leaving(&mut self) -> Option<Slot> {
        let place = self.first(&[Stage::Leaving])?;
        let slot = self.told.heat.members.remove(place);
        if let Some(server) = slot.server {
            self.told.nova.remove(server);
        }
        Some(slot)
    }

    /// A member that is being made comes one step further. Returns it as it is then.
    pub(crate) fn make(&mut self) -> Option<Slot> {
        let place = self.first(&[Stage::Known, Stage::Made])?;
        let slot = self.told.heat.members.get_mut(place)?;
        match slot.stage {
            Stage::Known => {
                let server = u8::try_from(self.indices.len()).ok()?;
                self.indices.push(slot.index);
                self.told.nova.insert(server);
                *slot = Slot { server: Some(server), stage: Stage::Made, ..*slot };
            }
            _ => slot.stage = Stage::Complete,
        }
        Some(*slot)
    }

    /// Puts the first member in one of `stages` into another, and fails the update with it.
    pub(crate) fn fail(&mut self, stages: &[Stage], into: Stage) -> Option<Slot> {
        let place = self.first(stages)?;
        let slot = self.told.heat.members.get_mut(place)?;
        slot.stage = into;
        let slot = *slot;
        self.end(State::Failed);
        Some(slot)
    }

    pub(crate) fn end(&mut self, state: State) {
        if self.update.state == State::InProgress && self.update.walking.is_none() {
            self.update.state = state;
            self.told.heat.updating = false;
        }
    }

    /// Whether Heat has nothing left to do.
    pub(crate) fn has_settled(&self) -> bool {
        self.first(&[Stage::Known, Stage::Made, Stage::Leaving]).is_none()
    }

    /// Magnum copies the state of Heat.
    pub(crate) fn sync(&mut self) {
        let magnum = &mut self.told.magnum;
        *magnum =
            Record { node_count: self.update.count, state: self.update.state, updated: magnum.updated + 1 };
    }

    /// Takes note of what is being read.
    pub(crate) fn note_seen(&mut self, shown: &Witnesses) {
        for server in shown.heat.members.iter().filter_map(|slot| slot.server) {
            if self.told.nova.contains(server) || shown.nova.contains(server) {
                self.seen.insert(server);
            }
        }
    }

    /// What the adapter makes of what it is told (src/openstack/driver/heat/members.rs).
    pub(crate) fn reading(&self, shown: &Witnesses, bounds: Bounds) -> Reading {
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
        (reading.group.bounds, reading.group.magnum_bounds) = (bounds, bounds);
        reading
    }
}

/// A server's UUID.
pub(crate) fn machine(server: u8) -> MachineId {
    sample::server(server.into())
}
