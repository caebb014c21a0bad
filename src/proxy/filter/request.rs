//! Filters of requests. They see what the backend would get: the client's fields that pass, and those that we add. Only
//! fields that a filter names are looked at; the others are written as they are for any request.

use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

use super::facts::Facts;
use super::fields::{modify, names};
use crate::model::{Filter, HeaderModifier};
use crate::proxy::headers::{Nominated, passes_to_backend};

/// What a backend gets in place of the fields that filters name.
pub struct Changed {
    /// Our lines, with those of the filters.
    pub added: Vec<u8>,
    /// Fields of the client's that do not pass: those that were for its connection, and those that filters name.
    pub staying: Nominated,
}

/// Lets a request pass its route's filters; `None` if there are none for requests. `added` are the lines of ours.
pub fn filter(filters: &[Filter], facts: &Facts<'_>, nominated: &Nominated, added: &str) -> Option<Changed> {
    let modifiers: Vec<&HeaderModifier> = filters
        .iter()
        .filter_map(|filter| match filter {
            Filter::RequestHeaders(modifier) => Some(modifier),
            Filter::ResponseHeaders(_) => None,
        })
        .collect();
    if modifiers.is_empty() {
        return None;
    }
    let touched: Vec<&HeaderName> = modifiers.iter().flat_map(|modifier| names(modifier)).collect();
    let mut fields = passing(&touched, facts.headers, nominated);
    let mut lines = own_lines(&touched, added, &mut fields);
    for modifier in modifiers {
        modify(&mut fields, modifier, facts);
    }
    write(&fields, &mut lines);
    Some(Changed { added: lines, staying: nominated.and(touched.into_iter().cloned()) })
}

/// The client's fields of these names.
fn passing(touched: &[&HeaderName], headers: &HeaderMap, nominated: &Nominated) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for name in touched.iter().filter(|name| passes_to_backend(name, nominated)) {
        if !fields.contains_key(*name) {
            for value in headers.get_all(*name) {
                let _ = fields.try_append((*name).clone(), value.clone()); // It fails for more fields than any head may have.
            }
        }
    }
    fields
}

/// Our lines without those of these names, which go to `fields`.
fn own_lines(touched: &[&HeaderName], added: &str, fields: &mut HeaderMap) -> Vec<u8> {
    let mut lines = Vec::with_capacity(added.len() + 256);
    for line in added.split_inclusive("\r\n") {
        let field = line.trim_end().split_once(": ").and_then(|(name, value)| {
            let name = touched.iter().find(|touched| touched.as_str() == name)?;
            Some(((*name).clone(), HeaderValue::from_str(value).ok()?))
        });
        match field {
            Some((name, value)) => {
                let _ = fields.try_append(name, value);
            }
            None => lines.extend_from_slice(line.as_bytes()),
        }
    }
    lines
}

fn write(fields: &HeaderMap, lines: &mut Vec<u8>) {
    for name in fields.keys() {
        // A backend that speaks HTTP/1.1 gets its cookies in one field (RFC 9113 section 8.2.3).
        let between: &[u8] = if *name == COOKIE { b"; " } else { b"\r\n" };
        for (index, value) in fields.get_all(name).iter().enumerate() {
            if index > 0 {
                lines.extend_from_slice(between);
            }
            if index == 0 || *name != COOKIE {
                lines.extend_from_slice(name.as_str().as_bytes());
                lines.extend_from_slice(b": ");
            }
            lines.extend_from_slice(value.as_bytes());
        }
        lines.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;
    use crate::model::{Template, Variable};

    const ADDED: &str = "x-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\nvia: 1.1 genkan\r\n";

    fn field((name, value): &(&'static str, &str)) -> (HeaderName, Template) {
        (HeaderName::from_static(name), Template::parse(value, Variable::named).unwrap())
    }

    fn modifier(set: &[(&'static str, &str)], add: &[(&'static str, &str)], remove: &[&'static str]) -> Filter {
        Filter::RequestHeaders(HeaderModifier {
            set: set.iter().map(field).collect(),
            add: add.iter().map(field).collect(),
            remove: remove.iter().map(|name| HeaderName::from_static(name)).collect(),
        })
    }

    fn filtered(filters: &[Filter]) -> (Vec<String>, Nominated) {
        let headers = [("x-a", "client"), ("x-a", "twice"), ("x-b", "client"), ("cookie", "a=1"), ("cookie", "b=2"), ("x-real-ip", "spoofed")];
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let headers = HeaderMap::from_iter(headers);
        let ends = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        let facts = Facts { client: ends.0, local: ends.1, tls: None, version: Version::HTTP_11, headers: &headers };
        let changed = filter(filters, &facts, &Nominated::default(), ADDED).unwrap();
        let text = String::from_utf8(changed.added).unwrap();
        assert!(text.ends_with("\r\n") && !text.contains("\r\n\r\n"), "{text:?}");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        (lines, changed.staying)
    }

    #[test]
    fn what_is_set_replaces_what_the_client_or_we_say() {
        let (lines, staying) =
            filtered(&[modifier(&[("x-a", "{client_ip_address}"), ("x-forwarded-proto", "https"), ("x-real-ip", "ours")], &[], &[])]);
        assert_eq!(lines, ["via: 1.1 genkan", "x-a: 192.0.2.1", "x-forwarded-for: 192.0.2.1", "x-forwarded-proto: https", "x-real-ip: ours"]);
        assert!(!passes_to_backend(&HeaderName::from_static("x-a"), &staying), "the client's own is left out");
        assert!(passes_to_backend(&HeaderName::from_static("x-b"), &staying));
    }

    #[test]
    fn fields_are_added_after_those_that_are_there_and_removed_first() {
        let first = modifier(&[], &[("x-a", "ours"), ("cookie", "c=3"), ("x-real-ip", "ours")], &["x-b"]);
        let second = modifier(&[], &[("x-b", "new")], &["x-forwarded-for"]);
        let (lines, _) = filtered(&[first, second]);
        let expected = [
            "cookie: a=1; b=2; c=3",
            "via: 1.1 genkan",
            "x-a: client",
            "x-a: ours",
            "x-a: twice",
            "x-b: new",
            "x-forwarded-proto: http",
            "x-real-ip: ours",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_route_that_changes_only_answers_costs_a_request_nothing() {
        let headers = HeaderMap::new();
        let ends = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        let facts = Facts { client: ends.0, local: ends.1, tls: None, version: Version::HTTP_11, headers: &headers };
        assert!(filter(&[Filter::ResponseHeaders(HeaderModifier::default())], &facts, &Nominated::default(), ADDED).is_none());
    }
}
