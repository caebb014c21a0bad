use std::fs;

use tokio::time::timeout;

use super::*;
use crate::control::source::kubelet::{Mount, write_pair};

/// What must happen within a second gets this long on a busy machine; well before contents are compared anyway.
const SOON: Duration = Duration::from_secs(10);
/// Longer than a look and a burst.
const A_WHILE: Duration = Duration::from_millis(1500);

async fn watch_over(events: bool, paths: &BTreeSet<PathBuf>) -> FileWatch {
    let mut watch = if events { FileWatch::new(Arc::default()) } else { FileWatch::without_events(Arc::default(), Arc::default()) };
    assert_eq!(watch.events.is_some(), events);
    watch.watch(paths.clone()).await;
    watch
}

fn secret_paths(directory: &Path) -> BTreeSet<PathBuf> {
    let parent = directory.parent().unwrap().to_owned();
    [directory.to_owned(), parent, directory.join("tls.crt"), directory.join("tls.key")].into()
}

/// Waits until the change is told, and watches on.
async fn told(watch: &mut FileWatch, paths: &BTreeSet<PathBuf>, what: &str) {
    timeout(SOON, watch.changed()).await.unwrap_or_else(|_| panic!("not told: {what}"));
    watch.watch(paths.clone()).await;
    settle(watch, paths).await;
}

/// A change may be told twice, as an event and by a look: takes the rest of it.
async fn settle(watch: &mut FileWatch, paths: &BTreeSet<PathBuf>) {
    while timeout(Duration::from_millis(150), watch.changed()).await.is_ok() {
        watch.watch(paths.clone()).await;
    }
}

async fn every_change_is_told(events: bool) {
    let root = tempfile::tempdir().unwrap();
    let mut mount = Mount::new(root.path().join("tls"));
    let directory = mount.path.clone();
    let paths = secret_paths(&directory);
    let mut watch = watch_over(events, &paths).await;
    for swap in ["the first swap", "a second swap", "a third swap"] {
        mount.swap(swap);
        told(&mut watch, &paths, swap).await;
    }
    for n in 0..100 {
        mount.swap(&n.to_string());
    }
    told(&mut watch, &paths, "a hundred swaps").await;
    mount.swap("one more");
    told(&mut watch, &paths, "a swap after a hundred").await;

    fs::remove_dir_all(&directory).unwrap();
    told(&mut watch, &paths, "a directory removed").await;
    fs::create_dir(&directory).unwrap();
    write_pair(&directory, "plain");
    told(&mut watch, &paths, "a directory made again").await;
    fs::write(directory.join("tls.crt"), "overwritten").unwrap();
    told(&mut watch, &paths, "a file overwritten in place").await;
    fs::write(root.path().join("aside"), "renamed").unwrap();
    settle(&mut watch, &paths).await;
    fs::rename(root.path().join("aside"), directory.join("tls.key")).unwrap();
    told(&mut watch, &paths, "a file renamed in").await;
}

#[tokio::test]
async fn every_change_is_told_by_events() {
    every_change_is_told(true).await;
}

#[tokio::test]
async fn every_change_is_told_without_events() {
    every_change_is_told(false).await;
}

#[tokio::test]
async fn a_directory_made_again_has_events_again() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("tls");
    let paths = secret_paths(&directory);
    fs::create_dir(&directory).unwrap();
    let mut watch = watch_over(true, &paths).await;
    fs::remove_dir(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    told(&mut watch, &paths, "another directory").await;
    fs::write(directory.join("tls.crt"), "x").unwrap();
    // Events alone: nobody looks here.
    timeout(SOON, watch.woken.notified()).await.expect("no event from the new directory");
}

#[tokio::test]
async fn reading_is_no_change() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("tls");
    fs::create_dir(&directory).unwrap();
    write_pair(&directory, "same");
    let paths = secret_paths(&directory);
    let mut watch = watch_over(true, &paths).await;
    settle(&mut watch, &paths).await;
    for path in [directory.join("tls.crt"), directory.join("tls.key")] {
        fs::read(path).unwrap();
    }
    fs::read_dir(&directory).unwrap().for_each(drop);
    assert!(timeout(A_WHILE, watch.changed()).await.is_err(), "our own reading woke us");
}

#[tokio::test]
async fn a_reload_is_told_where_nothing_changed() {
    let root = tempfile::tempdir().unwrap();
    let paths = secret_paths(&root.path().join("tls"));
    let mut watch = watch_over(false, &paths).await;
    watch.reload.notify_one();
    timeout(SOON, watch.changed()).await.unwrap();
    assert!(timeout(A_WHILE, watch.changed()).await.is_err(), "once");
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_one_change_and_has_an_end() {
    let watch = FileWatch::without_events(Arc::default(), Arc::default());
    let woken = watch.woken.clone();
    let started = Instant::now();
    let noise = async {
        loop {
            woken.notify_one();
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = watch.burst() => {}
        () = noise => {}
    }
    let took = started.elapsed();
    assert!((BURST..BURST + QUIET).contains(&took), "{took:?}");
    let started = Instant::now();
    while timeout(Duration::from_millis(1), watch.woken.notified()).await.is_ok() {}
    watch.burst().await;
    assert!(started.elapsed() < QUIET * 2);
}

#[tokio::test(start_paused = true)]
async fn contents_are_compared_from_time_to_time() {
    let mut watch = watch_over(false, &BTreeSet::new()).await;
    let started = Instant::now();
    watch.changed().await;
    watch.changed().await;
    let took = started.elapsed();
    assert!(took.abs_diff(CONTENT * 2) < STAT, "{took:?}");
}
