//! The configuration from its files: read, filled in, merged and taken apart. A file with a mistake in it is refused
//! whole, and its last good text stays in force.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};

use super::documents::{Document, Input, collect};
use super::manifests::{ManifestFiles, is_object};
use super::{Change, FileWatch, Source};
use crate::control::config::{self, Config, Objects, Overrides};
use crate::control::manifests::ManifestObject;
use crate::control::resources::Wanted;
use crate::control::yaml::{self, Files, Kind, Node, Problem, SourceFile, Span};
use crate::model::Diagnostic;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum Configuration {
    /// From `-f`.
    Files(Vec<Input>),
    /// From flags alone, or built in.
    Given(Box<Config>),
}

/// Reads the configuration, and reads it again when its files change.
pub struct ConfigSource {
    configuration: Configuration,
    overrides: Overrides,
    /// Documents as they were when they were last good, by file.
    good: BTreeMap<PathBuf, Document>,
    manifests: ManifestFiles,
    reload: Arc<Notify>,
    /// What the last reading saw.
    seen: Option<(Vec<Document>, Vec<Diagnostic>)>,
    watched: BTreeSet<PathBuf>,
}

/// What one reading gives.
#[derive(Debug)]
pub struct Reading {
    /// Everything that could be taken.
    pub objects: Box<Objects>,
    /// What its places refer to.
    pub files: Arc<Files>,
    /// Kubernetes objects, each once.
    pub manifests: Vec<Arc<ManifestObject>>,
    /// What is wrong with the rest.
    pub findings: Vec<Diagnostic>,
    /// A whole document was refused.
    pub refused: bool,
    /// A path that was named could not be opened.
    pub unopened: bool,
}

impl ConfigSource {
    /// A source that has not read anything yet.
    pub fn new(configuration: Configuration, overrides: Overrides, reload: Arc<Notify>) -> Self {
        Self { configuration, overrides, good: BTreeMap::new(), manifests: ManifestFiles::default(), reload, seen: None, watched: BTreeSet::new() }
    }

    /// Reads everything now; `None` if it is the same as at the last time. Blocks.
    pub fn read(&mut self) -> Option<Reading> {
        let inputs = match &mut self.configuration {
            Configuration::Files(inputs) => {
                if self.seen.is_none() {
                    inputs.iter_mut().for_each(Input::read_pipe);
                }
                inputs
            }
            Configuration::Given(config) => return self.seen.replace((Vec::new(), Vec::new())).is_none().then(|| given(config, &self.overrides)),
        };
        let collected = collect(inputs);
        self.watched = collected.paths;
        let partial = collected.partial;
        let now = (collected.documents, collected.findings);
        if self.seen.as_ref() == Some(&now) {
            return None;
        }
        let mut reading = self.assemble(&now.0, now.1.clone());
        reading.refused |= partial;
        reading.unopened = collected.unopened;
        self.seen = Some(now);
        Some(reading)
    }

    fn assemble(&mut self, documents: &[Document], findings: Vec<Diagnostic>) -> Reading {
        let mut reader = FileReader { files: Files::default(), refused: false, findings, roots: Vec::new() };
        let before = std::mem::take(&mut self.good);
        for document in documents {
            let found = reader.findings.len();
            let taken = document.text.as_deref().is_some_and(|text| reader.take(document, text));
            if taken {
                self.good.insert(document.name.clone(), document.clone());
                continue;
            }
            // What it was before goes on: of a file its text, of a directory that cannot be opened everything in it.
            // All of it was good, so it adds no finding of its own.
            for (name, kept) in before.iter().filter(|(name, _)| name.starts_with(&document.name)) {
                reader.take_again(kept);
                self.good.insert(name.clone(), kept.clone());
            }
            if self.good.contains_key(&document.name) {
                for finding in &mut reader.findings[found..] {
                    finding.effect.get_or_insert_with(|| "nothing of the file is taken as it is now; what it was before goes on".to_owned());
                }
            }
        }
        let (manifests, found) = self.manifests.read(documents);
        reader.findings.extend(found);
        Reading { manifests, ..reader.finish(&self.overrides) }
    }
}

impl Source for ConfigSource {
    async fn run(self, changes: mpsc::Sender<Change>, _wanted: watch::Receiver<Wanted>) {
        if matches!(self.configuration, Configuration::Given(_)) {
            return;
        }
        let watch = FileWatch::new(self.reload.clone());
        self.follow(watch, changes).await;
    }
}

