//! What readings of the group say, whoever made them.

use std::{sync::Arc, time::Instant};

use jiff::{SignedDuration, Timestamp};

use super::Lifecycle;
use crate::core::{
    cloud::{CloudError, Reading},
    decision::DecisionKind,
    instance::InstanceId,
    machine_id::MachineId,
    member::Member,
};

/// How far the clocks of Magnum's conductors may be apart.
const CLOCKS: SignedDuration = SignedDuration::from_secs(10);

impl Lifecycle {
    /// Takes over a reading, with what it lacks filled in from the one before, and returns it so. A later one that is known
    /// stays.
    pub(super) fn take_over(&mut self, reading: &Arc<Reading>, begun: Instant, now: Instant) -> Arc<Reading> {
        let Some((before, known)) = self.known.clone() else {
            self.note_readable(now);
            self.written_at = reading.group.written_at;
            let (busy, flight) = (self.acknowledges(), self.phase.in_flight().map(|sent| &sent.flight));
            let news = self.history.begin(reading, flight, busy);
            self.tell_all(news);
            self.known = Some((Arc::clone(reading), begun));
            return Arc::clone(reading);
        };
        // While Heat updates a member it does not tell its server.
        let complete = if reading.group.status.in_progress() {
            Arc::new(Reading::clone(reading).with_servers_of(&before))
        } else {
            Arc::clone(reading)
        };
        if known > begun {
            return complete;
        }
        self.note_readable(now);
        self.written_at = self.written_at.max(complete.group.written_at);
        let (busy, flight) = (self.acknowledges(), self.phase.in_flight().map(|sent| &sent.flight));
        let news = self.history.change(&before, &complete, flight, &self.pending, busy);
        let is_expected = |member: &_| flight.is_some_and(|flight| flight.resize.removes(member));
        if complete.lost_any_of(&before, is_expected) {
            self.shrunk_at = Some(begun);
        }
        let vanished = before.counted().filter(|member| member.is_serverless() && !is_expected(member));
        self.vanished.extend(vanished.map(|member| member.key).filter(|key| key.names_a_member()));
        let is_missed = complete.size() < complete.group.node_count;
        self.vanished.retain(|key| is_missed && complete.member(*key).is_none());
        let returned = complete.counted().filter(|member| self.had_gone(member, &before));
        let returned: Vec<MachineId> = returned.filter_map(|member| member.server).collect();
        if !returned.is_empty() {
            self.returned_at = Some(begun);
            self.returned.extend(returned);
        }
        self.returned.retain(|server| complete.counted().any(|member| member.server == Some(*server)));
        self.pending.note_departures(&before, &complete, begun);
        self.tell_all(news);
        self.known = Some((Arc::clone(&complete), begun));
        complete
    }

    /// Whether the reading is of before one that is known: a server is a member again that had gone, members are missing that
    /// Magnum counts, or Magnum's record was written earlier, by a replica of its database that is behind.
    pub(super) fn is_old(&self, reading: &Reading) -> bool {
        let is_behind = |(newest, this): (Timestamp, Timestamp)| newest.duration_since(this) > CLOCKS;
        !self.returned.is_empty()
            || !self.vanished.is_empty()
            || self.written_at.zip(reading.group.written_at).is_some_and(is_behind)
    }

    /// Whether the member's server was gone or on its way out by the reading before, or an earlier one. None comes back from
    /// that.
    fn had_gone(&self, member: &Member, before: &Reading) -> bool {
        let was_leaving =
            |server| before.members.iter().any(|old| !old.counted && old.server == Some(server));
        member.server.is_some_and(|server| {
            was_leaving(server) || self.pending.has_departed(InstanceId::Server(server))
        })
    }

    /// Takes note that the group cannot be read. Told once for each kind of trouble. An attempt that was begun before the
    /// last good reading is no news.
    pub(super) fn note_unreadable(&mut self, error: &CloudError, begun: Instant, now: Instant) {
        if self.known.as_ref().is_some_and(|(_, known)| *known > begun) {
            return;
        }
        let since = match &self.unreadable {
            Some((known, since)) if known.is_like(error) => *since,
            before => {
                let since = before.as_ref().map_or(now, |(_, since)| *since);
                self.tell(DecisionKind::Unreadable { error: error.clone(), is_served: self.known.is_some() });
                since
            }
        };
        self.unreadable = Some((error.clone(), since));
    }

    fn note_readable(&mut self, now: Instant) {
        if let Some((_, since)) = self.unreadable.take() {
            self.tell(DecisionKind::ReadableAgain { after: now.saturating_duration_since(since) });
        }
    }
}
