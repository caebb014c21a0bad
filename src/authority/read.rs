//! Certificate and key of a root from PEM. What the certificate says is what counts, so that one of ours, an older one
//! and one that mkcert made are used the same way.

use std::time::SystemTime;

use aws_lc_rs::digest;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, Issuer, KeyIdMethod, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::certificate::Certificate as X509;
use x509_cert::der::pem::{self, LineEnding};
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::ext::pkix::{BasicConstraints, NameConstraints, SubjectKeyIdentifier};
use x509_cert::name::Name;

use super::{Authority, Error, Subtree};

impl Authority {
    /// The root that these are. The key must be the certificate's.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        let der = CertificateDer::from_pem_slice(certificate).map_err(|_| Error::Unusable("the certificate is not valid PEM"))?;
        let parsed = X509::from_der(&der).map_err(|_| Error::Unusable("the certificate cannot be parsed"))?;
        let key = std::str::from_utf8(key).ok().and_then(|key| KeyPair::from_pem(key).ok());
        let key = key.ok_or(Error::Unusable("the key cannot be used"))?;
        let tbs = parsed.tbs_certificate();
        if tbs.subject_public_key_info().subject_public_key.raw_bytes() != key.public_key_raw() {
            return Err(Error::Unusable("the key is not the certificate's"));
        }
        if !extension::<BasicConstraints>(&parsed)?.is_some_and(|constraints| constraints.ca) {
            return Err(Error::Unusable("the certificate is not that of a CA"));
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = subject(tbs.subject()).ok_or(Error::Unusable("the certificate has a subject that cannot be repeated"))?;
        if let Some(SubjectKeyIdentifier(identifier)) = extension(&parsed)? {
            params.key_identifier_method = KeyIdMethod::PreSpecified(identifier.as_bytes().to_vec());
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest::digest(&digest::SHA256, &der).as_ref());
        Ok(Self {
            name: common_name(tbs.subject()),
            certificate: pem(&der)?,
            fingerprint,
            permitted: permitted(&parsed)?,
            not_after: not_after(&parsed),
            der: der.to_vec(),
            issuer: Issuer::new(params, key),
        })
    }
}

fn extension<'c, T: Decode<'c> + x509_cert::der::oid::AssociatedOid>(certificate: &'c X509) -> Result<Option<T>, Error> {
    let found = certificate.tbs_certificate().get_extension::<T>();
    found.map(|found| found.map(|(_, extension)| extension)).map_err(|_| Error::Unusable("the certificate has an extension that cannot be parsed"))
}

fn not_after(certificate: &X509) -> SystemTime {
    certificate.tbs_certificate().validity().not_after.to_system_time()
}

/// Only what is understood may be used: a certificate that clients refuse is worse than none.
fn permitted(certificate: &X509) -> Result<Vec<Subtree>, Error> {
    let Some(constraints) = extension::<NameConstraints>(certificate)? else { return Ok(Vec::new()) };
    if constraints.excluded_subtrees.is_some_and(|excluded| !excluded.is_empty()) {
        return Err(Error::Unusable("the certificate excludes names"));
    }
    let mut permitted = Vec::new();
    for subtree in constraints.permitted_subtrees.unwrap_or_default() {
        let subtree =
            Subtree::from_constraint(&subtree.base).map_err(|_| Error::Unusable("the certificate has constraints that are not understood"))?;
        permitted.extend(subtree);
    }
    Ok(permitted)
}

/// The name as issued certificates must repeat it, byte for byte: some clients compare no better.
fn subject(name: &Name) -> Option<DistinguishedName> {
    let mut subject = DistinguishedName::new();
    for relative in name.iter_rdn() {
        let mut attributes = relative.iter();
        let (Some(attribute), None) = (attributes.next(), attributes.next()) else { return None };
        let kind = DnType::CustomDnType(attribute.oid.arcs().map(u64::from).collect());
        if subject.get(&kind).is_some() {
            return None;
        }
        subject.push(kind, value(attribute)?);
    }
    Some(subject)
}

fn value(attribute: &AttributeTypeAndValue) -> Option<DnValue> {
    let text = std::str::from_utf8(attribute.value.value()).ok()?;
    match attribute.value.tag() {
        Tag::Utf8String => Some(DnValue::Utf8String(text.to_owned())),
        Tag::PrintableString => text.try_into().ok().map(DnValue::PrintableString),
        Tag::Ia5String => text.try_into().ok().map(DnValue::Ia5String),
        _ => None,
    }
}

fn common_name(name: &Name) -> String {
    let attribute = name.iter().find(|attribute| attribute.oid == x509_cert::der::oid::db::rfc4519::CN);
    let text = attribute.and_then(|attribute| std::str::from_utf8(attribute.value.value()).ok());
    text.map_or_else(|| name.to_string(), str::to_owned)
}

/// A certificate as PEM.
pub fn pem(der: &[u8]) -> Result<String, Error> {
    pem::encode_string("CERTIFICATE", LineEnding::LF, der).map_err(|_| Error::Unusable("the certificate cannot be written as PEM"))
}
