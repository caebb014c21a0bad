//! What must hold of a request besides host and path, and which of two rules asks for more.

use std::cmp::Reverse;

use http::{HeaderName, Method};

use super::candidates::Fate;
use super::table::Request;
use crate::model::Conditions;

/// [`Conditions`] without the entries that HTTPRoute ignores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    methods: Vec<Method>,
    headers: Vec<(HeaderName, String)>,
    query: Vec<(String, String)>,
}

/// Smaller comes first.
pub(super) type Rank = (bool, Reverse<usize>, Reverse<usize>);

impl Condition {
    /// Of several entries for one header or parameter only the first counts, as HTTPRoute has it.
    pub(super) fn new(conditions: &Conditions) -> Self {
        Self { methods: conditions.methods.clone(), headers: first_of_each(&conditions.headers), query: first_of_each(&conditions.query) }
    }

    /// A condition on the method, then more headers, then more query parameters.
    pub(super) fn rank(&self) -> Rank {
        (self.methods.is_empty(), Reverse(self.headers.len()), Reverse(self.query.len()))
    }

    /// Whether all of it holds.
    ///
    /// A field that was sent several times matches by any of its values. Of a parameter the first counts; name and
    /// value are compared decoded, as a form is (`+` is a space), so that no other spelling gets round a rule.
    pub(super) fn holds(&self, request: &Request<'_>) -> bool {
        self.method_holds(request)
            && self.headers.iter().all(|header| header_holds(header, request))
            && self.query.iter().all(|pair| query_holds(pair, request))
    }

    /// The first part that does not hold.
    pub(super) fn missed(&self, request: &Request<'_>) -> Option<Fate> {
        if !self.method_holds(request) {
            return Some(Fate::OtherMethod);
        }
        let header = self.headers.iter().find(|header| !header_holds(header, request)).map(|(name, _)| Fate::Header(name.to_string()));
        header.or_else(|| self.query.iter().find(|pair| !query_holds(pair, request)).map(|(name, _)| Fate::Query(name.clone())))
    }

    fn method_holds(&self, request: &Request<'_>) -> bool {
        self.methods.is_empty() || self.methods.contains(request.method)
    }
}

fn header_holds((name, value): &(HeaderName, String), request: &Request<'_>) -> bool {
    request.headers.get_all(name).iter().any(|sent| sent.as_bytes() == value.as_bytes())
}

fn query_holds((name, value): &(String, String), request: &Request<'_>) -> bool {
    parameter(request.query, name).is_some_and(|sent| decodes_to(sent, value))
}

fn first_of_each<K: Clone + PartialEq>(pairs: &[(K, String)]) -> Vec<(K, String)> {
    let mut kept: Vec<(K, String)> = Vec::new();
    for pair in pairs {
        if kept.iter().all(|(name, _)| *name != pair.0) {
            kept.push(pair.clone());
        }
    }
    kept
}

/// The raw value of the first parameter of that name; empty for a name without `=`.
fn parameter<'q>(query: Option<&'q str>, name: &str) -> Option<&'q str> {
    query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).find(|(sent, _)| decodes_to(sent, name)).map(|(_, value)| value)
}

fn decodes_to(raw: &str, text: &str) -> bool {
    decoded(raw.as_bytes()).eq(text.bytes())
}

/// Bytes as a form decodes them, without storing them. An escape that is none stands for itself.
fn decoded(mut raw: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        if let [b'%', high, low, rest @ ..] = raw
            && let Some(byte) = escaped(*high, *low)
        {
            raw = rest;
            return Some(byte);
        }
        let (&first, rest) = raw.split_first()?;
        raw = rest;
        Some(if first == b'+' { b' ' } else { first })
    })
}

/// The byte that `%` and these two digits stand for.
pub(super) fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn holds(conditions: &Conditions, query: Option<&str>, headers: &HeaderMap) -> bool {
        Condition::new(conditions).holds(&Request { host: None, path: "/", query, method: &Method::GET, headers })
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_first_parameter_of_a_name_counts_and_is_compared_decoded() {
        let conditions = Conditions { query: owned(&[("a b", "1+1")]), ..Conditions::default() };
        for (query, expected) in [
            (None, false),
            (Some(""), false),
            (Some("a%20b=1%2b1"), true),
            (Some("x&a+b=1%2B1&a+b=2"), true),
            (Some("a+b=2&a+b=1%2B1"), false),
            (Some("a+b=1+1"), false),
            (Some("a+b=1%2B1%"), false),
        ] {
            assert_eq!(holds(&conditions, query, &HeaderMap::new()), expected, "{query:?}");
        }
    }

    #[test]
    fn an_escape_that_is_none_stands_for_itself() {
        let conditions = Conditions { query: owned(&[("a", "100%"), ("b", "%zz")]), ..Conditions::default() };
        assert!(holds(&conditions, Some("a=100%&b=%zz"), &HeaderMap::new()));
    }

    #[test]
    fn a_repeated_field_matches_by_any_of_its_values() {
        let name = HeaderName::from_static("x-canary");
        let conditions = Conditions { headers: vec![(name.clone(), "1".to_owned())], ..Conditions::default() };
        let mut headers = HeaderMap::new();
        assert!(!holds(&conditions, None, &headers));
        headers.append(&name, "10".parse().unwrap());
        assert!(!holds(&conditions, None, &headers));
        headers.append(&name, "1".parse().unwrap());
        assert!(holds(&conditions, None, &headers));
    }

    #[test]
    fn of_several_entries_for_one_name_the_first_counts() {
        let conditions = Conditions { query: owned(&[("a", "1"), ("a", "2")]), ..Conditions::default() };
        assert!(holds(&conditions, Some("a=1"), &HeaderMap::new()));
        assert_eq!(Condition::new(&conditions).rank(), (true, Reverse(0), Reverse(1)));
    }
}
