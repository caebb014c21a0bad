//! Trust stores: telling the system's and the browsers' of the local CA, and taking back what was told. What was done is
//! written down beside the CA, so that taking back touches nothing else. Each store is tried; one that cannot be changed
//! does not hold up the others.

mod nss;
mod record;
mod system;

use std::io;
use std::path::{Path, PathBuf};

use super::{Authority, place};
use nss::Nss;
use record::{Entry, Kind, Record};

pub use system::System;

/// Which stores are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stores {
    /// That of the system: curl, git, most programs.
    pub system: bool,
    /// Those of browsers that keep their own.
    pub nss: bool,
}

/// One store, and what became of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Its file or directory; for what is not there, where it would be.
    pub store: PathBuf,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a store.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was changed.
    Done,
    /// There was nothing to do.
    Already,
    /// There is no such store on this machine.
    Absent,
    /// Only root may change it.
    NeedsRoot,
    /// A program that is needed is not there: its name, and the package that has it.
    NoProgram(&'static str, &'static str),
    /// What is there came from elsewhere, and is left alone.
    Foreign,
    /// The change failed.
    Failed(String),
}

/// The stores of one user.
#[derive(Debug)]
pub struct Trust {
    directory: PathBuf,
    system: System,
    nss: Nss,
}

impl Stores {
    fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::System => self.system,
            Kind::Nss => self.nss,
        }
    }
}

impl Trust {
    /// The stores of this user, for the CA that is kept in the directory.
    pub fn of_user(directory: &Path) -> Self {
        Self::new(directory, place::home(), System::debian())
    }

    /// The same with every place named.
    pub fn new(directory: &Path, home: Option<PathBuf>, system: System) -> Self {
        Self { directory: directory.to_owned(), system, nss: Nss { home } }
    }

    /// Where the stores are: the system's file first, then each database.
    pub fn places(&self, stores: Stores) -> Vec<PathBuf> {
        let system = stores.system.then(|| self.system.file());
        system.into_iter().chain(stores.nss.then(|| self.nss.databases()).into_iter().flatten()).collect()
    }

    /// Tells the stores of the CA. One that knew an older CA of ours forgets that.
    pub fn install(&self, authority: &Authority, stores: Stores) -> io::Result<Vec<Step>> {
        let mut record = Record::read(&self.directory)?;
        let mut steps = Vec::new();
        if stores.system {
            steps.push(self.install_into(Kind::System, self.system.file(), authority, &mut record)?);
        }
        if stores.nss {
            let databases = self.nss.databases();
            if databases.is_empty() {
                steps.push(Step { store: self.nss.usual(), outcome: Outcome::Absent });
            }
            for database in databases {
                steps.push(self.install_into(Kind::Nss, database, authority, &mut record)?);
            }
        }
        Ok(steps)
    }

    fn install_into(&self, kind: Kind, store: PathBuf, authority: &Authority, record: &mut Record) -> io::Result<Step> {
        let (name, fingerprint) = (authority.name().to_owned(), authority.fingerprint());
        let mut entry = Entry { kind, store: store.clone(), name, fingerprint, earlier: Vec::new() };
        let old = record.of(&store);
        let outcome = match kind {
            Kind::System => self.system.install(authority, old),
            Kind::Nss => Nss::install(&entry, &self.directory.join("ca.crt"), old),
        };
        // Somebody who runs the command as root does it for us, now or later.
        if outcome == Outcome::NeedsRoot
            && let Some(old) = old
        {
            entry.earlier.clone_from(&old.earlier);
            entry.earlier.push(old.fingerprint.clone());
            entry.earlier.retain(|earlier| *earlier != entry.fingerprint);
        }
        // What is there although nothing is written down, others have put there: mkcert, for one.
        if matches!(outcome, Outcome::Done | Outcome::NeedsRoot) || (outcome == Outcome::Already && old.is_some()) {
            record.put(entry);
            record.write(&self.directory)?;
        }
        Ok(Step { store, outcome })
    }

    /// Where there is something to take back.
    pub fn installed(&self, stores: Stores) -> io::Result<Vec<PathBuf>> {
        let entries = Record::read(&self.directory)?.entries.into_iter();
        Ok(entries.filter(|entry| stores.has(entry.kind)).map(|entry| entry.store).collect())
    }

    /// Takes back what [`Self::install`] has told.
    pub fn uninstall(&self, stores: Stores) -> io::Result<Vec<Step>> {
        let mut record = Record::read(&self.directory)?;
        let mut steps = Vec::new();
        for entry in record.entries.clone() {
            if !stores.has(entry.kind) {
                continue;
            }
            let outcome = match entry.kind {
                Kind::System => self.system.uninstall(&entry),
                Kind::Nss => Nss::uninstall(&entry),
            };
            if matches!(outcome, Outcome::Done | Outcome::Already | Outcome::Absent | Outcome::Foreign) {
                record.forget(&entry.store);
                record.write(&self.directory)?;
            }
            steps.push(Step { store: entry.store, outcome });
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests;
