//! Routes: what they are for, where they lead, how often they were taken, and where they are written.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::query::Page;
use crate::admin::Views;
use crate::model::{Action, Conditions, Origin, Origins, Redirect, Route};
use crate::telemetry::RouteCounts;

/// A part of the routes.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Routes {
    /// How many there are, before `offset` and `limit`.
    pub(in crate::admin) total: usize,
    pub(in crate::admin) routes: Vec<RouteView>,
}

/// A route.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct RouteView {
    pub(in crate::admin) name: String,
    /// The Ingress whose own it is; empty for those that all listeners share.
    pub(in crate::admin) set: String,
    /// Empty: every host.
    pub(in crate::admin) hosts: Vec<String>,
    /// As `explain` writes it, such as `PathPrefix /api`.
    pub(in crate::admin) path: String,
    /// What else must hold, such as `method GET`.
    pub(in crate::admin) conditions: Vec<String>,
    pub(in crate::admin) backends: Vec<Share>,
    /// What is done instead of forwarding.
    pub(in crate::admin) answer: Option<String>,
    /// Exchanges since the process started.
    pub(in crate::admin) requests: u64,
    /// Of these, answered with a status from 500 on.
    pub(in crate::admin) server_errors: u64,
    /// What it was made of, such as `Ingress shop/web`.
    pub(in crate::admin) object: Option<String>,
    /// File, line and column.
    pub(in crate::admin) place: Option<String>,
}

/// One of the backends of a route.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Share {
    pub(in crate::admin) backend: String,
    pub(in crate::admin) weight: u32,
}

impl Routes {
    pub(in crate::admin) fn of(views: &Views, page: &Page) -> Self {
        let (snapshot, origins) = (views.control.snapshot(), views.control.origins());
        let counts = views.metrics.routes();
        let all = snapshot.route_sets.iter().flat_map(|set| set.all().map(move |route| (&*set.name, route)));
        let (part, total) = page.of(all, |(_, route)| text(route));
        let origin = by_name(&origins);
        Self { total, routes: part.into_iter().map(|(set, route)| view(set, route, &counts, origin.get(&*route.name).copied())).collect() }
    }
}

/// What a filter looks into.
fn text(route: &Route) -> String {
    let hosts: Vec<String> = route.matches.hosts.iter().map(ToString::to_string).collect();
    format!("{} {} {}", route.name, hosts.join(" "), route.matches.path)
}

/// One look at everything, instead of one for each route.
fn by_name(origins: &Origins) -> HashMap<&str, &Origin> {
    origins.0.iter().flat_map(|part| part.iter()).map(|(name, origin)| (&**name, &**origin)).collect()
}

fn view(set: &str, route: &Route, counts: &HashMap<String, RouteCounts>, origin: Option<&Origin>) -> RouteView {
    let counts = counts.get(&*route.name).copied().unwrap_or_default();
    let (backends, answer) = action(&route.action);
    RouteView {
        name: route.name.to_string(),
        set: set.to_owned(),
        hosts: route.matches.hosts.iter().map(ToString::to_string).collect(),
        path: route.matches.path.to_string(),
        conditions: conditions(&route.matches.conditions),
        backends,
        answer,
        requests: counts.requests,
        server_errors: counts.server_errors,
        object: origin.and_then(|origin| origin.object.as_ref()).map(|(kind, name)| format!("{} {name}", kind.as_str())),
        place: origin.and_then(|origin| origin.place.as_ref()).map(ToString::to_string),
    }
}

fn action(action: &Action) -> (Vec<Share>, Option<String>) {
    match action {
        Action::Forward(targets) => (targets.iter().map(|target| Share { backend: target.backend.clone(), weight: target.weight }).collect(), None),
        Action::Redirect(redirect) => (Vec::new(), Some(redirect_text(redirect))),
        Action::NotFound => (Vec::new(), Some("404: its host is known, and nothing of it is for this path".to_owned())),
        Action::Broken(why) => (Vec::new(), Some(format!("500: {why}"))),
    }
}

fn redirect_text(redirect: &Redirect) -> String {
    let scheme = redirect.https.map(|https| if https { " to https" } else { " to http" }).unwrap_or_default();
    let host = redirect.host.as_ref().map(|host| format!(" to {host}")).unwrap_or_default();
    format!("{}: redirect{scheme}{host}", redirect.status.as_u16())
}

fn conditions(conditions: &Conditions) -> Vec<String> {
    let methods: Vec<&str> = conditions.methods.iter().map(http::Method::as_str).collect();
    let methods = (!methods.is_empty()).then(|| format!("method {}", methods.join(", ")));
    let headers = conditions.headers.iter().map(|(name, value)| format!("header {name}: {value}"));
    let query = conditions.query.iter().map(|(name, value)| format!("query {name}={value}"));
    methods.into_iter().chain(headers).chain(query).collect()
}
