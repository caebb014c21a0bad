//! Which certificate a handshake is served, under the configuration of the moment.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::model::{CertificateName, KeyType};
use crate::proxy::live::Live;

/// Looks certificates up for rustls.
pub struct Certificates {
    /// Where the configuration of the moment is.
    pub live: Arc<ArcSwap<Live>>,
    /// The listener's own default.
    pub default: Option<CertificateName>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let live = self.live.load();
        let schemes = hello.signature_schemes();
        live.certificate(hello.server_name(), self.default.as_ref(), |key| can_verify(schemes, key)).map(|pair| pair.signer().clone())
    }
}

/// Whether a client that lists these schemes can verify signatures of such a key.
fn can_verify(schemes: &[SignatureScheme], key: KeyType) -> bool {
    schemes.iter().any(|scheme| match key {
        KeyType::Ecdsa => {
            matches!(scheme, SignatureScheme::ECDSA_NISTP256_SHA256 | SignatureScheme::ECDSA_NISTP384_SHA384 | SignatureScheme::ECDSA_NISTP521_SHA512)
        }
        KeyType::Ed25519 => *scheme == SignatureScheme::ED25519,
        KeyType::Rsa => matches!(
            scheme,
            SignatureScheme::RSA_PSS_SHA256
                | SignatureScheme::RSA_PSS_SHA384
                | SignatureScheme::RSA_PSS_SHA512
                | SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        ),
    })
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}
