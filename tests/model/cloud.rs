//! The model's OpenStack: one node group in Heat, Magnum and Nova, small enough to be compared as a whole.
//!
//! The rules are those of docs/openstack-behaviour.md. What takes its time there takes its step here.

use std::sync::Arc;

use cluster_autoscaler_provider_magnum::core::node_group::Bounds;

use crate::{
    numbers::Set,
    promises::{Author, Exception},
};

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

/// Who answers as before the last update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lag {
    One(Witness),
    /// All three, for so many turns.
    All {
        turns: u8,
    },
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
}

/// Longest way of an update to `kube_minions`, in turns: shorter than the time after which a resize counts as lost.
pub(crate) const MAX_WALK: u8 = 2;

/// For so many turns all services may give old answers at once, and nothing comes of it.
pub(crate) const MAX_OLD: u8 = 2;

/// The sizes that the group may have.
pub(crate) const BOUNDS: Bounds = Bounds { min: 0, max: 5 };

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Cloud {
    pub(crate) told: Witnesses,
    /// What they told before the last update; a lagging one tells it still.
    pub(crate) before: Option<Arc<Witnesses>>,
    pub(crate) lagging: Option<Lag>,
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
            },
            skipped: Set::default(),
            indices: (0..members).collect(),
            late_sync: None,
            casts: Vec::new(),
            conductor_stopped: false,
            seen: Set::default(),
        }
    }

    /// Whether all services have been giving old answers for too long.
    pub(crate) fn is_old_for_long(&self) -> bool {
        self.lagging == Some(Lag::All { turns: MAX_OLD })
    }

    /// What a reader is told now.
    pub(crate) fn shown(&self) -> Witnesses {
        let mut shown = self.told.clone();
        if let (Some(before), Some(lagging)) = (&self.before, self.lagging) {
            match lagging {
                Lag::One(Witness::Heat) => shown.heat = before.heat.clone(),
                Lag::One(Witness::Magnum) => shown.magnum = before.magnum,
                Lag::One(Witness::Nova) => shown.nova = before.nova,
                Lag::All { .. } => shown = Witnesses::clone(before),
            }
        }
        shown
    }
}
