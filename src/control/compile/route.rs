//! Routes: rules to matches with weighted backends. A rule that names what is not there keeps its last accepted
//! version, or answers 500.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::listener::plain_http;
use crate::control::config::{self, OptionalLimit, PathType, RouteRule};
use crate::control::resources::{Collection, Entry, Object};
use crate::control::yaml::closest;
use crate::model::{
    Action, Behaviour, Conditions, Diagnostic, HostPattern, LogSampling, Match, ObjectKind, Origin, OriginPart, PathMatch, PlainHttp, Reason, Route,
    Target,
};

pub(super) fn compile(
    routes: &Collection<RouteRule>,
    backends: &Collection<config::Backend>,
    findings: &mut Vec<Diagnostic>,
    accepted: &mut Vec<(String, Arc<Object<RouteRule>>)>,
) -> Vec<Arc<Route>> {
    super::report_duplicates(routes, ObjectKind::Route, findings);
    let mut compiled = Vec::new();
    for (name, entry) in routes.iter() {
        let (version, route) = choose(name, entry, backends, findings);
        accepted.extend(version.map(|object| (name.to_owned(), object.clone())));
        compiled.push(Arc::new(route));
    }
    report_conflicts(&compiled, routes, findings);
    compiled
}

/// Where each route is written.
pub(super) fn origins(routes: &Collection<RouteRule>) -> OriginPart {
    let origin = |(name, entry): (&str, &Entry<RouteRule>)| (name.into(), Arc::new(Origin { place: entry.latest.place(), ..Origin::default() }));
    routes.iter().map(origin).collect()
}

/// The latest version if nothing is wrong with it, else the last accepted one, else what is left of the latest.
fn choose<'e>(
    name: &str,
    entry: &'e Entry<RouteRule>,
    backends: &Collection<config::Backend>,
    findings: &mut Vec<Diagnostic>,
) -> (Option<&'e Arc<Object<RouteRule>>>, Route) {
    let problems = check(name, &entry.latest, backends);
    if problems.is_empty() {
        let route = build(name, &entry.latest, backends);
        if let Action::Broken(why) = &route.action {
            findings.push(
                Diagnostic::warning(Reason::InvalidValue, format!("route \"{name}\" forwards nothing: {why}"))
                    .about(ObjectKind::Route, name)
                    .at(entry.latest.place())
                    .effect("requests for it are answered 500"),
            );
        }
        return (Some(&entry.latest), route);
    }
    let before = entry.accepted.as_ref().filter(|object| check(name, object, backends).is_empty());
    let route = build(name, before.unwrap_or(&entry.latest), backends);
    let effect = match (&before, &route.action) {
        (Some(_), _) => "its last good version goes on",
        (None, Action::Broken(_)) => "requests for it are answered 500",
        (None, Action::Forward(_) | Action::Redirect(_) | Action::NotFound) => "its share of the requests is answered 500",
    };
    findings.extend(problems.into_iter().map(|problem| problem.effect(effect)));
    (before, route)
}

