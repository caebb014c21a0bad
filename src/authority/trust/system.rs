//! The system's store as Debian, Ubuntu and what descends from them have it: a directory for CAs of this machine, and a
//! program that reads it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Outcome;
use super::record::Entry;
use crate::authority::Authority;
use crate::authority::place::put;

/// Where CAs of this machine go, and who reads them.
#[derive(Debug)]
pub struct System {
    /// The directory.
    pub directory: PathBuf,
    /// The program; looked for in `PATH` unless it is a path.
    pub program: PathBuf,
}

const FILE: &str = "genkan-local-ca.crt";
const PROGRAM: &str = "update-ca-certificates";

impl System {
    /// Debian's.
    pub fn debian() -> Self {
        Self { directory: "/usr/local/share/ca-certificates".into(), program: PROGRAM.into() }
    }

    /// Our file there.
    pub(super) fn file(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    pub(super) fn install(&self, authority: &Authority, old: Option<&Entry>) -> Outcome {
        if !self.directory.is_dir() {
            return Outcome::Absent;
        }
        let file = self.file();
        match fingerprint(&file) {
            Some(there) if there == authority.fingerprint() => return Outcome::Already,
            // Another user's of this machine, perhaps, or one that a lost record told of.
            Some(there) if !old.is_some_and(|old| old.knows(&there)) => return Outcome::Foreign,
            None if file.exists() => return Outcome::Foreign,
            Some(_) | None => {}
        }
        match put(&file, 0o644, authority.certificate_pem().as_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Outcome::NeedsRoot,
            Err(error) => return Outcome::Failed(error.to_string()),
        }
        let updated = self.update(&[]);
        if updated != Outcome::Done {
            let _ = fs::remove_file(&file); // What is told is why the update failed.
        }
        updated
    }

    pub(super) fn uninstall(&self, entry: &Entry) -> Outcome {
        if !entry.store.exists() {
            return Outcome::Already;
        }
        if !fingerprint(&entry.store).is_some_and(|there| entry.knows(&there)) {
            return Outcome::Foreign;
        }
        match fs::remove_file(&entry.store) {
            Ok(()) => self.update(&["--fresh"]),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Outcome::NeedsRoot,
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    fn update(&self, arguments: &[&str]) -> Outcome {
        let run = Command::new(&self.program).args(arguments).stdin(Stdio::null()).output();
        match run {
            Ok(output) if output.status.success() => Outcome::Done,
            Ok(output) => Outcome::Failed(format!("{}: {}", self.program.display(), String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) if error.kind() == ErrorKind::NotFound => Outcome::NoProgram(PROGRAM, "ca-certificates"),
            Err(error) => Outcome::Failed(format!("{}: {error}", self.program.display())),
        }
    }
}

/// Of the certificate in a file; `None` where there is none.
fn fingerprint(path: &Path) -> Option<String> {
    let der = CertificateDer::from_pem_file(path).ok()?;
    let digest = digest::digest(&digest::SHA256, &der);
    Some(crate::authority::fingerprint(digest.as_ref()))
}
