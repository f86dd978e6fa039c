//! Nodes of which it is not certain which server they are on. cluster-autoscaler asks again about each of them in each of its
//! loops; the log says it once, when it begins and when it ends.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::core::{ambiguity::Ambiguity, quote::named, request::RequestError};

/// How many nodes are remembered; the callers invent as many as they like.
const MAX_NODES: usize = 1000;

/// Their names, and what was told of them.
#[derive(Debug, Default)]
pub(super) struct Ambiguous {
    /// Saves the calls about each node the lock.
    any: AtomicBool,
    told: Mutex<HashMap<String, Ambiguity>>,
}

impl Ambiguous {
    /// Takes note of a refusal.
    pub(super) fn refused(&self, error: &RequestError) {
        if let RequestError::AmbiguousNode { node, ambiguity } = error {
            self.tell(node, ambiguity);
        }
    }

    /// Says it, unless it was said of this node, or of another one for the same reason.
    pub(super) fn tell(&self, node: &str, ambiguity: &Ambiguity) {
        let mut told = self.lock();
        if told.get(node) == Some(ambiguity) || (told.len() >= MAX_NODES && !told.contains_key(node)) {
            return;
        }
        if !told.values().any(|known| known == ambiguity) {
            tracing::warn!(
                "node {}: it is not certain which server it is, and it is not removed as long as that is so: {ambiguity}",
                named(node)
            );
        }
        told.insert(node.to_owned(), ambiguity.clone());
        self.any.store(true, Ordering::Relaxed);
    }

    /// Its server is certain.
    pub(super) fn settled(&self, node: &str) {
        if self.any.load(Ordering::Relaxed) {
            let mut told = self.lock();
            if told.remove(node).is_some() {
                tracing::info!("node {}: it is certain now which server it is", named(node));
            }
            self.any.store(!told.is_empty(), Ordering::Relaxed);
        }
    }

    /// Forgets nodes that are no more.
    pub(super) fn retain(&self, exists: impl Fn(&str) -> bool) {
        if self.any.load(Ordering::Relaxed) {
            let mut told = self.lock();
            told.retain(|node, _| exists(node));
            self.any.store(!told.is_empty(), Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Ambiguity>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
