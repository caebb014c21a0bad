//! `genkan dev`: the manifests of a directory served on a laptop. Loopback alone, free ports, certificates of the local
//! CA, every host also under `.localhost`; and what all of that has come to, said once it serves.

mod block;
mod ports;
mod roots;

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::Refusal;
use super::flags::{Listeners, Log, Mapped};
use super::input::{self, Chosen};
use super::output::Stream;
use crate::control;
use crate::control::compile::Defaults;
use crate::control::config::{Laptop, Overrides, Surroundings};
use crate::drain::Drain;
use crate::settings::{Companion, Mode, PortTaken, Served, Settings};
use roots::Roots;

/// Serve Kubernetes manifests from a directory, with a local CA
///
/// Serves what is in the directories (Kubernetes objects, and genkan's own files) on this machine alone. Every host H of
/// the manifests also answers at H.localhost, and every Ingress alone at INGRESS.NAMESPACE.localhost, with certificates
/// of the local CA. A file that is saved is in force a moment later.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Directories or files with manifests
    #[arg(value_name = "DIR", required = true)]
    directories: Vec<PathBuf>,
    #[command(flatten)]
    mapped: Mapped,
    /// Look for Services that are not mapped by their names in DNS
    #[arg(long, env = "GENKAN_SERVICE_DNS", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    service_dns: bool,
    /// Only the hosts themselves, not H.localhost
    #[arg(long, env = "GENKAN_NO_ALIAS", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    no_alias: bool,
    #[command(flatten)]
    listeners: Listeners,
    #[command(flatten)]
    log: Log,
}

impl Dev {
    pub(super) fn settings(self) -> Result<Settings, Refusal> {
        let Chosen { configuration, label } = input::choose(&self.directories)?;
        let roots = Roots::prepare().map_err(|error| Refusal::no(format!("a local CA cannot be made: {error}")))?;
        let overrides = self.mapped.over(self.listeners.loopback());
        let ipv6 = ports::has_ipv6();
        let laptop = Laptop { https: ports::free(8443, ipv6), http: ports::free(8080, ipv6), ipv6 };
        let surroundings = Surroundings { service_dns: self.service_dns || super::run::in_kubernetes(), laptop: true, aliases: !self.no_alias };
        let overrides = in_surroundings(Overrides { laptop: Some(laptop), ..overrides }, surroundings);
        let issuer = roots.issuer();
        Ok(Settings {
            control: control::Options { configuration, overrides: overrides.clone(), defaults: Defaults::default() },
            configuration: label.clone(),
            log: self.log.settings_for_people(),
            mode: Mode::Laptop,
            port_taken: PortTaken::TryNext,
            strict: false,
            issuer: Some(issuer),
            companion: Some(Box::new(Host { roots, overrides, label })),
        })
    }
}

fn in_surroundings(mut overrides: Overrides, surroundings: Surroundings) -> Overrides {
    overrides.mappings.surroundings = surroundings;
    overrides
}

/// What is said beside serving.
struct Host {
    roots: Roots,
    overrides: Overrides,
    label: String,
}

impl Companion for Host {
    fn start(&mut self, _: &Drain) -> io::Result<()> {
        Ok(())
    }

    fn serving(&self, served: &Served) {
        if let Err(error) = self.roots.write_bundle(&served.snapshot) {
            tracing::warn!(%error, "the file with what clients are to trust cannot be written");
        }
        Stream::Err.write(&block::text(served, &self.roots, &self.overrides, &self.label));
    }
}
