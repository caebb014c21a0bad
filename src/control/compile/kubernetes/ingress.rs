//! One Ingress to routes: its rules by host and path, its default backend, what it says of plain HTTP. Everything that
//! is wrong with it costs the rule that it stands in, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::control::kubernetes::{BackendConfig, Ingress, IngressBackend, IngressPath};
use crate::control::manifests::ManifestObject;
use crate::control::yaml::{Located, Span};
use crate::model::{
    Action, Behaviour, Diagnostic, Filter, Host, HostPattern, LogSampling, Match, ObjectKind, Origin, OriginPart, Parity, PathMatch, PlainHttp,
    Reason, Route, Target,
};

use super::frontend::{self, Frontend};
use super::lookup::Lookup;
use super::path::Meaning;
use super::service::{self, CLOUD_TIMEOUT, Dangling, ServiceBackend};
use super::settings::Settings;
use super::{class::Selected, headers, path};

/// What an Ingress comes to.
#[derive(Debug)]
pub struct Translation {
    pub(super) behaviour: Behaviour,
    pub(super) routes: Vec<TranslatedRoute>,
    /// `spec.defaultBackend`: for everything that no rule of any Ingress is for.
    pub(super) default_route: Option<TranslatedRoute>,
    pub(super) backends: Vec<Arc<ServiceBackend>>,
    pub(super) frontend: Frontend,
    pub(super) findings: Vec<Arc<Diagnostic>>,
    /// Services that are no objects, and of which nobody has said where they live.
    pub(super) unmapped: Vec<String>,
    /// Where its routes come from.
    pub(super) origins: OriginPart,
}

impl Translation {
    /// A route of it that leads somewhere, with the backends that it leads to.
    pub(super) fn usable(&self, name: &str) -> Option<(&Arc<Route>, impl Iterator<Item = &Arc<ServiceBackend>>)> {
        let route = self.routes.iter().chain(&self.default_route).find(|known| *known.route.name == *name && known.broken.is_none())?;
        let targets = match &route.route.action {
            Action::Forward(targets) => targets.as_slice(),
            Action::Redirect(_) | Action::NotFound | Action::Broken(_) => &[],
        };
        let leads = move |backend: &&Arc<ServiceBackend>| targets.iter().any(|target| target.backend == *backend.name);
        Some((&route.route, self.backends.iter().filter(leads)))
    }
}

/// A route with where it comes from.
#[derive(Clone, Debug)]
pub(super) struct TranslatedRoute {
    pub(super) route: Arc<Route>,
    pub(super) origin: Arc<Origin>,
    /// Made to stand behind the others of its host; nobody wrote it.
    pub(super) is_fallback: bool,
    /// What is wrong with it, where it leads nowhere.
    pub(super) broken: Option<Diagnostic>,
}

pub(super) fn translate<'m>(
    object: &'m ManifestObject,
    ingress: &'m Ingress,
    selected: &Selected,
    settings: &Settings,
    lookup: &Lookup<'m>,
    mut findings: Vec<Diagnostic>,
) -> Translation {
    let frontend = frontend::read(object, ingress, selected, settings, lookup, &mut findings);
    let mut step =
        Step { object, behaviour: selected.behaviour, settings, lookup, frontend: &frontend, findings, unmapped: Vec::new(), backends: Vec::new() };
    let mut routes = step.rules(ingress);
    let default_route = step.default_route(ingress);
    routes.extend(step.fallbacks(ingress, &routes, default_route.as_ref()));
    if selected.is_cloud {
        step.report_refused(&routes, default_route.as_ref());
    }
    let Step { findings, unmapped, backends, .. } = step;
    let origins = routes.iter().chain(&default_route).map(|route| (route.route.name.clone(), route.origin.clone())).collect();
    Translation {
        behaviour: selected.behaviour,
        routes,
        default_route,
        backends: backends.into_iter().map(|(_, known)| known.backend).collect(),
        frontend,
        findings: findings.into_iter().map(Arc::new).collect(),
        unmapped,
        origins,
    }
}

