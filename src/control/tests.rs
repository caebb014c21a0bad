//! The conductor with sources that are channels and a publisher that only remembers.

use std::collections::VecDeque;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Mutex;

use super::compile::Defaults;
use super::config::{Config, split};
use super::resources::{CertificateLocation, FileContent, Found, FoundPair, Resolution};
use super::source::Change;
use super::yaml::{SourceFile, parse, read};
use super::*;
use crate::model::{ControlStatus, Host};

#[derive(Default)]
struct Publisher {
    published: Mutex<Vec<Arc<Snapshot>>>,
    /// What the kernel says to the next snapshots.
    answers: Mutex<VecDeque<Vec<Diagnostic>>>,
    notify: Notify,
}

impl Publish for Publisher {
    fn publish(&self, snapshot: Arc<Snapshot>) -> Pin<Box<dyn Future<Output = Vec<Diagnostic>> + Send + '_>> {
        self.published.lock().unwrap().push(snapshot);
        self.notify.notify_one();
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_default();
        Box::pin(async move { answer })
    }
}

struct World {
    changes: mpsc::Sender<Change>,
    status: Arc<Status>,
    publisher: Arc<Publisher>,
    wants: watch::Receiver<Wanted>,
    _sources: [Arc<Notify>; 2],
}

impl World {
    /// Starts with what the first change brings.
    async fn start(first: Vec<Change>) -> Self {
        let (sender, changes) = mpsc::channel(16);
        let mut resources = Resources::default();
        for change in first {
            resources.apply(change);
        }
        let (wanted, wants) = watch::channel(resources.wanted());
        let reload = [Arc::default(), Arc::default()];
        let mut control = Control {
            resources,
            compiler: Compiler::new(Defaults::default()),
            changes,
            wanted,
            reload: reload.clone(),
            status: Arc::default(),
            log: ReportLog::default(),
            next: None,
            refused: false,
        };
        let (status, publisher) = (control.status(), Arc::new(Publisher::default()));
        let snapshot = control.first().await;
        tokio::spawn(control.run(snapshot, publisher.clone()));
        let world = Self { changes: sender, status, publisher, wants, _sources: reload };
        world.published(1).await;
        world
    }

    async fn send(&self, change: Change) {
        self.changes.send(change).await.unwrap();
    }

    /// Waits for the nth snapshot.
    async fn published(&self, count: usize) -> Arc<Snapshot> {
        let wait = async {
            loop {
                if let Some(snapshot) = self.publisher.published.lock().unwrap().get(count - 1) {
                    return snapshot.clone();
                }
                self.publisher.notify.notified().await;
            }
        };
        let snapshot = tokio::time::timeout(Duration::from_secs(60), wait).await.expect("not published");
        tokio::task::yield_now().await; // The conductor goes on after its publisher has answered.
        snapshot
    }

    fn failing(&self) -> Vec<String> {
        self.status.checks().into_iter().filter(|check| check.failure.is_some()).map(|check| check.name).collect()
    }

    fn reasons(&self) -> Vec<Reason> {
        self.status.report().diagnostics.iter().map(|finding| finding.reason).collect()
    }
}

fn configuration(text: &str) -> Change {
    let config: Config = read(&parse(text, 0).unwrap()[0]).unwrap();
    let file = SourceFile::new("test.yaml", PathBuf::from("/"), text.to_owned());
    Change::Configuration {
        objects: Box::new(split(config).unwrap()),
        files: Arc::new(Files(vec![file])),
        manifests: Vec::new(),
        findings: Vec::new(),
    }
}

fn certificates(secrets: &[(&str, &str)]) -> Change {
    let found = |(directory, name): &(&str, &str)| -> (CertificateLocation, Found) {
        let made = rcgen::generate_simple_self_signed([(*name).to_owned()]).unwrap();
        let content = |file: &str, text: String| FileContent { path: PathBuf::from(directory).join(file), content: Ok(text.into()) };
        let pair = FoundPair { certificate: content("tls.crt", made.cert.pem()), key: content("tls.key", made.signing_key.serialize_pem()) };
        let location = CertificateLocation::Secret(directory.into());
        (location.clone(), location.single(pair))
    };
    Change::Certificates(secrets.iter().map(found).collect())
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.certificates.iter().flat_map(|certificate| &certificate.pair.facts().names).map(ToString::to_string).collect()
}

