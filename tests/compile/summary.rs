//! A snapshot and its report in lines that a person can compare.

use std::fmt::Write;
use std::time::Duration;

use genkan::model::{
    Action, Backend, BackendLimits, BackendTimeouts, Behaviour, ClientTimeouts, Diagnostic, DrainPolicy, Filter, HeaderModifier, Limits, Listener,
    LoadBalancing, Outliers, Probe, ProbeAction, ProbeSuccess, Protocol, Readiness, Report, Route, RouteSet, SHARED, Snapshot,
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
    section(&mut text, "routes", snapshot.shared().all().map(|route| describe_route(route)));
    section(&mut text, "sets", snapshot.route_sets.iter().skip(1).map(|set| describe_set(set)));
    let policies = snapshot.server_name_policies.iter().map(|(host, policy)| format!("{host}: {policy:?}"));
    section(&mut text, "server names", policies);
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
    let set = if &*listener.route_set == SHARED { String::new() } else { format!(", serves {}", listener.route_set) };
    let default = listener.default_certificate.as_ref().map_or_else(String::new, |name| format!(", default certificate {name}"));
    let tls = listener.tls.as_ref().map_or_else(String::new, |policy| format!(", {policy:?}"));
    format!("{} on {}: {policy}{public}{set}{default}{tls}", listener.name, listener.address)
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
    if let Some(status) = route.https_redirect {
        text.push_str(&format!(" by {}", status.as_u16()));
    }
    if route.request_timeout != Duration::MAX {
        text.push_str(&format!(" within {:?}", route.request_timeout));
    }
    match &route.action {
        Action::Forward(targets) => {
            let targets: Vec<String> = targets.iter().map(|target| format!("{} * {}", target.backend, target.weight)).collect();
            text.push_str(&format!(" -> {}", targets.join(", ")));
        }
        Action::Redirect(redirect) => text.push_str(&format!(" -> {redirect:?}")),
        Action::NotFound => text.push_str(" -> 404"),
        Action::Broken(why) => text.push_str(&format!(" -> {}, {why}", if route.behaviour == Behaviour::Gke { 502 } else { 500 })),
    }
    text.extend(route.filters.iter().map(|filter| format!(" | {}", describe_filter(filter))));
    if let Some(sampling) = route.log_sampling {
        text.push_str(&format!(" | {sampling:?}"));
    }
    if route.limits_tunnels {
        text.push_str(" | tunnels too");
    }
    if route.behaviour == Behaviour::Gke {
        text.push_str(" | GKE");
    }
    text
}

fn describe_filter(filter: &Filter) -> String {
    let (name, HeaderModifier { set, add, remove }) = match filter {
        Filter::RequestHeaders(modifier) => ("request", modifier),
        Filter::ResponseHeaders(modifier) => ("response", modifier),
    };
    let set = set.iter().map(|(name, value)| format!(" {name}={value}"));
    let add = add.iter().map(|(name, value)| format!(" {name}+={value}"));
    let remove = remove.iter().map(|name| format!(" -{name}"));
    format!("{name}:{}", set.chain(add).chain(remove).collect::<String>())
}

fn describe_set(set: &RouteSet) -> String {
    let alias = set.alias.as_ref().map_or_else(String::new, |alias| {
        let stands_for = alias.stands_for.as_ref().map_or_else(String::new, |host| format!(" for {host}"));
        format!(", at {}{stands_for}", alias.host)
    });
    let routes: Vec<String> = set.all().map(|route| route.name.to_string()).collect();
    format!("{}: {}{alias}: {}", set.name, set.behaviour.as_str(), routes.join(", "))
}

fn describe_backend(backend: &Backend) -> String {
    let endpoints: Vec<String> = backend.endpoints.iter().map(ToString::to_string).collect();
    let mut text = format!("{}: [{}]", backend.name, endpoints.join(", "));
    if backend.load_balancing != LoadBalancing::default() {
        text.push_str(&format!(", {:?}", backend.load_balancing));
    }
    let BackendTimeouts { connect, response, idle, keep_alive } = &backend.timeouts;
    let default = BackendTimeouts::default();
    for (name, is, usual) in [
        ("connect", connect, default.connect),
        ("response", response, default.response),
        ("idle", idle, default.idle),
        ("kept", keep_alive, default.keep_alive),
    ] {
        if *is != usual {
            text.push_str(&format!(", {name} {}", if *is == Duration::MAX { "without end".to_owned() } else { format!("{is:?}") }));
        }
    }
    match &backend.readiness {
        Readiness::Assumed => text.push_str(", assumed ready"),
        Readiness::Probe(probe) if *probe == Probe::default() => {}
        Readiness::Probe(probe) => text.push_str(&format!(", {}", describe_probe(probe))),
    }
    if let Some(cookie) = &backend.affinity {
        text.push_str(&format!(", {cookie:?}"));
    }
    if backend.limits != BackendLimits::default() {
        text.push_str(&format!(", {:?}", backend.limits));
    }
    match &backend.outliers {
        Some(outliers) if *outliers == Outliers::default() => {}
        Some(outliers) => text.push_str(&format!(", {outliers:?}")),
        // Where the cloud goes by checks alone, that is no news.
        None if backend.name.contains('/') => {}
        None => text.push_str(", never left out"),
    }
    if let Some(draining) = backend.draining {
        text.push_str(&format!(", cut {draining:?} after leaving"));
    }
    text
}

fn describe_probe(probe: &Probe) -> String {
    let Probe { action, success, initial_delay, period, timeout, success_threshold, failure_threshold } = probe;
    let mut text = format!("{probe} every {period:?} within {timeout:?}, {success_threshold} up, {failure_threshold} down");
    if let ProbeAction::HttpGet { host, headers, .. } = action {
        text.extend(host.iter().map(|host| format!(" at {host}")));
        text.extend(headers.iter().map(|(name, value)| format!(" {name}: {value}")));
    }
    if *success == ProbeSuccess::Exactly200 {
        text.push_str(", only 200");
    }
    if !initial_delay.is_zero() {
        text.push_str(&format!(", quiet for {initial_delay:?}"));
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
        process.admin_token.as_ref().map(|path| format!("admin token: {}", path.display())),
        process.admin_socket.as_ref().map(|path| format!("admin socket: {}", path.display())),
        process.access_log.as_ref().map(|path| format!("access log: {}", path.display())),
        process.collector.as_ref().map(|(collector, sampling)| format!("spans: {collector} {sampling:?}")),
    ]
    .into_iter()
    .flatten()
}
