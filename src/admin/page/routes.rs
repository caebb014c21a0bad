//! The routes: where each leads and how often it was taken, and those that never are.

use askama::Template;

use super::super::api::query::Query;
use super::super::api::routes::{RouteView, Routes};
use super::paging::Paging;
use super::report::Entry;
use super::{Frame, Rendered, fill};
use crate::admin::Views;
use crate::model::Reason;
use crate::percent::encode;

#[derive(Template)]
#[template(path = "routes.html")]
struct Page {
    frame: Frame,
    paging: Paging,
    routes: Vec<Row>,
    /// Findings about routes behind another one.
    shadowed: Vec<Entry>,
}

struct Row {
    view: RouteView,
    targets: Vec<Target>,
}

struct Target {
    backend: String,
    weight: u32,
    link: String,
}

/// What is said of routes that another one keeps from every request.
const SHADOWED: [Reason; 2] = [Reason::RouteConflict, Reason::HostConflict];

/// So many of those that are never taken are told here; all of them are in the report.
const MOST_SHADOWED: usize = 20;

pub(super) fn render(views: &Views, query: &Query, frame: Frame) -> Rendered {
    let asked = Paging::asked(query)?;
    let Routes { total, routes } = Routes::of(views, &asked);
    let report = views.control.report();
    let shadowed = report.diagnostics.iter().filter(|finding| SHADOWED.contains(&finding.reason)).take(MOST_SHADOWED);
    let shadowed = shadowed.map(|finding| Entry::of(finding)).collect();
    fill(&Page { paging: Paging::new(frame.path, &asked, total), frame, routes: routes.into_iter().map(row).collect(), shadowed })
}

fn row(mut view: RouteView) -> Row {
    let targets = std::mem::take(&mut view.backends).into_iter();
    let targets = targets.map(|share| Target { link: format!("/health?q={}", encode(&share.backend)), backend: share.backend, weight: share.weight });
    Row { targets: targets.collect(), view }
}
