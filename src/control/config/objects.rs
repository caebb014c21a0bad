//! A configuration taken apart into the objects that the compile step works on, each with a name that stays the same
//! when others come and go. Also the mistakes that a single key does not show, such as a rule with two kinds of backend.

use std::collections::BTreeSet;

use crate::control::yaml::{Located, Problem, Span};
use crate::model::Reason;

use super::{
    AccessLog, Admin, Backend, BackendLimits, BackendName, BackendTimeouts, Certificate, Config, Drain, EndpointText, Filter, HostText, Kubernetes,
    Limits, Listen, Listener, ListenerProtocol, LoadBalancing, OrAuto, Outliers, PathModifier, PathType, PlainHttp, RequestRedirect, Route, Rule,
    Timeouts, Tls, Tracing, UnknownServerName,
};

/// Everything in a configuration.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// What there is once.
    pub settings: Settings,
    /// By name.
    pub listeners: Vec<(String, Located<Listener>)>,
    /// By where they are written.
    pub certificates: Vec<Located<Certificate>>,
    /// By name.
    pub routes: Vec<(String, Located<RouteRule>)>,
    /// `defaultBackend`: a rule without conditions, for what no other is for.
    pub default_route: Option<Located<RouteRule>>,
    /// By name.
    pub backends: Vec<(String, Located<Backend>)>,
}

/// The keys that are no lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `unknownServerName`
    pub unknown_server_name: Option<UnknownServerName>,
    /// `tls`
    pub tls: Tls,
    /// `timeouts`
    pub timeouts: Timeouts,
    /// `limits`
    pub limits: Limits,
    /// `drain`
    pub drain: Drain,
    /// `admin`
    pub admin: Admin,
    /// `accessLog`
    pub access_log: AccessLog,
    /// `tracing`
    pub tracing: Tracing,
    /// `kubernetes`
    pub kubernetes: Kubernetes,
    /// `workers`
    pub workers: Option<OrAuto<usize>>,
}

/// A rule with what it has from its route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteRule {
    /// The route's.
    pub hostnames: Vec<Located<HostText>>,
    /// The route's.
    pub plain_http: Option<PlainHttp>,
    /// The rule itself.
    pub rule: Rule,
}

/// Takes a configuration apart.
pub fn split(config: Config) -> Result<Objects, Vec<Problem>> {
    let mut problems = Vec::new();
    check_listeners(config.listeners.as_deref().unwrap_or_default(), &mut problems);
    check_probes(&config.backends, &mut problems);
    problems.extend(config.kubernetes.check());
    check_affinity(&config.backends, &mut problems);
    let routes: Vec<_> = config.routes.into_iter().flat_map(|route| rules(route, &mut problems)).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let settings = Settings {
        unknown_server_name: config.unknown_server_name,
        tls: config.tls,
        timeouts: config.timeouts,
        limits: config.limits,
        drain: config.drain,
        admin: config.admin,
        access_log: config.access_log,
        tracing: config.tracing,
        kubernetes: config.kubernetes,
        workers: config.workers,
    };
    let default_route = config.default_backend.map(|backend| Located {
        span: backend.span,
        value: RouteRule { rule: Rule { backend: Some(backend), ..Rule::default() }, ..RouteRule::default() },
    });
    let mut backends: Vec<_> = config.backends.into_iter().map(|backend| (backend.name.value.clone(), backend)).collect();
    backends.extend(url_backends(routes.iter().map(|(_, route)| route).chain(&default_route)));
    Ok(Objects {
        settings,
        listeners: config.listeners.unwrap_or_else(default_listeners).into_iter().map(name_listener).collect(),
        certificates: config.certificates,
        routes,
        default_route,
        backends,
    })
}

/// HTTPS on 8443, and HTTP, which is rejected, on 8080.
pub fn default_listeners() -> Vec<Located<Listener>> {
    let plain_http = Some(Located::nowhere(PlainHttp::Reject));
    let http = Listener { protocol: ListenerProtocol::Http, plain_http, ..Listener::default() };
    vec![Located::nowhere(Listener::default()), Located::nowhere(http)]
}

/// What a listener that expects TLS can do about cleartext is less than what a plain one can.
fn check_listeners(listeners: &[Located<Listener>], problems: &mut Vec<Problem>) {
    for listener in listeners.iter().filter(|listener| listener.protocol == ListenerProtocol::Https) {
        if let Some(policy) = listener.plain_http.as_ref().filter(|policy| matches!(policy.value, PlainHttp::Allow | PlainHttp::Close)) {
            let message = format!("an HTTPS listener cannot have plainHttp: {:?}", policy.value);
            problems.push(problem(policy.span, message, "write Reject or Redirect, for cleartext HTTP that arrives on this port"));
        }
    }
}

