//! What genkan has been told to do, as validated, comparable and printable values: the vocabulary that the two
//! pipelines share. Nothing here does I/O, holds a clock or knows where a value came from.

mod access_log;
mod backend;
mod certificate;
mod filter;
mod finding;
mod host;
mod listener;
mod parity;
mod policy;
mod probe;
mod report;
mod route;
mod route_set;
mod snapshot;
mod socket;
mod status;
mod status_filter;

pub use access_log::{AccessLogFormat, AccessLogPolicy, FieldName, LogField, LogFields, Redaction};
pub use backend::{AffinityCookie, Backend, BackendLimits, BackendTimeouts, EndpointAddress, LoadBalancing, Outliers, Readiness};
pub use certificate::{Certificate, CertificateName, Facts, Fingerprint, Issue, KeyPair, KeyType};
pub use filter::{Filter, HeaderModifier, InvalidTemplate, Part, Template, Variable, may_be_changed};
pub use finding::Finding;
pub use host::{Host, HostPattern, InvalidHost};
pub use listener::{Cleartext, Listener, PlainHttp, Protocol};
pub use parity::{PARITY, Parity, ParityRow};
pub use policy::{ClientTimeouts, DrainPolicy, Limits, TlsPolicy, TlsProfile, TlsVersion, UnknownServerName};
pub use probe::{Probe, ProbeAction, ProbeScheme, ProbeSuccess};
pub use report::{Diagnostic, Object, ObjectKind, Origin, OriginPart, Origins, Place, Reason, Report, Severity};
pub use route::{Action, Conditions, LogSampling, Match, PathMatch, PathRewrite, Redirect, Route, Target};
pub use route_set::{Alias, Behaviour, RouteSet, SHARED};
pub use snapshot::{ProcessSettings, Snapshot};
pub use socket::SocketAddress;
pub use status::{
    CertificateHistory, Check, ControlStatus, EndpointState, EndpointStatus, Explain, Explained, PROBES_KEPT, ProbeResult, ProxyStatus, Publish,
    PublishedSocket,
};
pub use status_filter::StatusFilter;
