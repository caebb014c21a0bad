//! What is said again and again: some times it is written, then it is counted, and the next line after a while says how
//! often. A backend that comes and goes must not fill a disk, and the first times are what somebody looks for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

/// So often the same is written.
const OFTEN: u32 = 5;
/// In such a while.
const WHILE: Duration = Duration::from_secs(60);
/// So many different ones are remembered.
const MOST: usize = 1024;

/// What has been said in the last while.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    said: Mutex<HashMap<u64, Said, RandomState>>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    since: Instant,
    written: u32,
    counted: u64,
}

impl Repeats {
    /// For keys.
    pub(super) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    /// Something is said. `None`: it was said often enough; else how often it was said without being written.
    pub(super) fn note(&self, key: u64) -> Option<u64> {
        self.note_at(key, Instant::now())
    }

    fn note_at(&self, key: u64, now: Instant) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MOST && !said.contains_key(&key) {
            said.retain(|_, said| now.saturating_duration_since(said.since) < WHILE);
            if said.len() >= MOST {
                // So much that is different is no repetition.
                return Some(0);
            }
        }
        let known = said.entry(key).or_insert(Said { since: now, written: 0, counted: 0 });
        let mut counted = 0;
        if now.saturating_duration_since(known.since) >= WHILE {
            counted = known.counted;
            *known = Said { since: now, written: 0, counted: 0 };
        }
        if known.written == OFTEN {
            known.counted += 1;
            return None;
        }
        known.written += 1;
        Some(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_too_often_is_counted_and_told_once() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let said: Vec<Option<u64>> = (0..12).map(|_| repeats.note_at(1, start)).collect();
        assert_eq!(said, [[Some(0); 5].as_slice(), &[None; 7]].concat());
        assert_eq!(repeats.note_at(2, start), Some(0), "something else is not the same");
        assert_eq!(repeats.note_at(1, start + WHILE), Some(7));
        assert_eq!(repeats.note_at(1, start + WHILE), Some(0));
    }

    #[test]
    fn memory_for_it_is_bounded() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        for key in 0..3 * MOST as u64 {
            assert_eq!(repeats.note_at(key, start), Some(0));
        }
        assert_eq!(repeats.said.lock().unwrap().len(), MOST);
        assert_eq!(repeats.note_at(u64::MAX, start + WHILE), Some(0));
        assert_eq!(repeats.said.lock().unwrap().len(), 1);
    }
}
