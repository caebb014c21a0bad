//! Configuration that comes from the command line: addresses that beat the file's, and the one-backend case that
//! needs no file at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::control::yaml::Located;
use crate::model::SocketAddress;

use super::objects::{default_listeners, plain_backend};
use super::{
    AccessLogFormat, BackendName, Certificate, Config, EndpointText, HttpGet, Listen, Listener, ListenerProtocol, Mappings, Period, ProbePath,
    ReadinessProbe,
};

/// `--https`, `--http`, `--admin`, `--map` and `--secret`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Where the first HTTPS listener listens; `off` takes all of them out.
    pub https: Option<Listen>,
    /// Where the first HTTP listener listens; `off` takes all of them out.
    pub http: Option<Listen>,
    /// Where the admin pages are.
    pub admin: Option<Listen>,
    /// Where Services and Secrets are.
    pub mappings: Mappings,
    /// What `dev` changes; `None` elsewhere.
    pub laptop: Option<Laptop>,
}

/// What is otherwise on a laptop: nobody else gets in, and nobody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laptop {
    /// For HTTPS where no listener is configured.
    pub https: u16,
    /// For plain HTTP where no listener is configured.
    pub http: u16,
    /// Whether `::1` can be listened on.
    pub ipv6: bool,
}

impl Laptop {
    fn apply(self, config: &mut Config, overrides: &Overrides) {
        match &mut config.listeners {
            None => config.listeners = Some(self.listeners(overrides)),
            Some(listeners) => listeners.iter_mut().for_each(|listener| listener.value.address = Some(loopback(&listener.value))),
        }
        if config.admin.address.is_some_and(|listen| listen.0.is_some_and(|address| !address.get().ip().is_loopback())) {
            config.admin.address = None;
        }
        config.drain.timeout.get_or_insert(Period(Duration::from_secs(1)));
        config.access_log.format.get_or_insert(AccessLogFormat::Text);
    }

    /// Both families, because browsers take the first that `localhost` resolves to. Each route decides about plain HTTP.
    fn listeners(self, overrides: &Overrides) -> Vec<Located<Listener>> {
        let kinds = [
            ("https", ListenerProtocol::Https, self.https, overrides.https.is_some()),
            ("http", ListenerProtocol::Http, self.http, overrides.http.is_some()),
        ];
        let mut listeners = Vec::new();
        for (name, protocol, port, is_given) in kinds {
            let families: &[(&str, IpAddr)] = if self.ipv6 && !is_given { &FAMILIES } else { &FAMILIES[..1] };
            for (suffix, address) in families {
                let address = Some(Listen(Some(SocketAddress::from(SocketAddr::new(*address, port)))));
                listeners.push(Located::nowhere(Listener { name: Some(format!("{name}{suffix}")), protocol, address, ..Listener::default() }));
            }
        }
        listeners
    }
}

const FAMILIES: [(&str, IpAddr); 2] = [("", IpAddr::V4(Ipv4Addr::LOCALHOST)), ("-ipv6", IpAddr::V6(Ipv6Addr::LOCALHOST))];

/// Where a configured listener listens on a laptop.
fn loopback(listener: &Listener) -> Listen {
    match listener.listens_on() {
        Some(address) if !address.get().ip().is_loopback() => {
            Listen(Some(SocketAddress::from(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()))))
        }
        address => Listen(address),
    }
}

impl Overrides {
    /// Puts the flags over what the files say.
    pub fn apply(&self, config: &mut Config) {
        config.kubernetes.apply(&self.mappings);
        if let Some(laptop) = self.laptop {
            laptop.apply(config, self);
        }
        if let Some(admin) = self.admin {
            config.admin.address = Some(admin);
        }
        for (protocol, flag) in [(ListenerProtocol::Https, self.https), (ListenerProtocol::Http, self.http)] {
            let Some(flag) = flag else { continue };
            let listeners = config.listeners.get_or_insert_with(default_listeners);
            if flag.0.is_none() {
                listeners.retain(|listener| listener.protocol != protocol);
            } else if let Some(listener) = listeners.iter_mut().find(|listener| listener.protocol == protocol) {
                listener.value.address = Some(flag);
            } else {
                let defaults = default_listeners();
                listeners.extend(defaults.into_iter().filter(|listener| listener.protocol == protocol).map(|mut listener| {
                    listener.value.address = Some(flag);
                    listener
                }));
            }
        }
    }
}

/// The configuration that `--certificate`, `--backend` and `--readiness` stand for.
///
/// `readiness` is a path, or `None` for no probe at all.
pub fn one_backend(certificate: Option<PathBuf>, endpoints: Vec<EndpointText>, readiness: Option<String>) -> Config {
    let mut backend = plain_backend("backend".to_owned(), crate::control::yaml::Span::default(), endpoints);
    match readiness {
        Some(path) => {
            let http_get = Some(HttpGet { path: Some(ProbePath::encode(&path)), ..HttpGet::default() });
            backend.readiness_probe = Some(Located::nowhere(ReadinessProbe { http_get, ..ReadinessProbe::default() }));
        }
        None => backend.assume_ready = true,
    }
    Config {
        certificates: certificate.into_iter().map(|directory| Located::nowhere(Certificate::Secret(directory))).collect(),
        default_backend: Some(Located::nowhere(BackendName::Name("backend".to_owned()))),
        backends: vec![Located::nowhere(backend)],
        ..Config::default()
    }
}
