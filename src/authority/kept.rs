//! The root in its directory: `ca.crt` and `ca.key`. Processes that look for it at the same time get the same one:
//! whoever writes holds a lock, and `ca.crt` comes last.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::place::{put, set, user_data};
use super::{Authority, Error, Subtree};

/// A root that is there, and what had to be done for it.
#[derive(Debug)]
pub struct Kept {
    /// The root.
    pub authority: Authority,
    /// What was done.
    pub change: Change,
}

/// What had to be done for a root to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was there.
    None,
    /// There was none.
    Created,
    /// The one that was there ends, or has ended, then.
    Renewed(SystemTime),
}

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
const LOCK: &str = ".lock";

impl Authority {
    /// The root that a directory has; `None` where there is none.
    pub fn open(directory: &Path) -> io::Result<Option<Self>> {
        match read(directory) {
            // Somebody may be between the two files.
            Err(error) => match lock(directory) {
                Ok(_lock) => read(directory),
                Err(_) => Err(error),
            },
            read => read,
        }
    }

    /// Makes a root where there is none; that there is one is an error.
    pub fn create(directory: &Path, permit: &[Subtree], now: SystemTime) -> io::Result<Self> {
        let authority = Self::constrained(permit, now)?;
        authority.store(directory, false)?;
        Ok(authority)
    }

    /// The root that a directory has, made or renewed where that is needed. What the old one permitted, the new one does,
    /// unless that was everything.
    pub fn keep(directory: &Path, now: SystemTime) -> io::Result<Kept> {
        if let Some(authority) = Self::open(directory)?.filter(|authority| !authority.ends_soon(now)) {
            return Ok(Kept { authority, change: Change::None });
        }
        let _lock = lock(directory)?;
        let (permit, change) = match read(directory)? {
            Some(authority) if !authority.ends_soon(now) => return Ok(Kept { authority, change: Change::None }),
            Some(old) => (old.permitted().to_vec(), Change::Renewed(old.not_after())),
            None => (Vec::new(), Change::Created),
        };
        let authority = Self::constrained(&permit, now)?;
        authority.write(directory)?;
        Ok(Kept { authority, change })
    }

    /// Keeps this root in a directory, in place of the one that is there if that is wanted.
    pub fn store(&self, directory: &Path, replace: bool) -> io::Result<()> {
        let _lock = lock(directory)?;
        if !replace && directory.join(CERTIFICATE).try_exists()? {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there is a CA in {}", directory.display())));
        }
        self.write(directory)
    }

    /// The caller holds the lock.
    fn write(&self, directory: &Path) -> io::Result<()> {
        put(&directory.join(KEY), 0o600, self.key_pem().as_bytes())?;
        put(&directory.join(CERTIFICATE), 0o644, self.certificate_pem().as_bytes())
    }

    /// The root that mkcert has made for this user, and where it is. It permits every name.
    pub fn of_mkcert() -> io::Result<(Self, PathBuf)> {
        let directory = set("CAROOT").or_else(|| user_data().map(|base| base.join("mkcert")));
        let directory = directory.ok_or_else(|| io::Error::other("neither CAROOT nor XDG_DATA_HOME nor HOME is set"))?;
        let file = |name: &str| fs::read(directory.join(name)).map_err(|error| about(&directory.join(name), &error));
        let authority = Self::from_pem(&file("rootCA.pem")?, &file("rootCA-key.pem")?);
        authority.map(|authority| (authority, directory.clone())).map_err(|error| unusable(&directory, &error))
    }
}

fn read(directory: &Path) -> io::Result<Option<Authority>> {
    let certificate = match fs::read(directory.join(CERTIFICATE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        certificate => certificate.map_err(|error| about(&directory.join(CERTIFICATE), &error))?,
    };
    let key = fs::read(directory.join(KEY)).map_err(|error| about(&directory.join(KEY), &error))?;
    Authority::from_pem(&certificate, &key).map(Some).map_err(|error| unusable(directory, &error))
}

/// Held until the file is dropped, or the process ends, whatever ends it.
fn lock(directory: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(|error| about(directory, &error))?;
    let path = directory.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(|error| about(&path, &error))?;
    file.lock().map_err(|error| about(&path, &error))?;
    Ok(file)
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn unusable(directory: &Path, error: &Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the CA in {} cannot be used: {error}", directory.display()))
}
