//! What a request asks for, checked: one host, one way to read its target, nothing that is refused outright. How a head
//! is written is looked at in `io/head.rs`. Which route it takes is decided by `route`.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::Scheme;
use http::{Method, Version};

use super::alias::Alias;
use super::forwarded::VIA_NAME;
use crate::model::Limits;
use crate::proxy::error::{ErrorKind, UPGRADE_WITH_BODY};
use crate::proxy::headers::{Nominated, list_contains};
use crate::proxy::io::head::length;
use crate::route::{Authority, normalize_path};

/// A request that can be routed.
pub struct Checked<'a> {
    /// The host as the client wrote it, with its port: what the backend is told.
    pub host: &'a str,
    /// The same, taken apart; `None` for HTTP/1.0 without Host.
    pub authority: Option<Authority<'a>>,
    /// Path and query, as the client wrote them.
    pub target: Cow<'a, str>,
    /// The path that routes are compared with.
    pub path: Cow<'a, str>,
    /// The query without its question mark.
    pub query: Option<&'a str>,
    /// What is for the client's connection alone.
    pub nominated: Nominated,
    /// The protocol that the client wants to switch to.
    pub upgrade: Option<HeaderValue>,
    /// The host stands for another.
    pub alias: Option<Alias>,
}

impl Checked<'_> {
    /// The host that routes are compared with.
    pub fn routed_host(&self) -> Option<&str> {
        let asked = || self.authority.as_ref().map(|authority| &*authority.host);
        self.alias.as_ref().map(Alias::host).or_else(asked)
    }

    /// The host that the backend is told.
    pub fn forwarded_host(&self) -> &str {
        self.alias.as_ref().map_or(self.host, Alias::host)
    }
}

/// As often as this a request may have passed genkan before: there are edges behind edges, and no longer ways.
const MAX_HOPS: usize = 8;

/// The longest that is registered has 17 letters (UPDATEREDIRECTREF, RFC 4437).
const MAX_METHOD: usize = 64;

/// Checks a request.
pub fn check<'a>(request: &'a Parts, limits: &Limits) -> Result<Checked<'a>, ErrorKind> {
    if matches!(request.method, Method::CONNECT | Method::TRACE) {
        return Err(ErrorKind::MethodRefused);
    }
    check_size(request, limits)?;
    check_scheme(request)?;
    check_names(request)?;
    check_length(request)?;
    check_expectation(&request.headers)?;
    check_loop(&request.headers)?;
    let host = host(request)?;
    let authority = match host {
        "" => None,
        host => Some(Authority::parse(host).map_err(|_| ErrorKind::BadRequest("its host is no host name"))?),
    };
    let target = target(request)?;
    let path = path(request)?;
    let nominated = Nominated::of(&request.headers).map_err(|_| ErrorKind::BadRequest("its Connection field names too much"))?;
    let upgrade = upgrade(request)?;
    Ok(Checked { host, authority, target, path, query: request.uri.query(), nominated, upgrade, alias: None })
}

fn check_size(request: &Parts, limits: &Limits) -> Result<(), ErrorKind> {
    if request.method.as_str().len() > MAX_METHOD {
        return Err(ErrorKind::BadRequest("its method is too long"));
    }
    // HTTP/2 clients send cookies in pieces of one field (RFC 9113 section 8.2.3).
    let fields = request.headers.len();
    if fields > limits.request_headers && fields - request.headers.get_all(header::COOKIE).iter().skip(1).count() > limits.request_headers {
        return Err(ErrorKind::RequestHeadTooLarge);
    }
    let fields: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if fields + target > limits.request_head {
        return Err(ErrorKind::RequestHeadTooLarge);
    }
    Ok(())
}

/// In HTTP/1 only an absolute target has one, in HTTP/2 every request (RFC 9113 section 8.3.1).
fn check_scheme(request: &Parts) -> Result<(), ErrorKind> {
    match request.uri.scheme() {
        Some(scheme) if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS => Err(ErrorKind::BadRequest("its scheme is neither http nor https")),
        _ => Ok(()),
    }
}

/// The http crate takes this one for a character of a name, which it is not (RFC 9110 section 5.6.2).
fn check_names(request: &Parts) -> Result<(), ErrorKind> {
    let quoted = request.version == Version::HTTP_2 && request.headers.keys().any(|name| name.as_str().contains('"'));
    if quoted { Err(ErrorKind::BadRequest("the name of a field is none")) } else { Ok(()) }
}

/// What HTTP/2's codec lets through (RFC 9110 section 8.6). The head of HTTP/1 has been looked at raw.
fn check_length(request: &Parts) -> Result<(), ErrorKind> {
    if request.version != Version::HTTP_2 {
        return Ok(());
    }
    let mut lengths = request.headers.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(value), None) => length(value.as_bytes()).map(drop),
        (Some(_), Some(_)) => Err(ErrorKind::BadRequest("it has two lengths")),
    }
}

