//! The fields that tell a backend about the client and the edge. What a client sends of them is dropped in `headers`,
//! so that these are ours alone.

use std::net::IpAddr;

use http::header::{HeaderMap, VIA};

use super::cloud_trace;
use super::ids::Ids;
use crate::model::Behaviour;

/// Who we are in `Via` (RFC 9110 section 7.6.3).
pub const VIA_NAME: &str = "genkan";
/// How we pass messages on.
pub const VIA_US: &str = "1.1 genkan";

/// What is the same for every request of a connection, written once.
pub struct Origin {
    /// Address and scheme in `X-Forwarded-*`.
    fields: String,
    /// The same as the cloud's load balancer has it: with the address that the client connected to.
    cloud: String,
    /// The same in `Forwarded`.
    element: String,
}

impl Origin {
    /// A client that spoke `https` or `http`.
    pub fn new(client: IpAddr, local: IpAddr, scheme: &'static str) -> Self {
        let (ip, local) = (client.to_canonical(), local.to_canonical());
        let element = match ip {
            IpAddr::V4(ip) => format!("forwarded: for={ip};proto={scheme}"),
            IpAddr::V6(ip) => format!("forwarded: for=\"[{ip}]\";proto={scheme}"),
        };
        let fields = |addresses: String| format!("x-forwarded-for: {addresses}\r\nx-forwarded-proto: {scheme}\r\n");
        Self { fields: fields(ip.to_string()), cloud: fields(format!("{ip},{local}")), element }
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
    /// Our span above it, where one is recorded.
    pub span: Option<u64>,
    /// As whom we forward.
    pub behaviour: Behaviour,
    /// Whether the client began the trace: its `tracestate` is passed on by itself.
    pub headers: &'a HeaderMap,
}

impl Forwarded<'_> {
    /// Appends the field lines.
    pub fn write(&self, out: &mut String) {
        let below = self.span.map(|span| self.ids.below(span));
        let ids = below.as_ref().unwrap_or(self.ids);
        let mut add = |parts: &[&str]| parts.iter().for_each(|part| out.push_str(part));
        let fields = match self.behaviour {
            Behaviour::Genkan => &self.origin.fields,
            Behaviour::Gke => &self.origin.cloud,
        };
        add(&[fields, "x-forwarded-port: ", &self.port.to_string(), "\r\n", &self.origin.element]);
        if !self.host.is_empty() {
            add(&[";host=\"", self.host, "\"\r\nx-forwarded-host: ", self.host]);
        }
        add(&["\r\nx-request-id: ", ids.request(), "\r\ntraceparent: ", ids.traceparent(), "\r\nvia: "]);
        for hop in self.headers.get_all(VIA).iter().filter_map(|hop| hop.to_str().ok()) {
            add(&[hop, ", "]);
        }
        add(&[VIA_US, "\r\n"]);
        if self.behaviour == Behaviour::Gke && !cloud_trace::passes(self.headers) {
            out.push_str("x-cloud-trace-context: ");
            cloud_trace::write(ids, out);
            out.push_str("\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::proxy::random::Random;

    fn written(client: &str, host: &str, behaviour: Behaviour) -> String {
        let headers = HeaderMap::from_iter([(VIA, HeaderValue::from_static("1.0 before"))]);
        let ids = Ids::of(&headers, &Random::seeded(1));
        let mut out = String::new();
        let origin = Origin::new(client.parse().unwrap(), "192.0.2.9".parse().unwrap(), "https");
        Forwarded { origin: &origin, host, port: 443, ids: &ids, span: None, behaviour, headers: &headers }.write(&mut out);
        out
    }

    #[test]
    fn a_backend_learns_client_scheme_host_and_port() {
        let out = written("::ffff:192.0.2.1", "shop.test:8443", Behaviour::Genkan);
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
    fn the_cloud_appends_its_own_address_and_names_the_trace() {
        let out = written("192.0.2.1", "shop.test", Behaviour::Gke);
        assert!(out.starts_with("x-forwarded-for: 192.0.2.1,192.0.2.9\r\n"), "{out}");
        let trace = out.lines().find_map(|line| line.strip_prefix("x-cloud-trace-context: ")).unwrap();
        let (id, span) = trace.split_once('/').unwrap();
        assert!(id.len() == 32 && span.parse::<u64>().is_ok(), "{trace}");
        assert!(out.contains(&format!("traceparent: 00-{id}-")));
    }

    #[test]
    fn addresses_of_version_6_are_quoted() {
        assert!(written("2001:db8::1", "", Behaviour::Genkan).contains("forwarded: for=\"[2001:db8::1]\";proto=https\r\n"));
    }
}
