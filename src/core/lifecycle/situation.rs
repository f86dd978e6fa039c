//! What tells two situations of a group apart, whenever they are: an exhaustive search of all of them ends only if it
//! knows that it has been in one before.

use std::{
    hash::{Hash, Hasher},
    time::Instant,
};

use super::{
    Lifecycle,
    timing::{Timing, age},
};

impl Lifecycle {
    /// Everything that decides what it will do, into `hasher`. Times count by their distance from `now`, and only as far as
    /// a longer one makes no difference. Two lifecycles with the same hash do the same at the same events from now on; only
    /// what they tell of their past may differ.
    #[doc(hidden)]
    pub fn hash_at(&self, now: Instant, hasher: &mut impl Hasher) {
        // No field is left out by mistake: a new one has to be named here.
        let Self {
            id: _,
            uuid: _,
            timing,
            known_since,
            known,
            unreadable,
            read_took,
            shared,
            pending,
            phase,
            stability,
            repeated,
            contradiction,
            shrunk_at,
            returned_at,
            returned,
            vanished,
            written_at,
            // It only tells.
            history: _,
            effects: _,
        } = self;
        let Timing { timeouts, .. } = timing;
        age(*known_since, now, timeouts.after_start).hash(hasher);
        // When it was begun only tells whether another one is older, of two made at once.
        known.as_ref().map(|(reading, _)| reading).hash(hasher);
        unreadable.as_ref().map(|(error, _)| error).hash(hasher);
        (read_took, shared, repeated, returned, vanished, written_at).hash(hasher);
        pending.hash_at(now, hasher);
        phase.hash_at(now, timing, hasher);
        stability.hash_at(now, timeouts.longest(), hasher);
        contradiction
            .as_ref()
            .map(|(what, since)| (what, age(*since, now, timeouts.in_progress)))
            .hash(hasher);
        for at in [shrunk_at, returned_at] {
            at.map(|at| age(at, now, timeouts.stale_read_guard)).hash(hasher);
        }
    }
}
