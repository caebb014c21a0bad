//! The demo's certificate as a directory that looks like a mounted Secret: `tls.crt`, `tls.key`, and `ca.crt` beside
//! them. Kept in the user's data directory from one demo to the next; in a temporary one where that cannot be written.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::certificate::Certificate as X509;
use x509_cert::der::Decode;

use super::authority;

/// Where the certificate is.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) directory: PathBuf,
    /// Why it is not in the data directory; it goes when the demo ends.
    pub(super) temporary: Option<String>,
}

/// A certificate that ends during the demo is of no use.
const SPARE: Duration = Duration::from_secs(24 * 3600);

/// A certificate that is good for another day: the one that is there, or a new one.
pub(super) fn prepare() -> io::Result<Secret> {
    let now = SystemTime::now();
    let kept = data_directory().map_or_else(
        || Err(io::Error::other("neither XDG_DATA_HOME nor HOME is set")),
        |directory| if is_good(&directory, now) { Ok(directory) } else { create(&directory, true, now).map(|()| directory) },
    );
    match kept {
        Ok(directory) => Ok(Secret { directory, temporary: None }),
        Err(why) => {
            let directory = std::env::temp_dir().join(format!("genkan-demo-{}", std::process::id()));
            create(&directory, false, now)?;
            Ok(Secret { directory, temporary: Some(why.to_string()) })
        }
    }
}

impl Secret {
    /// What clients verify with.
    pub(super) fn authority(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if self.temporary.is_some() {
            let _ = fs::remove_dir_all(&self.directory); // The system empties the place sooner or later.
        }
    }
}

/// The XDG base directory specification has relative paths ignored.
fn data_directory() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")))?;
    Some(base.join("genkan/demo"))
}

/// Whether what is there can be served for another day, and verified with the CA beside it.
fn is_good(directory: &Path, now: SystemTime) -> bool {
    let certificate = |name: &str| CertificateDer::from_pem_file(directory.join(name)).ok();
    let (Some(leaf), Some(authority)) = (certificate("tls.crt"), certificate("ca.crt")) else { return false };
    let Ok(key) = PrivateKeyDer::from_pem_file(directory.join("tls.key")) else { return false };
    let (Ok(leaf_parsed), Ok(authority)) = (X509::from_der(&leaf), X509::from_der(&authority)) else { return false };
    let tbs = leaf_parsed.tbs_certificate();
    let validity = tbs.validity();
    validity.not_before.to_system_time() <= now
        && validity.not_after.to_system_time() > now + SPARE
        && tbs.issuer() == authority.tbs_certificate().subject()
        && CertifiedKey::from_der(vec![leaf], key, &rustls::crypto::aws_lc_rs::default_provider()).is_ok()
}

/// Makes a certificate. A directory that must be new cannot be one that somebody else has put there.
fn create(directory: &Path, may_exist: bool, now: SystemTime) -> io::Result<()> {
    let issued = authority::issue(now).map_err(io::Error::other)?;
    DirBuilder::new().recursive(may_exist).mode(0o700).create(directory)?;
    write(directory, "tls.key", 0o600, &issued.key)?;
    write(directory, "tls.crt", 0o644, &issued.certificate)?;
    write(directory, "ca.crt", 0o644, &issued.authority)
}

/// Writes a file beside its place and moves it there, so that nobody ever sees half of it, nor a key that others may read.
fn write(directory: &Path, name: &str, mode: u32, text: &str) -> io::Result<()> {
    let new = directory.join(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&new); // Left by a process that had this number before.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, directory.join(name))).inspect_err(|_| {
        let _ = fs::remove_file(&new); // The error that is passed on says enough.
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_certificate_is_kept_until_its_last_day() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("genkan/demo");
        let now = SystemTime::now();
        assert!(!is_good(&directory, now));
        create(&directory, true, now).unwrap();
        assert!(is_good(&directory, now));
        assert!(is_good(&directory, now + Duration::from_secs(88 * 24 * 3600)));
        assert!(!is_good(&directory, now + Duration::from_secs(90 * 24 * 3600)));
        let mode = fs::metadata(directory.join("tls.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["ca.crt", "tls.crt", "tls.key"]);
    }

    #[test]
    fn parts_of_two_certificates_are_not_one() {
        let home = tempfile::tempdir().unwrap();
        let (here, there) = (home.path().join("a"), home.path().join("b"));
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            create(&here, true, SystemTime::now()).unwrap();
            create(&there, true, SystemTime::now()).unwrap();
            fs::copy(there.join(name), here.join(name)).unwrap();
            assert!(!is_good(&here, SystemTime::now()), "{name}");
        }
    }

    #[test]
    fn a_place_that_is_taken_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        assert!(create(home.path(), false, SystemTime::now()).is_err());
    }
}
