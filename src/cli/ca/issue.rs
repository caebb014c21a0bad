//! `genkan ca issue`: a certificate as a directory that looks like a mounted Secret.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::certificate::Certificate as X509;
use x509_cert::der::Decode;

use super::{day, open};
use crate::authority::{Authority, Error, Issued, put};
use crate::cli::Refusal;
use crate::cli::output::{Stream, quoted};
use crate::model::HostPattern;

/// Issue a certificate for names and addresses
///
/// Writes a directory with tls.crt, tls.key and ca.crt, as a Secret is mounted, with one certificate for all the names.
/// A directory that an earlier call has written gets a new certificate.
#[derive(Debug, Args)]
pub(super) struct Issue {
    /// What it is for: shop.test, *.shop.test, 127.0.0.1
    #[arg(required = true, value_name = "NAME", value_parser = HostPattern::parse)]
    names: Vec<HostPattern>,
    /// Where it is written; default: named after the first name
    #[arg(short, long, value_name = "DIR", env = "GENKAN_OUTPUT", hide_env_values = true)]
    output: Option<PathBuf>,
}

impl Issue {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let (_, authority) = open()?;
        let issued = authority.issue(&self.names, SystemTime::now()).map_err(|error| refusal(&error, &authority, &self.names))?;
        let directory = self.output.clone().unwrap_or_else(|| default_directory(&self.names));
        write(&directory, &authority, &issued)?;
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let (place, until) = (directory.display(), day(issued.not_after));
        Stream::Out.write(&format!("{:<10} {place}\n{:<10} {}\n{:<10} {until}\n", "directory", "names", names.join(", "), "until"));
        Stream::Err.write(&format!("To serve it: genkan run --certificate {} --backend URL\n", quoted(&directory)));
        Ok(ExitCode::SUCCESS)
    }
}

/// As mkcert has it: shells would act on a star.
fn default_directory(names: &[HostPattern]) -> PathBuf {
    names.first().map(|name| name.to_string().replace('*', "_wildcard")).unwrap_or_default().into()
}

fn refusal(error: &Error, authority: &Authority, names: &[HostPattern]) -> Refusal {
    let refusal = Refusal::no(error.to_string());
    match error {
        Error::NotPermitted(_) => refusal.help(format!("for a CA that does: {}", remedy(authority, names))),
        Error::TooWide(_) => refusal.help("name each host, or put a label between: *.shop.test"),
        Error::Ended => refusal.help("make a new one: genkan ca create --force"),
        Error::NoName | Error::Unusable(_) | Error::Signing(_) => refusal,
    }
}

/// A command that keeps what is permitted now, and adds what is missing.
fn remedy(authority: &Authority, names: &[HostPattern]) -> String {
    let mut permit: Vec<String> = authority.added().map(ToString::to_string).collect();
    for name in names {
        let host = name.host();
        if !authority.permits(host) && !permit.contains(&host.to_string()) {
            permit.push(host.to_string());
        }
    }
    permit.iter().fold("genkan ca create --force".to_owned(), |command, name| format!("{command} --permit {name}"))
}

const KEY: &str = "tls.key";
const CERTIFICATE: &str = "tls.crt";
const AUTHORITY: &str = "ca.crt";

/// The key first: whoever follows the directory takes a pair once it is one.
fn write(directory: &Path, authority: &Authority, issued: &Issued) -> Result<(), Refusal> {
    if !is_free(directory) {
        let message = format!("{} has a certificate or key that does not come from a local CA", directory.display());
        return Err(Refusal::no(message).help("name another directory: -o DIR"));
    }
    let written = create(directory).and_then(|()| {
        put(&directory.join(KEY), 0o600, issued.key.as_bytes())?;
        put(&directory.join(CERTIFICATE), 0o644, issued.certificate.as_bytes())?;
        put(&directory.join(AUTHORITY), 0o644, authority.certificate_pem().as_bytes())
    });
    written.map_err(|error| Refusal::usage(format!("{} cannot be written: {error}", directory.display())))
}

/// One that is there may be another's, and stays as it is.
fn create(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o755).create(directory)
}

/// Whether nothing would be lost: there are no such files, or they are an earlier certificate of a local CA.
fn is_free(directory: &Path) -> bool {
    let there = |name: &str| fs::symlink_metadata(directory.join(name)).is_ok();
    if ![KEY, CERTIFICATE, AUTHORITY].into_iter().any(there) {
        return true;
    }
    let parsed = |name: &str| X509::from_der(&CertificateDer::from_pem_file(directory.join(name)).ok()?).ok();
    let (Some(leaf), Some(root)) = (parsed(CERTIFICATE), parsed(AUTHORITY)) else { return false };
    let subject = leaf.tbs_certificate().subject().to_string();
    leaf.tbs_certificate().issuer() == root.tbs_certificate().subject() && subject.contains("genkan local certificate")
}
