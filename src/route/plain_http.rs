//! What plain HTTP gets where TLS is expected: the listener's policy and the route's put together.

use crate::model::PlainHttp;

/// A policy of the listener is the ceiling for forwarding: a route may still redirect there, but is forwarded only where
/// the listener allows it or says nothing.
pub fn plain_http(listener: Option<PlainHttp>, route: Option<PlainHttp>) -> PlainHttp {
    match (listener, route) {
        (None, route) => route.unwrap_or(PlainHttp::Reject),
        (Some(PlainHttp::Allow), route) => route.unwrap_or(PlainHttp::Allow),
        (Some(PlainHttp::Reject), Some(PlainHttp::Redirect)) => PlainHttp::Redirect,
        (Some(listener), _) => listener,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_the_ceiling() {
        use PlainHttp::{Allow, Close, Redirect, Reject};
        for (listener, route, expected) in [
            (None, None, Reject),
            (None, Some(Allow), Allow),
            (None, Some(Redirect), Redirect),
            (Some(Allow), None, Allow),
            (Some(Allow), Some(Redirect), Redirect),
            (Some(Allow), Some(Reject), Reject),
            (Some(Reject), Some(Allow), Reject),
            (Some(Reject), Some(Redirect), Redirect),
            (Some(Redirect), Some(Allow), Redirect),
            (Some(Close), Some(Redirect), Close),
        ] {
            assert_eq!(plain_http(listener, route), expected, "{listener:?} {route:?}");
        }
    }
}