struct Step<'a, 'm> {
    object: &'m ManifestObject,
    behaviour: Behaviour,
    settings: &'a Settings,
    lookup: &'a Lookup<'m>,
    frontend: &'a Frontend,
    findings: Vec<Diagnostic>,
    unmapped: Vec<String>,
    backends: Vec<(&'m IngressBackend, Known<'m>)>,
}

#[derive(Clone, Debug)]
struct Known<'m> {
    backend: Arc<ServiceBackend>,
    config: Option<&'m BackendConfig>,
}

/// A rule's host, and how it is written.
struct RuleHost<'i> {
    pattern: Option<HostPattern>,
    text: &'i str,
}

const EVERY_HOST: RuleHost<'static> = RuleHost { pattern: None, text: "*" };

/// What a route is called, which host it is for and where it is written.
struct Spot<'r> {
    name: String,
    host: &'r RuleHost<'r>,
    span: Span,
}

impl<'m> Step<'_, 'm> {
    fn about(&self, finding: Diagnostic, span: Span) -> Diagnostic {
        finding.about(ObjectKind::Ingress, self.object.name()).at(self.object.place(span))
    }

    /// Every rule's paths, in their order.
    fn rules(&mut self, ingress: &'m Ingress) -> Vec<TranslatedRoute> {
        let mut routes: Vec<TranslatedRoute> = Vec::new();
        for rule in &ingress.rules {
            let host = match self.host(rule.host.as_ref()) {
                Ok(host) => host,
                Err(finding) => {
                    self.findings.push(*finding);
                    continue;
                }
            };
            let Some(paths) = &rule.paths else {
                self.without_paths(rule.span, &host, ingress, &mut routes);
                continue;
            };
            let replaces = self.behaviour == Behaviour::Gke && self.replace_host(&host, rule.span, &mut routes);
            for path in paths {
                let mut route = self.path(&host, path);
                if replaces {
                    Arc::make_mut(&mut route.origin).parity.push(Parity::SameHostTwice);
                }
                self.add(route, path.span, &mut routes);
            }
        }
        routes
    }

    fn host<'i>(&self, written: Option<&'i Located<String>>) -> Result<RuleHost<'i>, Box<Diagnostic>> {
        let Some(written) = written.filter(|host| !host.value.is_empty() && host.value != "*") else {
            return Ok(EVERY_HOST);
        };
        let pattern = match (HostPattern::parse(&written.value), self.behaviour) {
            (Ok(HostPattern::Wildcard(parent)), Behaviour::Gke) => Ok(HostPattern::Deep(parent)),
            (parsed, _) => parsed,
        };
        match pattern {
            Ok(pattern) => Ok(RuleHost { pattern: Some(pattern), text: &written.value }),
            Err(why) => {
                let finding = Diagnostic::error(Reason::InvalidValue, format!("\"{}\" is no host of a rule: {why}", written.value));
                Err(Box::new(self.about(finding, written.span).effect("the rule is not served, because no request can have such a host")))
            }
        }
    }

    /// Kubernetes sends all of such a host to the default backend; the cloud's controller skips the rule.
    fn without_paths(&mut self, span: Span, host: &RuleHost<'_>, ingress: &'m Ingress, routes: &mut Vec<TranslatedRoute>) {
        match (&ingress.default_backend, self.behaviour) {
            (Some(backend), Behaviour::Genkan) => {
                let spot = Spot { name: self.route_name(host, "/"), host, span };
                routes.push(self.route(spot, Meaning::all(), Some(backend)));
            }
            (None, Behaviour::Genkan) => {
                let finding = self.about(Diagnostic::warning(Reason::MissingField, format!("the rule for {} has no paths", host.text)), span);
                self.findings.push(finding.effect("it is skipped").help("write http.paths, or spec.defaultBackend"));
            }
            (_, Behaviour::Gke) => {
                let finding = self.about(
                    Diagnostic::note(Reason::MissingField, format!("the rule for {} has no http, and is skipped, as the cloud does", host.text)),
                    span,
                );
                self.findings.push(finding);
            }
        }
    }

    /// In the cloud a later rule for a host takes the place of the earlier; returns whether there was one.
    fn replace_host(&mut self, host: &RuleHost<'_>, span: Span, routes: &mut Vec<TranslatedRoute>) -> bool {
        let hosts: Vec<HostPattern> = host.pattern.clone().into_iter().collect();
        let before = routes.len();
        routes.retain(|route| route.route.matches.hosts != hosts);
        let replaces = routes.len() < before;
        if replaces {
            let finding = Diagnostic::warning(
                Reason::HostConflict,
                format!("a later rule for {} replaces the earlier one entirely, as in the cloud", host.text),
            );
            let finding = self
                .about(finding, span)
                .effect("the paths of the earlier rule are not served")
                .help("write one rule with all the paths of the host");
            self.findings.push(finding);
        }
        replaces
    }

    /// Of the same path twice the first wins; in the cloud the later does, and a prefix is two paths there.
    fn add(&mut self, mut route: TranslatedRoute, span: Span, routes: &mut Vec<TranslatedRoute>) {
        let twice = match self.behaviour {
            Behaviour::Genkan => routes.iter().any(|known| known.route.matches == route.route.matches),
            Behaviour::Gke => take_paths(&route.route.matches, routes),
        };
        if twice {
            let effect = if self.behaviour == Behaviour::Gke { "the later wins, as in the cloud" } else { "the first wins" };
            let message = format!("Ingress {} has {} twice for a host", self.object.name(), route.route.matches.path);
            let finding = self.about(Diagnostic::warning(Reason::RouteConflict, message), span).effect(effect);
            self.findings.push(finding);
        }
        match self.behaviour {
            Behaviour::Genkan if twice => return,
            Behaviour::Gke if twice => Arc::make_mut(&mut route.origin).parity.push(Parity::SamePathTwice),
            Behaviour::Genkan | Behaviour::Gke => {}
        }
        routes.push(route);
    }

    fn path(&mut self, host: &RuleHost<'_>, path: &'m Located<IngressPath>) -> TranslatedRoute {
        let written = path.path.as_ref().map_or("", |path| path.value.as_str());
        let path_type = path.path_type.as_ref().map(|kind| kind.value.as_str());
        let exact = if path_type == Some("Exact") { "=" } else { "" };
        let name = self.route_name(host, &format!("{exact}{}", if written.is_empty() { "/" } else { written }));
        match path::read(written, path_type, self.behaviour) {
            Ok(meaning) => self.route(Spot { name, host, span: path.span }, meaning, path.backend.as_ref()),
            Err(why) => {
                let span = path.path_type.as_ref().filter(|_| why.contains("type:")).or(path.path.as_ref()).map_or(path.span, |at| at.span);
                let finding = self.about(Diagnostic::error(Reason::InvalidValue, why.clone()), span);
                let matches = PathMatch::Exact(if written.starts_with('/') { written.to_owned() } else { format!("/{written}") });
                let mut route = self.build(Spot { name, host, span }, matches, Action::Broken(why), None);
                route.broken = Some(finding);
                route
            }
        }
    }

    fn route_name(&self, host: &RuleHost<'_>, path: &str) -> String {
        format!("{} {}{path}", self.object.name(), host.text)
    }

    fn route(&mut self, spot: Spot<'_>, Meaning { matches, parity }: Meaning, backend: Option<&'m Located<IngressBackend>>) -> TranslatedRoute {
        let found = match backend {
            Some(backend) => self.backend(backend),
            None => {
                Err((Dangling { message: "the path has no backend".to_owned(), reason: Reason::MissingField, help: None, unmapped: None }, spot.span))
            }
        };
        let mut route = match found {
            Ok(known) => {
                let action = Action::Forward(vec![Target { backend: known.backend.name.to_string(), weight: 1 }]);
                self.build(spot, matches, action, known.config)
            }
            Err((dangling, at)) => {
                let mut finding = self.about(Diagnostic::error(dangling.reason, dangling.message.clone()), at);
                finding.help = dangling.help;
                self.unmapped.extend(dangling.unmapped);
                let mut route = self.build(spot, matches, Action::Broken(dangling.message), None);
                route.broken = Some(finding);
                route
            }
        };
        Arc::make_mut(&mut route.origin).parity.extend(parity);
        route
    }

    fn backend(&mut self, backend: &'m Located<IngressBackend>) -> Result<Known<'m>, (Dangling, Span)> {
        if let Some((_, known)) = self.backends.iter().find(|(named, _)| **named == backend.value) {
            return Ok(known.clone());
        }
        let namespace = &self.object.manifest.meta.namespace;
        let found = service::resolve(namespace, &backend.value, self.behaviour, self.settings, self.lookup).map_err(|why| (why, backend.span))?;
        let known = Known { backend: found.backend, config: found.config };
        self.backends.push((&backend.value, known.clone()));
        Ok(known)
    }

    fn build(&self, Spot { name, host, span }: Spot<'_>, path: PathMatch, action: Action, config: Option<&BackendConfig>) -> TranslatedRoute {
        let hosts: Vec<HostPattern> = host.pattern.clone().into_iter().collect();
        let mut parity = Vec::new();
        if let [HostPattern::Deep(_)] = hosts.as_slice() {
            parity.push(Parity::WildcardHost);
        }
        if self.frontend.rejects_unasked {
            parity.push(Parity::PlainHttp);
        }
        let timeout = config.and_then(|config| config.timeout_sec).map(|seconds| Duration::from_secs(seconds.into()));
        let is_cloud = self.behaviour == Behaviour::Gke;
        let filters: Vec<Filter> = config.map(headers::filters).unwrap_or_default();
        let route = Route {
            name: name.into(),
            matches: Match { hosts, path, ..Match::default() },
            plain_http: Some(self.frontend.plain_http),
            https_redirect: self.frontend.redirect,
            request_timeout: timeout.unwrap_or(if is_cloud { CLOUD_TIMEOUT } else { Duration::MAX }),
            limits_tunnels: is_cloud,
            filters,
            log_sampling: config.and_then(|config| config.log_sample_rate).map(LogSampling),
            behaviour: self.behaviour,
            action,
        };
        let origin = Origin { object: Some((ObjectKind::Ingress, self.object.name())), place: self.object.place(span), parity };
        TranslatedRoute { route: Arc::new(route), origin: Arc::new(origin), is_fallback: false, broken: None }
    }

    /// For what no rule of any Ingress is for.
    fn default_route(&mut self, ingress: &'m Ingress) -> Option<TranslatedRoute> {
        let backend = ingress.default_backend.as_ref()?;
        let name = format!("{} default backend", self.object.name());
        Some(self.route(Spot { name, host: &EVERY_HOST, span: backend.span }, Meaning::all(), Some(backend)))
    }

    /// What the paths of a host leave goes to the default backend of the same Ingress; in the cloud it goes nowhere else.
    fn fallbacks(&self, ingress: &Ingress, routes: &[TranslatedRoute], default: Option<&TranslatedRoute>) -> Vec<TranslatedRoute> {
        let mut hosts: Vec<&HostPattern> = Vec::new();
        for host in routes.iter().flat_map(|route| &route.route.matches.hosts) {
            let is_whole = |route: &TranslatedRoute| route.route.matches.hosts.contains(host) && route.route.matches.path == PathMatch::prefix("/");
            if !hosts.contains(&host) && !routes.iter().any(is_whole) {
                hosts.push(host);
            }
        }
        let span = ingress.default_backend.as_ref().map_or(self.object.manifest.span, |backend| backend.span);
        let fallback = |host: &HostPattern| {
            let text = host.to_string();
            let host = RuleHost { pattern: Some(host.clone()), text: text.trim_start_matches("**").trim_start_matches('*') };
            let action = match (default, self.behaviour) {
                (Some(default), _) => default.route.action.clone(),
                (None, Behaviour::Gke) => Action::NotFound,
                (None, Behaviour::Genkan) => return None,
            };
            let name = format!("{} {} default backend", self.object.name(), text.replacen("**", "*", 1));
            let mut fallback = self.build(Spot { name, host: &host, span }, PathMatch::prefix("/"), action, None);
            if let Some(default) = default {
                let mut route = Route::clone(&default.route);
                route.name = fallback.route.name.clone();
                route.matches = fallback.route.matches.clone();
                fallback.route = Arc::new(route);
            }
            if self.behaviour == Behaviour::Gke {
                Arc::make_mut(&mut fallback.origin).parity.push(Parity::OwnDefaultBackend);
            }
            fallback.is_fallback = true;
            fallback.broken = default.and_then(|default| default.broken.clone());
            Some(fallback)
        };
        hosts.into_iter().filter_map(fallback).collect()
    }

    /// The cloud takes a whole Ingress or none of it.
    fn report_refused(&mut self, routes: &[TranslatedRoute], default: Option<&TranslatedRoute>) {
        let broken: Vec<&Diagnostic> =
            routes.iter().chain(default).filter(|route| !route.is_fallback).filter_map(|route| route.broken.as_ref()).collect();
        let of_backends = self.backends.iter().flat_map(|(_, known)| &known.backend.refused_by_cloud);
        let mut why: Vec<&str> = Vec::new();
        for error in broken.iter().map(|broken| broken.message.as_str()).chain(of_backends.map(String::as_str)) {
            if !why.contains(&error) {
                why.push(error);
            }
        }
        if why.is_empty() {
            return;
        }
        let place = broken.first().map_or_else(|| self.object.place(self.object.manifest.span), |first| first.place.clone());
        let finding = Diagnostic::note(Reason::DifferentInTheCloud, format!("the cloud would refuse Ingress {} as a whole", self.object.name()))
            .about(ObjectKind::Ingress, self.object.name())
            .at(place)
            .why(format!("Translation failed: invalid ingress spec: {}", why.join("; ")))
            .effect("here the rest of it is served");
        self.findings.push(finding);
    }
}

