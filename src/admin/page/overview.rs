//! The first view: whether it serves, how traffic fares, and what needs attention.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use askama::Template;

use super::super::api::backends::Totals;
use super::super::api::overview::{CheckView, Overview, TrafficView};
use super::super::api::query::Query;
use super::super::api::report::Counts;
use super::plot::Plot;
use super::words::{count, since, span};
use super::{Frame, Rendered, fill};
use crate::admin::Views;
use crate::admin::history::Step;
use crate::drain::Stage;
use crate::model::{EndpointStatus, Severity};
use crate::percent::encode;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    verdict: Verdict,
    status: Overview,
    uptime: String,
    config_age: String,
    failed: Vec<CheckView>,
    plots: Vec<Plot>,
    attention: Vec<Line>,
    more: usize,
}

/// All of it in a sentence.
struct Verdict {
    class: &'static str,
    word: &'static str,
    rest: String,
}

/// Something that somebody should look at.
struct Line {
    class: &'static str,
    word: String,
    text: String,
    link: String,
}

/// How many are shown here; the others are where they belong.
const MOST_LINES: usize = 12;

/// A share of errors that is not worth a word.
const LITTLE: f64 = 0.01;

pub(super) fn render(views: &Views, _: &Query, frame: Frame) -> Rendered {
    let endpoints = views.proxy.endpoints();
    let mut status = Overview::with(views, Totals::of(&endpoints));
    let failed = std::mem::take(&mut status.checks).into_iter().filter(|check| check.failure.is_some()).collect::<Vec<_>>();
    let mut attention = attention(views, &endpoints);
    let worst = attention.first().map_or("ok", |line| line.class);
    let more = attention.len().saturating_sub(MOST_LINES);
    attention.truncate(MOST_LINES);
    fill(&Page {
        frame,
        verdict: verdict(views.drain.stage(), &status, failed.len(), worst),
        uptime: span(Duration::from_secs(status.uptime_seconds)),
        config_age: views.control.published_at().map(since).unwrap_or_default(),
        failed,
        plots: plots(&views.history.steps()),
        attention,
        more,
        status,
    })
}

/// `worst` is the class of what most needs attention.
fn verdict(stage: Stage, status: &Overview, failed: usize, worst: &str) -> Verdict {
    let Counts { errors, warnings, .. } = status.configuration.findings;
    if stage > Stage::Running {
        return Verdict { class: "warn", word: "Ending", rest: "requests in flight are finished".to_owned() };
    }
    if failed > 0 {
        return Verdict { class: "bad", word: "Not ready", rest: format!("{} missing", count(failed, "thing")) };
    }
    let (ready, total) = (status.endpoints.ready, status.endpoints.total);
    let endpoints = format!("{ready} of {} ready", count(total, "endpoint"));
    let share = status.traffic.error_share;
    let failing = if share < LITTLE { String::new() } else { format!(", {:.0} % of the last minute's answers are errors", share * 100.0) };
    let found = match (errors, warnings) {
        (0, 0) => String::new(),
        (0, warnings) => format!(", {} in the configuration", count(warnings, "warning")),
        (errors, 0) => format!(", {} in the configuration", count(errors, "error")),
        (errors, warnings) => format!(", {} and {} in the configuration", count(errors, "error"), count(warnings, "warning")),
    };
    let (class, word) = match ready {
        0 if total > 0 => ("bad", "Serving errors alone"),
        _ if worst == "bad" || share >= LITTLE => ("warn", "Serving"),
        _ => ("ok", "Serving"),
    };
    Verdict { class, word, rest: format!("{endpoints}{failing}{found}") }
}

fn plots(steps: &[Step]) -> Vec<Plot> {
    let traffic: Vec<TrafficView> = steps.iter().map(|step| TrafficView::from(step.rates)).collect();
    let plot = |title, unit, value: fn(&TrafficView) -> Option<f64>| Plot::of(title, unit, &traffic.iter().map(value).collect::<Vec<_>>());
    #[allow(clippy::cast_precision_loss, reason = "there are not so many connections")]
    let connections: Vec<_> = steps.iter().map(|step| Some(step.open_connections as f64)).collect();
    vec![
        plot("Requests", "/s", |traffic| Some(traffic.requests_per_second)),
        plot("Errors (5xx)", " %", |traffic| Some(traffic.error_share * 100.0)),
        plot("Backends, median", " ms", |traffic| traffic.latency_ms.as_ref().map(|latency| latency.p50)),
        plot("Backends, 99 of 100", " ms", |traffic| traffic.latency_ms.as_ref().map(|latency| latency.p99)),
        Plot::of("Open connections", "", &connections),
        plot("TLS handshakes", "/s", |traffic| Some(traffic.handshakes_per_second)),
    ]
}

/// The worst first: backends that are not whole, certificates that run out, what is wrong with the configuration.
fn attention(views: &Views, endpoints: &[EndpointStatus]) -> Vec<Line> {
    let snapshot = views.control.snapshot();
    let mut backends: BTreeMap<&str, (Totals, Option<&EndpointStatus>)> =
        snapshot.backends.iter().map(|backend| (backend.name.as_str(), Default::default())).collect();
    for endpoint in endpoints {
        let (totals, sick) = backends.entry(&endpoint.backend).or_default();
        totals.add(endpoint);
        *sick = sick.or(Some(endpoint).filter(|endpoint| !endpoint.gets_requests()));
    }
    let not_whole = backends.into_iter().filter(|(_, (totals, _))| totals.endpoints == 0 || totals.ready < totals.endpoints);
    let not_whole = not_whole.map(|(name, (Totals { ready, endpoints, .. }, sick))| Line {
        class: if ready == 0 { "bad" } else { "warn" },
        word: if ready == 0 { "not ready".to_owned() } else { "partly ready".to_owned() },
        text: format!("{name}: {ready} of {} ready{}", count(endpoints, "endpoint"), sick.map(why).unwrap_or_default()),
        link: format!("/health?q={}", encode(name)),
    });
    let report = views.control.report();
    let mut findings: Vec<_> = report.diagnostics.iter().filter(|finding| finding.severity != Severity::Note).collect();
    findings.sort_by_key(|finding| finding.severity);
    let findings = findings.into_iter().map(|finding| Line {
        class: super::report::class(finding.severity),
        word: finding.severity.as_str().to_owned(),
        text: finding.message.clone(),
        link: format!("/report?q={}", encode(&finding.message)),
    });
    let now = SystemTime::now();
    let expiring = snapshot.certificates.iter().filter_map(|certificate| {
        let facts = certificate.pair.facts();
        let (class, word) = super::certificates::validity(crate::date::days_until(facts.not_after, now));
        let names = facts.names.first().map(ToString::to_string).unwrap_or_default();
        (class != "ok").then(|| Line { class, word, text: format!("certificate of {names}"), link: format!("/certificates?q={}", encode(&names)) })
    });
    let mut lines: Vec<Line> = not_whole.chain(expiring).chain(findings).collect();
    lines.sort_by_key(|line| line.class != "bad");
    lines
}

/// Why an endpoint gets no requests.
fn why(endpoint: &EndpointStatus) -> String {
    if endpoint.ejected { "; one is left out because its requests fail".to_owned() } else { format!("; {}", endpoint.reason) }
}
