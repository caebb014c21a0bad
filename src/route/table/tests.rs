use std::cmp::Reverse;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::model::{Conditions, PathMatch};
use crate::route::normalize_path;

/// As the configuration spells it, with `**.` for several labels.
fn pattern(text: &str) -> HostPattern {
    match text.strip_prefix("**.") {
        Some(host) => HostPattern::Deep(Host::parse(host).unwrap()),
        None => HostPattern::parse(text).unwrap(),
    }
}

fn route(hosts: &[&str], path: &str) -> Match {
    let path = path.strip_prefix('=').map_or_else(|| PathMatch::prefix(path), |path| PathMatch::Exact(path.to_owned()));
    Match { hosts: hosts.iter().map(|host| pattern(host)).collect(), path, conditions: Conditions::default() }
}

fn table(routes: &[(&[&str], &'static str)]) -> Table<&'static str> {
    Table::build(routes.iter().map(|&(hosts, path)| (route(hosts, path), path)))
}

fn get<'a>(host: Option<&'a str>, path: &'a str, headers: &'a HeaderMap) -> Request<'a> {
    Request { host, path, query: None, method: &Method::GET, headers }
}

#[test]
fn longer_prefixes_first_by_whole_elements_and_exact_before_all() {
    let table = table(&[(&[], "/"), (&[], "/api"), (&[], "/api/v1/"), (&[], "=/api"), (&[], "=/api/v1/users"), (&[], "/%63af%c3%a9")]);
    for (path, expected) in [
        ("/", "/"),
        ("/apiary", "/"),
        ("/ap", "/"),
        ("/api", "=/api"),
        ("/api/", "/api"),
        ("/api/v2", "/api"),
        ("/api/v1", "/api/v1/"),
        ("/api/v1/users", "=/api/v1/users"),
        ("/api/v1/users/", "/api/v1/"),
        ("/caf%C3%A9/x", "/%63af%c3%a9"),
    ] {
        assert_eq!(table.find(&get(None, path, &HeaderMap::new())), Some(&expected), "{path}");
    }
}

#[test]
fn a_more_specific_host_comes_first_and_hides_nothing() {
    let table = table(&[(&[], "/"), (&["*.shop.test"], "/cart"), (&["a.shop.test", "b.test"], "/cart/new"), (&["b.test"], "=/only")]);
    for (host, path, expected) in [
        (Some("a.shop.test"), "/cart/new", "/cart/new"),
        (Some("a.shop.test"), "/cart", "/cart"),
        (Some("a.shop.test"), "/", "/"),
        (Some("b.shop.test"), "/cart/new", "/cart"),
        (Some("c.b.shop.test"), "/cart/new", "/"),
        (Some("shop.test"), "/cart", "/"),
        (Some("b.test"), "/cart/new", "/cart/new"),
        (None, "/cart/new", "/"),
    ] {
        assert_eq!(table.find(&get(host, path, &HeaderMap::new())), Some(&expected), "{host:?} {path}");
    }
    for (host, known) in [("a.shop.test", true), ("x.shop.test", true), ("shop.test", false), ("b.test", true), ("x.b.test", false)] {
        assert_eq!(table.knows_host(host), known, "{host}");
    }
}

#[test]
fn an_exact_host_precedes_a_longer_path_of_a_wildcard() {
    let table = table(&[(&["*.shop.test"], "=/cart/new"), (&["a.shop.test"], "/cart")]);
    assert_eq!(table.find(&get(Some("a.shop.test"), "/cart/new", &HeaderMap::new())), Some(&"/cart"));
}

#[test]
fn an_address_is_under_no_wildcard() {
    let table = table(&[(&["*.0.0.1"], "/")]);
    assert_eq!(table.find(&get(Some("127.0.0.1"), "/", &HeaderMap::new())), None);
    assert_eq!(table.find(&get(Some("x.0.0.1"), "/", &HeaderMap::new())), Some(&"/"));
}

#[test]
fn a_name_that_ends_in_an_address_is_under_the_wildcards_of_its_labels() {
    let table = table(&[(&["**.2.1"], "/"), (&["*.92.0.2.1"], "/one")]);
    for (host, path, expected) in
        [("6.1.92.0.2.1", "/", Some(&"/")), ("6.92.0.2.1", "/", Some(&"/")), ("6.92.0.2.1", "/one", Some(&"/one")), ("92.0.2.1", "/one", None)]
    {
        assert_eq!(table.find(&get(Some(host), path, &HeaderMap::new())), expected, "{host} {path}");
        assert_eq!(table.knows_host(host), expected.is_some(), "{host}");
    }
}

#[test]
fn the_route_of_an_uncertain_path_must_not_depend_on_who_reads_it() {
    let table = table(&[(&["a.test"], "/admin"), (&["a.test"], "/files"), (&["b.test"], "/admin"), (&["c.test"], "=/login"), (&["c.test"], "/")]);
    for (host, path, expected) in [
        ("a.test", "/files/a%2Fb", Ok(Some("/files"))),
        ("a.test", "/files/https://x", Ok(Some("/files"))),
        ("a.test", "/files;v=1/x", Err(AmbiguousPath)),
        ("a.test", "/files%2Fx", Err(AmbiguousPath)),
        ("a.test", "//admin", Err(AmbiguousPath)),
        ("b.test", "/%5Cadmin", Err(AmbiguousPath)),
        ("c.test", "/login;x%2Fy", Err(AmbiguousPath)),
        ("c.test", "/login;x", Err(AmbiguousPath)),
        ("c.test", "/other;x%2Fy", Ok(Some("/"))),
        ("b.test", "//files", Ok(None)),
    ] {
        let headers = HeaderMap::new();
        assert_eq!(table.find_certain(&get(Some(host), path, &headers)).map(Option::<&&str>::copied), expected, "{host} {path}");
    }
}

/// Few names, so that routes and requests meet often.
fn hosts() -> impl Strategy<Value = Vec<HostPattern>> {
    let host =
        prop::sample::select(vec!["a.test", "b.test", "*.test", "c.a.test", "*.a.test", "**.test", "**.a.test", "**.2.1", "*.92.0.2.1", "92.0.2.1"]);
    prop::collection::vec(host.prop_map(pattern), 0..3)
}

fn matches() -> impl Strategy<Value = Match> {
    let path = prop::sample::select(vec!["/", "=/", "/a", "=/a", "=/a/", "/a/b", "=/a/b", "/a/b/c", "/ab"]);
    let methods = prop::collection::vec(prop::sample::select(vec![Method::GET, Method::POST]), 0..2);
    (hosts(), path, methods, pairs(), pairs()).prop_map(|(hosts, path, methods, headers, query)| {
        let headers = headers.into_iter().map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value)).collect();
        Match { hosts, conditions: Conditions { methods, headers, query }, ..route(&[], path) }
    })
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let pair = ("[xy]", "[12]");
    prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(pair, 0..3)]
}

