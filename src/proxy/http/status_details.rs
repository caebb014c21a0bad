//! What the cloud's load balancer would write in `statusDetails` about an exchange
//! (<https://cloud.google.com/load-balancing/docs/https/https-logging-monitoring#statusdetail_http_success_messages>).
//! Its words, so that queries that are saved there find the same thing here.

use http::StatusCode;

use crate::proxy::error::ErrorKind;

/// The word for how an exchange went.
pub fn word(error: Option<ErrorKind>, status: Option<StatusCode>, from_backend: bool) -> &'static str {
    match (error, status) {
        (None, Some(StatusCode::SWITCHING_PROTOCOLS)) => "websocket_closed",
        (None, Some(_)) if from_backend => "response_sent_by_backend",
        (None, Some(_)) => "direct_response",
        (None, None) => "client_disconnected_before_any_response",
        (Some(error), status) => of_error(error, status),
    }
}

fn of_error(error: ErrorKind, status: Option<StatusCode>) -> &'static str {
    match error {
        ErrorKind::NoReadyEndpoint | ErrorKind::EndpointsFull | ErrorKind::OutOfResources | ErrorKind::RouteBroken => "failed_to_pick_backend",
        ErrorKind::ConnectFailed | ErrorKind::ConnectTimedOut => "failed_to_connect_to_backend",
        ErrorKind::ResponseTimedOut | ErrorKind::RequestTimedOut | ErrorKind::BodyTimedOut => "backend_timeout",
        ErrorKind::ClosedBeforeHead => "backend_connection_closed_before_data_sent_to_client",
        ErrorKind::BodyCut => "backend_connection_closed_after_partial_response_sent",
        ErrorKind::BadResponse(_) => "backend_response_corrupted",
        ErrorKind::ResponseHeadTooLarge => "backend_response_headers_too_long",
        ErrorKind::ClientLeft if status.is_none() => "client_disconnected_before_any_response",
        ErrorKind::ClientLeft => "client_disconnected_after_partial_response",
        ErrorKind::RequestBodyTimedOut => "client_timed_out",
        ErrorKind::RequestHeadTooLarge => "headers_too_long",
        ErrorKind::BadRequest(_) => "invalid_request_headers",
        ErrorKind::MethodRefused => "unsupported_method",
        ErrorKind::RequestBodyTooLarge => "request_body_too_large",
        ErrorKind::ExpectationUnknown => "unsupported_100_continue",
        ErrorKind::Misdirected | ErrorKind::NoRoute | ErrorKind::PlainHttpRejected => "direct_response",
    }
}
