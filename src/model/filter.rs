//! What is changed about a request on its way to a backend, and about the answer on its way back: HTTPRoute's header
//! modifiers, whose values may name what is known of the connection. Applying them is the business of `proxy`.

use std::fmt;

use http::{HeaderName, header};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// To the fields of the request.
    RequestHeaders(HeaderModifier),
    /// To the fields of the answer.
    ResponseHeaders(HeaderModifier),
}

/// HTTPRoute's `HTTPHeaderFilter`: remove, then set, then add.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderModifier {
    /// Replaces every field of the name.
    pub set: Vec<(HeaderName, Template)>,
    /// Comes after the fields of the name.
    pub add: Vec<(HeaderName, Template)>,
    /// Takes every field of the name away.
    pub remove: Vec<HeaderName>,
}

/// A text with variables in it, as in `X-Client: {client_ip_address}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    Text(String),
    /// What is known at that moment; nothing if it is not.
    Variable(Variable),
}

/// What a template may name: the variables of the cloud's custom headers that a proxy knows by itself
/// (<https://cloud.google.com/load-balancing/docs/custom-headers>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// Of the client, without a port.
    ClientIpAddress,
    /// Of the client.
    ClientPort,
    /// `true` over TLS, else `false`.
    ClientEncrypted,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    ClientProtocol,
    /// The request's `Origin` field.
    OriginRequestHeader,
    /// The address that the client connected to.
    ServerIpAddress,
    /// The port that the client connected to.
    ServerPort,
    /// The server name that the client asked for in its handshake.
    TlsSniHostname,
    /// `TLSv1.2` or `TLSv1.3`.
    TlsVersion,
    /// By the four hexadecimal digits that IANA has for it, as in `1301`.
    TlsCipherSuite,
    /// One that only a database or another machine knows: always nothing.
    Unknown,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidTemplate {
    /// A brace that is opened and not closed, or the other way round.
    Brace,
    /// A name that means nothing.
    Variable(String),
    /// A character that no field may have (RFC 9110 section 5.5).
    Character,
}

/// Whether a filter may change a field. It may not touch what frames a message or belongs to one connection (RFC 9110
/// section 7.6.1): whoever comes next would read another message than was sent.
pub fn may_be_changed(name: &HeaderName) -> bool {
    match *name {
        header::HOST
        | header::CONTENT_LENGTH
        | header::TRANSFER_ENCODING
        | header::CONNECTION
        | header::UPGRADE
        | header::TE
        | header::TRAILER
        | header::EXPECT
        | header::PROXY_AUTHENTICATE => false,
        _ => !matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings"),
    }
}

impl Variable {
    /// Every variable that is filled in, with its name.
    pub const ALL: [(&'static str, Self); 10] = [
        ("client_ip_address", Self::ClientIpAddress),
        ("client_port", Self::ClientPort),
        ("client_encrypted", Self::ClientEncrypted),
        ("client_protocol", Self::ClientProtocol),
        ("origin_request_header", Self::OriginRequestHeader),
        ("server_ip_address", Self::ServerIpAddress),
        ("server_port", Self::ServerPort),
        ("tls_sni_hostname", Self::TlsSniHostname),
        ("tls_version", Self::TlsVersion),
        ("tls_cipher_suite", Self::TlsCipherSuite),
    ];

    /// The variable of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, variable)| *variable)
    }
}

impl Template {
    /// Parses a text; `{name}` is a variable. A name that `known` does not know is an error.
    pub fn parse(text: &str, known: impl Fn(&str) -> Option<Variable>) -> Result<Self, InvalidTemplate> {
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(InvalidTemplate::Character);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (name, after) = brace.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or(InvalidTemplate::Brace)?;
            if name.contains('{') {
                return Err(InvalidTemplate::Brace);
            }
            parts.push(Part::Variable(known(name).ok_or_else(|| InvalidTemplate::Variable(name.to_owned()))?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for InvalidTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brace => f.write_str("a brace stands alone; variables are written {name}"),
            Self::Variable(name) => write!(f, "there is no variable {{{name}}}"),
            Self::Character => f.write_str("a field cannot hold control characters"),
        }
    }
}

impl std::error::Error for InvalidTemplate {}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Variable(variable) => write!(f, "{{{variable}}}"),
        })
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, known)| known == self).map_or("unknown", |(name, _)| name);
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_texts_with_variables() {
        for text in ["", "plain", "{client_port}", "a {client_ip_address}:{client_port} b"] {
            assert_eq!(Template::parse(text, Variable::named).unwrap().to_string(), text);
        }
        assert_eq!(Template::parse("a{tls_version}", Variable::named).unwrap().0.len(), 2);
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (text, why) in [
            ("{client_port", InvalidTemplate::Brace),
            ("client_port}", InvalidTemplate::Brace),
            ("{{client_port}}", InvalidTemplate::Brace),
            ("{client_prot}", InvalidTemplate::Variable("client_prot".to_owned())),
            ("a\r\nb", InvalidTemplate::Character),
        ] {
            assert_eq!(Template::parse(text, Variable::named), Err(why), "{text}");
        }
        assert_eq!(Template::parse("{asn}", |_| Some(Variable::Unknown)).unwrap().0, [Part::Variable(Variable::Unknown)]);
    }
}
