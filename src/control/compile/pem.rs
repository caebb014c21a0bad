//! PEM to certificates and a key. The only file that names `rustls_pemfile`, which is no longer developed; its
//! successor is the reader in `rustls-pki-types`, so replacing it stays a change of this file.

use std::io::Cursor;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a text has nothing to serve in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemError {
    /// No bytes at all.
    Empty,
    /// The sections are malformed.
    Malformed,
    /// No section of the kind that is looked for.
    Absent,
    /// There is a key, but under a pass phrase.
    Encrypted,
    /// More sections than anyone's chain has.
    TooMany,
}

/// Certificates of a chain. Public chains have two to four; this leaves room and bounds the work.
const MAX_CHAIN: usize = 16;

/// Every certificate of a text, in order; other sections are skipped.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    check_empty(text)?;
    let mut chain = Vec::new();
    for certificate in rustls_pemfile::certs(&mut Cursor::new(text)) {
        if chain.len() == MAX_CHAIN {
            return Err(PemError::TooMany);
        }
        chain.push(certificate.map_err(|_| PemError::Malformed)?);
    }
    if chain.is_empty() { Err(PemError::Absent) } else { Ok(chain) }
}

/// The first private key of a text (PKCS#8, PKCS#1 or SEC 1); other sections are skipped.
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    check_empty(text)?;
    match rustls_pemfile::private_key(&mut Cursor::new(text)) {
        Ok(Some(key)) => Ok(key),
        Ok(None) | Err(_) if is_encrypted(text) => Err(PemError::Encrypted),
        Ok(None) => Err(PemError::Absent),
        Err(_) => Err(PemError::Malformed),
    }
}

fn check_empty(text: &[u8]) -> Result<(), PemError> {
    if text.trim_ascii().is_empty() { Err(PemError::Empty) } else { Ok(()) }
}

/// `BEGIN ENCRYPTED PRIVATE KEY` (PKCS#8), or `Proc-Type: 4,ENCRYPTED` (RFC 1421 style).
fn is_encrypted(text: &[u8]) -> bool {
    text.windows(9).any(|window| window == b"ENCRYPTED")
}
