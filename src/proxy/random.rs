//! Random numbers for choices that nobody gains from guessing: which endpoint, how much jitter, request identifiers.
//! Keys and nonces come from aws-lc-rs instead.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// A generator of one thread (SplitMix64).
pub struct Random(Cell<u64>);

impl Random {
    /// Seeded by the operating system.
    pub fn new() -> Self {
        Self::seeded(RandomState::new().hash_one(0))
    }

    /// The same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        mix(state)
    }

    /// A number below `bound`, which must not be 0. The bias of the remainder is below `bound` / 2^64.
    pub fn below(&self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64)).unwrap_or(0)
    }
}

/// SplitMix64's finaliser: spreads every bit over all others.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
