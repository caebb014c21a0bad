//! What the process was started with; never changes. A command makes it, `app` takes it apart.

pub mod places;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::control;
use crate::drain::Drain;
use crate::model::{Issue, PublishedSocket, Report, Snapshot};

pub use crate::proxy::{Mode, PortTaken};
pub use crate::telemetry::{LogFormat, LogSettings};

/// Everything that serving needs to know before it has read a file.
pub struct Settings {
    /// Where the configuration comes from.
    pub control: control::Options,
    /// That place in a few words, for the start line.
    pub configuration: String,
    /// The process's own log.
    pub log: LogSettings,
    /// Whether clients are strangers or the one who started the process.
    pub mode: Mode,
    /// What to do where an address is taken.
    pub port_taken: PortTaken,
    /// Whether to start where something is wrong with a part of the configuration.
    pub strict: bool,
    /// Who makes certificates for names that none is for.
    pub issuer: Option<Arc<dyn Issue>>,
    /// What the command itself does beside serving.
    pub companion: Option<Box<dyn Companion>>,
}

/// A command's own part in serving.
pub trait Companion: Send {
    /// Starts what the configuration refers to, on the control runtime, before anything is served.
    fn start(&mut self, drain: &Drain) -> std::io::Result<()>;
    /// Says what can be opened, once it can.
    fn serving(&self, served: &Served);
}

/// What can be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// As bound.
    pub sockets: Vec<PublishedSocket>,
    /// The admin pages.
    pub admin: Option<SocketAddr>,
    /// What is served.
    pub snapshot: Arc<Snapshot>,
    /// What is wrong with it.
    pub report: Arc<Report>,
}
