//! A control and a proxy that show what a test puts into them.

use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Record;
use crate::model::{
    Certificate, CertificateHistory, CertificateName, Check, Cleartext, ControlStatus, EndpointState, EndpointStatus, Facts, Fingerprint,
    HostPattern, KeyPair, KeyType, Listener, Origins, Protocol, ProxyStatus, PublishedSocket, Report, SHARED, Snapshot,
};

/// Control; by default it has published one configuration, without a finding.
#[derive(Default)]
pub(crate) struct Control {
    pub(crate) snapshot: Snapshot,
    pub(crate) report: Report,
    pub(crate) checks: Mutex<Vec<Check>>,
}

/// Proxy; by default nothing is wrong with it.
#[derive(Default)]
pub(crate) struct Proxy {
    pub(crate) endpoints: Vec<EndpointStatus>,
    pub(crate) ready: Mutex<Vec<Check>>,
    pub(crate) live: Mutex<Vec<Check>>,
}

impl ControlStatus for Control {
    fn generation(&self) -> u64 {
        1
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(self.snapshot.clone())
    }

    fn report(&self) -> Arc<Report> {
        Arc::new(self.report.clone())
    }

    fn origins(&self) -> Arc<Origins> {
        Arc::default()
    }

    fn published_at(&self) -> Option<SystemTime> {
        Some(UNIX_EPOCH)
    }

    fn last_reload(&self) -> (bool, Option<SystemTime>) {
        (self.report.errors().next().is_none(), Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_250)))
    }

    fn certificate_history(&self, _: &CertificateName) -> CertificateHistory {
        CertificateHistory::default()
    }

    fn checks(&self) -> Vec<Check> {
        self.checks.lock().unwrap().clone()
    }
}

impl ProxyStatus for Proxy {
    fn ready_checks(&self) -> Vec<Check> {
        self.ready.lock().unwrap().clone()
    }

    fn live_checks(&self) -> Vec<Check> {
        self.live.lock().unwrap().clone()
    }

    fn endpoints(&self) -> Vec<EndpointStatus> {
        self.endpoints.clone()
    }

    fn open_connections(&self) -> usize {
        0
    }

    fn sockets(&self) -> Vec<PublishedSocket> {
        Vec::new()
    }
}

/// An endpoint on loopback.
pub(crate) fn endpoint(backend: &str, port: u16, state: EndpointState, in_flight: usize) -> EndpointStatus {
    let address = format!("{}:{port}", Ipv4Addr::LOCALHOST);
    EndpointStatus {
        backend: backend.into(),
        address,
        state,
        since: UNIX_EPOCH,
        reason: String::new(),
        ejected: false,
        in_flight,
        requests: 0,
        connections: in_flight + 1,
        probes: Vec::new(),
    }
}

/// A listener for HTTPS on loopback, with the routes that all share.
pub(crate) fn https_listener(port: u16) -> Arc<Listener> {
    Arc::new(Listener {
        name: "https".to_owned(),
        address: std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into(),
        protocol: Protocol::Https { cleartext: Cleartext::Reject },
        public_port: None,
        route_set: SHARED.into(),
        default_certificate: None,
        tls: None,
    })
}

/// A certificate for these names.
pub(crate) fn certificate(name: &str, hosts: &[&str], not_after: SystemTime) -> Arc<Certificate> {
    let made = rcgen::generate_simple_self_signed(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let signer = CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).unwrap();
    let names = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
    let facts = Facts { names, issuer: "test".into(), not_before: UNIX_EPOCH, not_after, key_type: KeyType::Ecdsa, chain_length: 1 };
    Arc::new(Certificate { name: CertificateName(name.into()), pair: KeyPair::new(Fingerprint([0; 32]), facts, Arc::new(signer)) })
}

/// An exchange that went well.
pub(crate) fn record() -> Record<'static> {
    static NONE: LazyLock<http::HeaderMap> = LazyLock::new(http::HeaderMap::new);
    Record {
        started: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        duration: Duration::from_nanos(12_345_678),
        request_id: "id-1",
        trace_id: "",
        client: Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
        client_port: 5000,
        listener: "https",
        scheme: "https",
        protocol: http::Version::HTTP_2,
        method: &http::Method::GET,
        host: Some("shop.test"),
        path: "/cart",
        status: 200,
        bytes_in: 0,
        bytes_out: 512,
        user_agent: None,
        headers: &NONE,
        route: None,
        backend: None,
        endpoint: None,
        attempts: 0,
        backend_duration: None,
        reason: None,
        status_details: None,
        tls_version: None,
        server_name: None,
        resumed: false,
    }
}