/// Takes the paths of a later route from those before it, and says whether one of them had any.
fn take_paths(later: &Match, routes: &mut Vec<TranslatedRoute>) -> bool {
    let mut taken = false;
    routes.retain_mut(|known| {
        let matches = &known.route.matches;
        if matches.hosts != later.hosts {
            return true;
        }
        let left = path::without(&matches.path, &later.path);
        if left.as_ref() == Some(&matches.path) {
            return true;
        }
        taken = true;
        let Some(left) = left else { return false };
        let route = Arc::make_mut(&mut known.route);
        // The later route may have the name of the whole.
        let rest = if matches!(left, PathMatch::Below(_)) { "/*" } else { " alone" };
        route.name = format!("{}{rest}", route.name.trim_end_matches('/')).into();
        route.matches.path = left;
        Arc::make_mut(&mut known.origin).parity.push(Parity::SamePathTwice);
        true
    });
    taken
}

/// The hosts of an Ingress, each once.
pub(super) fn hosts(ingress: &Ingress) -> Vec<&Located<String>> {
    let mut hosts: Vec<&Located<String>> = Vec::new();
    for host in ingress.rules.iter().filter_map(|rule| rule.host.as_ref()) {
        if !hosts.iter().any(|known| known.value == host.value) {
            hosts.push(host);
        }
    }
    hosts
}

