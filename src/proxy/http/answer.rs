//! Answers of our own: the only place that knows which status an error becomes. They say what happened and never where
//! backends are.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode, Version};

use super::gke;
use super::ids::Ids;
use crate::model::Behaviour;
use crate::proxy::Mode;
use crate::proxy::body::ResponseBody;
use crate::proxy::error::{ErrorKind, ProxyError};

/// The field that says which proxy failed, and how (RFC 9209).
const PROXY_STATUS: &str = "proxy-status";

/// The status of an error. The cloud's load balancer says of nearly everything behind it that the gateway is bad.
pub fn status(kind: ErrorKind, behaviour: Behaviour) -> StatusCode {
    match (ours(kind), behaviour) {
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE | StatusCode::URI_TOO_LONG, Behaviour::Gke) => StatusCode::PAYLOAD_TOO_LARGE,
        (StatusCode::METHOD_NOT_ALLOWED | StatusCode::EXPECTATION_FAILED, Behaviour::Gke) => StatusCode::BAD_REQUEST,
        (status, Behaviour::Gke) if status.is_server_error() => StatusCode::BAD_GATEWAY,
        (status, _) => status,
    }
}

fn ours(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::BadRequest(_) => StatusCode::BAD_REQUEST,
        ErrorKind::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::RequestHeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ErrorKind::TargetTooLong => StatusCode::URI_TOO_LONG,
        ErrorKind::RequestBodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::RequestBodyTimedOut => StatusCode::REQUEST_TIMEOUT,
        // Nobody reads it; it only has to be something.
        ErrorKind::ClientLeft => StatusCode::BAD_REQUEST,
        ErrorKind::ExpectationUnknown => StatusCode::EXPECTATION_FAILED,
        ErrorKind::RequestLoop => StatusCode::LOOP_DETECTED,
        ErrorKind::PlainHttpRejected => StatusCode::UPGRADE_REQUIRED,
        ErrorKind::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        ErrorKind::NoRoute => StatusCode::NOT_FOUND,
        ErrorKind::RouteBroken => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::NoReadyEndpoint | ErrorKind::EndpointsFull | ErrorKind::OutOfResources => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::ConnectFailed | ErrorKind::ClosedBeforeHead | ErrorKind::BadResponse(_) | ErrorKind::ResponseHeadTooLarge | ErrorKind::BodyCut => {
            StatusCode::BAD_GATEWAY
        }
        ErrorKind::ConnectTimedOut | ErrorKind::ResponseTimedOut | ErrorKind::BodyTimedOut | ErrorKind::RequestTimedOut => {
            StatusCode::GATEWAY_TIMEOUT
        }
    }
}

/// The error type of RFC 9209 section 2.3.
fn proxy_status(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::BadRequest(_) | ErrorKind::RequestBodyTimedOut | ErrorKind::ClientLeft | ErrorKind::ExpectationUnknown => {
            "genkan; error=http_request_error"
        }
        ErrorKind::MethodRefused
        | ErrorKind::RequestHeadTooLarge
        | ErrorKind::TargetTooLong
        | ErrorKind::RequestBodyTooLarge
        | ErrorKind::Misdirected
        | ErrorKind::PlainHttpRejected => "genkan; error=http_request_denied",
        ErrorKind::RequestLoop => "genkan; error=proxy_loop_detected",
        ErrorKind::NoRoute => "genkan; error=destination_not_found",
        ErrorKind::RouteBroken => "genkan; error=proxy_configuration_error",
        ErrorKind::NoReadyEndpoint => "genkan; error=destination_unavailable",
        ErrorKind::EndpointsFull => "genkan; error=connection_limit_reached",
        ErrorKind::OutOfResources => "genkan; error=proxy_internal_error",
        ErrorKind::ConnectFailed => "genkan; error=connection_refused",
        ErrorKind::ConnectTimedOut => "genkan; error=connection_timeout",
        ErrorKind::ClosedBeforeHead => "genkan; error=connection_terminated",
        ErrorKind::ResponseTimedOut | ErrorKind::RequestTimedOut | ErrorKind::BodyTimedOut => "genkan; error=http_response_timeout",
        ErrorKind::BadResponse(_) => "genkan; error=http_protocol_error",
        ErrorKind::ResponseHeadTooLarge => "genkan; error=http_response_header_section_size",
        ErrorKind::BodyCut => "genkan; error=http_response_incomplete",
    }
}

