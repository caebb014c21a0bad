//! One scrape: adds up what the workers counted, and asks control, proxy and kernel for what is the case now.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::counts::{Counts, Exchanges, Opened};
use super::event::status_label;
use super::histogram::Histogram;
use super::process::Process;
use super::text::{Scrape, Value};
use super::{ConnectionEvent, HandshakeOutcome, Lost, Metrics, limits, lock, table};
use crate::model::{ControlStatus, EndpointState, ProxyStatus, Severity};
use crate::telemetry::names as words;

pub(super) fn gather(metrics: &Metrics, control: &dyn ControlStatus, proxy: &dyn ProxyStatus, lost: Lost) -> Scrape {
    let mut scrape = Scrape::default();
    let totals = metrics.totals();
    balance(&mut scrape, metrics, &totals.connections);
    exchanges(&mut scrape, metrics, &totals.sum);
    connections(&mut scrape, metrics, &totals.sum);
    backends(&mut scrape, metrics, &totals.sum);
    drop(totals);
    endpoints(&mut scrape, control, proxy);
    configuration(&mut scrape, control);
    scrape.whole(&table::ACCESS_LOG_DROPPED, [], lost.log_lines);
    scrape.whole(&table::SPANS_DROPPED, [], lost.spans);
    process(&mut scrape, metrics.started);
    scrape
}

fn exchanges(scrape: &mut Scrape, metrics: &Metrics, counts: &Counts) {
    let names = lock(&metrics.names);
    for (listener, exchanges) in &counts.in_flight {
        scrape.whole(&table::HTTP_REQUESTS_IN_FLIGHT, [names.name(*listener)], exchanges.open());
    }
    for ((reason, route), n) in &counts.errors {
        scrape.whole(&table::PROXY_ERRORS, [reason, names.name(*route)], *n);
    }
    for (word, n) in counts.status_details.iter() {
        scrape.whole(&table::GKE_STATUS_DETAILS, [word], n);
    }
    let mut routes = BTreeMap::<_, Exchanges>::new();
    let mut backends = BTreeMap::<_, Histogram>::new();
    for (group, exchanges) in &counts.exchanges {
        let [route, backend] = [group.route, group.backend].map(|label| names.name(label));
        let protocol = words::protocol(group.protocol);
        for (kind, n) in exchanges.requests.iter() {
            let origin = if kind.from_backend { "backend" } else { "proxy" };
            let [listener, method] = [names.name(kind.listener), kind.method.as_str()];
            scrape.whole(&table::HTTP_REQUESTS, [listener, route, backend, method, &status_label(kind.status), protocol, origin], n);
        }
        if !exchanges.durations.is_empty() {
            let class = status_label(u16::from(group.class));
            scrape.set(&table::HTTP_REQUEST_DURATION, [route, backend, &class, protocol], Value::Histogram(exchanges.durations));
        }
        routes.entry(group.route).or_default().add(exchanges);
        backends.entry(group.backend).or_default().add(&exchanges.first_byte);
    }
    for (route, exchanges) in routes {
        scrape.whole(&table::HTTP_REQUEST_BODY_BYTES, [names.name(route)], exchanges.bytes_in);
        scrape.whole(&table::HTTP_RESPONSE_BODY_BYTES, [names.name(route)], exchanges.bytes_out);
    }
    for (backend, first_byte) in backends.iter().filter(|(_, first_byte)| !first_byte.is_empty()) {
        scrape.set(&table::BACKEND_FIRST_BYTE_DURATION, [names.name(*backend)], Value::Histogram(*first_byte));
    }
    for (limit, n) in limits::reached(counts) {
        scrape.whole(&table::LIMITS_REACHED, [limit], n);
    }
}

/// What each worker has of the whole.
fn balance(scrape: &mut Scrape, metrics: &Metrics, connections: &[Opened]) {
    for (index, (worker, connections)) in metrics.workers.iter().zip(connections).enumerate() {
        let index = index.to_string();
        scrape.whole(&table::WORKER_REQUESTS, [&index], worker.traffic().requests);
        scrape.whole(&table::WORKER_CONNECTIONS, [&index], connections.open());
    }
}

fn connections(scrape: &mut Scrape, metrics: &Metrics, counts: &Counts) {
    let names = lock(&metrics.names);
    for (listener, connections) in &counts.connections {
        scrape.whole(&table::CONNECTIONS, [names.name(*listener)], connections.open());
        scrape.whole(&table::CONNECTIONS_TOTAL, [names.name(*listener)], connections.opened);
    }
    // Those of closed lists are there from the start, at 0: a rate needs a value before the first event.
    for (event, n) in ConnectionEvent::ALL.iter().zip(counts.events) {
        scrape.whole(&table::CONNECTION_EVENTS, [event.as_str()], n);
    }
    for (outcome, n) in HandshakeOutcome::ALL.iter().zip(counts.handshakes) {
        scrape.whole(&table::TLS_HANDSHAKES, outcome.labels(), n);
    }
    scrape.set(&table::TLS_HANDSHAKE_DURATION, [], Value::Histogram(counts.handshake_durations));
    scrape.whole(&table::TUNNELS, [], counts.tunnels.open());
}

