//! The tree of a YAML document and the places in its file. Scalars keep their source text, because what `1.20` or
//! `no` is depends on who asks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::model::{Diagnostic, ObjectKind, Place, Reason};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A text; `plain` if it stood without quotes, so that it may also be a number, a boolean or nothing.
    Scalar {
        /// After escapes.
        text: String,
        /// Neither quoted nor a block.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in their order.
    Mapping(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// A place in one of the files that were read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Index into [`Files`].
    pub file: u32,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// In characters, on that line.
    pub width: u32,
}

/// A file as it was read.
#[derive(Debug)]
pub struct SourceFile {
    /// As the user named it.
    pub name: Arc<str>,
    /// What relative paths in it are relative to.
    pub directory: PathBuf,
    /// Its content.
    pub text: String,
    /// Where each of its lines begins, once somebody has asked.
    lines: OnceLock<Vec<usize>>,
}

impl SourceFile {
    /// A file of this content.
    pub fn new(name: impl Into<Arc<str>>, directory: PathBuf, text: String) -> Self {
        Self { name: name.into(), directory, text, lines: OnceLock::new() }
    }

    /// A line, from 1, without its end.
    fn line(&self, number: usize) -> Option<&str> {
        let starts = self.lines.get_or_init(|| std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect());
        let rest = self.text.get(*starts.get(number.checked_sub(1)?)?..)?;
        rest.lines().next().or(Some(""))
    }
}

/// The files that were read together; spans point into it.
#[derive(Debug, Default)]
pub struct Files(pub Vec<SourceFile>);

/// Something wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What kind.
    pub reason: Reason,
    /// What.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Node {
    /// The text of a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::Sequence(_) | Kind::Mapping(_) => None,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Mapping(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, value)| value),
            Kind::Scalar { .. } | Kind::Sequence(_) => None,
        }
    }

    /// Whether it stands for nothing: an empty value, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if is_null(text))
    }

    /// In a few words, for error texts.
    pub fn describe(&self) -> String {
        match &self.kind {
            _ if self.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, plain: false } => format!("the text \"{}\"", shorten(text)),
            Kind::Scalar { text, plain: true } => format!("`{}`", shorten(text)),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

/// YAML 1.2 core schema, section 10.3.2.
pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl Files {
    /// The place with its source line, for reports.
    pub fn place(&self, span: Span) -> Option<Place> {
        let file = self.0.get(span.file as usize)?;
        let source = file.line(span.line as usize)?;
        Some(Place {
            file: file.name.clone(),
            line: span.line as usize,
            column: span.column as usize,
            source: if may_hold_a_secret(source) { String::new() } else { source.chars().take(MAX_SOURCE_LINE).collect() },
            width: span.width.max(1) as usize,
        })
    }

    /// What a path written at `span` is relative to.
    pub fn resolve(&self, span: Span, path: &Path) -> PathBuf {
        match self.0.get(span.file as usize) {
            Some(file) => file.directory.join(path),
            None => path.to_owned(),
        }
    }
}

impl Problem {
    /// As a finding about the configuration.
    pub fn diagnose(self, files: &Files) -> Diagnostic {
        let name = files.0.get(self.span.file as usize).map_or_else(String::new, |file| file.name.to_string());
        let mut diagnostic = Diagnostic::error(self.reason, self.message).about(ObjectKind::Configuration, name).at(files.place(self.span));
        diagnostic.help = self.help;
        diagnostic
    }
}

/// Reports are logged and shown to people who may not read the file.
fn may_hold_a_secret(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    ["token:", "authorization", "password", "private key"].iter().any(|word| line.contains(word))
}

/// A minified file is one line; a report shows the beginning of it.
const MAX_SOURCE_LINE: usize = 200;
