//! Kubernetes objects from the files that hold them. A file that cannot be read as a whole is read document by
//! document, and objects of it that are lost to a mistake stay as they were when they could last be read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::documents::Document;
use crate::control::kubernetes::{self, Finding, Kind, Manifest};
use crate::control::manifests::ManifestObject;
use crate::control::yaml::{self, Files, Node, Problem, SourceFile};
use crate::model::{Diagnostic, ObjectKind, Reason};

/// The objects of all files, as they were read last.
#[derive(Debug, Default)]
pub(super) struct ManifestFiles {
    files: BTreeMap<PathBuf, ManifestFile>,
}

/// What one file holds.
#[derive(Debug, Default)]
struct ManifestFile {
    text: Option<String>,
    objects: Vec<Arc<ManifestObject>>,
    findings: Vec<Diagnostic>,
}

/// By what an object is the same as another.
type Identity = (Kind, Arc<str>, Arc<str>);

impl ManifestFiles {
    /// Reads what has changed. Files that are not among the documents are forgotten.
    pub(super) fn read(&mut self, documents: &[Document]) -> (Vec<Arc<ManifestObject>>, Vec<Diagnostic>) {
        let mut before = std::mem::take(&mut self.files);
        for document in documents {
            let known = before.remove(&document.name);
            let file = match (&document.text, known) {
                (Some(text), Some(known)) if known.text.as_ref() == Some(text) => known,
                (Some(text), known) => read_file(document, text, known.unwrap_or_default()),
                // It cannot be opened, and that has been said.
                (None, Some(known)) => ManifestFile { text: None, ..known },
                (None, None) => {
                    // A directory perhaps, with everything in it.
                    let inside: Vec<PathBuf> = before.keys().filter(|name| name.starts_with(&document.name)).cloned().collect();
                    self.files.extend(inside.into_iter().filter_map(|name| before.remove_entry(&name)));
                    continue;
                }
            };
            self.files.insert(document.name.clone(), file);
        }
        self.first_of_each()
    }

    fn first_of_each(&self) -> (Vec<Arc<ManifestObject>>, Vec<Diagnostic>) {
        let mut objects: Vec<Arc<ManifestObject>> = Vec::new();
        let mut findings = Vec::new();
        let mut seen: HashMap<Identity, Arc<ManifestObject>> = HashMap::new();
        let mut kinds = BTreeSet::new();
        for file in self.files.values() {
            // A kind that nobody reads is named once, however many there are of it.
            let named = file.findings.iter().filter(|finding| finding.reason != Reason::UnknownKind || kinds.insert(finding.message.clone()));
            findings.extend(named.cloned());
            for object in &file.objects {
                match seen.entry(identity(&object.manifest)) {
                    std::collections::hash_map::Entry::Vacant(entry) => {
                        entry.insert(object.clone());
                        findings.extend(object.manifest.findings.iter().map(|finding| tell(finding, object)));
                        objects.push(object.clone());
                    }
                    std::collections::hash_map::Entry::Occupied(entry) => findings.push(twice(object, entry.get())),
                }
            }
        }
        (objects, findings)
    }
}

fn identity(manifest: &Manifest) -> Identity {
    (manifest.body.kind(), manifest.meta.namespace.clone(), manifest.meta.name.clone())
}

fn twice(object: &ManifestObject, first: &ManifestObject) -> Diagnostic {
    let kind = object.kind();
    let mut finding = Diagnostic::warning(Reason::DuplicateName, format!("{} {} is there already", kind.as_str(), object.name()))
        .about(kind, object.name())
        .at(object.place(object.manifest.span))
        .effect("the first is used");
    finding.why = first.place(first.manifest.span).map(|place| format!("the first is at {place}"));
    finding
}

fn tell(finding: &Finding, object: &ManifestObject) -> Diagnostic {
    Diagnostic { object: None, ..diagnostic(finding, &object.files) }.about(object.kind(), object.name()).at(object.place(finding.span))
}

fn diagnostic(finding: &Finding, files: &Files) -> Diagnostic {
    Diagnostic {
        severity: finding.severity,
        reason: finding.reason,
        message: finding.message.clone(),
        object: None,
        place: files.place(finding.span),
        why: finding.why.clone(),
        effect: finding.effect.clone(),
        help: finding.help.clone(),
    }
}

