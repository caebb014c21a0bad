//! Certificates from a root, each for the names it is asked for and no others.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use rcgen::{DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType};

use super::root::validity;
use super::{Authority, Error};
use crate::model::HostPattern;

/// A certificate and its key; PEM.
pub struct Issued {
    /// The leaf alone.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// End of its validity.
    pub not_after: SystemTime,
}

/// Long enough to be forgotten, short enough for every client's rules.
const VALIDITY: Duration = Duration::from_secs(90 * 24 * 3600);
/// Of a common name (RFC 5280, appendix A).
const MAX_COMMON_NAME: usize = 64;

impl Authority {
    /// Issues a certificate, for names that clients will take from this root.
    pub fn issue(&self, names: &[HostPattern], now: SystemTime) -> Result<Issued, Error> {
        for name in names {
            let host = name.host();
            if !matches!(name, HostPattern::Exact(_)) && host.parent().is_none() {
                return Err(Error::TooWide(name.clone()));
            }
            if !self.permits(host) {
                return Err(Error::NotPermitted(name.clone()));
            }
        }
        self.sign(names, now)
    }

    /// Whatever the names are.
    pub(super) fn sign(&self, names: &[HostPattern], now: SystemTime) -> Result<Issued, Error> {
        if names.is_empty() {
            return Err(Error::NoName);
        }
        if self.not_after <= now {
            return Err(Error::Ended);
        }
        let not_after = self.not_after.min(now + VALIDITY);
        let mut params = validity(now, not_after);
        // Without a name in it, the subject would have to be empty and the names critical, which old clients do not like.
        params.distinguished_name.push(DnType::OrganizationName, "genkan local certificate");
        params.subject_alt_names = names.iter().map(alternative).collect::<Result<_, _>>()?;
        // Never an address: where there are no other names, clients hold this one against the constraints for names.
        if let Some(name) = names.iter().find(|name| is_name(name) && name.to_string().len() <= MAX_COMMON_NAME) {
            params.distinguished_name.push(DnType::CommonName, name.to_string());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem(), not_after })
    }
}

fn is_name(name: &HostPattern) -> bool {
    match name {
        HostPattern::Exact(host) => IpAddr::from_str(host.as_str()).is_err(),
        HostPattern::Wildcard(_) | HostPattern::Deep(_) => true,
    }
}

fn alternative(name: &HostPattern) -> Result<SanType, rcgen::Error> {
    match name {
        HostPattern::Exact(host) => match IpAddr::from_str(host.as_str()) {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => host.as_str().try_into().map(SanType::DnsName),
        },
        // Certificates know wildcards of one label alone.
        HostPattern::Wildcard(host) | HostPattern::Deep(host) => format!("*.{host}").try_into().map(SanType::DnsName),
    }
}
