//! Where a route's redirect leads (HTTPRoute's `RequestRedirect`): only what it gives is changed. A host that is not ours is
//! never repeated to anybody.

use std::borrow::Cow;

use super::normalize_path;
use crate::model::{Host, PathMatch, PathRewrite, Redirect};

/// What a request asked for, as far as a redirect keeps it.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// It came over TLS.
    pub https: bool,
    /// `None`: it is none of ours.
    pub host: Option<&'a str>,
    /// As the client wrote it, which is the port that it sees.
    pub port: Option<u16>,
    /// In its normal form.
    pub path: &'a str,
    /// Without its question mark.
    pub query: Option<&'a str>,
    /// As the client wrote it.
    pub target: &'a str,
}

/// The URL; `None` if it would have to repeat a host that is not ours.
pub fn location(redirect: &Redirect, matched: &PathMatch, asked: &Asked<'_>) -> Option<String> {
    let target = target(redirect.path.as_ref(), matched, asked);
    let Some(host) = redirect.host.as_ref().map(Host::as_str).or(asked.host) else {
        // A new path alone needs no host: it leads to where the request came in.
        let only_path = redirect.path.is_some() && redirect.https.is_none() && redirect.port.is_none();
        return only_path.then_some(target);
    };
    let https = redirect.https.unwrap_or(asked.https);
    let (scheme, usual) = if https { ("https", 443) } else { ("http", 80) };
    let kept = if redirect.https.is_some() { None } else { asked.port };
    let host = in_url(host);
    Some(match redirect.port.or(kept).filter(|port| *port != usual) {
        Some(port) => format!("{scheme}://{host}:{port}{target}"),
        None => format!("{scheme}://{host}{target}"),
    })
}

fn target(path: Option<&PathRewrite>, matched: &PathMatch, asked: &Asked<'_>) -> String {
    let path = match path {
        // `*` is a target, and no path.
        None if !asked.target.starts_with('/') => return "/".to_owned(),
        None => return asked.target.to_owned(),
        Some(PathRewrite::Full(path)) => path.clone(),
        Some(PathRewrite::Prefix(new)) => replaced(asked.path, matched, new),
    };
    match asked.query {
        Some(query) => format!("{path}?{query}"),
        None => path,
    }
}

/// The path with another prefix, by whole elements and with single slashes between: two at the beginning of what is left
/// would name a host.
fn replaced(path: &str, matched: &PathMatch, new: &str) -> String {
    let prefix = normalize_path(matched.path()).unwrap_or_else(|_| matched.path().into());
    let rest = path.strip_prefix(prefix.trim_end_matches('/')).unwrap_or_default();
    match rest.strip_prefix('/') {
        Some(rest) => format!("{}/{}", new.trim_end_matches('/'), rest.trim_start_matches('/')),
        None if new.is_empty() => "/".to_owned(),
        None => new.to_owned(),
    }
}

/// A host as URLs have it: IPv6 addresses in brackets (RFC 3986 section 3.2.2).
pub fn in_url(host: &str) -> Cow<'_, str> {
    if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    const SAME: Redirect = Redirect { https: None, host: None, port: None, path: None, status: StatusCode::FOUND };
    const ASKED: Asked<'static> = Asked { https: true, host: Some("a.test"), port: None, path: "/b", query: Some("c=d"), target: "/b?c=d" };

    fn to(redirect: &Redirect, asked: Asked<'_>) -> Option<String> {
        location(redirect, &PathMatch::prefix("/"), &asked)
    }

    #[test]
    fn a_prefix_is_replaced_by_whole_elements() {
        // The table in HTTPRoute's documentation of ReplacePrefixMatch, and what could name a host.
        for (path, prefix, new, expected) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo/", "/foo", "/", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/foo/bar", "/", "/xyz", "/xyz/foo/bar"),
            ("/foo//evil.test/", "/foo", "/", "/evil.test/"),
            ("/foo//evil.test/", "/foo", "", "/evil.test/"),
            ("/foo/bar", "/%66oo", "/xyz", "/xyz/bar"),
        ] {
            assert_eq!(replaced(path, &PathMatch::prefix(prefix), new), expected, "{path} {prefix} {new}");
        }
    }

    #[test]
    fn only_what_is_given_changes() {
        let other = Some(Host::parse("b.test").unwrap());
        let full = Some(PathRewrite::Full("/new".to_owned()));
        for (redirect, expected) in [
            (Redirect { host: other.clone(), ..SAME }, "https://b.test/b?c=d"),
            (Redirect { path: full.clone(), ..SAME }, "https://a.test/new?c=d"),
            (Redirect { port: Some(8443), ..SAME }, "https://a.test:8443/b?c=d"),
            (Redirect { port: Some(443), ..SAME }, "https://a.test/b?c=d"),
            (Redirect { https: Some(false), ..SAME }, "http://a.test/b?c=d"),
            (Redirect { https: Some(false), host: other, port: Some(8080), path: full, ..SAME }, "http://b.test:8080/new?c=d"),
        ] {
            assert_eq!(to(&redirect, ASKED).as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_port_is_the_given_one_or_the_usual_one_of_a_given_scheme_or_the_clients() {
        let asked = Asked { https: false, port: Some(8080), ..ASKED };
        let other = Redirect { host: Some(Host::parse("b.test").unwrap()), ..SAME };
        assert_eq!(to(&other, asked).as_deref(), Some("http://b.test:8080/b?c=d"));
        assert_eq!(to(&Redirect { https: Some(true), ..other.clone() }, asked).as_deref(), Some("https://b.test/b?c=d"));
        assert_eq!(to(&Redirect { https: Some(true), port: Some(9), ..other }, asked).as_deref(), Some("https://b.test:9/b?c=d"));
    }

    #[test]
    fn a_host_that_is_not_ours_is_not_repeated() {
        let strange = Asked { host: None, ..ASKED };
        assert_eq!(to(&Redirect { https: Some(false), ..SAME }, strange), None);
        assert_eq!(to(&Redirect { port: Some(1), ..SAME }, strange), None);
        let path = Redirect { path: Some(PathRewrite::Prefix("/n".to_owned())), ..SAME };
        assert_eq!(to(&path, strange).as_deref(), Some("/n/b?c=d"), "a path leads nowhere else");
    }
}
