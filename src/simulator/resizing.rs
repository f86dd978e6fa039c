//! A resize as Magnum's API takes it, from a client or from a person.

use std::{fmt, time::Duration};

use super::{
    cluster::DEFAULT_WORKER,
    faults::CastOutcome,
    handle::Inner,
    queue::{Cast, GroupNumber, Order},
    records::{ResizeMethod, ResizeRecord},
    traversal::StackPatch,
};

/// What is asked for.
#[derive(Debug)]
pub(super) struct ResizeRequest {
    pub(super) group: GroupNumber,
    pub(super) node_count: u32,
    pub(super) remove: Vec<String>,
    pub(super) outcome: CastOutcome,
    pub(super) by_operator: bool,
}

/// Why it is not even accepted; the wording is Magnum's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResizeRefusal {
    /// There is no such group.
    NoSuchGroup(String),
    /// One wording for too few and too many.
    OutOfBounds {
        /// Name of the group.
        group: String,
        /// Its minimum.
        min: u32,
        /// Its maximum; `None` for none.
        max: Option<u32>,
    },
}

impl fmt::Display for ResizeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchGroup(group) => write!(f, "Nodegroup {group} could not be found."),
            Self::OutOfBounds { group, min, max } => {
                let max = max.map_or_else(|| "None".to_owned(), |max| max.to_string());
                write!(
                    f,
                    "Resizing {group} outside the allowed range: min_node_count = {min}, max_node_count = {max}"
                )
            }
        }
    }
}

impl std::error::Error for ResizeRefusal {}

impl Inner {
    /// Checks the bounds and nothing else, and hands the rest to the conductor.
    pub(super) fn resize(&mut self, request: ResizeRequest) -> Result<(), ResizeRefusal> {
        let ResizeRequest { group, node_count, remove, outcome, by_operator } = request;
        let Some(record) = self.world.groups.get(&group) else {
            return Err(ResizeRefusal::NoSuchGroup(group.to_string()));
        };
        if node_count < record.min || record.max.is_some_and(|max| node_count > max) {
            let (min, max) = (record.min, record.max);
            return Err(ResizeRefusal::OutOfBounds { group: record.name.clone(), min, max });
        }
        self.record_update(group, node_count, remove.clone(), ResizeMethod::Resize, by_operator);
        let lost_by_count = !by_operator && self.casts_to_lose > 0;
        if lost_by_count {
            self.casts_to_lose -= 1;
        }
        if !lost_by_count && !outcome.lost {
            let order = Order::Resize { node_count, remove };
            self.world.cast(Cast { group, order, refused: outcome.refused }, outcome.delay);
        }
        Ok(())
    }

    /// A PATCH of the cluster's count: nothing but the cluster's status is checked, and by the conductor alone.
    pub(super) fn update_cluster(&mut self, node_count: u32) {
        self.record_update(DEFAULT_WORKER, node_count, Vec::new(), ResizeMethod::ClusterPatch, false);
        let order = Order::UpdateCluster { node_count };
        self.world.cast(Cast { group: DEFAULT_WORKER, order, refused: false }, Duration::ZERO);
    }

    /// A PATCH of a group's stack, of which Magnum does not hear (docs/openstack-behaviour.md#heat).
    pub(super) fn update_stack(&mut self, group: GroupNumber, patch: StackPatch) {
        let before = self.world.stacks.get(&group).map_or(0, |stack| stack.number_of_minions);
        let count = patch.number_of_minions.unwrap_or(before);
        let remove = patch.minions_to_remove.clone().unwrap_or_default();
        self.record_update(group, count, remove, ResizeMethod::StackPatch, false);
        self.world.patch_stack(group, patch);
    }

    fn record_update(
        &mut self,
        group: GroupNumber,
        count: u32,
        remove: Vec<String>,
        method: ResizeMethod,
        by_operator: bool,
    ) {
        let world = &self.world;
        let at = world.now.saturating_duration_since(world.clock.started());
        let group = world.groups.get(&group).map(|record| record.name.clone()).unwrap_or_default();
        self.resizes.push(ResizeRecord { group, count, remove, at, by_operator, method });
    }
}
