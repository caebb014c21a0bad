//! What is known of a request's connection, for the variables of a template. Whatever a client has put there, it never
//! ends a line.

use std::net::SocketAddr;

use http::Version;
use http::header::{HeaderMap, HeaderValue, ORIGIN};

use crate::model::{Part, Template, Variable};
use crate::proxy::http::TlsFacts;

/// Where variables come from.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Who asks.
    pub client: SocketAddr,
    /// Where it came in.
    pub local: SocketAddr,
    /// What was negotiated; `None` for plain HTTP.
    pub tls: Option<&'a TlsFacts>,
    /// Of the request.
    pub version: Version,
    /// Of the request, as sent.
    pub headers: &'a HeaderMap,
}

impl Facts<'_> {
    /// A template with its variables filled in; nothing for what is not known.
    pub fn fill(&self, template: &Template) -> HeaderValue {
        let mut value = Vec::new();
        for part in &template.0 {
            match part {
                Part::Text(text) => value.extend_from_slice(text.as_bytes()),
                Part::Variable(variable) => self.write(*variable, &mut value),
            }
        }
        // RFC 9110 section 5.5: what could end a line, or be read as its end, has no place in it.
        value.retain(|byte| *byte == b'\t' || !byte.is_ascii_control());
        HeaderValue::from_bytes(value.trim_ascii()).unwrap_or(HeaderValue::from_static(""))
    }

    fn write(&self, variable: Variable, out: &mut Vec<u8>) {
        let mut put = |text: &str| out.extend_from_slice(text.as_bytes());
        match variable {
            Variable::ClientIpAddress => put(&self.client.ip().to_canonical().to_string()),
            Variable::ClientPort => put(&self.client.port().to_string()),
            Variable::ClientEncrypted => put(if self.tls.is_some() { "true" } else { "false" }),
            Variable::ClientProtocol => put(protocol(self.version)),
            Variable::OriginRequestHeader => out.extend_from_slice(self.headers.get(ORIGIN).map_or(b"", HeaderValue::as_bytes)),
            Variable::ServerIpAddress => put(&self.local.ip().to_canonical().to_string()),
            Variable::ServerPort => put(&self.local.port().to_string()),
            Variable::TlsSniHostname => put(self.tls.and_then(|tls| tls.server_name.as_deref()).unwrap_or_default()),
            Variable::TlsVersion => put(self.tls.map_or("", |tls| tls.version)),
            Variable::TlsCipherSuite => put(&self.tls.and_then(|tls| tls.cipher_suite).map(|suite| format!("{suite:04X}")).unwrap_or_default()),
            Variable::Unknown => {}
        }
    }
}

/// HTTP/2 has no minor version (RFC 9113 section 1).
fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TlsPolicy;

    fn filled(template: &str, tls: Option<&TlsFacts>, headers: &HeaderMap) -> HeaderValue {
        let facts = Facts {
            client: "[::ffff:192.0.2.1]:4711".parse().unwrap(),
            local: "[2001:db8::1]:443".parse().unwrap(),
            tls,
            version: Version::HTTP_2,
            headers,
        };
        facts.fill(&Template::parse(template, |name| Some(Variable::named(name).unwrap_or(Variable::Unknown))).unwrap())
    }

    #[test]
    fn every_variable_is_filled_in() {
        let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://a.test"))]);
        let tls = TlsFacts {
            version: "TLSv1.3",
            cipher_suite: Some(0x1301),
            server_name: Some("b.test".to_owned()),
            policy: TlsPolicy::default(),
            resumed: false,
        };
        for (template, encrypted, plain) in [
            ("{client_ip_address}:{client_port}", "192.0.2.1:4711", "192.0.2.1:4711"),
            ("{server_ip_address} {server_port}", "2001:db8::1 443", "2001:db8::1 443"),
            ("{client_encrypted}", "true", "false"),
            ("{client_protocol}", "HTTP/2", "HTTP/2"),
            ("{origin_request_header}", "https://a.test", "https://a.test"),
            ("{tls_sni_hostname}", "b.test", ""),
            ("{tls_version}", "TLSv1.3", ""),
            ("{tls_cipher_suite}", "1301", ""),
            ("a{client_region}b", "ab", "ab"),
        ] {
            assert_eq!(filled(template, Some(&tls), &headers), encrypted, "{template}");
            assert_eq!(filled(template, None, &headers), plain, "{template}");
        }
    }

    #[test]
    fn no_variable_can_end_a_line() {
        let tls = TlsFacts {
            version: "TLSv1.3",
            cipher_suite: None,
            server_name: Some("a\r\nx: y\0\x7f".to_owned()),
            policy: TlsPolicy::default(),
            resumed: false,
        };
        assert_eq!(filled("{tls_sni_hostname}", Some(&tls), &HeaderMap::new()), "ax: y");
    }
}
