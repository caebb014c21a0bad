//! TLS towards clients: what is offered, which certificate is served, how sessions are continued. The handshake itself
//! is `stream`'s, the first bytes `hello`'s.

mod certificates;
pub mod hello;
pub mod stream;
mod tickets;
pub mod turns;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{NamedGroup, ServerConfig};

use crate::model::{TlsPolicy, TlsProfile, TlsVersion};
pub use certificates::Certificates;
pub use tickets::KeyRing;

/// Protocols by ALPN (RFC 7301), in our order.
pub const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// What a policy offers. The same for every host: which certificate is served is looked up under the configuration of
/// the moment, so a new certificate needs no new config, and sessions outlive reloads.
pub fn server_config(policy: &TlsPolicy, certificates: Arc<Certificates>, ring: &Arc<KeyRing>) -> Result<ServerConfig, rustls::Error> {
    let versions: &[_] = match policy.minimum_version {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider(policy.profile)))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), ALPN_HTTP1.to_vec()];
    config.ticketer = Arc::new(ring.for_policy(policy)?);
    // Tickets carry the sessions; nothing is kept here for clients without them.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Suites and groups of a profile.
fn provider(profile: TlsProfile) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if profile == TlsProfile::Fips {
        provider.cipher_suites.retain(|suite| suite.suite().as_str().is_some_and(|name| name.contains("_GCM_")));
        provider.kx_groups.retain(|group| matches!(group.name(), NamedGroup::secp256r1 | NamedGroup::secp384r1));
    }
    provider
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fips_is_aes_with_two_curves() {
        let provider = provider(TlsProfile::Fips);
        assert!(provider.cipher_suites.len() >= 6 && provider.kx_groups.len() == 2);
        assert!(provider.cipher_suites.iter().all(|suite| suite.suite().as_str().unwrap().contains("AES")));
        assert!(super::provider(TlsProfile::Modern).kx_groups.len() > 2);
    }
}
