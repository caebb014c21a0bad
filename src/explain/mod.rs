//! Why a request goes where it goes: the same decisions that the data path takes, taken once more in slow motion and
//! written down. Pure; the request path knows nothing of it. For the command line, the admin pages and, on a laptop, the
//! texts of our own answers.

mod asked;
mod backend;
mod certificate;
mod listener;
mod outcome;
mod text;
mod trace;

use http::{HeaderValue, Method};

use crate::model::{Action, Behaviour, Conditions, EndpointStatus, Filter, LogSampling, Origin, Origins, Parity, Route, RouteSet, Snapshot};
use crate::route::{self, Fate, Specific, lenient_readings, normalize_path};

pub use asked::Asked;
pub use text::render;
pub use trace::{Backend, Candidate, Certificate, ClientAddress, Endpoint, Listener, Outcome, Rule, Trace, Won};

/// What a request is explained by.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// What is served, or would be.
    pub snapshot: &'a Snapshot,
    /// Where its routes are written.
    pub origins: &'a Origins,
    /// How endpoints are; `None` where nothing runs that could have asked them.
    pub endpoints: Option<&'a [EndpointStatus]>,
}

/// Candidates of other hosts are counted, not listed.
const MAX_CANDIDATES: usize = 50;

/// Explains a request.
pub fn explain(world: World<'_>, asked: &Asked) -> Trace {
    let snapshot = world.snapshot;
    let mut trace = Trace::new(asked);
    let Some(listener) = listener::choose(snapshot, asked, &mut trace) else { return trace };
    if asked.https {
        let certificate = certificate::choose(snapshot, listener, asked);
        let refused = certificate.name.is_none() && certificate.refused;
        trace.certificate = Some(certificate);
        if refused {
            trace.outcome = Outcome::refused_handshake();
            return trace;
        }
    }
    let (set, host) = listener::set(snapshot, listener, asked, &mut trace);
    trace.behaviour = set.behaviour.as_str();
    if matches!(asked.method, Method::CONNECT | Method::TRACE) {
        trace.outcome = Outcome::ours(405, "method_refused", "this method is not forwarded".to_owned());
        return trace;
    }
    let path = match paths(asked.path()) {
        Ok(path) => path,
        Err(why) => {
            trace.outcome = Outcome::ours(400, "bad_request", why);
            return trace;
        }
    };
    let request = route::Request { host: Some(&host), path: &path, query: asked.query(), method: &asked.method, headers: &asked.headers };
    let found = find(set, &request, world.origins, &mut trace);
    let read = |path: &str| winner(set, &route::Request { path, ..request });
    if lenient_readings(&path).any(|path| read(&path) != found.map(|route| route.name.clone())) {
        trace.outcome = Outcome::ours(400, "bad_request", "the path can be read in two ways that lead to different routes".to_owned());
        return trace;
    }
    trace.client_address = Some(client_address(asked, found.map_or(set.behaviour, |route| route.behaviour)));
    if let Some(route) = found {
        trace.route = Some(won(route, world.origins, asked.https, snapshot.access_log.sampling));
        trace.backends = backend::all(world, route);
    }
    trace.outcome = outcome::decide(
        world,
        &outcome::Way { listener, set, found, host: &host, path: &path, is_alias: trace.alias.is_some() },
        asked,
        &trace.backends,
    );
    trace.parity.extend(parity(found.map_or(set.behaviour, |route| route.behaviour), found, &trace.outcome));
    trace
}

/// The cloud's rules that decided something about this request, beside those that made its route.
fn parity(behaviour: Behaviour, route: Option<&Route>, outcome: &Outcome) -> Vec<Rule> {
    if behaviour != Behaviour::Gke {
        return Vec::new();
    }
    let of_outcome: &[Parity] = match outcome.reason.as_str() {
        "no_route" => &[Parity::NoRoute],
        "route_broken" => &[Parity::BrokenRule],
        "failed_to_pick_backend" => &[Parity::BackendFailures],
        "forwarded" => &[Parity::ForwardedFor, Parity::CloudTrace, Parity::BackendFailures],
        _ => &[],
    };
    let of_route = route.filter(|route| route.limits_tunnels && matches!(route.action, Action::Forward(_))).map(|_| Parity::TimeoutSec);
    of_outcome.iter().copied().chain(of_route).map(Rule::from).collect()
}

fn paths(path: &str) -> Result<String, String> {
    normalize_path(path).map(std::borrow::Cow::into_owned).map_err(|_| "the path is ambiguous".to_owned())
}

fn winner(set: &RouteSet, request: &route::Request<'_>) -> Option<std::sync::Arc<str>> {
    let fates = route::candidates(request, set.routes.iter().map(|route| &route.matches));
    let won = fates.iter().position(|fate| *fate == Fate::Won).and_then(|at| set.routes.get(at));
    won.or(set.default_route.as_ref()).map(|route| route.name.clone())
}

