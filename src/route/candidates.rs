//! Why a request takes the route it takes: of every route the field on which it lost. Asked by people, one request at
//! a time, so it compares everything with everything and shares nothing with the lookup but what one rule means.

use std::cmp::Reverse;

use super::condition::{Condition, Rank};
use super::path::normalize_path;
use super::table::Request;
use crate::model::{Host, HostPattern, Match, PathMatch};

/// What became of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The request takes it.
    Won,
    /// It is for other hosts.
    OtherHost,
    /// It is for other paths.
    OtherPath,
    /// It is for other methods.
    OtherMethod,
    /// It wants this field to have another value.
    Header(String),
    /// It wants this query parameter to have another value.
    Query(String),
    /// It matches as well, and the winner is more specific in this.
    LessSpecific(Specific),
}

/// What one route can be more specific in than another, in the order in which it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specific {
    /// The host.
    Host,
    /// Exact before prefix, and the longer prefix.
    Path,
    /// A condition on the method, more headers, more query parameters.
    Conditions,
    /// Nothing: the winner comes first.
    Order,
}

/// Smaller comes first: host, path, conditions, position.
type Place = ((u8, Reverse<usize>), (bool, Reverse<usize>), Rank, usize);

/// The fate of every route, in their order. `matches` are those the table was built of.
pub fn candidates<'m>(request: &Request<'_>, matches: impl IntoIterator<Item = &'m Match>) -> Vec<Fate> {
    let looked: Vec<Result<Place, Fate>> = matches.into_iter().enumerate().map(|(at, matches)| place(request, matches, at)).collect();
    let winner = looked.iter().filter_map(|place| place.as_ref().ok()).min().copied();
    let fate = |place: Result<Place, Fate>| match (place, winner) {
        (Err(fate), _) => fate,
        (Ok(place), Some(winner)) if place != winner => Fate::LessSpecific(difference(&winner, &place)),
        (Ok(_), _) => Fate::Won,
    };
    looked.into_iter().map(fate).collect()
}

fn difference(winner: &Place, other: &Place) -> Specific {
    if winner.0 != other.0 {
        Specific::Host
    } else if winner.1 != other.1 {
        Specific::Path
    } else if winner.2 != other.2 {
        Specific::Conditions
    } else {
        Specific::Order
    }
}

fn place(request: &Request<'_>, matches: &Match, at: usize) -> Result<Place, Fate> {
    let host = host(request.host, &matches.hosts).ok_or(Fate::OtherHost)?;
    let path = path(request.path, &matches.path).ok_or(Fate::OtherPath)?;
    let condition = Condition::new(&matches.conditions);
    match condition.missed(request) {
        Some(fate) => Err(fate),
        None => Ok((host, path, condition.rank(), at)),
    }
}

/// The most specific of the hosts that match.
fn host(asked: Option<&str>, hosts: &[HostPattern]) -> Option<(u8, Reverse<usize>)> {
    if hosts.is_empty() {
        return Some((3, Reverse(0)));
    }
    let asked = Host::parse(asked?).ok()?;
    let matching = hosts.iter().filter(|host| host.matches(&asked));
    matching
        .map(|host| match host {
            HostPattern::Exact(_) => (0, Reverse(0)),
            HostPattern::Wildcard(_) => (1, Reverse(0)),
            HostPattern::Deep(suffix) => (2, Reverse(suffix.as_str().len())),
        })
        .min()
}

