//! What became of an exchange in the words of the cloud's load balancer, its `statusDetails`
//! (<https://cloud.google.com/load-balancing/docs/https/https-logging-monitoring>): for the log, and as a label, so the
//! vocabulary is closed. Our own words, which are more precise in places, are `ErrorKind`'s.

use http::StatusCode;

use crate::proxy::error::{ErrorKind, INVALID_HTTP2_PATH, MALFORMED_BODY, SECURE_URL, UPGRADE_WITH_BODY};

/// How far an exchange has come, and what stopped it.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Of the answer that has begun.
    pub status: Option<StatusCode>,
    /// Whether that is a backend's.
    pub from_backend: bool,
    /// What went wrong, before or after.
    pub error: Option<ErrorKind>,
    /// Whether the client wanted a WebSocket.
    pub websocket: bool,
}

/// The cloud's word.
pub fn word(ended: Ended) -> &'static str {
    match ended.error {
        Some(error) if ended.from_backend => of_cut(error),
        Some(error) => of_refusal(error),
        None if ended.from_backend => of_answer(ended),
        // A redirect of ours.
        None if ended.status.is_some() => "direct_response",
        None => "client_disconnected_before_any_response",
    }
}

fn of_answer(ended: Ended) -> &'static str {
    match ended.status {
        Some(StatusCode::SWITCHING_PROTOCOLS) => "websocket_closed",
        _ if ended.websocket => "websocket_handshake_failed",
        _ => "response_sent_by_backend",
    }
}

/// It went wrong after the head of the answer.
fn of_cut(error: ErrorKind) -> &'static str {
    match error {
        ErrorKind::ClientLeft => "client_disconnected_after_partial_response",
        ErrorKind::BodyCut | ErrorKind::ClosedBeforeHead => "backend_connection_closed_after_partial_response_sent",
        other => of_refusal(other),
    }
}

/// There is no answer but ours.
fn of_refusal(error: ErrorKind) -> &'static str {
    match error {
        ErrorKind::BadRequest(MALFORMED_BODY) => "malformed_chunked_body",
        ErrorKind::BadRequest(SECURE_URL) => "secure_url_rejected",
        ErrorKind::BadRequest(INVALID_HTTP2_PATH) => "invalid_http2_client_request_path",
        ErrorKind::BadRequest(UPGRADE_WITH_BODY) => "upgrade_header_rejected",
        ErrorKind::BadRequest(_) | ErrorKind::ExpectationUnknown => "invalid_request_headers",
        ErrorKind::MethodRefused => "unsupported_method",
        ErrorKind::RequestHeadTooLarge | ErrorKind::TargetTooLong => "headers_too_long",
        ErrorKind::RequestBodyTooLarge => "request_body_too_large",
        ErrorKind::RequestBodyTimedOut => "client_timed_out",
        ErrorKind::ClientLeft => "client_disconnected_before_any_response",
        // Answers that the configuration asks for. The cloud's 404 comes from a backend of its own, which is us here.
        ErrorKind::PlainHttpRejected | ErrorKind::Misdirected | ErrorKind::NoRoute => "direct_response",
        ErrorKind::RouteBroken => "config_not_found",
        ErrorKind::RequestLoop => "request_loop_detected",
        ErrorKind::NoReadyEndpoint | ErrorKind::EndpointsFull => "failed_to_pick_backend",
        ErrorKind::OutOfResources => "internal_error",
        ErrorKind::ConnectFailed | ErrorKind::ConnectTimedOut => "failed_to_connect_to_backend",
        ErrorKind::ClosedBeforeHead | ErrorKind::BodyCut => "backend_connection_closed_before_data_sent_to_client",
        ErrorKind::ResponseTimedOut | ErrorKind::BodyTimedOut | ErrorKind::RequestTimedOut => "backend_timeout",
        ErrorKind::BadResponse(_) => "backend_response_corrupted",
        ErrorKind::ResponseHeadTooLarge => "backend_response_headers_too_long",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_that_ended_has_the_clouds_word() {
        let ours = |error| Ended { status: None, from_backend: false, error: Some(error), websocket: false };
        let cut = |error| Ended { status: Some(StatusCode::OK), from_backend: true, error: Some(error), websocket: false };
        let answered = |status, websocket| Ended { status: Some(status), from_backend: true, error: None, websocket };
        for (ended, expected) in [
            (answered(StatusCode::NOT_FOUND, false), "response_sent_by_backend"),
            (answered(StatusCode::FORBIDDEN, true), "websocket_handshake_failed"),
            (answered(StatusCode::SWITCHING_PROTOCOLS, true), "websocket_closed"),
            (Ended { status: Some(StatusCode::FOUND), from_backend: false, error: None, websocket: false }, "direct_response"),
            (Ended { status: None, from_backend: false, error: None, websocket: false }, "client_disconnected_before_any_response"),
            (ours(ErrorKind::ClientLeft), "client_disconnected_before_any_response"),
            (cut(ErrorKind::ClientLeft), "client_disconnected_after_partial_response"),
            (ours(ErrorKind::RequestBodyTimedOut), "client_timed_out"),
            (cut(ErrorKind::BodyCut), "backend_connection_closed_after_partial_response_sent"),
            (ours(ErrorKind::ClosedBeforeHead), "backend_connection_closed_before_data_sent_to_client"),
            (ours(ErrorKind::ResponseTimedOut), "backend_timeout"),
            (cut(ErrorKind::BodyTimedOut), "backend_timeout"),
            (cut(ErrorKind::BadResponse("")), "backend_response_corrupted"),
            (ours(ErrorKind::ResponseHeadTooLarge), "backend_response_headers_too_long"),
            (ours(ErrorKind::NoReadyEndpoint), "failed_to_pick_backend"),
            (ours(ErrorKind::ConnectTimedOut), "failed_to_connect_to_backend"),
            (ours(ErrorKind::BadRequest(MALFORMED_BODY)), "malformed_chunked_body"),
            (ours(ErrorKind::BadRequest(INVALID_HTTP2_PATH)), "invalid_http2_client_request_path"),
            (ours(ErrorKind::BadRequest("its host is no host name")), "invalid_request_headers"),
            (ours(ErrorKind::MethodRefused), "unsupported_method"),
            (ours(ErrorKind::RequestHeadTooLarge), "headers_too_long"),
        ] {
            assert_eq!(word(ended), expected, "{ended:?}");
        }
    }
}
