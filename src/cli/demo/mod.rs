//! `genkan demo`: everything at once on one laptop, with no configuration and no trust store touched. A certificate
//! from the local CA, two sample backends of which the second is late, and the command to paste.

mod greeting;
mod samples;
mod secret;

use std::io;
use std::path::Path;

use clap::{Args, ValueEnum};

use super::Refusal;
use super::flags::{Listeners, Log};
use super::output::Stream;
use crate::control::compile::Defaults;
use crate::control::config::{Config, Overrides};
use crate::control::source::Configuration;
use crate::control::{self, yaml};
use crate::drain::Drain;
use crate::settings::{Companion, Mode, PortTaken, Served, Settings};
use samples::Samples;
use secret::Secret;

/// Try it: sample backends, a local CA, no configuration
///
/// Serves two sample backends over HTTPS on this machine, with a certificate from the local CA, which is made if
/// there is none. Nothing outside of one directory under the user's data directory is changed, and no trust store is
/// touched.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Write a line for each exchange to standard output
    #[arg(long, value_name = "FORMAT", env = "GENKAN_ACCESS_LOG", hide_env_values = true, default_value = "off")]
    access_log: AccessLog,
    #[command(flatten)]
    listeners: Listeners,
    #[command(flatten)]
    log: Log,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AccessLog {
    Json,
    Text,
    Off,
}

impl Demo {
    pub(super) fn settings(self) -> Result<Settings, Refusal> {
        let secret = secret::prepare().map_err(|error| Refusal::no(format!("a certificate cannot be made: {error}")))?;
        let samples = Samples::bind().map_err(|error| Refusal::no(format!("the sample backends cannot listen: {error}")))?;
        let config = configuration(&secret.directory, &samples, self.access_log).map_err(Refusal::no)?;
        let overrides = self.listeners.loopback();
        Ok(Settings {
            control: control::Options {
                configuration: Configuration::Given(Box::new(config)),
                overrides: overrides.clone(),
                defaults: Defaults::default(),
            },
            configuration: "demo".to_owned(),
            log: self.log.settings_for_people(),
            mode: Mode::Laptop,
            port_taken: PortTaken::TryNext,
            strict: false,
            issuer: None,
            companion: Some(Box::new(Host { secret, samples, overrides })),
        })
    }
}

/// The embedded configuration with its blanks filled in.
fn configuration(directory: &Path, samples: &Samples, access_log: AccessLog) -> Result<Config, String> {
    let [first, second] = samples.addresses();
    let format = match access_log {
        AccessLog::Json => "json",
        AccessLog::Text => "text",
        AccessLog::Off => "off",
    };
    let fill = |name: &str| match name {
        "DIRECTORY" => Some(directory.display().to_string()),
        "FIRST" => Some(first.to_string()),
        "SECOND" => Some(second.to_string()),
        "ACCESS_LOG" => Some(format.to_owned()),
        _ => None,
    };
    // The text is ours and tested; what remains is a directory whose name is no text.
    let wrong = |problem: &yaml::Problem| format!("the demo's configuration: {}", problem.message);
    let mut nodes = yaml::parse(include_str!("genkan.yaml"), 0).map_err(|problem| wrong(&problem))?;
    let node = nodes.first_mut().ok_or("the demo's configuration is empty")?;
    if let Some(problem) = yaml::substitute(node, &fill).first() {
        return Err(wrong(problem));
    }
    yaml::read(node).map_err(|problems| problems.first().map(wrong).unwrap_or_default())
}

/// What runs beside the proxy.
struct Host {
    secret: Secret,
    samples: Samples,
    overrides: Overrides,
}

impl Companion for Host {
    fn start(&mut self, drain: &Drain) -> io::Result<()> {
        self.samples.start(drain)
    }

    fn serving(&self, served: &Served) {
        Stream::Err.write(&greeting::text(served, &self.secret, &self.overrides));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_configuration_is_good() {
        let samples = Samples::bind().unwrap();
        let config = configuration(Path::new("/a b/c: d"), &samples, AccessLog::Off).unwrap();
        let objects = control::config::split(config).unwrap();
        assert_eq!(objects.listeners.len(), 2);
        assert_eq!(objects.backends[0].1.endpoints.len(), 2);
        for (_, listener) in &objects.listeners {
            assert!(listener.listens_on().unwrap().get().ip().is_loopback());
        }
    }
}
