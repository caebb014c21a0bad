//! Why an exchange was not simply relayed: the words of the access log, of `genkan_proxy_errors_total` and of the status
//! page, and what each means to whoever reads them. Where they come from decides which one it is.

/// A word and its meaning.
pub struct Reason {
    /// As log and metrics have it.
    pub word: &'static str,
    /// For people: what happened, and where to look.
    pub about: &'static str,
}

macro_rules! reasons {
    ($($name:ident $word:literal $about:literal)+) => {
        $(#[doc = $about] pub const $name: &str = $word;)+

        /// Every word there is.
        pub const REASONS: &[Reason] = &[$(Reason { word: $word, about: $about }),+];
    };
}

reasons! {
    NO_ROUTE "no_route" "No route is for this host and path."
    ROUTE_BROKEN "route_broken" "The route cannot be served as it is written; the report says why."
    PLAIN_HTTP_REJECTED "plain_http_rejected" "It came without TLS, where that is refused."
    MISDIRECTED "misdirected" "It came on a connection that was made for another host, with other TLS settings."
    FAILED_TO_PICK_BACKEND "failed_to_pick_backend" "No endpoint of the backend is ready; the health view says why."
    BACKEND_FULL "backend_full" "Every endpoint has as many requests as it may, and none became free in time."
    FAILED_TO_CONNECT_TO_BACKEND "failed_to_connect_to_backend" "The endpoint took no connection: refused, unreachable, or not in time."
    BACKEND_CLOSED_BEFORE_DATA "backend_connection_closed_before_data_sent_to_client" "The endpoint closed the connection before the head of its answer."
    BACKEND_CLOSED_AFTER_PART "backend_connection_closed_after_partial_response_sent" "The endpoint's answer ended too early, or stopped coming; the client got a part of it."
    BACKEND_TIMEOUT "backend_timeout" "The endpoint did not answer in time, or all of it took longer than the route allows."
    BACKEND_RESPONSE_INVALID "backend_response_invalid" "The endpoint's answer is no valid HTTP, or its head is too large."
    OUT_OF_RESOURCES "out_of_resources" "This process, or its machine, had no room for another connection: as many to backends as there may be, descriptors, ports, memory."
    BAD_REQUEST "bad_request" "The request is no valid HTTP, or an ambiguous one."
    METHOD_REFUSED "method_refused" "The method is never forwarded: CONNECT, TRACE."
    REQUEST_HEAD_TOO_LARGE "request_head_too_large" "The head is larger than limits.requestHead, or has too many fields."
    REQUEST_TARGET_TOO_LONG "request_target_too_long" "The path and query are longer than they may be."
    REQUEST_BODY_TOO_LARGE "request_body_too_large" "The body is larger than limits.requestBody."
    CLIENT_TIMED_OUT "client_timed_out" "The client stopped sending its request's body."
    CLIENT_LEFT_BEFORE_RESPONSE "client_disconnected_before_any_response" "The client left before it got anything."
    CLIENT_LEFT_AFTER_PART "client_disconnected_after_partial_response" "The client left, or stopped reading, in the middle of the answer."
    EXPECTATION_UNKNOWN "expectation_unknown" "It expects something else than 100-continue."
    REQUEST_LOOP_DETECTED "request_loop_detected" "It has come by here again and again: a route leads back to this process."
    RESPONSE_SENT_BY_BACKEND "response_sent_by_backend" "The backend itself answered with an error; its own log says why."
}

/// What a word means; nothing for one that is not ours.
pub fn meaning(word: &str) -> &'static str {
    REASONS.iter().find(|reason| reason.word == word).map_or("", |reason| reason.about)
}
