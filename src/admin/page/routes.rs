//! The routes: where each leads and how often it was taken, and those that never are.

use std::collections::HashSet;

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
    /// Another one keeps every request from it.
    never: bool,
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
    let shadowed: Vec<_> = report.diagnostics.iter().filter(|finding| SHADOWED.contains(&finding.reason)).collect();
    let never: HashSet<&str> = shadowed.iter().filter_map(|finding| finding.object.as_ref()).map(|object| object.name.as_str()).collect();
    let routes = routes.into_iter().map(|view| row(&never, view)).collect();
    let shadowed = shadowed.iter().take(MOST_SHADOWED).map(|finding| Entry::of(finding)).collect();
    fill(&Page { paging: Paging::new(frame.path, &asked, total), frame, routes, shadowed })
}

fn row(never: &HashSet<&str>, mut view: RouteView) -> Row {
    let targets = std::mem::take(&mut view.backends).into_iter();
    let targets = targets.map(|share| Target { link: format!("/health?q={}", encode(&share.backend)), backend: share.backend, weight: share.weight });
    Row { never: never.contains(view.name.as_str()), targets: targets.collect(), view }
}
