use std::fs;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::control::source::kubelet::{Mount, write_pair};

/// What must happen within a second gets this long on a busy machine; well before contents are compared anyway.
const SOON: Duration = Duration::from_secs(10);

struct Running {
    changes: mpsc::Receiver<Change>,
    wanted: watch::Sender<Wanted>,
}

impl Running {
    fn start(events: bool, location: CertificateLocation) -> Self {
        let (sender, changes) = mpsc::channel(16);
        let (wanted, wants) = watch::channel(want(location));
        let files = if events { FileWatch::new(Arc::default()) } else { FileWatch::without_events(Arc::default(), Arc::default()) };
        tokio::spawn(watch(files, sender, wants));
        Self { changes, wanted }
    }

    /// The next thing that is found.
    async fn next(&mut self) -> AllFound {
        match self.changes.recv().await {
            Some(Change::Certificates(found)) => found,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until this is found.
    async fn until(&mut self, what: &str, is: impl Fn(&Found) -> bool) {
        let wait = async { while !is(self.next().await.values().next().unwrap()) {} };
        timeout(SOON, wait).await.unwrap_or_else(|_| panic!("not found: {what}"));
    }

    async fn until_text(&mut self, text: &str) {
        self.until(text, |found| found.as_ref().is_ok_and(|pairs| pairs.values().map(texts).eq([(text.to_owned(), text.to_owned())]))).await;
    }
}

fn want(location: CertificateLocation) -> Wanted {
    Wanted { certificates: [location].into(), ..Wanted::default() }
}

/// What the two files hold; nothing where they cannot be read.
fn texts(pair: &FoundPair) -> (String, String) {
    let text = |file: &FileContent| file.content.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
    (text(&pair.certificate), text(&pair.key))
}

async fn every_change_arrives(events: bool) {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("tls");
    let mut running = Running::start(events, CertificateLocation::Secret(directory.clone()));
    running.until("nothing there", Result::is_err).await;

    let mut mount = Mount::new(&directory);
    for text in ["first", "second", "third"] {
        mount.swap(text);
        running.until_text(text).await;
    }
    fs::remove_dir_all(&directory).unwrap();
    running.until("gone", Result::is_err).await;
    fs::create_dir(&directory).unwrap();
    write_pair(&directory, "plain");
    running.until_text("plain").await;

    // Half of a pair is brought as what it is, and the whole when it is one.
    fs::write(directory.join("tls.crt"), "next").unwrap();
    running.until("half", |found| found.as_ref().is_ok_and(|pairs| pairs.values().map(texts).eq([("next".to_owned(), "plain".to_owned())]))).await;
    fs::write(root.path().join("aside"), "next").unwrap();
    fs::rename(root.path().join("aside"), directory.join("tls.key")).unwrap();
    running.until_text("next").await;
}

#[tokio::test]
async fn every_change_of_a_secret_arrives_by_events() {
    every_change_arrives(true).await;
}

#[tokio::test]
async fn every_change_of_a_secret_arrives_without_events() {
    every_change_arrives(false).await;
}

#[test]
fn a_swap_between_two_files_is_seen() {
    let root = tempfile::tempdir().unwrap();
    let mut mount = Mount::new(root.path().join("tls"));
    mount.swap("old");
    let path = mount.path.join("tls.crt");
    let opened = Opened::open(&path);
    assert!(opened.is_still_at(&path));
    mount.swap("new");
    assert!(!opened.is_still_at(&path), "its other half would be of another pair");
    assert_eq!(opened.read(&path).unwrap(), "old");
    assert_eq!(texts(&read_pair(&path, &mount.path.join("tls.key"))), ("new".to_owned(), "new".to_owned()));
    let missing = Opened::open(&mount.path.join("none"));
    assert!(missing.is_still_at(&mount.path.join("none")) && !missing.is_still_at(&path));
}

#[tokio::test]
async fn after_a_hundred_swaps_the_last_one_is_found() {
    for events in [true, false] {
        let root = tempfile::tempdir().unwrap();
        let mut mount = Mount::new(root.path().join("tls"));
        mount.swap("0");
        let mut running = Running::start(events, CertificateLocation::Secret(mount.path.clone()));
        running.until_text("0").await;
        (1..=100).for_each(|n| mount.swap(&n.to_string()));
        running.until_text("100").await;
        mount.swap("and on");
        running.until_text("and on").await;
    }
}

async fn secrets_come_and_go(events: bool) {
    let root = tempfile::tempdir().unwrap();
    let mut running = Running::start(events, CertificateLocation::Secrets(root.path().to_owned()));
    let names = |found: &Found| -> Vec<String> {
        let Ok(pairs) = found else { return vec!["?".to_owned()] };
        pairs.iter().map(|(name, pair)| format!("{}={}", name.0.file_name().unwrap().to_string_lossy(), texts(pair).0)).collect()
    };
    running.until("none", |found| names(found).is_empty()).await;
    Mount::new(root.path().join("a")).swap("1");
    running.until("one", |found| names(found) == ["a=1"]).await;
    fs::create_dir(root.path().join("b")).unwrap();
    running.until("an empty one", |found| names(found) == ["a=1", "b="]).await;
    fs::write(root.path().join("b/fullchain.pem"), "2").unwrap();
    fs::write(root.path().join("b/privkey.pem"), "2").unwrap();
    running.until("as certbot names it", |found| names(found) == ["a=1", "b=2"]).await;
    fs::remove_dir_all(root.path().join("a")).unwrap();
    running.until("gone", |found| names(found) == ["b=2"]).await;
}

#[tokio::test]
async fn secrets_come_and_go_by_events() {
    secrets_come_and_go(true).await;
}

#[tokio::test]
async fn secrets_come_and_go_without_events() {
    secrets_come_and_go(false).await;
}

#[tokio::test]
async fn another_place_is_looked_at_when_it_is_wanted() {
    let root = tempfile::tempdir().unwrap();
    Mount::new(root.path().join("a")).swap("1");
    Mount::new(root.path().join("b")).swap("2");
    let mut running = Running::start(true, CertificateLocation::Secret(root.path().join("a")));
    running.until_text("1").await;
    running.wanted.send(want(CertificateLocation::Secret(root.path().join("b")))).unwrap();
    running.until_text("2").await;
}

#[test]
fn a_directory_has_one_pair() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let write = |name: &str| fs::write(path(name), name).unwrap();
    let pair = || pair_in(root.path());
    assert!(pair().unwrap_err().help.unwrap().contains("tls.crt"));
    write("a.test.pem");
    write("a.test-key.pem");
    assert_eq!(pair(), Ok((path("a.test.pem"), path("a.test-key.pem"))));
    write("b.test.pem");
    write("b.test-key.pem");
    assert!(pair().unwrap_err().message.contains("several pairs"));
    write("privkey.pem");
    assert_eq!(pair(), Ok((path("fullchain.pem"), path("privkey.pem"))), "the half that is missing is named");
    write("tls.crt");
    assert_eq!(pair(), Ok((path("tls.crt"), path("tls.key"))));
}

#[test]
fn what_cannot_be_read_says_so() {
    let root = tempfile::tempdir().unwrap();
    let large = root.path().join("tls.crt");
    fs::write(&large, vec![b'x'; usize::try_from(MAX_FILE).unwrap() + 1]).unwrap();
    let pair = read_pair(&large, &root.path().join("tls.key"));
    assert!(pair.certificate.content.unwrap_err().message.contains("larger than 1 MiB"));
    assert!(pair.key.content.unwrap_err().message.contains("does not exist"));
    let directory = read_pair(root.path(), root.path());
    assert!(directory.key.content.unwrap_err().message.contains("no regular file"));
    let denied = unreadable(&large, &io::ErrorKind::PermissionDenied.into());
    assert!(denied.message.contains("genkan runs as uid") && denied.message.contains("mode 0"), "{}", denied.message);
    assert!(denied.help.is_some());
}
