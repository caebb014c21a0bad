//! Pipeline 1: the outside world to a snapshot. This file is its conductor, once per change: take the change, compile,
//! keep what was accepted, publish, report. The sources bring changes, `compile` is pure, and neither knows the other.

pub mod compile;
pub mod config;
pub mod kubernetes;
pub mod manifests;
mod certificate_history;
mod report_log;
pub mod resources;
pub mod source;
mod status;
pub mod yaml;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::drain::Drain;
use crate::model::{Diagnostic, Publish, Reason, Report, Snapshot};
use compile::{Compiled, Compiler, Defaults, ManifestSettings};
use config::{Objects, Overrides};
use report_log::ReportLog;
use resources::{CertificateLocation, Object, Resources, Wanted};
use source::{Change, ConfigSource, Configuration, Names, Secrets, Source};
use yaml::{Files, Located};

pub use status::Status;

/// What control is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the configuration comes from.
    pub configuration: Configuration,
    /// What flags put over it.
    pub overrides: Overrides,
    /// Defaults that depend on where the process runs.
    pub defaults: Defaults,
}

/// The conductor with everything it works on.
pub struct Control {
    resources: Resources,
    compiler: Compiler,
    changes: mpsc::Receiver<Change>,
    wanted: watch::Sender<Wanted>,
    reload: [Arc<Notify>; 2],
    status: Arc<Status>,
    log: ReportLog,
    /// When the certificates that are loaded need another look.
    next: Option<SystemTime>,
    /// The kernel has refused a part of the snapshot.
    refused: bool,
}

/// Why control could not start.
#[derive(Debug)]
pub struct Refused {
    /// Everything that is wrong.
    pub report: Report,
    /// A path that was named could not be opened.
    pub unopened: bool,
}

/// Changes that wait to be compiled; sources wait when there are more.
const WAITING_CHANGES: usize = 16;
/// How long the first snapshot waits for the resolver. Later answers are a change like any other.
const FIRST_NAMES: Duration = Duration::from_secs(2);
/// Changes within this time of each other are compiled together.
const GATHER: Duration = Duration::from_millis(5);
/// How long a changed configuration waits for what it newly refers to: certificates are read in a moment, names may
/// take their time.
const FIND: Duration = Duration::from_millis(400);
/// Between tries to get from the kernel what it has refused.
const AGAIN: Duration = Duration::from_secs(5);

impl Control {
    /// Reads the configuration and starts the sources. Fails if a document of it cannot be taken: nothing is served
    /// yet, so there is nothing that could go on.
    pub async fn start(options: Options, drain: &Drain) -> Result<Self, Refused> {
        let reload = [Arc::new(Notify::new()), Arc::new(Notify::new())];
        let mut config = ConfigSource::new(options.configuration, options.overrides, reload[0].clone());
        let task = tokio::task::spawn_blocking(move || (config.read(), config));
        let Ok((Some(reading), config)) = task.await else {
            return Err(Refused { report: Report::default(), unopened: false });
        };
        if reading.refused || reading.unopened {
            return Err(Refused { report: Report::of(reading.findings), unopened: reading.unopened });
        }
        let (sender, changes) = mpsc::channel(WAITING_CHANGES);
        let mut resources = Resources::default();
        resources.apply(Change::Configuration {
            objects: reading.objects,
            files: reading.files,
            manifests: reading.manifests,
            findings: reading.findings,
        });
        let (wanted, wants) = watch::channel(resources.wanted());
        drain.spawn_background("configuration", config.run(sender.clone(), wants.clone()));
        drain.spawn_background("certificates", Secrets { reload: reload[1].clone() }.run(sender.clone(), wants.clone()));
        drain.spawn_background("names", Names::default().run(sender, wants));
        Ok(Self {
            resources,
            compiler: Compiler::new(options.defaults),
            changes,
            wanted,
            reload,
            status: Arc::default(),
            log: ReportLog::default(),
            next: None,
            refused: false,
        })
    }

