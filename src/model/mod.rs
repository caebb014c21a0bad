//! What genkan has been told to do, as validated, comparable and printable values: the vocabulary that the two
//! pipelines share. Nothing here does I/O, holds a clock or knows where a value came from.

mod backend;
mod certificate;
mod host;
mod listener;
mod policy;
mod probe;
mod report;
mod route;
mod snapshot;
mod socket;
mod status;

pub use backend::{Backend, BackendTimeouts, EndpointAddress, LoadBalancing, Readiness};
pub use certificate::{Certificate, CertificateName, Facts, Fingerprint, Issue, KeyPair, KeyType};
pub use host::{Host, HostPattern, InvalidHost};
pub use listener::{Cleartext, Listener, PlainHttp, Protocol};
pub use policy::{AccessLogFormat, ClientTimeouts, DrainPolicy, Limits, TlsPolicy, TlsVersion, UnknownServerName};
pub use probe::{Probe, ProbeAction, ProbeScheme};
pub use report::{Diagnostic, Object, ObjectKind, Place, Reason, Report, Severity};
pub use route::{Action, Conditions, Match, PathMatch, Route, Target};
pub use snapshot::{ProcessSettings, Snapshot};
pub use socket::SocketAddress;
pub use status::{Check, ControlStatus, EndpointState, EndpointStatus, ProxyStatus, Publish, PublishedSocket};
