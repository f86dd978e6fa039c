//! A quick hash of 64 bits: millions of situations of a kilobyte each are told apart by it.

use std::hash::Hasher;

/// Odd numbers without a pattern: the first digits of π.
const FIRST: u64 = 0x243f_6a88_85a3_08d3;
const SECOND: u64 = 0x1319_8a2e_0370_7345;

/// Multiplies what comes in into what came before, and folds the upper half of the product into the lower.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Folding(u64);

impl Default for Folding {
    fn default() -> Self {
        Self(SECOND)
    }
}

impl Folding {
    #[inline]
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(u128::from(FIRST));
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
        let (low, high) = (product as u64, (product >> 64) as u64);
        self.0 = (low ^ high).rotate_left(23).wrapping_add(SECOND);
    }
}

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.fold(u64::from_le_bytes(word));
        }
        self.fold(bytes.len().try_into().unwrap());
    }

    fn write_u8(&mut self, number: u8) {
        self.fold(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.fold(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.fold(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(number.try_into().unwrap());
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