/// The one host that an Ingress is for, if there is one.
pub(super) fn only_host(ingress: &Ingress) -> Option<Host> {
    match hosts(ingress).as_slice() {
        [host] if ingress.rules.iter().all(|rule| rule.host.is_some()) => Host::parse(&host.value).ok(),
        _ => None,
    }
}

/// What a redirect of a FrontendConfig is answered with.
pub(super) fn redirect_status(code_name: &str) -> Option<StatusCode> {
    match code_name {
        "" | "MOVED_PERMANENTLY_DEFAULT" => Some(StatusCode::MOVED_PERMANENTLY),
        "FOUND" => Some(StatusCode::FOUND),
        "SEE_OTHER" => Some(StatusCode::SEE_OTHER),
        "TEMPORARY_REDIRECT" => Some(StatusCode::TEMPORARY_REDIRECT),
        "PERMANENT_REDIRECT" => Some(StatusCode::PERMANENT_REDIRECT),
        _ => None,
    }
}

/// What plain HTTP gets by an Ingress alone.
pub(super) fn plain_http(allow_http: Option<bool>, redirects: bool) -> PlainHttp {
    match allow_http {
        Some(false) => PlainHttp::Reject,
        Some(true) | None if redirects => PlainHttp::Redirect,
        Some(true) => PlainHttp::Allow,
        None => PlainHttp::Reject,
    }
}
