//! Sets of small numbers.

/// A set of small numbers: indices of members, or servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Set(pub(crate) u32);

impl Set {
    pub(crate) fn one(number: u8) -> Self {
        Self(1 << number)
    }

    pub(crate) fn contains(self, number: u8) -> bool {
        self.0 & (1 << number) != 0
    }

    pub(crate) fn insert(&mut self, number: u8) {
        self.0 |= 1 << number;
    }

    pub(crate) fn remove(&mut self, number: u8) {
        self.0 &= !(1 << number);
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..32).filter(move |number| self.contains(*number))
    }
}
