//! A resize as Magnum's API takes it, from a client or from a person.

use std::fmt;

use super::{
    conductor::{Cast, Order},
    faults::CastOutcome,
    handle::Inner,
    queue::GroupNumber,
    records::ResizeRecord,
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
        let world = &mut self.world;
        let Some(record) = world.groups.get(&group) else {
            return Err(ResizeRefusal::NoSuchGroup(group.to_string()));
        };
        if node_count < record.min || record.max.is_some_and(|max| node_count > max) {
            let (min, max) = (record.min, record.max);
            return Err(ResizeRefusal::OutOfBounds { group: record.name.clone(), min, max });
        }
        let at = world.now.saturating_duration_since(world.clock.started());
        let name = record.name.clone();
        self.resizes.push(ResizeRecord {
            group: name,
            count: node_count,
            remove: remove.clone(),
            at,
            by_operator,
        });
        let lost_by_count = !by_operator && self.casts_to_lose > 0;
        if lost_by_count {
            self.casts_to_lose -= 1;
        }
        if !lost_by_count && !outcome.lost {
            let order = Order::Resize { node_count, remove };
            world.cast(Cast { group, order, refused: outcome.refused }, outcome.delay);
        }
        Ok(())
    }
}
