//! Routes and a request, as text: whether the table finds the route that wins when all of them are compared.
//!
//! A line a route, `HOST PATH [METHOD] [NAME=VALUE | ?NAME=VALUE ...]`, where a path begins with `=` if it is exact and
//! with `<` for what is below it; an empty line; then the request, `METHOD HOST TARGET`, and its fields.

#![no_main]

use genkan::model::{Conditions, Host, HostPattern, Match, PathMatch};
use genkan::route::{Fate, Request, Table, candidates, normalize_path};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Some((routes, request)) = text.split_once("\n\n") else { return };
    let routes: Vec<Match> = routes.lines().take(64).filter_map(route).collect();
    let _ = asked(&routes, request);
});

fn route(line: &str) -> Option<Match> {
    let mut words = line.split(' ');
    let (host, path) = (words.next()?, words.next()?);
    let hosts = match (host, host.strip_prefix("**.")) {
        ("-", _) => Vec::new(),
        (_, Some(suffix)) => vec![HostPattern::Deep(Host::parse(suffix).ok()?)],
        (host, None) => vec![HostPattern::parse(host).ok()?],
    };
    let path = match path.split_at_checked(1)? {
        ("=", path) => PathMatch::Exact(path.to_owned()),
        ("<", path) => PathMatch::Below(path.to_owned()),
        _ => PathMatch::prefix(path),
    };
    let mut conditions = Conditions::default();
    for word in words {
        match (word.strip_prefix('?').unwrap_or(word).split_once('='), word.starts_with('?')) {
            (Some((name, value)), true) => conditions.query.push((name.to_owned(), value.to_owned())),
            (Some((name, value)), false) => conditions.headers.push((HeaderName::from_bytes(name.as_bytes()).ok()?, value.to_owned())),
            (None, _) => conditions.methods.push(Method::from_bytes(word.as_bytes()).ok()?),
        }
    }
    Some(Match { hosts, path, conditions })
}

fn asked(routes: &[Match], text: &str) -> Option<()> {
    let mut lines = text.lines();
    let mut words = lines.next()?.split(' ');
    let (method, host, target) = (Method::from_bytes(words.next()?.as_bytes()).ok()?, words.next()?, words.next()?);
    let host = Host::parse(host).ok();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let path = normalize_path(path).ok()?;
    assert_eq!(normalize_path(&path).ok().as_deref(), Some(&*path), "a normal path is its own normal form");
    let headers: HeaderMap = lines.take(16).filter_map(field).collect();
    let request = Request { host: host.as_ref().map(Host::as_str), path: &path, query, method: &method, headers: &headers };
    let table = Table::build(routes.iter().enumerate().map(|(at, matches)| (matches, at)));
    let found = table.find(&request).copied();
    let won = candidates(&request, routes).iter().position(|fate| *fate == Fate::Won);
    assert_eq!(found, won);
    if let Ok(certain) = table.find_certain(&request) {
        assert_eq!(certain.copied(), found);
    }
    Some(())
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(": ")?;
    Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
}
