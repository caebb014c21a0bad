//! A snapshot and its report in lines that a person can compare.

use std::fmt::Write;
use std::time::Duration;

use genkan::model::{
    Action, Backend, BackendTimeouts, ClientTimeouts, Diagnostic, DrainPolicy, Limits, Listener, LoadBalancing, Probe, Protocol, Readiness, Report,
    Route, Snapshot,
};

/// A configuration that nothing is started on.
pub fn refused(report: &Report) -> String {
    format!("refused: true\n{}", diagnostics(report))
}

/// A configuration that is served.
pub fn compiled(snapshot: &Snapshot, report: &Report) -> String {
    let mut text = diagnostics(report);
    section(&mut text, "listeners", snapshot.listeners.iter().map(|listener| describe_listener(listener)));
    section(
        &mut text,
        "certificates",
        snapshot.certificates.iter().map(|certificate| {
            let names: Vec<String> = certificate.pair.facts().names.iter().map(ToString::to_string).collect();
            format!("{} for {}", certificate.name, names.join(", "))
        }),
    );
    section(&mut text, "routes", snapshot.routes.iter().chain(&snapshot.default_route).map(|route| describe_route(route)));
    section(&mut text, "backends", snapshot.backends.iter().map(|backend| describe_backend(backend)));
    section(&mut text, "settings", settings(snapshot));
    text
}

fn section(text: &mut String, name: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        let _ = writeln!(text, "{name}:"); // A String takes everything.
        for line in &lines {
            text.push_str(&format!("  - {}\n", quoted(line)));
        }
    }
}

fn quoted(line: &str) -> String {
    serde_json::to_string(line).unwrap()
}

fn diagnostics(report: &Report) -> String {
    if report.diagnostics.is_empty() {
        return "report: []\n".to_owned();
    }
    let mut text = "report:\n".to_owned();
    for finding in &report.diagnostics {
        diagnostic(&mut text, finding);
    }
    text
}

fn diagnostic(text: &mut String, finding: &Diagnostic) {
    text.push_str(&format!("  - {}: {}\n", finding.severity, finding.reason));
    let place = finding.place.as_ref();
    for (key, value) in [
        ("message", Some(finding.message.clone())),
        ("object", finding.object.as_ref().map(ToString::to_string)),
        ("at", place.map(ToString::to_string)),
        ("source", place.map(|place| format!("{}{}", place.source, underline(place.width)))),
        ("why", finding.why.clone()),
        ("effect", finding.effect.clone()),
        ("help", finding.help.clone()),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("    {key}: {}\n", quoted(&value)));
        }
    }
}

fn underline(width: usize) -> String {
    format!("  # {width} wide")
}

fn describe_listener(listener: &Listener) -> String {
    let policy = match listener.protocol {
        Protocol::Https { cleartext } => format!("HTTPS, cleartext {cleartext:?}"),
        Protocol::Http { plain: None } => "HTTP, routes decide".to_owned(),
        Protocol::Http { plain: Some(policy) } => format!("HTTP, {policy:?}"),
    };
    let public = listener.public_port.map_or_else(String::new, |port| format!(", seen as {port}"));
    format!("{} on {}: {policy}{public}", listener.name, listener.address)
}

fn describe_route(route: &Route) -> String {
    let hosts: Vec<String> = route.matches.hosts.iter().map(ToString::to_string).collect();
    let mut text = format!("{}: {} {}", route.name, if hosts.is_empty() { "any host".to_owned() } else { hosts.join(" ") }, route.matches.path);
    let conditions = &route.matches.conditions;
    text.extend(conditions.methods.iter().map(|method| format!(" {method}")));
    text.extend(conditions.headers.iter().map(|(name, value)| format!(" {name}={value}")));
    text.extend(conditions.query.iter().map(|(name, value)| format!(" ?{name}={value}")));
    if let Some(plain_http) = route.plain_http {
        text.push_str(&format!(" plain {plain_http:?}"));
    }
    if route.request_timeout != Duration::MAX {
        text.push_str(&format!(" within {:?}", route.request_timeout));
    }
    match &route.action {
        Action::Forward(targets) => {
            let targets: Vec<String> = targets.iter().map(|target| format!("{} * {}", target.backend, target.weight)).collect();
            text.push_str(&format!(" -> {}", targets.join(", ")));
        }
        Action::Broken(why) => text.push_str(&format!(" -> 500, {why}")),
    }
    text
}

fn describe_backend(backend: &Backend) -> String {
    let endpoints: Vec<String> = backend.endpoints.iter().map(ToString::to_string).collect();
    let mut text = format!("{}: [{}]", backend.name, endpoints.join(", "));
    if backend.load_balancing != LoadBalancing::default() {
        text.push_str(&format!(", {:?}", backend.load_balancing));
    }
    if backend.timeouts != BackendTimeouts::default() {
        text.push_str(&format!(", {:?}", backend.timeouts));
    }
    match &backend.readiness {
        Readiness::Assumed => text.push_str(", assumed ready"),
        Readiness::Probe(probe) if *probe == Probe::default() => {}
        Readiness::Probe(probe) => text.push_str(&format!(", {probe:?}")),
    }
    text
}

/// What is not as it is by default.
fn settings(snapshot: &Snapshot) -> impl Iterator<Item = String> {
    let default = Snapshot::default();
    let process = &snapshot.process;
    [
        (snapshot.timeouts != ClientTimeouts::default()).then(|| format!("{:?}", snapshot.timeouts)),
        (snapshot.limits != Limits::default()).then(|| format!("{:?}", snapshot.limits)),
        (snapshot.drain != DrainPolicy::default()).then(|| format!("{:?}", snapshot.drain)),
        (snapshot.tls != default.tls).then(|| format!("{:?}", snapshot.tls)),
        (snapshot.access_log != default.access_log).then(|| format!("access log {:?}", snapshot.access_log)),
        (snapshot.unknown_server_name != default.unknown_server_name).then(|| format!("unknown server name: {:?}", snapshot.unknown_server_name)),
        process.workers.map(|workers| format!("workers: {workers}")),
        Some(process.admin.map_or_else(|| "admin: off".to_owned(), |address| format!("admin: {address}"))),
    ]
    .into_iter()
    .flatten()
}
