//! The route table: from host, path, method, headers and query to what a route leads to. It expects a request in its
//! normal form (`host` and `path` beside this file make it) and leaves paths to `paths` and conditions to `condition`.
//!
//! Of all routes that match, the first in this order is found, which is the order of Gateway API's HTTPRoute:
//! 1. the host: one that is named exactly, before `*.host` (one label), before the longest `**.host` (several labels),
//!    before every host;
//! 2. the path: Exact, before the longest Prefix;
//! 3. a condition on the method, before none;
//! 4. more headers; 5. more query parameters;
//! 6. the order of the configuration.
//!
//! A more specific host does not hide the less specific: HTTPRoute gives precedence "to rules" among those that match a
//! request, so where no rule of the exact host is for a path, one of the wildcard may be, and then one for every host.
//! (Proxies that first choose a virtual host answer 404 there. Then, adding `shop.test/new` would take the rest of
//! `shop.test` away from a route for every host, which is the kind of surprise that a configuration of many owners
//! cannot have.) Who wants such a wall gives the exact host a rule for `/`.

use std::borrow::Borrow;
use std::fmt;

use foldhash::{HashMap, HashMapExt};
use http::{HeaderMap, Method};

use super::condition::Condition;
use super::paths::{Paths, Rule};
use super::reading::lenient_readings;
use crate::model::{Host, HostPattern, Match, PathMatch};

/// Routes, arranged for lookup.
///
/// The maps are keyed by configured names alone; a client only ever asks, so it cannot crowd a bucket.
#[derive(Clone, Debug)]
pub struct Table<T> {
    leads_to: Vec<T>,
    exact: HashMap<Box<str>, Paths>,
    /// By what follows the `*.`.
    wildcard: HashMap<Box<str>, Paths>,
    /// By what follows the `**.`.
    deep: HashMap<Box<str>, Paths>,
    every: Paths,
}

/// What a route is chosen by.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// In its canonical spelling: lower case, no port, no final dot, no brackets. See [`super::Authority`].
    pub host: Option<&'a str>,
    /// As [`super::normalize_path`] returns it.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
    /// As sent.
    pub method: &'a Method,
    /// As sent.
    pub headers: &'a HeaderMap,
}

/// Two readings of one path lead to different routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousPath;

/// One without routes.
impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { leads_to: Vec::new(), exact: HashMap::new(), wildcard: HashMap::new(), deep: HashMap::new(), every: Paths::default() }
    }
}

impl<T: Clone> Table<T> {
    /// Arranges routes. Their order is that of the configuration, and decides between equals.
    pub fn build<M: Borrow<Match>>(routes: impl IntoIterator<Item = (M, T)>) -> Self {
        let mut table = Self::default();
        for (matches, leads_to) in routes {
            table.add(matches.borrow(), leads_to);
        }
        let of_hosts = table.exact.values_mut().chain(table.wildcard.values_mut()).chain(table.deep.values_mut());
        of_hosts.chain([&mut table.every]).for_each(Paths::arrange);
        table
    }

    fn add(&mut self, matches: &Match, leads_to: T) {
        let below = matches!(matches.path, PathMatch::Below(_));
        let rule = Rule { condition: Condition::new(&matches.conditions), below, route: self.leads_to.len() };
        self.leads_to.push(leads_to);
        if matches.hosts.is_empty() {
            self.every.add(&matches.path, rule.clone());
        }
        for host in &matches.hosts {
            let (map, name) = match host {
                HostPattern::Exact(host) => (&mut self.exact, host.as_str()),
                HostPattern::Wildcard(host) => (&mut self.wildcard, host.as_str()),
                HostPattern::Deep(host) => (&mut self.deep, host.as_str()),
            };
            map.entry(name.into()).or_default().add(&matches.path, rule.clone());
        }
    }

    /// What the request's route leads to, with its path read as it stands.
    pub fn find(&self, request: &Request<'_>) -> Option<&T> {
        self.position(request).and_then(|route| self.leads_to.get(route))
    }

    /// As [`Self::find`], but refuses a request whose route depends on who reads its path: one route as it stands, and
    /// another (or none) for a backend that decodes `%2F`, merges `//` or drops `;...` before it looks. Forwarding it would
    /// let a client past whatever the other route demands; see [`lenient_readings`]. Allocates for such paths only.
    pub fn find_certain(&self, request: &Request<'_>) -> Result<Option<&T>, AmbiguousPath> {
        let route = self.position(request);
        if lenient_readings(request.path).any(|path| self.position(&Request { path: &path, ..*request }) != route) {
            return Err(AmbiguousPath);
        }
        Ok(route.and_then(|route| self.leads_to.get(route)))
    }

    /// Whether some route names the host, by itself or by a wildcard. Only such a host may be echoed to a client.
    pub fn knows_host(&self, host: &str) -> bool {
        self.exact.contains_key(host)
            || Host::parent_of(host).is_some_and(|parent| self.wildcard.contains_key(parent))
            || self.suffixes(Some(host)).any(|suffix| self.deep.contains_key(suffix))
    }

    fn position(&self, request: &Request<'_>) -> Option<usize> {
        let exact = request.host.and_then(|host| self.exact.get(host)?.find(request));
        exact
            .or_else(|| self.wildcard.get(Host::parent_of(request.host?)?)?.find(request))
            .or_else(|| self.suffixes(request.host).find_map(|suffix| self.deep.get(suffix)?.find(request)))
            .or_else(|| self.every.find(request))
    }

    /// What a host ends in, the longest first; nothing where nobody asks for it.
    fn suffixes<'h>(&self, host: Option<&'h str>) -> impl Iterator<Item = &'h str> {
        let first = if self.deep.is_empty() { None } else { host.and_then(Host::parent_of) };
        // Only the whole host may be an address: one that a name ends in is labels like any others.
        std::iter::successors(first, |suffix| suffix.split_once('.').map(|(_, rest)| rest))
    }
}

impl fmt::Display for AmbiguousPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path can be read in two ways that lead to different routes (encoded or repeated slashes, or path parameters)")
    }
}

impl std::error::Error for AmbiguousPath {}

#[cfg(test)]
mod tests;
