//! Flags that several commands have, each with its variable.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::cli::output::Stream;
use crate::control::config::{Listen, Mappings, Namespaced, Overrides, PairPath, Places, ServiceName, Surroundings};
use crate::model::SocketAddress;
use crate::settings::{LogFormat, LogSettings};

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub(super) struct Files {
    /// Configuration: a file, a directory, or - (repeatable)
    ///
    /// A file, a directory that is read recursively, or - for standard input; may be repeated. Without it:
    /// ./genkan.yaml, then /etc/genkan/genkan.yaml.
    #[arg(short, long = "file", value_name = "PATH", env = "GENKAN_FILE", hide_env_values = true, value_delimiter = '\n', value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(super) files: Vec<PathBuf>,
}

/// Where to listen.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Listen")]
pub(super) struct Listeners {
    /// Where HTTPS is served
    #[arg(long, value_name = "ADDRESS|PORT|off", env = "GENKAN_HTTPS", hide_env_values = true, value_parser = Place::parse)]
    https: Option<Place>,
    /// Where plain HTTP is taken
    #[arg(long, value_name = "ADDRESS|PORT|off", env = "GENKAN_HTTP", hide_env_values = true, value_parser = Place::parse)]
    http: Option<Place>,
    /// Where livez, readyz and metrics are
    #[arg(long, value_name = "ADDRESS|PORT|off", env = "GENKAN_ADMIN", hide_env_values = true, value_parser = Place::parse)]
    admin: Option<Place>,
}

/// Where Services and Secrets are when there is no cluster.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Kubernetes objects")]
pub(super) struct Mapped {
    /// Where a Service lives: [NAMESPACE/]SERVICE[:PORT]=HOST:PORT[,...]
    ///
    /// Where a Service of the manifests lives (repeatable). A Service that is no object among them is made by it.
    #[arg(long, value_name = "SERVICE=HOST:PORT", env = "GENKAN_MAP", hide_env_values = true, value_delimiter = '\n', value_parser = map)]
    map: Vec<Option<(ServiceName, Places)>>,
    /// Where a Secret is: [NAMESPACE/]NAME=DIR or NAME=CERT,KEY
    ///
    /// What kubectl create secret tls would make (repeatable): a directory with tls.crt and tls.key, or the two files.
    #[arg(long, value_name = "NAME=DIR", env = "GENKAN_SECRET", hide_env_values = true, value_delimiter = '\n', value_parser = secret)]
    secret: Vec<Option<(Namespaced, PairPath)>>,
}

impl Mapped {
    /// Over what the configuration says.
    pub(super) fn over(self, mut overrides: Overrides) -> Overrides {
        // In a Pod a Service's name leads to it; nowhere else is that to be guessed.
        let surroundings = Surroundings { service_dns: super::run::in_kubernetes(), ..Surroundings::default() };
        overrides.mappings =
            Mappings { services: self.map.into_iter().flatten().collect(), secrets: self.secret.into_iter().flatten().collect(), surroundings };
        overrides
    }
}

/// A variable that ends in a newline maps nothing after it.
fn map(text: &str) -> Result<Option<(ServiceName, Places)>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let (service, places) = text.split_once('=').ok_or("write SERVICE=HOST:PORT")?;
    Ok(Some((ServiceName::parse(service)?, Places::parse(places)?)))
}

fn secret(text: &str) -> Result<Option<(Namespaced, PairPath)>, String> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let (name, path) = text.split_once('=').ok_or("write NAME=DIRECTORY or NAME=CERTIFICATE,KEY")?;
    Ok(Some((Namespaced::parse(name)?, PairPath::parse(path)?)))
}

/// An address to listen on as a flag has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    listen: Listen,
    /// No address was named.
    port_only: bool,
}

/// The process's own log.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log")]
pub(super) struct Log {
    /// What is logged: LEVEL[,target=LEVEL]
    #[arg(long, value_name = "LEVEL", env = "GENKAN_LOG", hide_env_values = true, default_value = "info")]
    log: String,
    /// How it is logged; default: text on a terminal, else json
    #[arg(long, value_name = "FORMAT", env = "GENKAN_LOG_FORMAT", hide_env_values = true)]
    log_format: Option<LogForm>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogForm {
    Text,
    Json,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Listeners {
    /// Over what the configuration says. A bare port is both families on every interface.
    pub(super) fn overrides(self) -> Overrides {
        let listen = |place: Option<Place>| place.map(|place| place.listen);
        Overrides { https: listen(self.https), http: listen(self.http), admin: listen(self.admin), ..Overrides::default() }
    }

    /// The same on a laptop, where a bare port is loopback alone.
    pub(super) fn loopback(self) -> Overrides {
        let listen = |place: Option<Place>| place.map(Place::loopback);
        Overrides { https: listen(self.https), http: listen(self.http), admin: listen(self.admin), ..Overrides::default() }
    }
}

impl Place {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let port_only = text.strip_prefix(':').unwrap_or(text).parse::<u16>().is_ok();
        Listen::parse(text).map(|listen| Self { listen, port_only })
    }

    /// A bare port on 127.0.0.1.
    pub(super) fn loopback(self) -> Listen {
        match self.listen.0 {
            Some(address) if self.port_only => Listen(Some(SocketAddress::from(std::net::SocketAddr::from(([127, 0, 0, 1], address.port()))))),
            _ => self.listen,
        }
    }
}

impl Log {
    /// JSON where nobody watches.
    pub(super) fn settings(self) -> LogSettings {
        let format = match self.log_format {
            Some(LogForm::Text) => LogFormat::Text,
            Some(LogForm::Json) => LogFormat::Json,
            None if Stream::Err.is_terminal() => LogFormat::Text,
            None => LogFormat::Json,
        };
        LogSettings { filter: self.log, format }
    }

    /// Text, unless something else is asked for: on a laptop somebody watches.
    pub(super) fn settings_for_people(self) -> LogSettings {
        let format = match self.log_format {
            Some(LogForm::Json) => LogFormat::Json,
            Some(LogForm::Text) | None => LogFormat::Text,
        };
        LogSettings { filter: self.log, format }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_is_loopback_on_a_laptop() {
        for (text, address) in [("8443", "127.0.0.1:8443"), (":0", "127.0.0.1:0"), ("0.0.0.0:8443", "0.0.0.0:8443"), ("[::]:1", "[::]:1")] {
            let listen = Place::parse(text).unwrap().loopback();
            assert_eq!(listen.0.map(|address| address.to_string()).as_deref(), Some(address), "{text}");
        }
        assert_eq!(Place::parse("off").unwrap().loopback(), Listen(None));
        assert!(Place::parse("localhost:8443").is_err());
    }
}
