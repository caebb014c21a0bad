//! One scrape: adds up what the workers counted, and asks control, proxy and kernel for what is the case now.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::event::status_label;
use super::process::Process;
use super::text::{Scrape, Value};
use super::worker::Counts;
use super::{ConnectionEvent, HandshakeOutcome, Metrics, lock, table};
use crate::model::{ControlStatus, EndpointState, ProxyStatus, Severity};

pub(super) fn gather(metrics: &Metrics, control: &dyn ControlStatus, proxy: &dyn ProxyStatus, access_log_dropped: u64) -> Scrape {
    let mut scrape = Scrape::default();
    let mut counts = Counts::default();
    metrics.workers.iter().for_each(|worker| counts.add(worker.counts()));

    exchanges(&mut scrape, metrics, &counts);
    connections(&mut scrape, metrics, &counts);
    backends(&mut scrape, metrics, &counts);
    endpoints(&mut scrape, control, proxy);
    configuration(&mut scrape, control);
    scrape.whole(&table::ACCESS_LOG_DROPPED, [], access_log_dropped);
    process(&mut scrape, metrics.started);
    scrape
}

fn exchanges(scrape: &mut Scrape, metrics: &Metrics, counts: &Counts) {
    let names = lock(&metrics.names);
    for (key, n) in &counts.requests {
        let origin = if key.from_backend { "backend" } else { "proxy" };
        let [listener, route, backend] = [key.listener, key.route, key.backend].map(|label| names.name(label));
        scrape.whole(&table::HTTP_REQUESTS, [listener, route, backend, key.method.as_str(), &status_label(key.status), origin], *n);
    }
    for ((reason, route), n) in &counts.errors {
        scrape.whole(&table::PROXY_ERRORS, [reason, names.name(*route)], *n);
    }
    for (word, n) in &counts.status_details {
        scrape.whole(&table::GKE_STATUS_DETAILS, [word], *n);
    }
    let mut bytes = BTreeMap::<_, (u64, u64)>::new();
    for ((route, backend), exchanges) in &counts.exchanges {
        let labels = [names.name(*route), names.name(*backend)];
        scrape.set(&table::HTTP_REQUEST_DURATION, labels, Value::Histogram(exchanges.durations));
        let (bytes_in, bytes_out) = bytes.entry(*route).or_default();
        *bytes_in = bytes_in.saturating_add(exchanges.bytes_in);
        *bytes_out = bytes_out.saturating_add(exchanges.bytes_out);
    }
    for (route, (bytes_in, bytes_out)) in bytes {
        scrape.whole(&table::HTTP_REQUEST_BODY_BYTES, [names.name(route)], bytes_in);
        scrape.whole(&table::HTTP_RESPONSE_BODY_BYTES, [names.name(route)], bytes_out);
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
    scrape.whole(&table::TUNNELS, [], counts.tunnels.open());
}

fn backends(scrape: &mut Scrape, metrics: &Metrics, counts: &Counts) {
    let names = lock(&metrics.names);
    for (backend, n) in &counts.retries {
        scrape.whole(&table::BACKEND_RETRIES, [names.name(*backend)], *n);
    }
    for (backend, n) in &counts.ejections {
        scrape.whole(&table::BACKEND_EJECTIONS, [names.name(*backend)], *n);
    }
    for ((backend, passed), n) in lock(&metrics.probes).iter() {
        scrape.whole(&table::HEALTH_PROBES, [names.name(*backend), if *passed { "passed" } else { "failed" }], *n);
    }
}

fn endpoints(scrape: &mut Scrape, control: &dyn ControlStatus, proxy: &dyn ProxyStatus) {
    const STATES: [EndpointState; 3] = [EndpointState::Ready, EndpointState::NotReady, EndpointState::Unknown];
    // A backend without any endpoint has 0 of them, which an alert can see.
    let backends = &control.snapshot().backends;
    let mut states: BTreeMap<_, u64> = backends.iter().flat_map(|backend| STATES.map(|state| ((backend.name.clone(), state), 0))).collect();
    for endpoint in proxy.endpoints() {
        let labels = [&*endpoint.backend, &*endpoint.address];
        scrape.whole(&table::BACKEND_ENDPOINT_READY, labels, u64::from(endpoint.state == EndpointState::Ready));
        scrape.whole(&table::BACKEND_ENDPOINT_REQUESTS, labels, endpoint.in_flight as u64);
        for state in STATES {
            *states.entry((endpoint.backend.clone(), state)).or_default() += u64::from(state == endpoint.state);
        }
    }
    for ((backend, state), n) in states {
        scrape.whole(&table::BACKEND_ENDPOINTS, [&backend, &state.to_string()], n);
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
