//! What can go wrong with a request: what it was, whose doing, and whether it may be tried elsewhere. Which answer it
//! becomes is decided in `http/answer.rs` alone.

use std::fmt;
use std::io;

use crate::telemetry::reasons;

/// A request that could not be answered by its backend.
#[derive(Debug)]
pub struct ProxyError {
    /// What happened.
    pub kind: ErrorKind,
    /// What the kernel or a codec said.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What happened, in words that logs and metrics share. Where Google's load balancer has a word for it, it is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is malformed or ambiguous; why.
    BadRequest(&'static str),
    /// CONNECT or TRACE.
    MethodRefused,
    /// A field section larger than `limits.requestHead` or with more fields than `limits.requestHeaders`.
    RequestHeadTooLarge,
    /// A target that is larger than `limits.requestHead` by itself.
    TargetTooLong,
    /// A body larger than `limits.requestBody`.
    RequestBodyTooLarge,
    /// No byte of the body for `timeouts.requestBody`.
    RequestBodyTimedOut,
    /// The client closed the connection or reset the stream.
    ClientLeft,
    /// An `Expect` other than `100-continue`.
    ExpectationUnknown,
    /// It has passed here so often that it must be going in a circle.
    RequestLoop,
    /// Plain HTTP where TLS is required.
    PlainHttpRejected,
    /// The connection was made under another TLS policy than the one of the host.
    Misdirected,
    /// No route is for the request.
    NoRoute,
    /// The route's configuration is broken; its name is in the record.
    RouteBroken,
    /// The backend has no endpoint that may be used.
    NoReadyEndpoint,
    /// Every endpoint has as many requests as it may.
    EndpointsFull,
    /// This process has no descriptor, port or memory for another connection to a backend.
    OutOfResources,
    /// Nothing listens at the endpoint, or it cannot be reached.
    ConnectFailed,
    /// No connection within `backends[].timeouts.connect`.
    ConnectTimedOut,
    /// The connection ended before the response head did.
    ClosedBeforeHead,
    /// No response head within `backends[].timeouts.response`.
    ResponseTimedOut,
    /// The response is malformed or ambiguous; why.
    BadResponse(&'static str),
    /// A response head larger than `limits.responseHead`.
    ResponseHeadTooLarge,
    /// The response body ended too early.
    BodyCut,
    /// No byte of the response body for `backends[].timeouts.idle`.
    BodyTimedOut,
    /// The whole exchange took longer than the route's `timeouts.request`.
    RequestTimedOut,
}

/// Whose doing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Client,
    /// Ours, or our configuration's.
    Us,
    /// The backend's.
    Backend,
}

/// Why a request is no valid one, for [`ErrorKind::BadRequest`], where the cloud has a word of its own for it.
pub const MALFORMED_BODY: &str = "its body is not encoded as announced";
/// See [`MALFORMED_BODY`].
pub const SECURE_URL: &str = "it asks for https on a connection without TLS";
/// See [`MALFORMED_BODY`].
pub const INVALID_HTTP2_PATH: &str = "its :path has what no URL has";
/// See [`MALFORMED_BODY`].
pub const UPGRADE_WITH_BODY: &str = "it asks for another protocol and has a body";

impl ProxyError {
    /// With what the kernel or a codec said.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
    }
}

impl From<ErrorKind> for ProxyError {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

/// How bodies fail towards hyper, which only passes it on.
impl From<ProxyError> for io::Error {
    fn from(error: ProxyError) -> Self {
        Self::other(error)
    }
}

/// Whether an operation failed for a lack of something of ours: descriptors, buffers, memory, local ports (errno(3)).
pub fn is_out_of_resources(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    error.kind() == io::ErrorKind::OutOfMemory
        || error.kind() == io::ErrorKind::AddrNotAvailable
        || matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS))
}

impl ErrorKind {
    /// Whose doing it is.
    pub fn side(self) -> Side {
        match self {
            Self::BadRequest(_)
            | Self::MethodRefused
            | Self::RequestHeadTooLarge
            | Self::TargetTooLong
            | Self::RequestBodyTooLarge
            | Self::RequestBodyTimedOut
            | Self::ClientLeft
            | Self::ExpectationUnknown
            | Self::Misdirected
            | Self::PlainHttpRejected => Side::Client,
            Self::RequestLoop
            | Self::NoRoute
            | Self::RouteBroken
            | Self::NoReadyEndpoint
            | Self::EndpointsFull
            | Self::OutOfResources
            | Self::RequestTimedOut => Side::Us,
            Self::ConnectFailed
            | Self::ConnectTimedOut
            | Self::ClosedBeforeHead
            | Self::ResponseTimedOut
            | Self::BadResponse(_)
            | Self::ResponseHeadTooLarge
            | Self::BodyCut
            | Self::BodyTimedOut => Side::Backend,
        }
    }

