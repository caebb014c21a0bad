//! Configuration that comes from the command line: addresses that beat the file's, and the one-backend case that
//! needs no file at all.

use std::path::PathBuf;

use crate::control::yaml::Located;

use super::objects::{default_listeners, plain_backend};
use super::{BackendName, Certificate, Config, EndpointText, HttpGet, Listen, ListenerProtocol, Mappings, ProbePath, ReadinessProbe};

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
}

impl Overrides {
    /// Puts the flags over what the files say.
    pub fn apply(&self, config: &mut Config) {
        config.kubernetes.apply(&self.mappings);
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