    /// What admin pages may see.
    pub fn status(&self) -> Arc<Status> {
        self.status.clone()
    }

    /// Everything that the snapshots are made of.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Reads everything again at the next occasion: SIGHUP.
    pub fn reloader(&self) -> impl Fn() + Send + Sync + 'static {
        let reload = self.reload.clone();
        move || reload.iter().for_each(|notify| notify.notify_one())
    }

    /// The first snapshot: once the certificates have been looked for, and names resolved or given a little time.
    pub async fn first(&mut self) -> Arc<Snapshot> {
        let deadline = Instant::now() + FIRST_NAMES;
        while !self.resources.everything_is_found() {
            let wait = if self.resources.certificates_are_read() { deadline } else { Instant::now() + Duration::from_secs(60) };
            match timeout_at(wait, self.changes.recv()).await {
                Ok(Some(change)) => self.resources.apply(change),
                Ok(None) | Err(_) => break,
            }
        }
        self.compile().await
    }

    /// Serves `first`, then every change until the sources end.
    ///
    /// Returns early, with what the kernel refused, if the first snapshot cannot be served as it is.
    pub async fn run(mut self, first: Arc<Snapshot>, publisher: Arc<dyn Publish>) -> Result<(), Vec<Diagnostic>> {
        self.serve(&first, &*publisher).await?;
        self.follow(publisher).await;
        Ok(())
    }

    /// Serves the first snapshot. Fails, with what the kernel refused, if it cannot be served as it is.
    pub async fn serve(&mut self, first: &Arc<Snapshot>, publisher: &dyn Publish) -> Result<(), Vec<Diagnostic>> {
        let refused = publisher.publish(first.clone()).await;
        if !refused.is_empty() {
            return Err(refused);
        }
        self.status.published(first);
        Ok(())
    }

    /// Serves every change until the sources end.
    pub async fn follow(mut self, publisher: Arc<dyn Publish>) {
        loop {
            if !self.next_change().await {
                return;
            }
            let snapshot = self.compile().await;
            // What the kernel refused is asked for again: the port may be free by now.
            if self.refused || *snapshot != *self.status.current() {
                let findings = publisher.publish(snapshot.clone()).await;
                self.refused = !findings.is_empty();
                self.status.add_findings(findings);
            }
            if let Some(generation) = self.status.published(&snapshot) {
                let (routes, backends, certificates) = (snapshot.shared().all().count(), snapshot.backends.len(), snapshot.certificates.len());
                tracing::info!(generation, routes, backends, certificates, "a change is in force");
            }
            self.log.write(&self.status.current_report());
        }
    }

    /// Waits for the next change, and takes what comes with it. `false`: there will be none.
    async fn next_change(&mut self) -> bool {
        let change = match timeout_at(Instant::now() + self.pause(), self.changes.recv()).await {
            Ok(Some(change)) => change,
            Ok(None) => return false,
            Err(_) => return true,
        };
        self.resources.apply(change);
        let gathered = Instant::now() + GATHER;
        while let Ok(Some(change)) = timeout_at(gathered, self.changes.recv()).await {
            self.resources.apply(change);
        }
        if self.tell_sources() {
            // What the new configuration refers to is found at once, or comes as a further change. Without this wait
            // a certificate or a name that moves would be gone for a moment.
            let deadline = Instant::now() + FIND;
            while !self.resources.everything_is_found()
                && let Ok(Some(change)) = timeout_at(deadline, self.changes.recv()).await
            {
                self.resources.apply(change);
                self.tell_sources();
            }
        }
        true
    }

    /// How long to wait where nothing changes.
    fn pause(&self) -> Duration {
        let date = self.next.map_or(MAX_SLEEP, |date| date.duration_since(SystemTime::now()).unwrap_or_default());
        date.min(if self.refused { AGAIN } else { MAX_SLEEP })
    }

    /// Tells the sources what is wanted now; says whether that is something else.
    fn tell_sources(&self) -> bool {
        self.wanted.send_if_modified(|wanted| {
            let now = self.resources.wanted();
            let modified = *wanted != now;
            *wanted = now;
            modified
        })
    }

    /// Compiles aside: thousands of keys take seconds, and the admin pages share this thread.
    async fn compile(&mut self) -> Arc<Snapshot> {
        let (mut compiler, resources) = (std::mem::take(&mut self.compiler), std::mem::take(&mut self.resources));
        let task = tokio::task::spawn_blocking(move || (compiler.compile(&resources, SystemTime::now()), compiler, resources));
        let compiled = match task.await {
            Ok((compiled, compiler, resources)) => {
                (self.compiler, self.resources) = (compiler, resources);
                compiled
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going away, and this task with it.
                Err(_) => std::future::pending().await,
            },
        };
        let Compiled { snapshot, mut report, accepted, next, origins } = compiled;
        self.resources.promote(accepted);
        self.next = next;
        if let Some(finding) = self.restart_needed(&snapshot) {
            report.diagnostics.push(Arc::new(finding));
        }
        let snapshot = Arc::new(snapshot);
        self.status.compiled(report, origins, self.resources.checks());
        if self.status.generation_is_first() {
            self.log.write(&self.status.current_report());
        }
        snapshot
    }

    fn restart_needed(&self, snapshot: &Snapshot) -> Option<Diagnostic> {
        let running = self.status.process()?;
        (running != snapshot.process).then(|| {
            Diagnostic::warning(Reason::RestartNeeded, "workers, admin, accessLog.file and tracing are read once, at start")
                .effect("the process goes on with the values it was started with")
                .help("restart genkan to use the new ones")
        })
    }
}