fn check_expectation(headers: &HeaderMap) -> Result<(), ErrorKind> {
    if headers.get_all(header::EXPECT).iter().all(is_100_continue) { Ok(()) } else { Err(ErrorKind::ExpectationUnknown) }
}

/// The one expectation that there is (RFC 9110 section 10.1.1): a client sends its body once it is told to.
pub fn is_100_continue(expectation: &HeaderValue) -> bool {
    expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
}

/// Every passage is in `Via` (RFC 9110 section 7.6.3).
fn check_loop(headers: &HeaderMap) -> Result<(), ErrorKind> {
    let hops = headers.get_all(header::VIA).iter().filter_map(|hops| hops.to_str().ok()).flat_map(|hops| hops.split(','));
    let ours = hops.filter(|hop| hop.split_whitespace().nth(1) == Some(VIA_NAME));
    if ours.count() < MAX_HOPS { Ok(()) } else { Err(ErrorKind::RequestLoop) }
}

/// Exactly one host (RFC 9112 section 3.2, RFC 9113 section 8.3.1). An absolute target beats the field; in HTTP/2 the
/// two must agree.
fn host(request: &Parts) -> Result<&str, ErrorKind> {
    let mut fields = request.headers.get_all(header::HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (field, None) => field.map(|field| field.to_str().map_err(|_| ErrorKind::BadRequest("its host is no host name"))).transpose()?,
        (_, Some(_)) => return Err(ErrorKind::BadRequest("it has more than one Host field")),
    };
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    match (authority, field) {
        (Some(authority), Some(field)) if request.version == Version::HTTP_2 && !authority.eq_ignore_ascii_case(field) => {
            Err(ErrorKind::BadRequest("its :authority and its Host differ"))
        }
        (Some(_), None) if request.version == Version::HTTP_11 => Err(ErrorKind::BadRequest("it has no host")),
        // It counts for nothing, and has to be a host all the same.
        (Some(_), Some(field)) if !field.is_empty() && Authority::parse(field).is_err() => Err(ErrorKind::BadRequest("its host is no host name")),
        (Some(authority), _) => Ok(authority),
        (None, Some("")) => Err(ErrorKind::BadRequest("its Host field is empty")),
        (None, Some(field)) => Ok(field),
        (None, None) if request.version == Version::HTTP_10 => Ok(""),
        (None, None) => Err(ErrorKind::BadRequest("it has no host")),
    }
}

/// What is sent on, in origin-form (RFC 9112 section 3.2.1). A bare authority is for CONNECT. An absolute target may have a
/// query and no path (RFC 9110 section 4.2.1); nobody else may.
pub fn target(request: &Parts) -> Result<Cow<'_, str>, ErrorKind> {
    let (scheme, authority) = (request.uri.scheme().is_some(), request.uri.authority().is_some());
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    match target.starts_with('?') {
        _ if authority && !scheme => Err(ErrorKind::BadRequest("its target is no path")),
        true if authority && request.version < Version::HTTP_2 => Ok(Cow::Owned(format!("/{target}"))),
        true => Err(ErrorKind::BadRequest("its target is no path")),
        false => Ok(Cow::Borrowed(target)),
    }
}

fn path(request: &Parts) -> Result<Cow<'_, str>, ErrorKind> {
    let path = request.uri.path();
    if path == "*" {
        let asterisk = request.method == Method::OPTIONS;
        return if asterisk { Ok(Cow::Borrowed("/")) } else { Err(ErrorKind::BadRequest("its target is no path")) };
    }
    if !path.is_empty() && !path.starts_with('/') {
        return Err(ErrorKind::BadRequest("its target is no path"));
    }
    normalize_path(if path.is_empty() { "/" } else { path }).map_err(|_| ErrorKind::BadRequest("its path is ambiguous"))
}

/// A switch is asked for only by HTTP/1.1 with both fields (RFC 9110 section 7.8); h2c never is, because it would hide
/// further requests from the edge.
fn upgrade(request: &Parts) -> Result<Option<HeaderValue>, ErrorKind> {
    let headers = &request.headers;
    if request.version != Version::HTTP_11 || !list_contains(headers, &header::CONNECTION, "upgrade") {
        return Ok(None);
    }
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    match (protocols.next(), protocols.next()) {
        (Some(protocol), None) if !protocol.as_bytes().contains(&b',') && !protocol.as_bytes().eq_ignore_ascii_case(b"h2c") => {
            let has_body = headers.contains_key(header::TRANSFER_ENCODING) || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
            // What follows the head would be read as the body by one side and as the new protocol by the other.
            if has_body { Err(ErrorKind::BadRequest(UPGRADE_WITH_BODY)) } else { Ok(Some(protocol.clone())) }
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
