//! The stores of browsers that keep their own (Firefox, and Chrome and Chromium on Linux): NSS databases, which only
//! NSS's own program can write.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Outcome;
use super::record::Entry;

/// The databases under a home directory.
#[derive(Debug)]
pub(super) struct Nss {
    pub(super) home: Option<PathBuf>,
}

/// Of Chrome and Chromium: the database itself.
const DATABASES: [&str; 2] = [".pki/nssdb", "snap/chromium/current/.pki/nssdb"];
/// Of Firefox: directories of profiles, each with a database.
const PROFILES: [&str; 2] = [".mozilla/firefox", "snap/firefox/common/.mozilla/firefox"];
/// The file by which a database is known. Older ones, without it, no browser of today reads.
const FILE: &str = "cert9.db";
/// More profiles than anybody has.
const MAX_DATABASES: usize = 64;

impl Nss {
    /// Directories with a database.
    pub(super) fn databases(&self) -> Vec<PathBuf> {
        let Some(home) = &self.home else { return Vec::new() };
        let mut found: Vec<PathBuf> = DATABASES.iter().map(|path| home.join(path)).collect();
        for profiles in PROFILES {
            let entries = std::fs::read_dir(home.join(profiles)).into_iter().flatten();
            let mut profiles: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
            profiles.sort();
            found.append(&mut profiles);
        }
        found.retain(|path| path.join(FILE).is_file());
        found.truncate(MAX_DATABASES);
        found
    }

    /// The one that is usually there.
    pub(super) fn usual(&self) -> PathBuf {
        self.home.clone().unwrap_or_else(|| "~".into()).join(DATABASES[0])
    }

    pub(super) fn install(entry: &Entry, certificate: &Path, old: Option<&Entry>) -> Outcome {
        if let Some(old) = old.filter(|old| old.name != entry.name) {
            match Self::uninstall(old) {
                Outcome::Done | Outcome::Already | Outcome::Absent => {}
                failed => return failed,
            }
        }
        match listed(entry) {
            Ok(true) => Outcome::Already,
            // Trusted to issue for servers, and for nothing else.
            Ok(false) => outcome(certutil(&entry.store, &["-A", "-t", "C,,", "-n", &entry.name, "-i"], Some(certificate))),
            Err(failed) => failed,
        }
    }

    pub(super) fn uninstall(entry: &Entry) -> Outcome {
        if !entry.store.join(FILE).is_file() {
            return Outcome::Absent;
        }
        match listed(entry) {
            Ok(true) => outcome(certutil(&entry.store, &["-D", "-n", &entry.name], None)),
            Ok(false) => Outcome::Already,
            Err(failed) => failed,
        }
    }
}

/// Whether the database has a certificate of this name.
fn listed(entry: &Entry) -> Result<bool, Outcome> {
    // It fails the same way for a name that is not there and for a database that cannot be read.
    match certutil(&entry.store, &["-L"], None) {
        Ok(text) => Ok(text.lines().any(|line| line.strip_prefix(&entry.name).is_some_and(|rest| rest.starts_with(' ')))),
        Err(failed) => Err(failed),
    }
}

fn outcome(done: Result<String, Outcome>) -> Outcome {
    done.map_or_else(|failed| failed, |_| Outcome::Done)
}

fn certutil(database: &Path, arguments: &[&str], file: Option<&Path>) -> Result<String, Outcome> {
    let mut place = std::ffi::OsString::from("sql:");
    place.push(database);
    let mut command = Command::new("certutil");
    command.args(arguments).args(file).arg("-d").arg(place);
    // A database under a pass phrase must not ask for it here.
    let output = command.stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(Outcome::Failed(format!("certutil: {}", String::from_utf8_lossy(&output.stderr).trim()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Outcome::NoProgram("certutil", "libnss3-tools")),
        Err(error) => Err(Outcome::Failed(format!("certutil: {error}"))),
    }
}