/// Looks at the clock at least this often, because it may be set.
const MAX_SLEEP: Duration = Duration::from_secs(3600);

impl Resources {
    /// Takes what a source brought.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Configuration { objects, files, manifests, findings } => {
                self.replace(*objects, &files, findings);
                self.manifests.replace(manifests);
                self.kubernetes = ManifestSettings::new(&self.settings.kubernetes, &files);
                self.manifest_names = compile::manifest_names(&self.manifests, &self.kubernetes);
            }
            Change::Certificates(found) => self.found = found,
            Change::Names(names) => self.names = names,
        }
    }

    fn replace(&mut self, objects: Objects, files: &Arc<Files>, findings: Vec<Diagnostic>) {
        let Objects { settings, listeners, certificates, routes, default_route, backends } = objects;
        self.settings = settings;
        self.findings = findings;
        self.listeners.replace(with_files(listeners, files));
        self.routes.replace(with_files(routes, files));
        self.default_route.replace(with_files(default_route.map(|route| ("default backend".to_owned(), route)).into_iter().collect(), files));
        self.backends.replace(with_files(backends, files));
        let mut seen = BTreeSet::new();
        self.certificates = certificates
            .into_iter()
            .map(|certificate| Located { value: CertificateLocation::of(&certificate, files), span: certificate.span })
            .filter(|location| seen.insert(location.value.clone()))
            .map(|spec| Arc::new(Object { spec, files: files.clone() }))
            .collect();
    }

    fn everything_is_found(&self) -> bool {
        self.certificates_are_read() && self.names_are_resolved()
    }

    fn certificates_are_read(&self) -> bool {
        self.wanted().certificates.iter().all(|location| self.found.contains_key(location))
    }

    fn names_are_resolved(&self) -> bool {
        self.wanted().names.iter().all(|name| self.names.contains_key(name))
    }
}

fn with_files<T>(objects: Vec<(String, Located<T>)>, files: &Arc<Files>) -> Vec<(String, Object<T>)> {
    objects.into_iter().map(|(name, spec)| (name, Object { spec, files: files.clone() })).collect()
}

#[cfg(test)]
mod tests;
