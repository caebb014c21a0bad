//! Which header fields pass through: those of one connection stay on it (RFC 9110 section 7.6.1), those that we write
//! ourselves are never taken from a client, and those that two readers could read differently are dropped. And how HTTP/1
//! has them.

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields that `Connection` names, so that they are for this connection alone. More than a few are an attack on
/// whoever comes next, not a use.
#[derive(Debug, Default)]
pub struct Nominated(Vec<HeaderName>);

/// A `Connection` field that names more than a connection has options.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyNominated;

const MAX_NOMINATED: usize = 16;

impl Nominated {
    /// One more that does not pass.
    pub fn add(&mut self, name: HeaderName) {
        self.0.push(name);
    }

    /// Reads every `Connection` field. What must reach the other side, or frames the message, cannot be nominated away.
    pub fn of(headers: &HeaderMap) -> Result<Self, TooManyNominated> {
        let mut names = Vec::new();
        for option in headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
            let option = option.trim_ascii();
            if option.is_empty() || option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive") {
                continue;
            }
            if names.len() == MAX_NOMINATED {
                return Err(TooManyNominated);
            }
            names.extend(HeaderName::from_bytes(option).ok().filter(may_be_nominated));
        }
        Ok(Self(names))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter()
    }

    /// These and others.
    #[must_use]
    pub fn and(&self, others: impl IntoIterator<Item = HeaderName>) -> Self {
        Self(self.0.iter().cloned().chain(others).collect())
    }

    fn contains(&self, name: &HeaderName) -> bool {
        !self.0.is_empty() && self.0.contains(name)
    }
}

/// Ending the path to a backend by nominating what it relies on is a known attack (CVE-2022-1388, CVE-2024-45410).
fn may_be_nominated(name: &HeaderName) -> bool {
    *name != header::HOST
        && *name != header::CONTENT_LENGTH
        && *name != header::TRANSFER_ENCODING
        && *name != header::AUTHORIZATION
        && *name != header::COOKIE
}

/// Whether a request's field goes to the backend as it is.
pub fn passes_to_backend(name: &HeaderName, nominated: &Nominated) -> bool {
    !is_hop_by_hop(name) && !is_ours_to_write(name) && !is_ambiguous(name.as_str()) && !nominated.contains(name)
}

/// Whether a response's field goes to the client as it is, unless it is nominated.
pub fn passes_to_client(name: &HeaderName) -> bool {
    !is_hop_by_hop(name)
}

/// Whether a trailer field may follow a body (RFC 9110 section 6.5.1): nothing that frames, routes or authenticates, that
/// changes what is asked for, or controls what is done with an answer.
pub fn passes_as_trailer(name: &HeaderName) -> bool {
    let forbidden = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_TYPE,
        header::CONTENT_RANGE,
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
        header::SET_COOKIE,
        header::CACHE_CONTROL,
        header::EXPECT,
        header::MAX_FORWARDS,
        header::RANGE,
        header::PRAGMA,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::AGE,
        header::DATE,
        header::EXPIRES,
        header::VARY,
        header::RETRY_AFTER,
        header::LOCATION,
        header::TRAILER,
    ];
    !is_hop_by_hop(name) && !is_ours_to_write(name) && !is_ambiguous(name.as_str()) && !forbidden.contains(name)
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    match *name {
        header::CONNECTION | header::TE | header::TRANSFER_ENCODING | header::UPGRADE | header::PROXY_AUTHENTICATE => true,
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings"),
    }
}

/// Written anew for each request: `Host` and framing by the codec, the rest in `http/forwarded.rs`.
fn is_ours_to_write(name: &HeaderName) -> bool {
    match *name {
        header::HOST | header::CONTENT_LENGTH | header::EXPECT | header::FORWARDED | header::VIA => true,
        _ => {
            let name = name.as_str();
            name.starts_with("x-forwarded-") || matches!(name, "x-request-id" | "traceparent" | "x-real-ip")
        }
    }
}

/// `Proxy` sets a variable in CGI programs (CVE-2016-5385), and so does `X_Forwarded_For` in place of `X-Forwarded-For`.
/// The http crate takes a quotation mark for a character of a name.
fn is_ambiguous(name: &str) -> bool {
    name == "proxy" || name.bytes().any(|byte| matches!(byte, b'_' | b'"'))
}

/// Appends a field as HTTP/1 has it. Names and values of the http crate have no byte that could end a line.
pub fn put_field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.put_slice(name.as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

/// Whether a field that is a list has this element, whatever its case.
pub fn list_contains(headers: &HeaderMap, name: &HeaderName, element: &str) -> bool {
    headers.get_all(name).iter().any(|value| value_contains(value, element))
}

fn value_contains(value: &HeaderValue, element: &str) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn nominated_fields_stay_here_and_vital_ones_cannot_be_nominated() {
        let headers = headers(&[("connection", "close, X-Hop , Authorization"), ("connection", "x-other")]);
        let nominated = Nominated::of(&headers).unwrap();
        let passes = |name: &'static str| passes_to_backend(&HeaderName::from_static(name), &nominated);
        assert!(!passes("x-hop") && !passes("x-other"));
        assert!(passes("authorization") && passes("x-else"));
    }

    #[test]
    fn spoofed_and_ambiguous_names_do_not_pass() {
        let none = Nominated::default();
        for name in ["x-forwarded-for", "x-forwarded-anything", "forwarded", "x_forwarded_for", "proxy", "te", "keep-alive", "upgrade", "x-real-ip"] {
            assert!(!passes_to_backend(&HeaderName::from_static(name), &none), "{name}");
        }
        assert!(passes_to_backend(&header::USER_AGENT, &none));
    }

    #[test]
    fn connection_has_a_bound() {
        let value = HeaderValue::from_str(&vec!["x-a"; 17].join(",")).unwrap();
        let headers = HeaderMap::from_iter([(header::CONNECTION, value)]);
        assert_eq!(Nominated::of(&headers).unwrap_err(), TooManyNominated);
    }
}