#[derive(Clone, Debug)]
struct Sent {
    host: Option<&'static str>,
    path: &'static str,
    method: Method,
    headers: HeaderMap,
    query: Option<String>,
}

impl Sent {
    fn request(&self) -> Request<'_> {
        Request { host: self.host, path: self.path, query: self.query.as_deref(), method: &self.method, headers: &self.headers }
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let host = prop::option::weighted(
        0.9,
        prop::sample::select(vec!["a.test", "b.test", "c.a.test", "d.a.test", "e.d.a.test", "test", "92.0.2.1", "6.92.0.2.1", "7.6.92.0.2.1"]),
    );
    let path = prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c/d", "/ab", "/z"]);
    let method = prop::sample::select(vec![Method::GET, Method::POST, Method::PUT]);
    (host, path, method, pairs(), prop::option::of(pairs())).prop_map(|(host, path, method, fields, query)| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(&value).unwrap());
        }
        let query = query.map(|pairs| pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"));
        Sent { host, path, method, headers, query }
    })
}

/// The same by the words of the specification: of all rules that match, the first in the order of precedence.
fn oracle(routes: &[Match], sent: &Sent) -> Option<usize> {
    let mut found: Vec<_> = routes.iter().enumerate().filter_map(|(order, route)| Some((precedence(route, sent)?, order))).collect();
    found.sort();
    found.first().map(|&(_, order)| order)
}

