//! The last exchanges that went wrong.

use askama::Template;

use super::super::api::failures::{FailedExchange, Failures};
use super::super::api::query::Query;
use super::paging::Paging;
use super::words::clock;
use super::{Frame, Rendered, fill};
use crate::admin::Views;
use crate::telemetry::FAILURES_KEPT;

#[derive(Template)]
#[template(path = "failures.html")]
struct Page {
    frame: Frame,
    paging: Paging,
    kept: usize,
    failures: Vec<Row>,
}

struct Row {
    clock: String,
    view: FailedExchange,
}

pub(super) fn render(views: &Views, query: &Query, frame: Frame) -> Rendered {
    let asked = Paging::asked(query)?;
    let (part, total) = asked.of(Failures::of(views).failures.into_iter(), text);
    let failures = part.into_iter().map(|view| Row { clock: clock(&view.time), view }).collect();
    fill(&Page { paging: Paging::new(frame.path, &asked, total), frame, kept: FAILURES_KEPT, failures })
}

/// What a filter looks into.
fn text(failure: &FailedExchange) -> String {
    let FailedExchange { method, host, path, status, reason, client, request_id, trace_id, .. } = failure;
    let [route, backend, endpoint] = [&failure.route, &failure.backend, &failure.endpoint].map(|value| value.as_deref().unwrap_or_default());
    format!("{method} {host}{path} {status} {reason} {client} {request_id} {route} {backend} {endpoint} {trace_id}")
}
