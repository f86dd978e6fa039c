//! Seeded ids and choices: two runs with the same seed and the same requests are the same cloud.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use uuid::{Builder, Uuid};

/// What Heat makes the suffixes of stack names of.
const SUFFIX_LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Length of such a suffix.
const SUFFIX_LENGTH: usize = 12;

/// What Kubernetes makes the suffixes of names of.
const KUBERNETES_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of such a suffix.
const KUBERNETES_SUFFIX_LENGTH: usize = 5;

/// The source of all ids and of everything left to chance; an algorithm that does not change with rand's version.
#[derive(Debug, Clone)]
pub(super) struct Chance(Xoshiro256PlusPlus);

impl Chance {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        Builder::from_random_bytes(self.0.random()).into_uuid()
    }

    /// Such as `rlthnimsp5dl`, the end of a stack's name.
    pub(super) fn suffix(&mut self) -> String {
        (0..SUFFIX_LENGTH).map(|_| char::from(self.pick(SUFFIX_LETTERS).copied().unwrap_or(b'a'))).collect()
    }

    /// Such as `x7k2p`, what Kubernetes makes unique names of (apimachinery util/rand/rand.go: without vowels, 0, 1, 3).
    pub(super) fn kubernetes_suffix(&mut self) -> String {
        (0..KUBERNETES_SUFFIX_LENGTH)
            .map(|_| char::from(self.pick(KUBERNETES_LETTERS).copied().unwrap_or(b'b')))
            .collect()
    }

    /// Such as `req-0d469493-8c47-4ddc-bb14-2dd2fb175871`.
    pub(super) fn request_id(&mut self) -> String {
        format!("req-{}", self.uuid())
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() {
            return None;
        }
        from.get(self.0.random_range(0..from.len()))
    }

    /// True this often, of 1.
    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability.clamp(0.0, 1.0))
    }

    /// Anything from nothing to `most`.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        if most.is_zero() { Duration::ZERO } else { self.0.random_range(Duration::ZERO..=most) }
    }
}
