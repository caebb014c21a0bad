//! From `-f` to texts: files, standard input and directories, each file once, within bounds. Blocks.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::secret::unreadable;
use crate::model::{Diagnostic, ObjectKind, Reason};

/// A configuration of ten thousand routes is about a megabyte.
const MAX_FILE: u64 = 8 << 20;
/// Files in a directory given with `-f`.
const MAX_FILES: usize = 10_000;
/// Directories within each other.
const MAX_DEPTH: usize = 16;

/// What `-f` named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file or a directory.
    Path(PathBuf),
    /// `-`: read once, at start.
    Text(String),
}

/// One file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// As the user named it.
    pub(super) name: PathBuf,
    /// It was named outright, or its name says that it is our configuration.
    pub(super) ours: bool,
    /// Its text; `None` if it cannot be read now. Then it may also be a directory, for everything in it.
    pub(super) text: Option<String>,
}

/// What the inputs hold now.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) documents: Vec<Document>,
    pub(super) findings: Vec<Diagnostic>,
    /// What to watch: every file and directory that was looked at.
    pub(super) paths: BTreeSet<PathBuf>,
    /// A path that was named could not be opened.
    pub(super) unopened: bool,
    /// It could be that a part of the configuration is missing, and not only objects of one file.
    pub(super) partial: bool,
}

impl Input {
    /// A pipe, as in `-f <(command)`, gives its text only once.
    pub(super) fn read_pipe(&mut self) {
        if let Self::Path(path) = self
            && std::fs::metadata(&path).is_ok_and(|data| !data.is_file() && !data.is_dir())
            && let Ok(text) = read_text(path)
        {
            *self = Self::Text(text);
        }
    }
}

pub(super) fn collect(inputs: &[Input]) -> Collected {
    let mut collected = Collected::default();
    for input in inputs {
        match input {
            Input::Text(text) => {
                collected.documents.push(Document { name: PathBuf::from("standard input"), ours: true, text: Some(text.clone()) });
            }
            Input::Path(path) if path.is_dir() => {
                let opened = collected.directory(path, 0);
                collected.unopened |= !opened;
            }
            Input::Path(path) => {
                let opened = collected.file(path, true);
                collected.unopened |= !opened;
            }
        }
    }
    collected
}

impl Collected {
    /// Says whether it could be opened.
    fn directory(&mut self, directory: &Path, depth: usize) -> bool {
        if !self.paths.insert(directory.to_owned()) {
            return true;
        }
        let entries = match std::fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => {
                self.partial = true;
                self.unreadable(directory, false, &error);
                return false;
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                // Links to directories could lead around in circles; kubelet's own lead to files.
                if depth < MAX_DEPTH && !path.is_symlink() {
                    self.directory(&path, depth + 1);
                }
            } else if is_document(&path) {
                if self.documents.len() >= MAX_FILES {
                    self.partial = true;
                    self.findings.push(Diagnostic::error(
                        Reason::FileTooLarge,
                        format!("{} has more than {MAX_FILES} files in it; the rest is not read", directory.display()),
                    ));
                    return true;
                }
                self.file(&path, name == "genkan.yaml" || name.ends_with(".genkan.yaml"));
            } else {
                tracing::debug!(file = %path.display(), "not a document; skipped");
            }
        }
        true
    }

    /// Says whether it could be read.
    fn file(&mut self, path: &Path, ours: bool) -> bool {
        if !self.paths.insert(path.to_owned()) {
            // Found in a directory before, and now named outright, or the other way round.
            let known = self.documents.iter_mut().find(|document| document.name == path);
            return known.is_none_or(|document| {
                document.ours |= ours;
                document.text.is_some()
            });
        }
        // Opening a pipe would wait for somebody to write into it; one that was named has been read before.
        let regular = std::fs::metadata(path).and_then(|data| if data.is_file() { Ok(()) } else { Err(io::Error::other("it is no regular file")) });
        match regular.and_then(|()| read_text(path)) {
            Ok(text) => {
                self.documents.push(Document { name: path.to_owned(), ours, text: Some(text) });
                true
            }
            Err(error) => {
                self.unreadable(path, ours, &error);
                false
            }
        }
    }

    fn unreadable(&mut self, path: &Path, ours: bool, error: &io::Error) {
        self.partial |= ours;
        self.documents.push(Document { name: path.to_owned(), ours, text: None });
        let reason = if error.kind() == io::ErrorKind::FileTooLarge { Reason::FileTooLarge } else { Reason::FileUnreadable };
        let problem = unreadable(path, error);
        let mut finding = Diagnostic::error(reason, problem.message).about(ObjectKind::Configuration, path.display().to_string());
        finding.help = problem.help;
        if !ours {
            finding = finding.effect("what it holds now is not read; what was read of it before goes on, and so do the other files");
        }
        self.findings.push(finding);
    }
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a configuration file has at most 8 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}
