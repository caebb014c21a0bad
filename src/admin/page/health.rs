//! The health view: every backend with its endpoints, and what the probes of each found.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;

use super::super::api::backends::{EndpointView, Totals, endpoint_view, probe_words};
use super::super::api::query::{Page as Asked, Query};
use super::paging::Paging;
use super::strip::Strip;
use super::words::{clock, since};
use super::{Frame, Rendered, fill};
use crate::admin::Views;
use crate::model::{Backend, EndpointState, EndpointStatus, PROBES_KEPT};

#[derive(Template)]
#[template(path = "health.html")]
struct Page {
    frame: Frame,
    paging: Paging,
    backends: Vec<Section>,
}

/// A backend, with those of its endpoints that are on this page.
struct Section {
    name: String,
    probe: Option<String>,
    verdict: String,
    class: &'static str,
    endpoints: Vec<Row>,
}

struct Row {
    view: EndpointView,
    class: &'static str,
    word: &'static str,
    since: String,
    /// Time of day of the last probe.
    probed: String,
    strip: Option<Strip>,
    share: String,
}

pub(super) fn render(views: &Views, query: &Query, frame: Frame) -> Rendered {
    let asked = Paging::asked(query)?;
    let (backends, total) = sections(&views.control.snapshot().backends, views.proxy.endpoints(), &asked);
    fill(&Page { paging: Paging::new(frame.path, &asked, total), frame, backends })
}

/// Pages count endpoints, because a backend may have a thousand; one without any counts as one.
fn sections(backends: &[Arc<Backend>], endpoints: Vec<EndpointStatus>, asked: &Asked) -> (Vec<Section>, usize) {
    let mut of: HashMap<String, Vec<EndpointStatus>> = HashMap::new();
    for endpoint in endpoints {
        of.entry(endpoint.backend.clone()).or_default().push(endpoint);
    }
    let totals: HashMap<String, Totals> = of.iter().map(|(name, endpoints)| (name.clone(), Totals::of(endpoints))).collect();
    // Whoever looks here mostly looks for those.
    let mut sick_first: Vec<&Arc<Backend>> = backends.iter().collect();
    sick_first.sort_by_key(|backend| match class(totals.get(&backend.name).copied().unwrap_or_default()) {
        "bad" => 0,
        "warn" => 1,
        _ => 2,
    });
    let rows = sick_first.into_iter().flat_map(|backend| {
        let endpoints = of.remove(&backend.name).unwrap_or_default();
        let nothing = endpoints.is_empty().then_some((backend, None));
        endpoints.into_iter().map(move |endpoint| (backend, Some(endpoint))).chain(nothing)
    });
    let (part, total) = asked.of(rows, |(backend, endpoint)| match endpoint {
        Some(endpoint) => format!("{} {} {}", backend.name, endpoint.address, state(endpoint).1),
        None => backend.name.clone(),
    });
    let mut sections: Vec<Section> = Vec::new();
    for (backend, endpoint) in part {
        let totals = totals.get(&backend.name).copied().unwrap_or_default();
        if sections.last().is_none_or(|last| last.name != backend.name) {
            sections.push(section(backend, totals));
        }
        if let Some((section, endpoint)) = sections.last_mut().zip(endpoint) {
            section.endpoints.push(row(endpoint, totals.requests));
        }
    }
    (sections, total)
}

fn section(backend: &Backend, totals: Totals) -> Section {
    Section {
        name: backend.name.clone(),
        probe: probe_words(backend),
        verdict: if totals.endpoints == 0 { "no endpoints".to_owned() } else { format!("{} of {} ready", totals.ready, totals.endpoints) },
        class: class(totals),
        endpoints: Vec::new(),
    }
}

fn class(totals: Totals) -> &'static str {
    match totals.ready {
        0 => "bad",
        ready if ready < totals.endpoints => "warn",
        _ => "ok",
    }
}

fn row(endpoint: EndpointStatus, of: u64) -> Row {
    let (class, word) = state(&endpoint);
    let since = since(endpoint.since);
    let view = endpoint_view(endpoint, of, PROBES_KEPT);
    Row {
        class,
        word,
        since,
        probed: view.last_probe.as_ref().map(|probe| clock(&probe.time)).unwrap_or_default(),
        strip: Strip::of(&view.probes),
        share: format!("{:.1} %", view.share * 100.0),
        view,
    }
}

/// Its class and its word.
fn state(endpoint: &EndpointStatus) -> (&'static str, &'static str) {
    match (endpoint.state, endpoint.ejected) {
        (EndpointState::Ready, true) => ("warn", "left out"),
        (EndpointState::Ready, false) => ("ok", "ready"),
        (EndpointState::NotReady, _) => ("bad", "not ready"),
        (EndpointState::Unknown, _) => ("idle", "not known yet"),
    }
}
