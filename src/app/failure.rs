//! Why the process does not start, and with which code it ends then.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::cli::output::{self, Stream};
use crate::cli::report::{self, Form};
use crate::cli::{NO, USAGE, WARNINGS, counts};
use crate::control::Refused;
use crate::model::{Diagnostic, ObjectKind, Reason, Report, Severity, SocketAddress};
use crate::proxy::port_holder;
use crate::settings::places;
use crate::telemetry::logging;

/// What is told, and the exit code.
#[derive(Debug)]
pub(super) struct Failure {
    findings: Vec<Arc<Diagnostic>>,
    message: String,
    help: Option<&'static str>,
    code: u8,
}

impl Failure {
    /// Something that the system refuses.
    pub(super) fn new(message: &str, error: &io::Error) -> Self {
        Self { findings: Vec::new(), message: format!("{message}: {error}"), help: None, code: NO }
    }

    /// Something that is wrong with a thing of the configuration.
    fn found(finding: Diagnostic, message: &str) -> Self {
        Self { findings: vec![Arc::new(finding)], message: message.to_owned(), help: None, code: NO }
    }

    /// Says why, on standard error.
    pub(super) fn tell(self) -> ExitCode {
        logging::flush(super::SHORTLY);
        Stream::Err.write(&report::render(&self.findings, Form::Text { colour: Stream::Err.colour() }));
        output::problem(&self.message, self.help);
        self.code.into()
    }
}

/// A configuration that cannot be taken.
impl From<Refused> for Failure {
    fn from(Refused { report, unopened }: Refused) -> Self {
        let code = if unopened { USAGE } else { NO };
        let message = format!("the configuration cannot be used: {}", counts(&report));
        Self { findings: report.diagnostics, message, help: None, code }
    }
}

/// Addresses that the kernel refuses.
impl From<Vec<Diagnostic>> for Failure {
    fn from(findings: Vec<Diagnostic>) -> Self {
        Self { findings: findings.into_iter().map(Arc::new).collect(), message: "not every listener can be opened".to_owned(), help: None, code: NO }
    }
}

/// `--strict`: a configuration that could be served in part is not served. The log has the findings already.
pub(super) fn refuse_findings(report: &Report) -> Result<(), Failure> {
    let code = match (report.count(Severity::Error), report.count(Severity::Warning)) {
        (0, 0) => return Ok(()),
        (0, _) => WARNINGS,
        _ => NO,
    };
    let message = format!("{}, and --strict does not start on any", counts(report));
    Err(Failure { findings: Vec::new(), message, help: Some("genkan check shows them with their lines"), code })
}

/// The access log has no file.
pub(super) fn access_log_unavailable(path: Option<&Path>, error: &io::Error) -> Failure {
    Failure::found(places::access_log(path, error), "the access log cannot be opened")
}

/// The admin socket has no place.
pub(super) fn admin_socket_unavailable(path: &Path, error: &io::Error) -> Failure {
    Failure::found(places::admin_socket(path, error), "the admin pages cannot be opened")
}

/// Nobody could show the admin token.
pub(super) fn token_unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::found(places::admin_token(path, error), "the admin pages cannot be opened")
}

/// The admin pages have no place.
pub(super) fn admin_unavailable(address: SocketAddress, error: &io::Error) -> Failure {
    let holder = if error.kind() == ErrorKind::AddrInUse { port_holder(address.port()) } else { None };
    let why = holder.map_or_else(|| error.to_string(), |holder| format!("already in use by {holder}"));
    let finding = Diagnostic::error(Reason::PortUnavailable, format!("the admin pages cannot listen on {address}: {why}"))
        .about(ObjectKind::Configuration, "admin")
        .effect("the process does not start: nobody could see whether it is ready");
    let finding = match error.kind() {
        ErrorKind::AddrInUse => finding.help("another address or port: --admin 127.0.0.1:9901, or --admin off; admin.address in the file"),
        ErrorKind::PermissionDenied => finding.help("a port above 1023: --admin 127.0.0.1:9900"),
        ErrorKind::AddrNotAvailable => finding.help("an address of this machine: --admin 127.0.0.1:9900"),
        _ => finding,
    };
    Failure::found(finding, "the admin pages cannot be opened")
}
