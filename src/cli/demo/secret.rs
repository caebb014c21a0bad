//! The demo's certificate as a directory that looks like a mounted Secret: `tls.crt`, `tls.key`, and `ca.crt` beside
//! them. Kept in the user's data directory from one demo to the next; in a temporary one where that cannot be written.
//! It comes from the CA that is kept there too; in a temporary place from one that is thrown away.

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

use crate::authority::{self, Authority};
use crate::cli::ca;
use crate::model::{Host, HostPattern};

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
    match kept(now) {
        Ok(directory) => Ok(Secret { directory, temporary: None }),
        Err(why) => {
            let directory = std::env::temp_dir().join(format!("genkan-demo-{}", std::process::id()));
            create(&directory, &Authority::constrained(&[], now)?, now)?;
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

/// In the data directory, which is said to be unusable where either part of it is.
fn kept(now: SystemTime) -> io::Result<PathBuf> {
    let authority = ca::keep(now)?;
    let base = authority::data_directory().ok_or_else(|| io::Error::other("neither XDG_DATA_HOME nor HOME is set"))?;
    let directory = base.join("demo");
    keep(&directory, &authority, now).map(|()| directory)
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

/// Whether it comes from this CA, and not from one before it, which nobody trusts any more.
fn is_from(directory: &Path, authority: &Authority) -> bool {
    fs::read_to_string(directory.join("ca.crt")).is_ok_and(|text| text == authority.certificate_pem())
}

/// Leaves what is there if it is good, and else puts a new one there.
fn keep(directory: &Path, authority: &Authority, now: SystemTime) -> io::Result<()> {
    let is_good = |directory: &Path| is_good(directory, now) && is_from(directory, authority);
    if is_good(directory) {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory.parent().unwrap_or(directory))?;
    // Made beside its place and moved there in one step: another demo may be starting at this moment.
    let new = directory.with_file_name(format!(".demo.{}", std::process::id()));
    let _ = fs::remove_dir_all(&new); // Left by a process that had this number before.
    let placed = create(&new, authority, now).and_then(|()| {
        match fs::rename(&new, directory) {
            // There are files already, and who knows which else: from another demo, or of a certificate that has ended.
            Err(_) if !is_good(directory) => FILES.iter().try_for_each(|name| fs::rename(new.join(name), directory.join(name))),
            Ok(()) | Err(_) => Ok(()),
        }
    });
    let _ = fs::remove_dir_all(&new); // Moved away, most likely.
    placed.and_then(|()| if is_good(directory) { Ok(()) } else { Err(io::Error::other("what was written there is not good")) })
}

const FILES: [&str; 3] = ["tls.key", "tls.crt", "ca.crt"];
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes a certificate in a directory that nobody has made before.
fn create(directory: &Path, authority: &Authority, now: SystemTime) -> io::Result<()> {
    let names: Vec<HostPattern> = NAMES.iter().filter_map(|name| Host::parse(name).ok()).map(HostPattern::Exact).collect();
    let issued = authority.issue(&names, now)?;
    DirBuilder::new().mode(0o700).create(directory)?;
    let [key, certificate, root] = FILES;
    let contents = [(key, 0o600, issued.key.as_str()), (certificate, 0o644, &issued.certificate), (root, 0o644, authority.certificate_pem())];
    for (name, mode, text) in contents {
        OpenOptions::new().write(true).create_new(true).mode(mode).open(directory.join(name))?.write_all(text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn authority(now: SystemTime) -> Authority {
        Authority::constrained(&[], now).unwrap()
    }

    fn read(directory: &Path) -> Vec<String> {
        FILES.iter().map(|name| fs::read_to_string(directory.join(name)).unwrap()).collect()
    }

    #[test]
    fn a_certificate_is_kept_until_its_last_day() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("genkan/demo");
        let now = SystemTime::now();
        let authority = authority(now);
        keep(&directory, &authority, now).unwrap();
        let first = read(&directory);
        let mode = fs::metadata(directory.join("tls.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        keep(&directory, &authority, now + Duration::from_secs(88 * 24 * 3600)).unwrap();
        assert_eq!(read(&directory), first);
        fs::write(directory.join("mine"), "").unwrap();
        keep(&directory, &authority, now + Duration::from_secs(90 * 24 * 3600)).unwrap();
        let second = read(&directory);
        assert!(first[0] != second[0] && first[1] != second[1] && first[2] == second[2]);
        assert!(directory.join("mine").exists());
        let beside: Vec<_> = fs::read_dir(home.path().join("genkan")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(beside, ["demo"]);
    }

    #[test]
    fn a_new_ca_issues_anew() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("demo");
        let now = SystemTime::now();
        keep(&directory, &authority(now), now).unwrap();
        let first = read(&directory);
        keep(&directory, &authority(now), now).unwrap();
        assert!(first.iter().zip(&read(&directory)).all(|(before, after)| before != after));
    }

    #[test]
    fn parts_of_two_certificates_are_not_one() {
        let home = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (index, name) in FILES.into_iter().enumerate() {
            let (here, there) = (home.path().join(format!("{index}")), home.path().join(format!("{index}-other")));
            create(&here, &authority(now), now).unwrap();
            create(&there, &authority(now), now).unwrap();
            assert!(is_good(&here, now));
            fs::copy(there.join(name), here.join(name)).unwrap();
            assert!(!is_good(&here, now), "{name}");
        }
    }

    #[test]
    fn a_temporary_place_that_is_taken_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        assert!(create(home.path(), &authority(now), now).is_err());
    }
}