fn check_probes(backends: &[Located<Backend>], problems: &mut Vec<Problem>) {
    for probe in backends.iter().filter_map(|backend| backend.readiness_probe.as_ref()) {
        if probe.http_get.is_some() && probe.tcp_socket.is_some() {
            problems.push(problem(probe.span, "a probe has either httpGet or tcpSocket".to_owned(), "keep one of the two"));
        }
    }
}

/// Whoever comes back to an endpoint is not balanced in another way.
fn check_affinity(backends: &[Located<Backend>], problems: &mut Vec<Problem>) {
    for backend in backends.iter().filter(|backend| backend.session_affinity.is_some()) {
        if let Some(balancing) = backend.load_balancing.as_ref().filter(|balancing| balancing.value != LoadBalancing::Hash) {
            let message = format!("sessionAffinity and loadBalancing: {:?} exclude each other", balancing.value);
            problems.push(problem(balancing.span, message, "take loadBalancing out: clients without a session are spread evenly"));
        }
    }
}

fn name_listener(listener: Located<Listener>) -> (String, Located<Listener>) {
    let name = listener.name.clone().unwrap_or_else(|| match listener.protocol {
        ListenerProtocol::Https => "https".to_owned(),
        ListenerProtocol::Http => "http".to_owned(),
    });
    (name, listener)
}

fn rules(route: Located<Route>, problems: &mut Vec<Problem>) -> Vec<(String, Located<RouteRule>)> {
    let span = route.span;
    let Route {
        name,
        hostnames,
        plain_http,
        rules,
        path,
        path_type,
        methods,
        headers,
        query_params,
        filters,
        timeouts,
        log_sampling,
        backend,
        backends,
    } = route.value;
    let own = Rule { name: None, path, path_type, methods, headers, query_params, filters, timeouts, log_sampling, backend, backends };
    let rules = match rules {
        None => vec![Located { value: own, span }],
        Some(rules) if rules.is_empty() => {
            problems.push(problem(
                span,
                "the rules of this route are none".to_owned(),
                "write at least one rule, or a rule's keys in the route itself",
            ));
            return Vec::new();
        }
        Some(rules) if own == Rule::default() => rules,
        Some(_) => {
            let message = "a route has either rules or a rule's keys of its own".to_owned();
            problems.push(problem(span, message, "move path, methods, backend and the like into the rules"));
            return Vec::new();
        }
    };
    let alone = rules.len() == 1;
    let mut named = Vec::with_capacity(rules.len());
    for Located { value: rule, span } in rules {
        if let Some(found) = check_redirect(&rule).or_else(|| check_backends(&rule, span)) {
            problems.push(found);
            continue;
        }
        let name = match (&name, &rule.name) {
            (Some(route), Some(rule)) => format!("{}/{}", route.value, rule.value),
            (Some(route), None) if alone => route.value.clone(),
            (Some(route), None) => format!("{}:{}", route.value, describe(&rule)),
            (None, Some(rule)) => rule.value.clone(),
            (None, None) => derived_name(&hostnames, &rule),
        };
        named.push((name, Located { value: RouteRule { hostnames: hostnames.clone(), plain_http, rule }, span }));
    }
    named
}

fn check_backends(rule: &Rule, span: Span) -> Option<Problem> {
    match (&rule.backend, rule.backends.is_empty()) {
        (Some(backend), false) => {
            Some(problem(backend.span, "a rule has either backend or backends".to_owned(), "list them all under backends, with weights"))
        }
        (None, true) if rule.redirect().is_some() => None,
        (None, true) => Some(Problem {
            span,
            reason: Reason::MissingField,
            message: "this rule names no backend".to_owned(),
            help: Some("write backend: NAME or backend: http://HOST:PORT".to_owned()),
        }),
        (Some(_), true) | (None, false) => None,
    }
}

/// A redirect is all that its rule does, and it must lead elsewhere.
fn check_redirect(rule: &Rule) -> Option<Problem> {
    let mut redirects = rule.redirects();
    let (redirect, span) = redirects.next()?;
    if let Some((_, second)) = redirects.next() {
        return Some(problem(second, "a rule redirects once".to_owned(), "keep one filter of type RequestRedirect"));
    }
    if let Some((_, backend)) = rule.backend_names().next() {
        let message = "a rule that redirects has no backend".to_owned();
        return Some(problem(backend, message, "take the backend out, or the filter of type RequestRedirect"));
    }
    if matches!(redirect.path, Some(PathModifier::Prefix(_))) && rule.path_type == Some(PathType::Exact) {
        let message = "ReplacePrefixMatch needs a rule that matches by a prefix".to_owned();
        return Some(problem(span, message, "write pathType: PathPrefix, or type: ReplaceFullPath"));
    }
    let nothing = RequestRedirect { status_code: redirect.status_code, scheme: redirect.scheme, ..RequestRedirect::default() };
    (*redirect == nothing).then(|| {
        let message = "this redirect leads to where the request already is".to_owned();
        problem(span, message, "write plainHttp: Redirect to send plain HTTP to https, or another hostname, path or port")
    })
}