type Precedence = ((u8, Reverse<usize>), u8, Reverse<usize>, bool, Reverse<usize>, Reverse<usize>);

fn precedence(route: &Match, sent: &Sent) -> Option<Precedence> {
    let of_host = |pattern: &HostPattern| {
        let covers = sent.host.is_some_and(|host| pattern.matches(&Host::parse(host).unwrap()));
        let kind = match pattern {
            HostPattern::Exact(_) => 0,
            HostPattern::Wildcard(_) => 1,
            HostPattern::Deep(_) => 2,
        };
        covers.then_some((kind, Reverse(pattern.host().as_str().len())))
    };
    let host = if route.hosts.is_empty() { Some((3, Reverse(0))) } else { route.hosts.iter().filter_map(of_host).min() }?;
    let (kind, length) = match &route.path {
        PathMatch::Exact(path) => (sent.path == path).then_some((0, path.len()))?,
        PathMatch::Below(_) => unreachable!("the strategy makes none"),
        PathMatch::Prefix(path) => (sent.path == path || sent.path.starts_with(&format!("{path}/"))).then_some((1, path.len()))?,
    };
    let Conditions { methods, headers, query } = &route.conditions;
    let values = |name: &str| sent.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>();
    let first = |name: &str| sent.query.iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let headers = once_each(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let query = once_each(query.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let holds = (methods.is_empty() || methods.contains(&sent.method))
        && headers.iter().all(|(name, value)| values(name).iter().any(|sent| sent == value))
        && query.iter().all(|(name, value)| first(name) == Some(value));
    holds.then_some((host, kind, Reverse(length), methods.is_empty(), Reverse(headers.len()), Reverse(query.len())))
}

fn once_each<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> std::collections::BTreeMap<&'a str, &'a str> {
    pairs.fold(std::collections::BTreeMap::new(), |mut kept, (name, value)| {
        kept.entry(name).or_insert(value);
        kept
    })
}

proptest! {
    #[test]
    fn finds_what_sorting_all_matching_rules_finds(routes in prop::collection::vec(matches(), 0..24), sent in sent()) {
        let table = Table::build(routes.iter().cloned().zip(0..));
        prop_assert_eq!(table.find(&sent.request()).copied(), oracle(&routes, &sent));
        prop_assert_eq!(table.find_certain(&sent.request()), Ok(table.find(&sent.request())));
    }

    #[test]
    fn a_route_for_another_host_changes_nothing(
        routes in prop::collection::vec(matches(), 0..12), mut added in matches(), position in 0..12_usize, sent in sent()
    ) {
        let named = sent.host.map(|host| Host::parse(host).unwrap());
        let covers = |host: &HostPattern| named.as_ref().is_some_and(|named| host.matches(named));
        added.hosts.retain(|host| !covers(host));
        if added.hosts.is_empty() {
            added.hosts.push(HostPattern::parse("other.test").unwrap());
        }
        let mut more: Vec<_> = routes.iter().cloned().zip(0..).collect();
        more.insert(position.min(routes.len()), (added, 99));
        let before = Table::build(routes.into_iter().zip(0..));
        let after = Table::build(more);
        prop_assert_eq!(before.find(&sent.request()), after.find(&sent.request()));
    }

    #[test]
    fn any_request_gets_an_answer(path in any::<String>(), query in any::<String>(), host in any::<String>()) {
        let table = table(&[(&["a.test"], "/a"), (&["*.test"], "/é"), (&[], "=/")]);
        let headers = HeaderMap::new();
        let request = Request { query: Some(&query), ..get(Some(&host), &path, &headers) };
        let _ = table.find_certain(&request);
        if let Ok(path) = normalize_path(&path) {
            let _ = table.find_certain(&Request { path: &path, ..request });
        }
    }
}