/// The route, with every candidate and what became of it.
fn find<'s>(set: &'s RouteSet, request: &route::Request<'_>, origins: &Origins, trace: &mut Trace) -> Option<&'s Route> {
    let fates = route::candidates(request, set.routes.iter().map(|route| &route.matches));
    let mut found = None;
    for (route, fate) in set.routes.iter().zip(&fates) {
        if *fate == Fate::Won {
            found = Some(&**route);
        }
        if *fate == Fate::OtherHost || trace.candidates.len() >= MAX_CANDIDATES && *fate != Fate::Won {
            trace.others += 1;
            continue;
        }
        trace.candidates.push(candidate(route, fate, origins));
    }
    if let Some(default) = set.default_route.as_deref() {
        let fate = if found.is_none() { Fate::Won } else { Fate::LessSpecific(Specific::Host) };
        trace.candidates.push(candidate(default, &fate, origins));
        found = found.or(Some(default));
    }
    found
}

fn candidate(route: &Route, fate: &Fate, origins: &Origins) -> Candidate {
    let hosts: Vec<String> = route.matches.hosts.iter().map(ToString::to_string).collect();
    let hosts = if hosts.is_empty() { "every host".to_owned() } else { hosts.join(" ") };
    let origin = origins.get(&route.name);
    let by_cloud = |rule| origin.is_some_and(|origin: &Origin| origin.parity.contains(&rule));
    let mut why = why(fate);
    if *fate == Fate::OtherPath && by_cloud(Parity::ImplementationSpecific) {
        why = format!("{why}, read as the cloud does ({})", Parity::ImplementationSpecific.as_str());
    }
    Candidate {
        route: route.name.to_string(),
        matches: format!("{} {}{}", hosts.replace("**", "*"), route.matches.path, conditions(&route.matches.conditions)),
        won: *fate == Fate::Won,
        why,
        place: origin.and_then(|origin| origin.place.as_ref()).map(ToString::to_string),
    }
}

/// What it asks for besides host and path.
fn conditions(conditions: &Conditions) -> String {
    let methods: Vec<&str> = conditions.methods.iter().map(Method::as_str).collect();
    let methods = Some(methods.join("|")).filter(|methods| !methods.is_empty());
    let headers = conditions.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let query = conditions.query.iter().map(|(name, value)| format!("?{name}={value}"));
    let all: Vec<String> = methods.into_iter().chain(headers).chain(query).collect();
    if all.is_empty() { String::new() } else { format!(" [{}]", all.join("] [")) }
}

fn why(fate: &Fate) -> String {
    match fate {
        Fate::Won => "the most specific that matches".to_owned(),
        Fate::OtherHost => "is for another host".to_owned(),
        Fate::OtherPath => "path: is for another".to_owned(),
        Fate::OtherMethod => "method: is for another".to_owned(),
        Fate::Header(name) => format!("header {name}: has another value, or is missing"),
        Fate::Query(name) => format!("query parameter {name}: has another value, or is missing"),
        Fate::LessSpecific(Specific::Host) => "host: the winner's is more specific".to_owned(),
        Fate::LessSpecific(Specific::Path) => "path: the winner's is more specific".to_owned(),
        Fate::LessSpecific(Specific::Conditions) => "conditions: the winner has more".to_owned(),
        Fate::LessSpecific(Specific::Order) => "order: the winner comes first, and is for the same".to_owned(),
    }
}

fn won(route: &Route, origins: &Origins, https: bool, sampling: LogSampling) -> Won {
    let origin = origins.get(&route.name);
    let timeout = route.request_timeout;
    Won {
        name: route.name.to_string(),
        object: origin.and_then(|origin| origin.object.as_ref()).map(|(kind, name)| format!("{} {name}", kind.as_str())),
        place: origin.and_then(|origin| origin.place.as_ref()).map(ToString::to_string),
        behaviour: route.behaviour.as_str(),
        parity: origin
            .iter()
            .flat_map(|origin| &origin.parity)
            .filter(|rule| !https || **rule != Parity::PlainHttp)
            .map(|rule| (*rule).into())
            .collect(),
        filters: route.filters.iter().flat_map(describe).collect(),
        logged_share: f64::from(route.log_sampling.unwrap_or(sampling).0) / f64::from(LogSampling::ALL.0),
        timeout_seconds: (timeout != std::time::Duration::MAX).then_some(timeout.as_secs_f64()),
        broken: if let Action::Broken(why) = &route.action { Some(why.clone()) } else { None },
    }
}

fn describe(filter: &Filter) -> Vec<String> {
    let (side, modifier) = match filter {
        Filter::RequestHeaders(modifier) => ("request", modifier),
        Filter::ResponseHeaders(modifier) => ("response", modifier),
    };
    let removed = modifier.remove.iter().map(|name| format!("{side} header {name} is removed"));
    let set = modifier.set.iter().map(|(name, value)| format!("{side} header {name} is set to {value}"));
    let added = modifier.add.iter().map(|(name, value)| format!("{side} header {name} gets {value} added"));
    removed.chain(set).chain(added).collect()
}

/// Nobody's word counts but the connection's own.
fn client_address(asked: &Asked, behaviour: Behaviour) -> ClientAddress {
    let claimed = asked.headers.get("x-forwarded-for").and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    let address = asked.from.map(|address| address.to_string());
    let shown = address.clone().unwrap_or_else(|| "ADDRESS".to_owned());
    ClientAddress {
        address,
        why: match &claimed {
            None => "the peer of the connection".to_owned(),
            Some(claimed) => format!("the peer of the connection; X-Forwarded-For: {claimed} is replaced, because nobody is trusted to say it"),
        },
        forwarded_for: match behaviour {
            Behaviour::Gke => format!("{shown},LISTENER"),
            Behaviour::Genkan => shown,
        },
    }
}
