//! The last exchanges that went wrong.

use std::collections::BTreeMap;

use askama::Template;

use super::super::api::failures::{FailedExchange, Failures};
use super::super::api::query::Query;
use super::paging::Paging;
use super::words::clock;
use super::{Frame, Rendered, fill};
use crate::admin::Views;
use crate::percent::encode;
use crate::telemetry::FAILURES_KEPT;
use crate::telemetry::reasons::meaning;

#[derive(Template)]
#[template(path = "failures.html")]
struct Page {
    frame: Frame,
    paging: Paging,
    kept: usize,
    summary: Vec<Line>,
    failures: Vec<Row>,
}

/// Those that are alike.
struct Line {
    count: usize,
    status: u16,
    reason: &'static str,
    meaning: &'static str,
    route: Option<String>,
    backend: Option<String>,
}

struct Row {
    clock: String,
    class: &'static str,
    meaning: &'static str,
    /// Where it is explained what becomes of such a request.
    explain: String,
    backend_link: String,
    view: FailedExchange,
}

pub(super) fn render(views: &Views, query: &Query, frame: Frame) -> Rendered {
    let asked = Paging::asked(query)?;
    let all = Failures::of(views).failures;
    let summary = summary(&all);
    let (part, total) = asked.of(all.into_iter(), text);
    let failures = part.into_iter().map(row).collect();
    fill(&Page { paging: Paging::new(frame.path, &asked, total), frame, kept: FAILURES_KEPT, summary, failures })
}

/// So many kinds of them are told.
const MOST_KINDS: usize = 8;

/// Those that are alike together, most first.
fn summary(all: &[FailedExchange]) -> Vec<Line> {
    let mut counts = BTreeMap::<_, usize>::new();
    for failure in all {
        *counts.entry((failure.status, failure.reason, &failure.route, &failure.backend)).or_default() += 1;
    }
    let mut lines = Vec::with_capacity(counts.len());
    for ((status, reason, route, backend), count) in counts {
        lines.push(Line { count, status, reason, meaning: meaning(reason), route: route.clone(), backend: backend.clone() });
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.count));
    lines.truncate(MOST_KINDS);
    lines
}

fn row(view: FailedExchange) -> Row {
    let url = format!("https://{}{}", view.host, view.path);
    Row {
        clock: clock(&view.time),
        class: if view.status >= 500 { "bad" } else { "warn" },
        meaning: meaning(view.reason),
        explain: format!("/explain?method={}&url={}", encode(&view.method), encode(&url)),
        backend_link: encode(view.backend.as_deref().unwrap_or_default()),
        view,
    }
}

/// What a filter looks into.
fn text(failure: &FailedExchange) -> String {
    let FailedExchange { method, host, path, status, reason, client, request_id, trace_id, .. } = failure;
    let [route, backend, endpoint] = [&failure.route, &failure.backend, &failure.endpoint].map(|value| value.as_deref().unwrap_or_default());
    format!("{method} {host}{path} {status} {reason} {client} {request_id} {route} {backend} {endpoint} {trace_id}")
}