fn port_unavailable() -> Vec<Diagnostic> {
    vec![Diagnostic::error(Reason::PortUnavailable, "taken")]
}

#[tokio::test(start_paused = true)]
async fn readiness_waits_for_the_first_certificate_and_is_never_taken_away_by_a_reload() {
    let nothing = Change::Certificates([(CertificateLocation::Secret("/a".into()), Ok([].into()))].into());
    let world = World::start(vec![configuration("certificates: [{ secret: /a }]"), nothing]).await;
    assert_eq!(world.failing(), ["certificate"]);
    world.send(certificates(&[("/a", "a.test")])).await;
    world.published(2).await;
    assert_eq!(world.failing(), Vec::<String>::new());

    world.send(configuration("certificates: [{ secret: /b }]\nbackends: [{ name: slow, endpoints: [\"slow.test:1\"] }]")).await;
    let without = world.published(3).await;
    assert_eq!(names(&without), Vec::<String>::new());
    assert_eq!(world.failing(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn readiness_waits_for_every_source() {
    let world = World::start(vec![configuration("listeners: [{ protocol: HTTP }]\nbackends: [{ name: a, endpoints: [\"a.test:1\"] }]")]).await;
    assert_eq!(world.failing(), ["source/names"]);
    let failed = Resolution { addresses: Vec::new(), failure: Some("no such name".to_owned()) };
    world.send(Change::Names([(Host::parse("a.test").unwrap(), failed)].into())).await;
    world.send(configuration("listeners: [{ protocol: HTTP }]")).await;
    world.published(2).await;
    assert_eq!(world.failing(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_moves_is_never_gone() {
    let world = World::start(vec![configuration("certificates: [{ secret: /a }]"), certificates(&[("/a", "a.test")])]).await;
    world.send(configuration("certificates: [{ secret: /b }]")).await;
    let mut wants = world.wants.clone();
    wants.wait_for(|wanted| wanted.certificates.contains(&CertificateLocation::Secret("/b".into()))).await.unwrap();
    world.send(certificates(&[("/b", "b.test")])).await;
    assert_eq!(names(&*world.published(2).await), ["b.test"]);
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_restart_is_said_until_it_is_done_or_undone() {
    let world = World::start(vec![configuration("listeners: []\nworkers: 1")]).await;
    for (count, text, reasons) in [
        (2, "listeners: []\nworkers: 2", &[Reason::RestartNeeded][..]),
        (3, "listeners: []\nworkers: 2\nlimits: { connections: 5 }", &[Reason::RestartNeeded]),
        (4, "listeners: []\nworkers: 1", &[]),
    ] {
        world.send(configuration(text)).await;
        world.published(count).await;
        assert_eq!(world.reasons(), reasons, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_kernel_refuses_stays_reported_and_is_asked_for_again() {
    let world = World::start(vec![configuration("listeners: [{ protocol: HTTP }]")]).await;
    world.publisher.answers.lock().unwrap().extend([port_unavailable(), port_unavailable()]);
    world.send(configuration("listeners: [{ protocol: HTTP, address: 80 }]")).await;
    world.published(2).await;
    assert_eq!(world.reasons(), [Reason::PortUnavailable]);
    assert!(!world.status.last_reload().0);
    world.published(3).await;
    assert_eq!(world.reasons(), [Reason::PortUnavailable]);
    world.published(4).await;
    assert_eq!(world.reasons(), []);
    assert_eq!(world.status.generation(), 2, "the same snapshot again is no new configuration");
}

#[tokio::test(start_paused = true)]
async fn what_is_the_same_is_not_published_again() {
    let world = World::start(vec![configuration("listeners: [{ protocol: HTTP }]")]).await;
    world.send(configuration("listeners: [{ protocol: HTTP }] # nothing new")).await;
    world.send(configuration("listeners: [{ protocol: HTTP, address: 80 }]")).await;
    let snapshot = world.published(2).await;
    assert_eq!(snapshot.listeners[0].address.port(), 80);
}
