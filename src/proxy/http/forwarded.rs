//! The fields that tell a backend about the client and the edge. What a client sends of them is dropped in `headers`,
//! so that these are ours alone.

use std::net::IpAddr;

use http::header::{HeaderMap, VIA};

use super::ids::Ids;

/// Who we are in `Via` (RFC 9110 section 7.6.3).
const VIA_US: &str = "1.1 genkan";

/// What is the same for every request of a connection, written once.
pub struct Origin {
    /// Address and scheme in `X-Forwarded-*`.
    fields: String,
    /// The same in `Forwarded`.
    element: String,
}

impl Origin {
    /// A client that spoke `https` or `http`.
    pub fn new(client: IpAddr, scheme: &'static str) -> Self {
        let ip = client.to_canonical();
        let element = match ip {
            IpAddr::V4(ip) => format!("forwarded: for={ip};proto={scheme}"),
            IpAddr::V6(ip) => format!("forwarded: for=\"[{ip}]\";proto={scheme}"),
        };
        Self { fields: format!("x-forwarded-for: {ip}\r\nx-forwarded-proto: {scheme}\r\n"), element }
    }
}

/// What a backend is told.
pub struct Forwarded<'a> {
    /// Where the request came from.
    pub origin: &'a Origin,
    /// The host that the client asked for.
    pub host: &'a str,
    /// The port that it asked on.
    pub port: u16,
    /// Who the exchange is.
    pub ids: &'a Ids,
    /// Whether the client began the trace: its `tracestate` is passed on by itself.
    pub headers: &'a HeaderMap,
}

impl Forwarded<'_> {
    /// Appends the field lines.
    pub fn write(&self, out: &mut String) {
        let mut add = |parts: &[&str]| parts.iter().for_each(|part| out.push_str(part));
        add(&[&self.origin.fields, "x-forwarded-port: ", &self.port.to_string(), "\r\n", &self.origin.element]);
        if !self.host.is_empty() {
            add(&[";host=\"", self.host, "\"\r\nx-forwarded-host: ", self.host]);
        }
        add(&["\r\nx-request-id: ", self.ids.request(), "\r\ntraceparent: ", self.ids.traceparent(), "\r\nvia: "]);
        for hop in self.headers.get_all(VIA).iter().filter_map(|hop| hop.to_str().ok()) {
            add(&[hop, ", "]);
        }
        add(&[VIA_US, "\r\n"]);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::proxy::random::Random;

    fn written(client: &str, host: &str) -> String {
        let headers = HeaderMap::from_iter([(VIA, HeaderValue::from_static("1.0 before"))]);
        let ids = Ids::of(&headers, &Random::seeded(1));
        let mut out = String::new();
        let origin = Origin::new(client.parse().unwrap(), "https");
        Forwarded { origin: &origin, host, port: 443, ids: &ids, headers: &headers }.write(&mut out);
        out
    }

    #[test]
    fn a_backend_learns_client_scheme_host_and_port() {
        let out = written("::ffff:192.0.2.1", "shop.test:8443");
        for line in [
            "x-forwarded-for: 192.0.2.1\r\n",
            "x-forwarded-proto: https\r\n",
            "x-forwarded-port: 443\r\n",
            "x-forwarded-host: shop.test:8443\r\n",
            "forwarded: for=192.0.2.1;proto=https;host=\"shop.test:8443\"\r\n",
            "via: 1.0 before, 1.1 genkan\r\n",
        ] {
            assert!(out.contains(line), "{line} in {out}");
        }
        assert!(out.ends_with("\r\n") && !out.contains("\r\n\r\n"));
    }

    #[test]
    fn addresses_of_version_6_are_quoted() {
        assert!(written("2001:db8::1", "").contains("forwarded: for=\"[2001:db8::1]\";proto=https\r\n"));
    }
}
