//! What plain HTTP gets where TLS is expected: the listener's policy and the route's put together, and the https URL
//! that a redirect leads to.

use std::sync::Arc;

use super::Connection;
use super::request::Checked;
use crate::model::{PlainHttp, Protocol};
use crate::proxy::live::{Live, LiveRoute};
use crate::route::{Authority, in_url, plain_http};

/// What becomes of a request that came without TLS.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is forwarded.
    Forward,
    /// 426.
    Reject,
    /// It is sent to this URL.
    Redirect(String),
    /// The connection is closed.
    Close,
}

/// Decides for a request on a listener for plain HTTP.
pub fn decide(connection: &Connection, live: &Live, route: Option<&Arc<LiveRoute>>, checked: &Checked<'_>) -> Decision {
    let listener = match connection.listener.model.protocol {
        Protocol::Http { plain } => plain,
        // Cleartext on such a port never gets this far.
        Protocol::Https { .. } => Some(PlainHttp::Reject),
    };
    match plain_http(listener, route.and_then(|route| route.model.plain_http)) {
        PlainHttp::Allow => Decision::Forward,
        PlainHttp::Reject => Decision::Reject,
        PlainHttp::Close => Decision::Close,
        PlainHttp::Redirect => match https_url(connection, live, checked.authority.as_ref(), &checked.target) {
            Some(location) => Decision::Redirect(location),
            None => Decision::Reject,
        },
    }
}

/// The same place with https; `None` for a host that is not ours, which is never repeated to anybody.
pub fn https_url(connection: &Connection, live: &Live, authority: Option<&Authority<'_>>, target: &str) -> Option<String> {
    let authority = authority.filter(|authority| live.knows(&connection.listener, &authority.host))?;
    let host = in_url(&authority.host);
    let target = if target.starts_with('/') { target } else { "/" };
    Some(match https_port(connection, live, authority.port) {
        None => format!("https://{host}{target}"),
        Some(port) => format!("https://{host}:{port}{target}"),
    })
}

/// Where a client that wrote this port finds HTTPS, if not on the usual port. On a connection with TLS that is here. No
/// port stays no port; our own port for plain HTTP becomes our own for HTTPS; whatever else stands before us maps to the
/// port that is configured as public.
pub fn https_port(connection: &Connection, live: &Live, asked: Option<u16>) -> Option<u16> {
    let https = live.https_port;
    let port = match asked {
        None => None,
        Some(port) if connection.tls.is_some() => Some(port),
        Some(port) if port == connection.local.port() => https.map(|https| https.bound),
        Some(_) => https.and_then(|https| https.public).or(connection.listener.model.public_port),
    };
    port.filter(|port| *port != 443)
}