fn read_file(document: &Document, text: &str, before: ManifestFile) -> ManifestFile {
    let name = document.name.display().to_string();
    let directory = document.name.parent().map(std::path::Path::to_owned).unwrap_or_default();
    let files = Arc::new(Files(vec![SourceFile::new(name.as_str(), directory, text.to_owned())]));
    let mut file = ManifestFile { text: Some(text.to_owned()), ..ManifestFile::default() };
    let (nodes, problems) = parse(text);
    for node in nodes.iter().filter(|node| is_object(node)) {
        let reading = kubernetes::read(node);
        file.objects.extend(reading.objects.into_iter().map(|manifest| Arc::new(ManifestObject { manifest, files: files.clone() })));
        file.findings.extend(reading.findings.iter().map(|finding| diagnostic(finding, &files)));
    }
    // What is not YAML may be anybody's, unless some of it is or was an object, or could be one once it is rendered.
    let is_ours = document.ours || text.contains("{{") || !file.objects.is_empty() || !before.objects.is_empty() || looks_like_an_object(text);
    if problems.is_empty() || !is_ours {
        return file;
    }
    let there: BTreeSet<Identity> = file.objects.iter().map(|object| identity(&object.manifest)).collect();
    let kept: Vec<_> = before.objects.into_iter().filter(|object| !there.contains(&identity(&object.manifest))).collect();
    // A document that was named outright, and is no object at all, is refused elsewhere.
    if !document.ours {
        file.findings.extend(problems.into_iter().map(|problem| broken(problem, text, &files, &name, &kept)));
    }
    file.objects.extend(kept);
    file
}

fn broken(problem: Problem, text: &str, files: &Files, name: &str, kept: &[Arc<ManifestObject>]) -> Diagnostic {
    if text.contains("{{") {
        let effect = if kept.is_empty() { "what it holds is not read" } else { "the last good version of what it holds goes on" };
        return Diagnostic::warning(Reason::InvalidSyntax, format!("{name} looks like a template, which is not rendered here"))
            .about(ObjectKind::Configuration, name)
            .at(files.place(problem.span))
            .effect(effect)
            .help("render it first, for example: helm template CHART > DIRECTORY/rendered.yaml");
    }
    let kept: Vec<String> = kept.iter().map(|object| format!("{} {}", object.kind().as_str(), object.name())).collect();
    let effect = match kept.as_slice() {
        [] => "what this document holds is not read; the rest of the file is".to_owned(),
        kept => format!("the last good version goes on: {}", kept.join(", ")),
    };
    let mut finding =
        Diagnostic::error(Reason::InvalidSyntax, problem.message).about(ObjectKind::Configuration, name).at(files.place(problem.span)).effect(effect);
    finding.help = problem.help;
    finding
}

/// Every document that is YAML, and what is wrong with the others.
fn parse(text: &str) -> (Vec<Node>, Vec<Problem>) {
    match yaml::parse(text, 0) {
        Ok(nodes) => (nodes, Vec::new()),
        Err(_) => {
            let (mut nodes, mut problems) = (Vec::new(), Vec::new());
            for document in documents(text) {
                match yaml::parse(&document, 0) {
                    Ok(parsed) => nodes.extend(parsed),
                    Err(problem) => problems.push(problem),
                }
            }
            (nodes, problems)
        }
    }
}

/// The documents of a text, each behind as many empty lines as keep its places right.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let separates = line.trim_end() == "---" || line.starts_with("--- ");
        if separates
            && let Some(last) = documents.last()
            && !last.trim().is_empty()
        {
            documents.push("\n".repeat(number));
        }
        if let Some(last) = documents.last_mut() {
            last.push_str(line);
        }
    }
    documents
}

/// Whether a document is a Kubernetes object.
pub(super) fn is_object(node: &Node) -> bool {
    (node.get("apiVersion").is_some() || node.get("metadata").is_some()) && node.get("kind").and_then(Node::as_text).is_some()
}

fn looks_like_an_object(text: &str) -> bool {
    text.lines().any(|line| line.trim_start_matches(['{', ' ', '"']).starts_with("apiVersion"))
}