fn path(asked: &str, path: &PathMatch) -> Option<(bool, Reverse<usize>)> {
    let own = normalize_path(path.path()).map_or_else(|_| path.path().to_owned(), std::borrow::Cow::into_owned);
    let trimmed = own.trim_end_matches('/');
    let below = || asked.strip_prefix(trimmed).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match path {
        PathMatch::Exact(_) => (own == asked).then_some((false, Reverse(own.len()))),
        PathMatch::Prefix(_) => below().map(|_| (true, Reverse(trimmed.len()))),
        PathMatch::Below(_) => below().filter(|rest| !rest.is_empty()).map(|_| (true, Reverse(trimmed.len()))),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};
    use proptest::prelude::*;

    use super::super::Table;
    use super::*;
    use crate::model::Conditions;

    fn pattern(text: &str) -> HostPattern {
        match text.strip_prefix("**.") {
            Some(suffix) => HostPattern::Deep(Host::parse(suffix).unwrap()),
            None => HostPattern::parse(text).unwrap(),
        }
    }

    fn matches(host: &str, path: PathMatch) -> Match {
        let hosts = if host.is_empty() { Vec::new() } else { vec![pattern(host)] };
        Match { hosts, path, conditions: Conditions::default() }
    }

    fn request<'a>(host: &'a str, path: &'a str, headers: &'a HeaderMap) -> Request<'a> {
        Request { host: Some(host), path, query: None, method: &Method::GET, headers }
    }

    #[test]
    fn every_route_says_on_what_it_lost() {
        let post =
            Match { conditions: Conditions { methods: vec![Method::POST], ..Conditions::default() }, ..matches("a.test", PathMatch::prefix("/")) };
        let canary = Match {
            conditions: Conditions { headers: vec![(http::HeaderName::from_static("x-canary"), "1".to_owned())], ..Conditions::default() },
            ..matches("a.test", PathMatch::prefix("/api"))
        };
        let routes = [
            matches("b.test", PathMatch::prefix("/")),
            matches("a.test", PathMatch::Exact("/api".to_owned())),
            post,
            canary,
            matches("a.test", PathMatch::prefix("/")),
            matches("*.test", PathMatch::Exact("/api/cart".to_owned())),
            matches("a.test", PathMatch::prefix("/api")),
            matches("a.test", PathMatch::prefix("/api/")),
            matches("a.test", PathMatch::Below("/api/cart".to_owned())),
        ];
        let headers = HeaderMap::new();
        let fates = candidates(&request("a.test", "/api/cart", &headers), &routes);
        assert_eq!(
            fates,
            [
                Fate::OtherHost,
                Fate::OtherPath,
                Fate::OtherMethod,
                Fate::Header("x-canary".to_owned()),
                Fate::LessSpecific(Specific::Path),
                Fate::LessSpecific(Specific::Host),
                Fate::Won,
                Fate::LessSpecific(Specific::Order),
                Fate::OtherPath,
            ]
        );
    }

    fn hosts() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["", "a.test", "b.a.test", "*.test", "*.a.test", "**.test", "**.a.test", "**.2.1", "*.92.0.2.1"])
    }

    fn paths() -> impl Strategy<Value = PathMatch> {
        let texts = prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/ab"]);
        (texts, 0..3_u8).prop_map(|(text, kind)| match kind {
            0 => PathMatch::Exact(text.to_owned()),
            1 => PathMatch::prefix(text),
            _ => PathMatch::Below(text.trim_end_matches('/').to_owned()),
        })
    }

    proptest! {
        #[test]
        fn the_winner_is_the_one_that_the_table_finds(
            routes in prop::collection::vec((hosts(), paths()), 1..8),
            host in prop::sample::select(vec!["a.test", "b.a.test", "c.b.a.test", "test", "x.test", "92.0.2.1", "6.92.0.2.1", "7.6.92.0.2.1"]),
            path in prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/ab", "/a/b/c"]),
        ) {
            let routes: Vec<Match> = routes.into_iter().map(|(host, path)| matches(host, path)).collect();
            let table = Table::build(routes.iter().cloned().enumerate().map(|(at, matches)| (matches, at)));
            let headers = HeaderMap::new();
            let request = request(host, path, &headers);
            let won = candidates(&request, &routes).iter().position(|fate| *fate == Fate::Won);
            prop_assert_eq!(won, table.find(&request).copied());
        }
    }
}