/// What an answer of ours depends on besides the error.
pub struct Circumstances<'a> {
    /// Whose answers clients get.
    pub behaviour: Behaviour,
    /// For whom the process runs.
    pub mode: Mode,
    /// Who the exchange is.
    pub ids: &'a Ids,
    /// Of the request.
    pub version: Version,
    /// Why the request came to this; for whoever started the process.
    pub explanation: Option<String>,
}

/// The answer to a request that failed. In dev and demo it says why in full, causes included.
pub fn to_error(error: &ProxyError, circumstances: &Circumstances<'_>) -> Response<ResponseBody> {
    let Circumstances { behaviour, mode, ids, version, explanation } = circumstances;
    let status = status(error.kind, *behaviour);
    let mut response = match (behaviour, status, explanation) {
        (Behaviour::Gke, StatusCode::NOT_FOUND, explanation) => {
            of(status, format!("{}{}", gke::NOT_FOUND, explanation.as_deref().unwrap_or_default()))
        }
        (Behaviour::Gke, StatusCode::BAD_GATEWAY, None) => html(of(status, gke::server_error(status))),
        // An explanation repeats what the client sent, which must never be read as HTML.
        (Behaviour::Genkan | Behaviour::Gke, _, explanation) => of(status, text(status, error, *mode, ids, explanation.as_deref())),
    };
    let headers = response.headers_mut();
    headers.insert(PROXY_STATUS, HeaderValue::from_static(proxy_status(error.kind)));
    match error.kind {
        ErrorKind::NoReadyEndpoint | ErrorKind::EndpointsFull | ErrorKind::OutOfResources if *behaviour == Behaviour::Genkan => {
            // A backend that becomes ready is used within a second.
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        ErrorKind::PlainHttpRejected => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("TLS/1.2, HTTP/1.1"));
        }
        ErrorKind::MethodRefused => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));
        }
        _ => {}
    }
    if closes(error.kind) && *version < Version::HTTP_2 {
        headers.append(header::CONNECTION, HeaderValue::from_static("close"));
        if error.kind == ErrorKind::PlainHttpRejected {
            headers.append(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
    }
    response
}

/// After these the rest of the connection cannot be trusted to be what it seems, or is not wanted.
fn closes(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BadRequest(_)
            | ErrorKind::MethodRefused
            | ErrorKind::RequestHeadTooLarge
            | ErrorKind::TargetTooLong
            | ErrorKind::RequestBodyTooLarge
            | ErrorKind::RequestBodyTimedOut
            | ErrorKind::ExpectationUnknown
            | ErrorKind::Misdirected
            | ErrorKind::PlainHttpRejected
    )
}

/// The answer to a head that could not be read, as it goes on the wire: there is no codec that would write it.
pub fn bare(kind: ErrorKind, behaviour: Behaviour) -> String {
    let (status, proxy_status) = (status(kind, behaviour), proxy_status(kind));
    let text = match behaviour {
        Behaviour::Genkan => format!("{status}: {kind}\n"),
        Behaviour::Gke => String::new(),
    };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nproxy-status: {proxy_status}\r\n\
         cache-control: no-store\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn html(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    response
}

fn text(status: StatusCode, error: &ProxyError, mode: Mode, ids: &Ids, explanation: Option<&str>) -> String {
    let mut text = format!("{status}: {error}\n");
    if mode == Mode::Laptop {
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            text.push_str(&format!("because: {source}\n"));
            cause = source.source();
        }
    }
    text.push_str(&format!("request id: {}\n", ids.request()));
    if let Some(explanation) = explanation {
        text.push_str(&format!("\n{explanation}"));
    }
    text
}

/// A redirect to the same place with https.
pub fn to_redirect(location: &str, status: Option<StatusCode>, mode: Mode) -> Response<ResponseBody> {
    // Browsers remember a permanent redirect of localhost for whatever runs there next.
    let status = match (mode, status) {
        (Mode::Laptop, None | Some(StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT)) => StatusCode::TEMPORARY_REDIRECT,
        (_, Some(status)) => status,
        (Mode::Run, None) => StatusCode::PERMANENT_REDIRECT,
    };
    moved(status, location)
}

/// A redirect.
pub fn moved(status: StatusCode, location: &str) -> Response<ResponseBody> {
    let mut response = of(status, format!("{status}: {location}\n"));
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn of(status: StatusCode, text: String) -> Response<ResponseBody> {
    let length = text.len();
    let mut response = Response::new(ResponseBody::Text(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
