//! What was told to which store, in a file beside the CA. It outlives the CA: one that was replaced is still to be taken
//! back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::authority::place::put;

/// One CA in one store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) store: PathBuf,
    /// The CA's name, by which databases know it.
    pub(super) name: String,
    pub(super) fingerprint: String,
    /// Of those that were there before, where somebody else was asked to put this one in their place and may not have.
    #[serde(default)]
    pub(super) earlier: Vec<String>,
}

/// Of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Kind {
    System,
    Nss,
}

/// At most one entry a store.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) entries: Vec<Entry>,
}

const FILE: &str = "installed.json";

impl Entry {
    /// Whether we have put this one there, or asked for it.
    pub(super) fn knows(&self, fingerprint: &str) -> bool {
        self.fingerprint == fingerprint || self.earlier.iter().any(|earlier| earlier == fingerprint)
    }
}

impl Record {
    /// Empty where there is no file.
    pub(super) fn read(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            read => read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other)).map_err(|error| about(&path, &error)),
        }
    }

    /// An empty one leaves no file.
    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        let path = directory.join(FILE);
        let written = if self.entries.is_empty() {
            fs::remove_file(&path)
        } else {
            serde_json::to_vec_pretty(self).map_err(io::Error::from).and_then(|bytes| put(&path, 0o644, &bytes))
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.entries.is_empty() => Ok(()),
            written => written.map_err(|error| about(&path, &error)),
        }
    }

    pub(super) fn of(&self, store: &Path) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.store == store)
    }

    pub(super) fn put(&mut self, entry: Entry) {
        self.forget(&entry.store);
        self.entries.push(entry);
    }

    pub(super) fn forget(&mut self, store: &Path) {
        self.entries.retain(|entry| entry.store != store);
    }
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