fn backends(scrape: &mut Scrape, metrics: &Metrics, counts: &Counts) {
    let names = lock(&metrics.names);
    for ((backend, reason), n) in &counts.retries {
        scrape.whole(&table::BACKEND_RETRIES, [names.name(*backend), reason], *n);
    }
    for (backend, n) in &counts.ejections {
        scrape.whole(&table::BACKEND_EJECTIONS, [names.name(*backend)], *n);
    }
    for ((backend, passed), n) in lock(&metrics.probes).iter() {
        scrape.whole(&table::HEALTH_PROBES, [names.name(*backend), if *passed { "passed" } else { "failed" }], *n);
    }
}

fn endpoints(scrape: &mut Scrape, control: &dyn ControlStatus, proxy: &dyn ProxyStatus) {
    const STATES: [&str; 4] = ["ready", "ejected", "not_ready", "unknown"];
    // A backend without any endpoint has 0 of them, which an alert can see.
    let backends = &control.snapshot().backends;
    let mut states: BTreeMap<_, u64> = backends.iter().flat_map(|backend| STATES.map(|state| ((backend.name.clone(), state), 0))).collect();
    let mut connections: BTreeMap<_, [usize; 2]> = backends.iter().map(|backend| (backend.name.clone(), [0; 2])).collect();
    for endpoint in proxy.endpoints() {
        let labels = [&*endpoint.backend, &*endpoint.address];
        scrape.whole(&table::BACKEND_ENDPOINT_READY, labels, u64::from(endpoint.gets_requests()));
        scrape.whole(&table::BACKEND_ENDPOINT_REQUESTS, labels, endpoint.in_flight as u64);
        let active = endpoint.in_flight.min(endpoint.connections);
        let [busy, idle] = connections.entry(endpoint.backend.clone()).or_default();
        (*busy, *idle) = (*busy + active, *idle + endpoint.connections - active);
        let now = match endpoint.state {
            EndpointState::Ready if endpoint.ejected => "ejected",
            EndpointState::Ready => "ready",
            EndpointState::NotReady => "not_ready",
            EndpointState::Unknown => "unknown",
        };
        for state in STATES {
            *states.entry((endpoint.backend.clone(), state)).or_default() += u64::from(state == now);
        }
    }
    for ((backend, state), n) in states {
        scrape.whole(&table::BACKEND_ENDPOINTS, [&*backend, state], n);
    }
    for (backend, counts) in connections {
        for (state, n) in ["active", "idle"].into_iter().zip(counts) {
            scrape.whole(&table::BACKEND_CONNECTIONS, [&*backend, state], n as u64);
        }
    }
}

fn configuration(scrape: &mut Scrape, control: &dyn ControlStatus) {
    scrape.whole(&table::CONFIG_GENERATION, [], control.generation());
    let (successful, last) = control.last_reload();
    scrape.whole(&table::CONFIG_LAST_RELOAD_SUCCESSFUL, [], u64::from(successful));
    if let Some(last) = last {
        scrape.set(&table::CONFIG_LAST_RELOAD_SUCCESS_TIMESTAMP, [], timestamp(last));
    }
    let report = control.report();
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        scrape.whole(&table::CONFIG_FINDINGS, [severity.as_str()], report.count(severity) as u64);
    }
    for certificate in &control.snapshot().certificates {
        let facts = certificate.pair.facts();
        for name in &facts.names {
            let labels = [&*certificate.name.to_string(), &*name.to_string()];
            scrape.set(&table::CERTIFICATE_NOT_AFTER, labels, timestamp(facts.not_after));
        }
    }
}

fn process(scrape: &mut Scrape, started: SystemTime) {
    scrape.whole(&table::BUILD_INFO, [env!("CARGO_PKG_VERSION")], 1);
    scrape.set(&table::PROCESS_START_TIME, [], timestamp(started));
    let process = Process::read();
    if let Some(seconds) = process.cpu_seconds {
        scrape.set(&table::PROCESS_CPU, [], Value::Float(seconds));
    }
    let numbers = [
        (&table::PROCESS_RESIDENT_MEMORY, process.resident_bytes),
        (&table::PROCESS_OPEN_FDS, process.open_fds),
        (&table::PROCESS_MAX_FDS, process.max_fds),
    ];
    for (row, number) in numbers {
        if let Some(number) = number {
            scrape.whole(row, [], number);
        }
    }
}

/// Seconds since 1970, to the millisecond; earlier times are 0.
fn timestamp(time: SystemTime) -> Value {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    Value::Float((seconds * 1e3).round() / 1e3)
}
