//! `genkan run`: serve what a configuration says, or the one backend that flags describe.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::Refusal;
use super::flags::{Files, Listeners, Log, Mapped};
use super::input::{self, Chosen};
use crate::control;
use crate::control::compile::Defaults;
use crate::control::config::{BackendName, EndpointText, Overrides, one_backend};
use crate::control::source::Configuration;
use crate::control::yaml::NOT_YET;
use crate::settings::{Mode, PortTaken, Settings};

/// Serve what a configuration says
///
/// Serves what a configuration says, and follows it while it changes. With --certificate, --backend and --readiness no
/// file is needed at all.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    files: Files,
    /// Refuse to start on any error or warning
    #[arg(long, env = "GENKAN_STRICT", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    strict: bool,
    #[command(flatten)]
    one: OneBackend,
    #[command(flatten)]
    mapped: Mapped,
    #[command(flatten)]
    listeners: Listeners,
    #[command(flatten)]
    log: Log,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "One backend, without a file")]
struct OneBackend {
    /// Directory with tls.crt and tls.key
    #[arg(long, value_name = "DIR", env = "GENKAN_CERTIFICATE", hide_env_values = true, value_hint = ValueHint::DirPath)]
    certificate: Option<PathBuf>,
    /// Where requests go: http://HOST:PORT[,...]
    #[arg(long, value_name = "URL", env = "GENKAN_BACKEND", hide_env_values = true, value_delimiter = ',')]
    backend: Vec<String>,
    /// What GET must answer well to be ready
    #[arg(long, value_name = "PATH|none", env = "GENKAN_READINESS", hide_env_values = true)]
    readiness: Option<String>,
}

impl Run {
    pub(super) fn settings(self) -> Result<Settings, Refusal> {
        let overrides = self.mapped.over(self.listeners.overrides());
        let Chosen { configuration, label } = match self.one.flag() {
            Some(flag) => self.one.configuration(flag, &self.files.files, &overrides)?,
            None => input::choose(&self.files.files)?,
        };
        Ok(Settings {
            control: control::Options { configuration, overrides, defaults: defaults() },
            configuration: label,
            log: self.log.settings(),
            mode: Mode::Run,
            port_taken: PortTaken::Refuse,
            strict: self.strict,
            issuer: None,
            companion: None,
        })
    }
}

/// Whether this is a Pod.
pub(super) fn in_kubernetes() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// Where Kubernetes runs the process, endpoints are taken out of Services a moment after the SIGTERM.
pub(super) fn defaults() -> Defaults {
    Defaults { drain_delay: if in_kubernetes() { Duration::from_secs(5) } else { Duration::ZERO } }
}

impl OneBackend {
    /// The first of the flags that is set.
    fn flag(&self) -> Option<&'static str> {
        [("--certificate", self.certificate.is_some()), ("--backend", !self.backend.is_empty()), ("--readiness", self.readiness.is_some())]
            .into_iter()
            .find_map(|(flag, set)| set.then_some(flag))
    }

    fn configuration(self, flag: &str, files: &[PathBuf], overrides: &Overrides) -> Result<Chosen, Refusal> {
        if let Some(file) = input::also_there(files) {
            return Err(Refusal::usage(format!("{flag} and the configuration {file} exclude each other"))
                .help("put everything into the file, or serve one backend with flags where there is no file"));
        }
        let endpoints = self.backend.iter().flat_map(|text| text.lines()).map(str::trim).filter(|text| !text.is_empty());
        let endpoints = endpoints.map(endpoint).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() {
            return Err(Refusal::usage(format!("{flag} needs --backend beside it")).help("--backend http://HOST:PORT"));
        }
        let https = overrides.https.is_none_or(|listen| listen.0.is_some());
        if https && self.certificate.is_none() {
            return Err(Refusal::usage(format!("{flag} needs --certificate beside it")).help("--certificate DIR, with tls.crt and tls.key in it"));
        }
        let readiness = match self.readiness.as_deref() {
            Some("none") => None,
            Some(path) if path.starts_with('/') => Some(path.to_owned()),
            Some(other) => return Err(Refusal::usage(format!("--readiness {other}: this is no path")).help("--readiness /healthz, or none")),
            None => Some("/".to_owned()),
        };
        let configuration = Configuration::Given(Box::new(one_backend(self.certificate, endpoints, readiness)));
        Ok(Chosen { configuration, label: "flags".to_owned() })
    }
}

fn endpoint(text: &str) -> Result<EndpointText, Refusal> {
    let wrong = |why: &str| Refusal::usage(format!("--backend {text}: {why}"));
    match BackendName::parse(text) {
        Ok(BackendName::Url(endpoint)) => Ok(endpoint),
        Ok(BackendName::Name(name)) => EndpointText::parse(&name).map_err(|_| wrong("this is no URL").help("write http://HOST:PORT")),
        Err(why) => Err(match why.strip_prefix(NOT_YET) {
            Some(what) => wrong(&format!("{what} are not supported yet")),
            None => wrong(&why),
        }),
    }
}