fn problem(span: Span, message: String, help: &str) -> Problem {
    Problem { span, reason: Reason::InvalidValue, message, help: Some(help.to_owned()) }
}

/// The name of a rule that is given none.
pub(super) fn derived_name(hostnames: &[Located<HostText>], rule: &Rule) -> String {
    format!("{}{}", hosts(hostnames), describe(rule))
}

fn hosts(hostnames: &[Located<HostText>]) -> String {
    if hostnames.is_empty() {
        return "*".to_owned();
    }
    hostnames.iter().map(|host| host.0.to_string()).collect::<Vec<_>>().join(",")
}

/// Path, methods and conditions: what distinguishes the rules of one host.
fn describe(rule: &Rule) -> String {
    let path = rule.path.as_ref().map_or("/", |path| &path.0);
    let mut text = match rule.path_type.unwrap_or_default() {
        PathType::Exact => format!("={path}"),
        PathType::PathPrefix => path.to_owned(),
    };
    if !rule.methods.is_empty() {
        let methods: BTreeSet<&str> = rule.methods.iter().map(|method| method.0.as_str()).collect();
        text.push(' ');
        text.push_str(&methods.into_iter().collect::<Vec<_>>().join(","));
    }
    for (kind, pairs) in [("", &rule.headers), ("?", &rule.query_params)] {
        let pairs: BTreeSet<_> = pairs.0.iter().map(|pair| format!(" {kind}{}={}", pair.name.to_ascii_lowercase(), pair.value)).collect();
        text.extend(pairs);
    }
    text
}

/// A backend for every URL that stands where a backend's name may.
fn url_backends<'a>(routes: impl Iterator<Item = &'a Located<RouteRule>>) -> Vec<(String, Located<Backend>)> {
    let mut seen = BTreeSet::new();
    let mut backends = Vec::new();
    for (name, span) in routes.flat_map(|route| route.rule.backend_names()) {
        if let BackendName::Url(endpoint) = name
            && seen.insert(name.to_string())
        {
            let value = plain_backend(name.to_string(), span, [endpoint.clone()]);
            backends.push((name.to_string(), Located { value, span }));
        }
    }
    backends
}

impl Rule {
    /// Every backend that the rule names, with the place.
    pub fn backend_names(&self) -> impl Iterator<Item = (&BackendName, Span)> {
        let single = self.backend.iter().map(|backend| (&backend.value, backend.span));
        single.chain(self.backends.iter().map(|backend| (&backend.value.name, backend.span)))
    }

    /// Where the rule sends clients instead.
    pub fn redirect(&self) -> Option<&RequestRedirect> {
        self.redirects().next().map(|(redirect, _)| redirect)
    }

    fn redirects(&self) -> impl Iterator<Item = (&RequestRedirect, Span)> {
        self.filters.iter().filter_map(|filter| match &filter.value {
            Filter::Redirect(redirect) => Some((redirect, filter.span)),
            Filter::RequestHeaders(_) | Filter::ResponseHeaders(_) => None,
        })
    }
}

/// A backend with every default.
pub fn plain_backend(name: String, span: Span, endpoints: impl IntoIterator<Item = EndpointText>) -> Backend {
    Backend {
        name: Located { value: name, span },
        endpoints: endpoints.into_iter().map(|value| Located { value, span }).collect(),
        protocol: super::BackendProtocol::default(),
        load_balancing: None,
        readiness_probe: None,
        assume_ready: false,
        timeouts: BackendTimeouts::default(),
        tls: None,
        retries: None,
        outliers: Outliers::default(),
        limits: BackendLimits::default(),
        slow_start: None,
        session_affinity: None,
    }
}

impl Listener {
    /// Where it listens: what is written, or the default of its protocol; `None` if it is off.
    pub fn listens_on(&self) -> Option<crate::model::SocketAddress> {
        let default = match self.protocol {
            ListenerProtocol::Https => 8443,
            ListenerProtocol::Http => 8080,
        };
        self.address.map_or_else(|| Some(crate::model::SocketAddress::any(default)), |Listen(address)| address)
    }
}
