//! Magnum's periodic look at Heat where it takes seconds: what it saw may be old when it is recorded
//! (docs/openstack-behaviour.md#magnums-status-sync).

use std::time::Duration;

use super::{
    queue::{Event, GroupNumber, Sighting},
    world::World,
};

/// The end of a look comes after the last record of it.
const LAST: Duration = Duration::from_millis(1);

impl World {
    /// Looks at all groups one after another, complete ones as well.
    pub(super) fn begin_slow_sync(&mut self, (least, most): (Duration, Duration)) {
        self.sync_again = self.has_followed_groups();
        let mut at = self.now;
        let groups: Vec<GroupNumber> = self.groups.keys().copied().collect();
        for group in groups {
            let took = least + self.chance.up_to(most.saturating_sub(least));
            self.queue.schedule(at, Event::SlowSyncReads { group, took });
            at += took;
        }
        self.queue.schedule(at + LAST, Event::SlowSyncEnds);
    }

    pub(super) fn slow_sync_reads(&mut self, group: GroupNumber, took: Duration) {
        if let Some(sighting) = self.look_at(group) {
            self.queue.schedule(self.now + took, Event::SlowSyncWrites(sighting));
        }
    }

    /// Records it, whatever the conductor has written meanwhile.
    pub(super) fn slow_sync_writes(&mut self, sighting: Sighting) {
        self.record(sighting);
    }

    /// The cluster is complete after a look that has found all groups recorded as complete; nobody looks again then.
    pub(super) fn slow_sync_ends(&mut self) {
        self.sync_scheduled = false;
        if self.sync_again || self.has_followed_groups() {
            self.schedule_sync();
        } else {
            self.aggregate();
        }
    }

    fn has_followed_groups(&self) -> bool {
        self.groups.keys().any(|number| self.is_followed(*number))
    }
}
