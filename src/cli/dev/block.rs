//! What `dev` says once it serves: for each host the URL that opens in a browser as it is, a command to paste, and the
//! line that would make the host itself lead here; then what is missing.

use std::net::SocketAddr;
use std::sync::Arc;

use super::roots::Roots;
use crate::cli::output::{printable, quoted};
use crate::cli::report::{self, Form};
use crate::cli::{counts, output::Stream};
use crate::control::config::Overrides;
use crate::model::{Diagnostic, HostPattern, Reason, Report, Severity};
use crate::settings::Served;

/// Hosts that are listed; the status pages have the rest.
const MAX_HOSTS: usize = 12;

pub(super) fn text(served: &Served, roots: &Roots, overrides: &Overrides, label: &str) -> String {
    let snapshot = &served.snapshot;
    let version = env!("CARGO_PKG_VERSION");
    let count = |count: usize, noun: &str| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let (routes, backends) = (count(snapshot.shared().all().count(), "route"), count(snapshot.backends.len(), "backend"));
    let mut text = format!("\ngenkan {version}  dev: {}, {routes}, {backends}; this machine alone\n\n", printable(label));
    let socket = |https: bool| served.sockets.iter().find(|socket| socket.https == https).map(|socket| socket.address);
    if let Some(https) = socket(true) {
        hosts(&mut text, served, https, roots, overrides.mappings.surroundings.aliases);
    }
    if let Some(http) = socket(false) {
        text.push_str(&format!("  Plain     http://localhost:{}/    by what each Ingress says\n", http.port()));
    }
    if let Some(admin) = served.admin {
        text.push_str(&format!("  Status    http://{admin}/readyz?verbose\n"));
        text.push_str(&format!("  Explain   genkan explain --admin {admin} https://HOST/PATH\n"));
    }
    match &roots.temporary {
        None => text.push_str("  Trust     genkan ca install     (browsers then accept *.localhost; undo: genkan ca uninstall)\n"),
        Some(why) => text.push_str(&format!("  The local CA is for this run alone: {why}\n")),
    }
    text.push('\n');
    findings(&mut text, &served.report);
    text.push_str("Ctrl-C stops; a second Ctrl-C stops without draining.\n\n");
    text
}

fn hosts(text: &mut String, served: &Served, https: SocketAddr, roots: &Roots, aliases: bool) {
    let port = https.port();
    let mut exact: Vec<String> = Vec::new();
    for pattern in served.snapshot.routes().flat_map(|route| &route.matches.hosts) {
        let host = match pattern {
            HostPattern::Exact(host) => host.to_string(),
            HostPattern::Wildcard(host) | HostPattern::Deep(host) => format!("any.{host}"),
        };
        if !exact.contains(&host) {
            exact.push(host);
        }
    }
    let alone: Vec<String> = served.snapshot.route_sets.iter().filter_map(|set| set.alias.as_ref()).map(|alias| alias.host.to_string()).collect();
    for host in exact.iter().take(MAX_HOSTS) {
        let is_local = host == "localhost" || host.ends_with(".localhost");
        let open = if aliases && !is_local { format!("{host}.localhost") } else { host.clone() };
        text.push_str(&format!("  Open      https://{open}:{port}/\n"));
        let to = if https.ip().is_unspecified() { "127.0.0.1".to_owned() } else { https.ip().to_string() };
        text.push_str(&format!("            curl --cacert {} --resolve {host}:{port}:{to} https://{host}:{port}/\n", quoted(roots.bundle())));
        if !is_local {
            text.push_str(&format!("            /etc/hosts: {to} {host}\n"));
        }
    }
    if exact.len() > MAX_HOSTS {
        text.push_str(&format!("            and {} more hosts\n", exact.len() - MAX_HOSTS));
    }
    for host in alone.iter().take(MAX_HOSTS) {
        text.push_str(&format!("  Ingress   https://{host}:{port}/    alone, as on an address of its own\n"));
    }
    if exact.is_empty() {
        text.push_str(&format!("  Open      https://localhost:{port}/\n"));
        text.push_str(&format!("            curl --cacert {} https://localhost:{port}/\n", quoted(roots.bundle())));
    }
}

/// What is missing comes whole, the rest as a sum.
fn findings(text: &mut String, report: &Report) {
    let wanted = |finding: &&Arc<Diagnostic>| finding.severity == Severity::Error || finding.reason == Reason::ServiceNotMapped;
    let shown: Vec<Arc<Diagnostic>> = report.diagnostics.iter().filter(wanted).take(MAX_HOSTS).cloned().collect();
    text.push_str(&report::render(&shown, Form::Text { colour: Stream::Err.colour() }));
    if report.diagnostics.iter().any(|finding| finding.severity != Severity::Note) {
        text.push_str(&format!("{}; each is in the log above\n", counts(report)));
    }
}
