//! How Heat moves: its update, member by member.

use crate::cloud::{Cloud, Slot, Stage, State};

/// What went with one step of Heat.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    pub(crate) members: Vec<Slot>,
}

impl Cloud {
    /// The update has come to `kube_minions`: the named go, and then those with the highest indices.
    pub(crate) fn reach(&mut self) -> Gone {
        self.update.walking = None;
        self.late_sync = None;
        let nova = self.told.nova;
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
                // So is a creation, with another server where the first one is not there any more.
                Stage::Failed => {
                    slot.server = slot.server.filter(|server| nova.contains(*server));
                    slot.stage = if slot.server.is_some() { Stage::Made } else { Stage::Known };
                }
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
            _ if slot.server.is_some_and(|server| !self.told.nova.contains(server)) => {
                return self.fail(&[Stage::Known, Stage::Made], Stage::Failed);
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
}
