//! A running edge: where it is, and what its answers say.

use std::path::Path;
use std::sync::Arc;

use http::HeaderName;
use http::header::LOCATION;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::super::Refusal;
use super::cases::Case;
use super::client::{self, Answer, Failure, Request};
use super::compare::{Observed, Seen};
use super::tls;
use crate::control::compile::certificate_names;
use crate::explain::Asked;

/// Where cases are sent.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    host: String,
    https: u16,
    http: u16,
    connect_to: Vec<ConnectTo>,
    tls: Arc<ClientConfig>,
}

/// curl's `--connect-to`; `None` on the left is any, on the right the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConnectTo {
    from: Place,
    to: Place,
}

type Place = (Option<String>, Option<u16>);

impl ConnectTo {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || "write HOST:PORT:HOST:PORT, each of which may be empty".to_owned();
        let (from, rest) = place(text).ok_or_else(wrong)?;
        let (to, rest) = rest.strip_prefix(':').and_then(place).ok_or_else(wrong)?;
        if rest.is_empty() { Ok(Self { from, to }) } else { Err(wrong()) }
    }

    fn is_for(&self, host: &str, port: u16) -> bool {
        self.from.0.as_ref().is_none_or(|from| from.eq_ignore_ascii_case(host)) && self.from.1.is_none_or(|from| from == port)
    }
}

/// `HOST:PORT` in front of a text, and what follows.
fn place(text: &str) -> Option<(Place, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => text.split_at(text.find(':')?),
    };
    let rest = rest.strip_prefix(':')?;
    let (port, rest) = rest.split_at(rest.find(':').unwrap_or(rest.len()));
    let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
    Some((((!host.is_empty()).then(|| host.to_owned()), port), rest))
}

impl Edge {
    pub(super) fn new(url: &str, connect_to: Vec<ConnectTo>, authorities: Option<&Path>) -> Result<Self, Refusal> {
        let wrong = |why: &str| Refusal::usage(format!("--against: {why}"));
        let Asked { https, host, port, target, .. } = Asked::parse(None, url, &[], None).map_err(|why| wrong(&why))?;
        if target != "/" {
            return Err(wrong(&format!("{url} has a path; the cases have theirs")).help("write https://HOST[:PORT]"));
        }
        let of = |scheme: bool, well_known| port.filter(|_| https == scheme).unwrap_or(well_known);
        Ok(Self { host, https: of(true, 443), http: of(false, 80), connect_to, tls: tls::config(authorities)? })
    }

    /// Where a case is sent.
    fn address(&self, https: bool) -> (&str, u16) {
        let (host, port) = (self.host.as_str(), if https { self.https } else { self.http });
        let rule = self.connect_to.iter().find(|rule| rule.is_for(host, port));
        rule.map_or((host, port), |ConnectTo { to, .. }| (to.0.as_deref().unwrap_or(host), to.1.unwrap_or(port)))
    }

    /// Sends a case and looks at the answer.
    pub(super) fn observe(&self, case: &Case) -> Observed {
        let asked = &case.asked;
        let tls = asked.https.then(|| self.tls.clone()).zip(server_name(asked));
        let request = Request { address: self.address(asked.https), tls, asked, body: &case.body };
        let mut observed = match client::send(&request) {
            Ok(answer) => answered(answer),
            Err(failure) => failed(&failure),
        };
        // Where it is kept is not seen from outside.
        if case.expect.certificate.as_ref().is_some_and(|certificate| certificate.contains('/')) {
            observed.certificate = Seen::Hidden;
        }
        observed
    }
}

/// The case's, not the edge's.
fn server_name(asked: &Asked) -> Option<ServerName<'static>> {
    let name = asked.asked_name().unwrap_or(&asked.host);
    ServerName::try_from(name.to_owned()).ok()
}

fn answered(answer: Answer) -> Observed {
    let mut headers: Vec<(HeaderName, Seen)> = Vec::new();
    for (name, value) in answer.headers {
        match headers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, Seen::Values(values))) => values.push(value),
            _ => headers.push((name, Seen::Values(vec![value]))),
        }
    }
    let absent = || Seen::Nothing("absent".to_owned());
    Observed {
        status: Seen::Values(vec![answer.status.to_string()]),
        location: headers.iter().find(|(name, _)| name == LOCATION).map_or_else(absent, |(_, seen)| seen.clone()),
        headers,
        other_headers: absent(),
        backend: Seen::Hidden,
        certificate: match answer.certificate {
            Some(certificate) => Seen::Values(certificate_names(&certificate).iter().map(ToString::to_string).collect()),
            None => Seen::Nothing("none: plain HTTP has no handshake".to_owned()),
        },
        reason: Seen::Hidden,
        text: None,
    }
}

/// There is nothing that a case could rightly expect, unless it is just this.
fn failed(failure: &Failure) -> Observed {
    let nothing = || Seen::Nothing(format!("no answer: {failure}"));
    let reason = match failure {
        Failure::Handshake(_) => Seen::Values(vec![HANDSHAKE_REFUSED.to_owned()]),
        Failure::Connection(_) | Failure::Answer(_) => nothing(),
    };
    Observed {
        status: nothing(),
        headers: Vec::new(),
        other_headers: nothing(),
        location: nothing(),
        backend: Seen::Hidden,
        certificate: nothing(),
        reason,
        text: Some(failure.to_string()),
    }
}

/// The one reason that is seen from outside.
const HANDSHAKE_REFUSED: &str = "handshake_refused";

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(url: &str, rules: &[&str]) -> Edge {
        Edge::new(url, rules.iter().map(|rule| ConnectTo::parse(rule).unwrap()).collect(), None).unwrap_or_else(|refusal| panic!("{refusal:?}"))
    }

    #[test]
    fn each_scheme_has_its_port() {
        for (url, https, http) in [
            ("https://a.test", ("a.test", 443), ("a.test", 80)),
            ("https://a.test:8443/", ("a.test", 8443), ("a.test", 80)),
            ("http://[::1]:8080", ("::1", 443), ("::1", 8080)),
        ] {
            let edge = edge(url, &[]);
            assert_eq!((edge.address(true), edge.address(false)), (https, http), "{url}");
        }
        for url in ["https://a.test/b", "ftp://a.test", "https://"] {
            assert!(Edge::new(url, Vec::new(), None).is_err(), "{url}");
        }
    }

    #[test]
    fn places_are_rewritten_as_curl_does_it() {
        for (rules, https, http) in [
            (&["::b.test:1"][..], ("b.test", 1), ("b.test", 1)),
            (&[":443:b.test:"], ("b.test", 443), ("a.test", 80)),
            (&["A.test:80::8080"], ("a.test", 443), ("a.test", 8080)),
            (&["c.test::b.test:1"], ("a.test", 443), ("a.test", 80)),
            (&["a.test:443:[::1]:2", "::b.test:1"], ("::1", 2), ("b.test", 1)),
        ] {
            let edge = edge("https://a.test", rules);
            assert_eq!((edge.address(true), edge.address(false)), (https, http), "{rules:?}");
        }
        for rule in ["", "a", "a:1", "a:1:b", "a:1:b:c", "a:1:b:2:c", "[::1:1:b:2"] {
            assert!(ConnectTo::parse(rule).is_err(), "{rule}");
        }
    }
}