    /// The word of logs and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::BadRequest(_) => reasons::BAD_REQUEST,
            Self::MethodRefused => reasons::METHOD_REFUSED,
            Self::RequestHeadTooLarge => reasons::REQUEST_HEAD_TOO_LARGE,
            Self::TargetTooLong => reasons::REQUEST_TARGET_TOO_LONG,
            Self::RequestBodyTooLarge => reasons::REQUEST_BODY_TOO_LARGE,
            Self::RequestBodyTimedOut => reasons::CLIENT_TIMED_OUT,
            Self::ClientLeft => reasons::CLIENT_LEFT_BEFORE_RESPONSE,
            Self::ExpectationUnknown => reasons::EXPECTATION_UNKNOWN,
            Self::RequestLoop => reasons::REQUEST_LOOP_DETECTED,
            Self::PlainHttpRejected => reasons::PLAIN_HTTP_REJECTED,
            Self::Misdirected => reasons::MISDIRECTED,
            Self::NoRoute => reasons::NO_ROUTE,
            Self::RouteBroken => reasons::ROUTE_BROKEN,
            Self::NoReadyEndpoint => reasons::FAILED_TO_PICK_BACKEND,
            Self::EndpointsFull => reasons::BACKEND_FULL,
            Self::OutOfResources => reasons::OUT_OF_RESOURCES,
            Self::ConnectFailed | Self::ConnectTimedOut => reasons::FAILED_TO_CONNECT_TO_BACKEND,
            Self::ClosedBeforeHead => reasons::BACKEND_CLOSED_BEFORE_DATA,
            Self::ResponseTimedOut | Self::RequestTimedOut => reasons::BACKEND_TIMEOUT,
            Self::BadResponse(_) | Self::ResponseHeadTooLarge => reasons::BACKEND_RESPONSE_INVALID,
            Self::BodyCut | Self::BodyTimedOut => reasons::BACKEND_CLOSED_AFTER_PART,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::BadRequest(why) => return write!(f, "the request is not valid: {why}"),
            Self::BadResponse(why) => return write!(f, "the backend's response is not valid: {why}"),
            Self::MethodRefused => "this method is not forwarded",
            Self::RequestHeadTooLarge => "the request's header fields are too large",
            Self::TargetTooLong => "the request's target is too long",
            Self::RequestBodyTooLarge => "the request's body is too large",
            Self::RequestBodyTimedOut => "the request's body did not arrive in time",
            Self::ClientLeft => "the client left",
            Self::ExpectationUnknown => "only Expect: 100-continue is known",
            Self::RequestLoop => "this request has come by here before, again and again",
            Self::PlainHttpRejected => "this address requires https",
            Self::Misdirected => "this connection is not for this host",
            Self::NoRoute => "no route is for this host and path",
            Self::RouteBroken => "the route for this request cannot be served",
            Self::NoReadyEndpoint => "no endpoint of the backend is ready",
            Self::EndpointsFull => "every endpoint of the backend is busy",
            Self::OutOfResources => "there is no room for another connection to a backend",
            Self::ConnectFailed => "the backend could not be reached",
            Self::ConnectTimedOut => "the backend did not accept a connection in time",
            Self::ClosedBeforeHead => "the backend closed the connection without an answer",
            Self::ResponseTimedOut => "the backend did not answer in time",
            Self::ResponseHeadTooLarge => "the backend's header fields are too large",
            Self::BodyCut => "the backend's answer was cut short",
            Self::BodyTimedOut => "the backend stopped in the middle of its answer",
            Self::RequestTimedOut => "the request took longer than it may",
        };
        f.write_str(text)
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for ProxyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ErrorKind::*;
    use crate::telemetry::reasons::{self, REASONS};

    #[test]
    fn every_word_is_explained_and_no_other() {
        let kinds = [
            BadRequest(""),
            MethodRefused,
            RequestHeadTooLarge,
            TargetTooLong,
            RequestBodyTooLarge,
            RequestBodyTimedOut,
            ClientLeft,
            ExpectationUnknown,
            RequestLoop,
            PlainHttpRejected,
            Misdirected,
            NoRoute,
            RouteBroken,
            NoReadyEndpoint,
            EndpointsFull,
            OutOfResources,
            ConnectFailed,
            ConnectTimedOut,
            ClosedBeforeHead,
            ResponseTimedOut,
            BadResponse(""),
            ResponseHeadTooLarge,
            BodyCut,
            BodyTimedOut,
            RequestTimedOut,
        ];
        // Of exchanges that were relayed: one that the client left, and one that failed by the backend's own word.
        let relayed = [reasons::CLIENT_LEFT_AFTER_PART, reasons::RESPONSE_SENT_BY_BACKEND];
        let used: BTreeSet<&str> = kinds.into_iter().map(super::ErrorKind::reason).chain(relayed).collect();
        assert_eq!(used, REASONS.iter().map(|reason| reason.word).collect());
    }
}
