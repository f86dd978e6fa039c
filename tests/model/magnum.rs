//! How Magnum moves: its conductor, and its status sync.

use std::sync::Arc;

use crate::{
    cloud::{Cast, Cloud, Record, State, Update},
    promises::Author,
};

impl Cloud {
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
            // An operator gives no names, and the ones of before stay. The service names nobody in so many words.
            if author == Author::Operator {
                remove = self.update.remove;
            }
            let (state, walking) = (State::InProgress, Some(0));
            self.update = Update { count, remove, state, walking, author, excuse, cancels };
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

    /// Magnum copies the state of Heat.
    pub(crate) fn sync(&mut self) {
        let magnum = &mut self.told.magnum;
        *magnum =
            Record { node_count: self.update.count, state: self.update.state, updated: magnum.updated + 1 };
    }
}