/// What refers to something that is not there, or can never match.
fn check(name: &str, object: &Object<RouteRule>, backends: &Collection<config::Backend>) -> Vec<Diagnostic> {
    let rule = &object.spec.rule;
    let mut problems = Vec::new();
    for (backend, span) in rule.backend_names() {
        let backend = backend.to_string();
        if !backends.contains(&backend) {
            let help = match closest(&backend, backends.names()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("add it under backends, or write a URL: backend: http://HOST:PORT (backends: {})", list(backends.names())),
            };
            problems.push(
                Diagnostic::error(Reason::BackendNotFound, format!("route \"{name}\" names the backend \"{backend}\", which does not exist"))
                    .about(ObjectKind::Route, name)
                    .at(object.files.place(span))
                    .help(help),
            );
        }
    }
    for header in &rule.headers.0 {
        if HeaderName::from_bytes(header.name.as_bytes()).is_err() || HeaderValue::from_str(&header.value).is_err() {
            problems.push(
                Diagnostic::error(Reason::InvalidValue, format!("route \"{name}\": \"{}: {}\" is no header field", header.name, header.value))
                    .about(ObjectKind::Route, name)
                    .at(object.place()),
            );
        }
    }
    problems
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.take(10).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn build(name: &str, object: &Object<RouteRule>, backends: &Collection<config::Backend>) -> Route {
    let RouteRule { hostnames, plain_http: policy, rule } = &object.spec.value;
    let path = rule.path.as_ref().map_or("/", |path| &path.0);
    let mut hosts: Vec<HostPattern> = Vec::new();
    for host in hostnames {
        if !hosts.contains(&host.0) {
            hosts.push(host.0.clone());
        }
    }
    Route {
        name: name.into(),
        matches: Match {
            hosts,
            path: match rule.path_type.unwrap_or_default() {
                PathType::PathPrefix => PathMatch::prefix(path),
                PathType::Exact => PathMatch::Exact(path.to_owned()),
            },
            conditions: conditions(rule),
        },
        plain_http: policy.map(plain_http).or_else(|| redirects_to_https(rule)),
        https_redirect: None,
        request_timeout: rule.timeouts.request.map_or(Duration::MAX, |OptionalLimit(limit)| limit),
        limits_tunnels: false,
        filters: super::filter::filters(rule),
        log_sampling: rule.log_sampling.map(|share| LogSampling(share.0)),
        behaviour: Behaviour::Genkan,
        action: action(rule, backends),
    }
}

/// A rule that sends plain HTTP to https forwards nothing, so it need not be allowed to.
fn redirects_to_https(rule: &config::Rule) -> Option<PlainHttp> {
    rule.redirect().filter(|redirect| redirect.scheme == Some(config::Scheme::Https)).map(|_| PlainHttp::Allow)
}

fn conditions(rule: &config::Rule) -> Conditions {
    // Names that are none were reported by `check`; such a rule is only built to answer 500, and must match no more
    // than it says, so the field is looked for under a name that no request can have.
    let header =
        |pair: &config::NameValue| (HeaderName::from_bytes(pair.name.as_bytes()).unwrap_or(HeaderName::from_static("-")), pair.value.clone());
    Conditions {
        methods: rule.methods.iter().filter_map(|method| Method::from_bytes(method.0.as_bytes()).ok()).collect(),
        headers: rule.headers.0.iter().map(header).collect(),
        query: rule.query_params.0.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect(),
    }
}

fn action(rule: &config::Rule, backends: &Collection<config::Backend>) -> Action {
    if let Some(redirect) = rule.redirect() {
        return Action::Redirect(super::filter::redirect(redirect));
    }
    let single = rule.backend.iter().map(|backend| Target { backend: backend.to_string(), weight: 1 });
    let several = rule.backends.iter().map(|backend| Target { backend: backend.name.to_string(), weight: backend.weight.0 });
    let targets: Vec<Target> = single.chain(several).collect();
    if targets.iter().all(|target| target.weight == 0) {
        return Action::Broken("every backend of it has the weight 0".to_owned());
    }
    if targets.iter().any(|target| backends.contains(&target.backend)) {
        return Action::Forward(targets);
    }
    let names: Vec<_> = targets.into_iter().map(|target| target.backend).collect();
    Action::Broken(format!("no backend \"{}\"", names.join("\", \"")))
}

/// Routes whose every request another one takes, because host, path and conditions are the same.
fn report_conflicts(compiled: &[Arc<Route>], routes: &Collection<RouteRule>, findings: &mut Vec<Diagnostic>) {
    let mut winners: HashMap<String, &str> = HashMap::new();
    let mut reported = 0;
    let places: HashMap<&str, &Entry<RouteRule>> = routes.iter().collect();
    for route in compiled {
        let all_hosts = route.matches.hosts.is_empty().then(|| "*".to_owned());
        let hosts = route.matches.hosts.iter().map(ToString::to_string).chain(all_hosts);
        for host in hosts {
            let key = format!("{host} {} {:?}", route.matches.path, sorted(&route.matches.conditions));
            let winner = *winners.entry(key).or_insert(&route.name);
            if winner == &*route.name {
                continue;
            }
            reported += 1;
            if reported > MAX_CONFLICTS {
                return;
            }
            let place = places.get(&*route.name).and_then(|entry| entry.latest.place());
            let first = places.get(winner).and_then(|entry| entry.latest.place());
            let mut finding = Diagnostic::warning(
                Reason::RouteConflict,
                format!("route \"{}\" gets no request for {host}: route \"{winner}\" is for the same", route.name),
            )
            .about(ObjectKind::Route, &*route.name)
            .at(place)
            .effect(format!("\"{winner}\" wins, because it comes first"));
            finding.why = first.map(|place| format!("the winner is at {place}"));
            findings.push(finding);
        }
    }
}

/// More of the same say nothing new.
const MAX_CONFLICTS: usize = 100;

/// The order in which conditions are written means nothing.
fn sorted(conditions: &Conditions) -> Conditions {
    let mut sorted = conditions.clone();
    sorted.methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    sorted.headers.sort_by(|a, b| (a.0.as_str(), &a.1).cmp(&(b.0.as_str(), &b.1)));
    sorted.query.sort();
    sorted
}
