//! Lines on their way from workers to the writer thread: one bounded buffer for each few threads, each behind a lock
//! that is free nearly always, and one condition that wakes the writer once for many lines.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared by all threads that write lines and the one that takes them.
#[derive(Debug)]
pub(super) struct Queue {
    shards: Box<[Mutex<Vec<u8>>]>,
    /// Set by the first line since the writer last looked. Spares all others the lock below.
    told: AtomicBool,
    signal: Mutex<Signal>,
    wake: Condvar,
    served: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Signal {
    /// There are lines.
    lines: bool,
    /// There are many: do not wait for more.
    urgent: bool,
    closed: bool,
    /// Its file is to be opened again.
    reopen: bool,
    /// Flushes asked for, and the last one that is done.
    asked: u64,
    served: u64,
}

/// What the writer is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// The flush that this answers.
    asked: u64,
    /// To end.
    pub(super) closed: bool,
    /// To open its file again.
    pub(super) reopen: bool,
}

/// A buffer takes lines up to here: 20 ms of 100 000 lines a second, or a reader that stalls for a second of 2 000.
pub(super) const CAPACITY: usize = 1 << 20;

/// The writer is told to hurry here, with as much room left again.
const HURRY: usize = CAPACITY / 2;

/// How long the first line waits for others, so that writes are large when there is traffic and timely when not.
const GATHER: Duration = Duration::from_millis(20);

thread_local! {
    /// Which buffer a thread uses, beyond a modulo: workers start one after the other and get one each.
    static THREAD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

impl Default for Queue {
    fn default() -> Self {
        let shards = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            told: AtomicBool::new(false),
            signal: Mutex::default(),
            wake: Condvar::new(),
            served: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }
}

impl Queue {
    /// Appends the line that `format` writes, without its end; drops it where there is no room.
    pub(super) fn push(&self, format: impl FnOnce(&mut Vec<u8>)) {
        let place = THREAD.with(|thread| thread % self.shards.len());
        let mut lines = lock(&self.shards[place]);
        let before = lines.len();
        if before < CAPACITY {
            format(&mut lines);
            lines.push(b'\n');
        }
        if before >= CAPACITY || lines.len() > CAPACITY {
            lines.truncate(before);
            drop(lines);
            self.lose(1);
            return;
        }
        let hurry = before < HURRY && lines.len() >= HURRY;
        drop(lines);
        // The writer takes this flag back before it looks into a buffer: a line that it misses finds the flag down.
        if hurry || (!self.told.load(Ordering::Relaxed) && !self.told.swap(true, Ordering::AcqRel)) {
            let mut signal = lock(&self.signal);
            signal.lines = true;
            signal.urgent |= hurry;
            self.wake.notify_one();
        }
    }

    /// Counts lines that nobody will read.
    pub(super) fn lose(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was pushed before has been written, or for `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let mut signal = lock(&self.signal);
        signal.asked += 1;
        let mine = signal.asked;
        self.wake.notify_one();
        let waited = self.served.wait_timeout_while(signal, limit, |signal| signal.served < mine);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends the writer once it has written the rest.
    pub(super) fn close(&self) {
        lock(&self.signal).closed = true;
        self.wake.notify_one();
    }

    /// Has the file opened again.
    pub(super) fn reopen(&self) {
        lock(&self.signal).reopen = true;
        self.wake.notify_one();
    }

    /// The writer's side: waits for lines and hands each buffer that has some to `write`; says what is to be done then.
    pub(super) fn take(&self, spare: &mut Vec<u8>, mut write: impl FnMut(&[u8]) -> io::Result<()>) -> Told {
        let told = self.wait();
        self.told.store(false, Ordering::Release);
        for shard in &self.shards {
            std::mem::swap(&mut *lock(shard), spare);
            if !spare.is_empty() {
                let _ = write(spare); // Counted by `write`; the next lines may have better luck.
                spare.clear();
            }
        }
        lock(&self.signal).served = told.asked;
        self.served.notify_all();
        told
    }

    /// Returns when there is something to do, and for traffic a moment later.
    fn wait(&self) -> Told {
        let at_once = |signal: &Signal| signal.urgent || signal.closed || signal.reopen || signal.asked > signal.served;
        let mut signal = lock(&self.signal);
        while !signal.lines && !at_once(&signal) {
            signal = self.wake.wait(signal).unwrap_or_else(PoisonError::into_inner);
        }
        let due = Instant::now() + GATHER;
        while !at_once(&signal) {
            let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            signal = self.wake.wait_timeout(signal, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        signal.lines = false;
        signal.urgent = false;
        Told { asked: signal.asked, closed: signal.closed, reopen: std::mem::take(&mut signal.reopen) }
    }
}

/// A panic while a line was formatted leaves a torn line at worst.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
