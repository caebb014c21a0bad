//! What compiling found out: one diagnostic a finding, in one shape for command line, log, metrics and pages.
//! How it is printed is the business of whoever shows it.

use std::fmt;
use std::sync::Arc;

use super::Parity;

/// Everything one compilation has to say, in the order of files and lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings; shared, because most of them are the same from one compilation to the next.
    pub diagnostics: Vec<Arc<Diagnostic>>,
}

/// One finding: what is wrong, where, why, what it does, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// What kind; a stable word.
    pub reason: Reason,
    /// What, in one line that names the thing.
    pub message: String,
    /// The thing.
    pub object: Option<Object>,
    /// Where it stands.
    pub place: Option<Place>,
    /// Facts that were observed.
    pub why: Option<String>,
    /// What it does to traffic.
    pub effect: Option<String>,
    /// A command or a corrected line.
    pub help: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Something asked for is not done.
    Error,
    /// Done, but perhaps not what was meant.
    Warning,
    /// Done as meant; said because there was a choice, or because it is another one elsewhere.
    Note,
}

/// The vocabulary of findings, shared by every output. Where the Gateway API has a condition reason, it is that word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each word says itself; the text beside it explains")]
pub enum Reason {
    AddressConflict,
    AddressNotMapped,
    AppliedDifferently,
    BackendConfigInvalid,
    BackendConfigNotFound,
    BackendNotFound,
    BackendNeverReady,
    BackendPortNotFound,
    CertificateExpired,
    CertificateHostMismatch,
    CertificateInvalid,
    CertificateKeyMismatch,
    CertificateNotYetValid,
    CertificateUnreadable,
    DifferentInTheCloud,
    DuplicateName,
    FileTooLarge,
    FileUnreadable,
    FrontendConfigNotFound,
    HostConflict,
    IngressClassIgnored,
    InvalidCertificateRef,
    InvalidSyntax,
    InvalidValue,
    MissingField,
    NameUnresolved,
    NoCertificate,
    NoEndpoints,
    NoWayIn,
    NotApplied,
    NotYetSupported,
    PortUnavailable,
    ProbeChosen,
    ReadinessAssumed,
    RestartNeeded,
    RouteConflict,
    ScalarSetTwice,
    ServiceNotMapped,
    UndefinedVariable,
    UnfilledPlaceholder,
    UnknownAnnotation,
    UnknownField,
    UnknownKind,
    UnsupportedValue,
    VirtualAddress,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name within the kind.
    pub name: String,
}

/// The kinds of things that configurations consist of: ours, then those of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is a word of the glossary, or a kind of Kubernetes")]
pub enum ObjectKind {
    Configuration,
    Listener,
    Certificate,
    Route,
    Backend,
    Name,
    BackendConfig,
    ConfigMap,
    DaemonSet,
    Deployment,
    EndpointSlice,
    Endpoints,
    FrontendConfig,
    Ingress,
    IngressClass,
    Manifest,
    Pod,
    Secret,
    Service,
    StatefulSet,
}

/// Where something that is served comes from: for explanations, and no part of what is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The object that it was made of.
    pub object: Option<(ObjectKind, String)>,
    /// Where it is written.
    pub place: Option<Place>,
    /// The rules of the cloud's that made it what it is.
    pub parity: Vec<Parity>,
}

/// Where every route comes from, in parts that are shared from one compilation to the next. Made for every change, and
/// asked by people alone: so it costs nothing to make, and a little to ask.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub Vec<OriginPart>);

/// By name of the route.
pub type OriginPart = Arc<[(Arc<str>, Arc<Origin>)]>;

impl Origins {
    /// That of a route.
    pub fn get(&self, route: &str) -> Option<&Origin> {
        self.0.iter().flat_map(|part| part.iter()).find(|(name, _)| **name == *route).map(|(_, origin)| &**origin)
    }
}

/// A place in a file, with the line that stands there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// As the user named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The text of the line; empty where it could hold a secret.
    pub source: String,
    /// How many characters the finding covers.
    pub width: usize,
}

impl Diagnostic {
    /// An error.
    pub fn error(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, reason, message.into())
    }

    /// A warning.
    pub fn warning(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, reason, message.into())
    }

    /// A note.
    pub fn note(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, reason, message.into())
    }

    fn new(severity: Severity, reason: Reason, message: String) -> Self {
        Self { severity, reason, message, object: None, place: None, why: None, effect: None, help: None }
    }

    /// Names the thing.
    #[must_use]
    pub fn about(mut self, kind: ObjectKind, name: impl Into<String>) -> Self {
        self.object = Some(Object { kind, name: name.into() });
        self
    }

    /// Says where it stands.
    #[must_use]
    pub fn at(mut self, place: impl Into<Option<Place>>) -> Self {
        self.place = place.into();
        self
    }

    /// Adds the facts.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what it does to traffic.
    #[must_use]
    pub fn effect(mut self, effect: impl Into<String>) -> Self {
        self.effect = Some(effect.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Report {
    /// A report of these findings, in order.
    pub fn of(findings: Vec<Diagnostic>) -> Self {
        let mut report = Self { diagnostics: findings.into_iter().map(Arc::new).collect() };
        report.sort();
        report
    }

    /// Findings that mean something asked for is not done.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().map(|finding| &**finding).filter(|d| d.severity == Severity::Error)
    }

    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|d| d.severity == severity).count()
    }

    /// Orders by file, line and column; findings without a place come last, in the order they were made.
    pub fn sort(&mut self) {
        self.diagnostics.sort_by(|a, b| key(a).cmp(&key(b)));
    }
}

fn key(diagnostic: &Diagnostic) -> (bool, Option<(&str, usize, usize)>) {
    let place = diagnostic.place.as_ref().map(|p| (&*p.file, p.line, p.column));
    (place.is_none(), place)
}

impl Severity {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl ObjectKind {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Listener => "listener",
            Self::Certificate => "certificate",
            Self::Route => "route",
            Self::Backend => "backend",
            Self::Name => "name",
            Self::BackendConfig => "BackendConfig",
            Self::ConfigMap => "ConfigMap",
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
            Self::EndpointSlice => "EndpointSlice",
            Self::Endpoints => "Endpoints",
            Self::FrontendConfig => "FrontendConfig",
            Self::Ingress => "Ingress",
            Self::IngressClass => "IngressClass",
            Self::Manifest => "manifest",
            Self::Pod => "Pod",
            Self::Secret => "Secret",
            Self::Service => "Service",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
