//! Tells when files may have changed. Events come from the kernel where it sends any; a look at their metadata twice a
//! second finds changes on file systems that send none, and every thirty seconds the caller is told to compare contents.
//!
//! Directories are watched, never files and never recursively: a watch on a file is dead after the first time that
//! kubelet swaps a Secret, and a recursive one is woken by our own reading.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Events come in bursts: a swap is seven. The burst is over when none came for this long,
const QUIET: Duration = Duration::from_millis(100);
/// or, where they never end, after this long.
const BURST: Duration = Duration::from_millis(400);
/// Between looks at metadata: new content is to be served within a second of being visible.
const STAT: Duration = Duration::from_millis(500);
/// Looking takes at most this share of the time, however many files there are.
const STAT_SHARE: u32 = 20;
/// Between comparisons of contents, for file systems whose metadata lies.
const CONTENT: Duration = Duration::from_secs(30);

/// A watch over a set of paths.
pub struct FileWatch {
    events: Option<RecommendedWatcher>,
    /// Woken by the kernel's events.
    woken: Arc<Notify>,
    /// Woken by whoever wants everything read again.
    reload: Arc<Notify>,
    /// Watched directories with the identity they had then; one that is made anew needs a new watch.
    directories: BTreeMap<PathBuf, Option<Identity>>,
    paths: Arc<BTreeSet<PathBuf>>,
    stamp: u64,
    next_content: Instant,
}

impl FileWatch {
    /// A watch over nothing yet. `reload` wakes it at any time.
    pub fn new(reload: Arc<Notify>) -> Self {
        let woken = Arc::new(Notify::new());
        let events = match watcher(woken.clone()) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, "the kernel gives no file events; changes are found by looking twice a second");
                None
            }
        };
        Self { events, ..Self::without_events(woken, reload) }
    }

    /// A watch that only looks.
    pub(super) fn without_events(woken: Arc<Notify>, reload: Arc<Notify>) -> Self {
        Self { events: None, woken, reload, directories: BTreeMap::new(), paths: Arc::default(), stamp: 0, next_content: Instant::now() + CONTENT }
    }

    /// Replaces what is watched: files and directories, which need not exist. To be called before reading them, so
    /// that no change falls in between.
    pub async fn watch(&mut self, paths: BTreeSet<PathBuf>) {
        self.paths = Arc::new(paths);
        let paths = self.paths.clone();
        let directories = tokio::task::spawn_blocking(move || directories(&paths)).await.unwrap_or_default();
        self.follow(directories);
        self.stamp = self.look().await;
    }

    /// Returns when it is time to read everything again.
    pub async fn changed(&mut self) {
        let mut pause = STAT;
        loop {
            tokio::select! {
                () = self.reload.notified() => return,
                () = self.woken.notified() => return self.burst().await,
                () = sleep_until(self.next_content) => {
                    self.next_content = Instant::now() + CONTENT;
                    return;
                }
                () = sleep(pause) => {}
            }
            let started = Instant::now();
            let stamp = self.look().await;
            pause = STAT.max(started.elapsed() * STAT_SHARE);
            if stamp != self.stamp {
                // A writer that is seen half-way gets the time that a burst of events would have given it.
                sleep(QUIET).await;
                return;
            }
        }
    }

    async fn burst(&self) {
        let end = Instant::now() + BURST;
        while Instant::now() < end && timeout_at(end.min(Instant::now() + QUIET), self.woken.notified()).await.is_ok() {}
    }

    fn follow(&mut self, wanted: BTreeMap<PathBuf, Option<Identity>>) {
        let Some(events) = &mut self.events else { return };
        let gone: Vec<PathBuf> = self.directories.keys().filter(|path| !wanted.contains_key(*path)).cloned().collect();
        for path in gone {
            self.directories.remove(&path);
            let _ = events.unwatch(&path); // The kernel has dropped it already if the directory is gone.
        }
        for (path, now) in wanted {
            if self.directories.get(&path).is_some_and(|before| *before == now) {
                continue;
            }
            let _ = events.unwatch(&path); // As above.
            let watched = now.filter(|_| events.watch(&path, RecursiveMode::NonRecursive).is_ok());
            self.directories.insert(path, watched);
        }
    }

    /// A digest of the metadata of everything that is watched.
    async fn look(&self) -> u64 {
        let paths = self.paths.clone();
        // The file system may be slow or gone; it must not hold up this thread.
        tokio::task::spawn_blocking(move || stamp(&paths)).await.unwrap_or_default()
    }
}

fn watcher(woken: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| match event {
        // Our own reading; waking up for it would never end.
        Ok(Event { kind: EventKind::Access(_), .. }) => {}
        Ok(_) | Err(_) => woken.notify_one(),
    })
}

/// Device, inode and time of birth: a directory that is made anew may get the old one's inode.
type Identity = (u64, u64, Option<SystemTime>);

/// The directories that hold the paths, or are them.
fn directories(paths: &BTreeSet<PathBuf>) -> BTreeMap<PathBuf, Option<Identity>> {
    let mut found = BTreeMap::new();
    for path in paths {
        let directory = if path.is_dir() { path } else { path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")) };
        if !found.contains_key(directory) {
            let identity = std::fs::metadata(directory).ok().map(|data| (data.dev(), data.ino(), data.created().ok()));
            found.insert(directory.to_owned(), identity);
        }
    }
    found
}

fn stamp(paths: &BTreeSet<PathBuf>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        match std::fs::metadata(path) {
            Ok(data) => {
                let times = (data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec());
                (data.dev(), data.ino(), data.size(), times).hash(&mut hasher);
            }
            Err(error) => (error.kind() == io::ErrorKind::NotFound).hash(&mut hasher),
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