impl ConfigSource {
    async fn follow(mut self, mut watch: FileWatch, changes: mpsc::Sender<Change>) {
        let mut tries = 0;
        loop {
            let watched = self.watched.clone();
            watch.watch(watched.clone()).await;
            let task = tokio::task::spawn_blocking(move || (self.read(), self));
            let Ok((reading, source)) = task.await else { return };
            self = source;
            if let Some(Reading { objects, files, manifests, findings, .. }) = reading
                && changes.send(Change::Configuration { objects, files, manifests, findings }).await.is_err()
            {
                return;
            }
            // What was found says what more to watch, and is then read once more, so that no change falls in between.
            tries += 1;
            if self.watched != watched && tries < MAX_TRIES {
                continue;
            }
            tries = 0;
            tokio::select! {
                () = watch.changed() => {}
                () = changes.closed() => return,
            }
        }
    }
}

/// Directories that change all the time are read again at the next look.
const MAX_TRIES: u32 = 3;

fn given(config: &Config, overrides: &Overrides) -> Reading {
    let mut config = config.clone();
    overrides.apply(&mut config);
    let objects = Box::new(config::split(config).unwrap_or_default());
    Reading { objects, files: Arc::default(), manifests: Vec::new(), findings: Vec::new(), refused: false, unopened: false }
}

/// Puts the trees of several files together.
struct FileReader {
    files: Files,
    findings: Vec<Diagnostic>,
    refused: bool,
    roots: Vec<Node>,
}

impl FileReader {
    /// Adds a text that was good before. What is found in it is no longer in the file, and says so.
    fn take_again(&mut self, document: &Document) {
        let name = format!("{} (as it was before)", document.name.display());
        self.take_as(name, document, document.text.as_deref().unwrap_or_default());
    }

    /// Adds a text if all of it is good.
    fn take(&mut self, document: &Document, text: &str) -> bool {
        self.take_as(document.name.display().to_string(), document, text)
    }

    fn take_as(&mut self, name: String, document: &Document, text: &str) -> bool {
        let index = u32::try_from(self.files.0.len()).unwrap_or(u32::MAX);
        let directory = document.name.parent().map(Path::to_owned).unwrap_or_default();
        self.files.0.push(SourceFile::new(name, directory, text.to_owned()));
        let mut nodes = match yaml::parse(text, index) {
            Ok(nodes) => nodes,
            Err(problem) if document.ours => return self.refuse(vec![problem]),
            // Whose it is, and whether there are objects in it all the same, `manifests` finds out.
            Err(_) => return true,
        };
        nodes.retain(|node| !node.is_null());
        nodes.retain(|node| Self::is_configuration(document, node));
        let mut problems = Vec::new();
        for node in &mut nodes {
            problems.extend(yaml::substitute(node, &|name| std::env::var(name).ok()));
        }
        if problems.is_empty() {
            problems = nodes.iter().flat_map(validate).collect();
        }
        if !problems.is_empty() {
            return self.refuse(problems);
        }
        self.roots.extend(nodes);
        true
    }

    fn refuse(&mut self, problems: Vec<Problem>) -> bool {
        self.refused = true;
        self.findings.extend(problems.into_iter().map(|problem| problem.diagnose(&self.files)));
        false
    }

    /// Whether a document is ours; Kubernetes objects are read by `manifests`.
    fn is_configuration(document: &Document, node: &Node) -> bool {
        let object = is_object(node);
        if !document.ours && !object {
            tracing::debug!(file = %document.name.display(), "neither configuration nor a Kubernetes object; skipped");
        }
        document.ours && !object
    }

    fn finish(mut self, overrides: &Overrides) -> Reading {
        let mut root = Node { span: Span::default(), kind: Kind::Mapping(Vec::new()) };
        let mut problems = Vec::new();
        for node in self.roots {
            yaml::merge(&mut root, node, &self.files, &mut problems);
        }
        // Each file was read on its own before, so what the merged tree adds is only what they say differently.
        let objects = yaml::read::<Config>(&root).and_then(|mut config| {
            overrides.apply(&mut config);
            config::split(config)
        });
        let objects = objects.unwrap_or_else(|more| {
            problems.extend(more);
            Objects::default()
        });
        self.findings.extend(problems.into_iter().map(|problem| problem.diagnose(&self.files)));
        Reading {
            objects: Box::new(objects),
            files: Arc::new(self.files),
            manifests: Vec::new(),
            findings: self.findings,
            refused: self.refused,
            unopened: false,
        }
    }
}

/// Everything that is wrong with one document on its own.
fn validate(node: &Node) -> Vec<Problem> {
    match yaml::read::<Config>(node).and_then(config::split) {
        Ok(objects) => config::duplicates(&objects),
        Err(problems) => problems,
    }
}

#[cfg(test)]
mod tests;
