//! A certificate authority for one test, and Secrets on disk in the shape that kubelet gives them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, date_time_ymd,
};
use rustls::pki_types::CertificateDer;

/// Signs the certificates of one test.
pub struct TestCertificates {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What kind of key a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256.
    Ecdsa,
    /// RSA of 2048 bits.
    Rsa,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Now,
    /// No longer.
    Past,
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Leaf {
    /// `tls.crt`
    pub certificate: String,
    /// `tls.key`
    pub key: String,
    /// What a client sees.
    pub der: CertificateDer<'static>,
}

/// A directory as kubelet mounts a Secret: the files are links to `..data/FILE`, `..data` is a link to a directory of a
/// name that is never used again, and an update renames a new link over it.
pub struct SecretDirectory {
    /// What the configuration names.
    pub path: PathBuf,
    version: u64,
}

impl TestCertificates {
    /// A new authority.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "genkan test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be generated");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("these parameters are valid") }
    }

    /// What clients trust.
    pub fn root(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// The same as a file.
    pub fn root_pem(&self) -> String {
        self.issuer.pem()
    }

    /// A valid certificate for these names.
    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.leaf_of(names, KeyKind::Ecdsa, Validity::Now)
    }

    /// A certificate for these names.
    pub fn leaf_of(&self, names: &[&str], kind: KeyKind, validity: Validity) -> Leaf {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("test names are valid");
        params.distinguished_name.push(DnType::CommonName, "genkan test");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if validity == Validity::Past {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = match kind {
            KeyKind::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            KeyKind::Rsa => KeyPair::generate_for(&PKCS_RSA_SHA256),
        };
        let key = key.expect("a key can be generated");
        let certificate = params.signed_by(&key, &self.issuer).expect("these parameters are valid");
        Leaf { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }
}

impl Leaf {
    /// The files of a Secret.
    pub fn files(&self) -> [(&'static str, &str); 2] {
        [("tls.crt", &self.certificate), ("tls.key", &self.key)]
    }

    /// This certificate with somebody else's key.
    #[must_use]
    pub fn with_key_of(&self, other: &Self) -> Self {
        Self { key: other.key.clone(), ..self.clone() }
    }
}

impl SecretDirectory {
    /// Mounts it.
    pub fn mount(path: impl Into<PathBuf>, leaf: &Leaf) -> Self {
        let mut secret = Self { path: path.into(), version: 0 };
        fs::create_dir_all(&secret.path).expect("the test's directory is ours");
        secret.swap(leaf);
        for (name, _) in leaf.files() {
            symlink(Path::new("..data").join(name), secret.path.join(name)).expect("the test's directory is ours");
        }
        secret
    }

    /// Updates it as kubelet does.
    pub fn swap(&mut self, leaf: &Leaf) {
        self.swap_files(&leaf.files());
    }

    /// Updates it as kubelet does, with any content.
    pub fn swap_files(&mut self, files: &[(&str, &str)]) {
        self.version += 1;
        let before = fs::read_link(self.path.join("..data")).ok();
        let name = format!("..2026_01_02_03_04_05.{:09}", self.version);
        let directory = self.path.join(&name);
        fs::create_dir(&directory).expect("every version has a name of its own");
        for (file, content) in files {
            fs::write(directory.join(file), content).expect("the test's directory is ours");
        }
        symlink(&name, self.path.join("..data_tmp")).expect("no update is going on");
        fs::rename(self.path.join("..data_tmp"), self.path.join("..data")).expect("both are in one directory");
        if let Some(before) = before {
            fs::remove_dir_all(self.path.join(before)).expect("nobody else removes it");
        }
    }
}

/// Writes plain files, over what is there, as `cp` does.
pub fn overwrite(directory: &Path, leaf: &Leaf) {
    fs::create_dir_all(directory).expect("the test's directory is ours");
    for (name, content) in leaf.files() {
        fs::write(directory.join(name), content).expect("the test's directory is ours");
    }
}

/// Writes plain files aside and renames them into place, as `mv` and certificate tools do.
pub fn rename_in(directory: &Path, leaf: &Leaf) {
    for (name, content) in leaf.files() {
        let aside = directory.join(format!("{name}.new"));
        fs::write(&aside, content).expect("the test's directory is ours");
        fs::rename(aside, directory.join(name)).expect("both are in one directory");
    }
}
