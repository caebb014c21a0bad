//! The scalars of the configuration file: durations as the Gateway API writes them, Kubernetes quantities, addresses,
//! hosts, and words like `auto`. Each is parsed once, here, with a text that says what to write instead.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use crate::model::{Host, HostPattern, SocketAddress};

/// A Gateway API duration (GEP-2257): up to four pairs of a number and `h`, `m`, `s` or `ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(pub Duration);

/// A [`Period`] that is more than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PositivePeriod(pub Duration);

/// A [`Period`] where `0s` means that there is no limit, which is [`Duration::MAX`] here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalLimit(pub Duration);

/// A Kubernetes quantity of bytes: `65536`, `64Ki`, `10M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(pub u64);

/// A [`Quantity`] that a head may have: from 1 KiB, below which no browser gets through, to 16 MiB, because heads are
/// buffered whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadBytes(pub usize);

/// A port from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
pub struct PortNumber(#[schemars(range(min = 1))] pub u16);

/// A share from 0 to the Gateway API's 1000000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub struct Weight(#[schemars(range(max = 1_000_000))] pub u32);

/// A count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
pub struct Positive(#[schemars(range(min = 1))] pub u32);

/// A share from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u8")]
pub struct Percent(#[schemars(range(max = 100))] pub u8);

/// Path and query that a probe asks for; with a leading slash, and nothing in it that would end a request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbePath(pub String);

/// A host without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(pub Host);

/// A number, or a word that stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrWord<T, const WORD: usize>(pub Option<T>);

/// `auto` or a number above 0.
pub type OrAuto<T> = OrWord<T, 0>;
/// `unlimited` or a number above 0.
pub type OrUnlimited<T> = OrWord<T, 1>;
/// The words of [`OrWord`].
const WORDS: [&str; 2] = ["auto", "unlimited"];

/// Where to listen; `off` for nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub Option<SocketAddress>);

/// An endpoint as written: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointText {
    /// A DNS name or an address.
    pub host: Host,
    /// Where it listens.
    pub port: u16,
}

/// A backend as a route names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendName {
    /// One of `backends`.
    Name(String),
    /// A URL: a backend of one endpoint with every default.
    Url(EndpointText),
}

/// A host, or `*.` and a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostText(pub HostPattern);

impl Period {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Duration, String> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("`{text}` has no unit; write {text}s or {text}ms"));
        }
        let wrong = || format!("`{text}` is no duration; write numbers with h, m, s or ms, as in 1h30m or 250ms");
        let mut total = Duration::ZERO;
        let mut rest = text;
        for _ in 0..4 {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| (1..=5).contains(digits)).ok_or_else(wrong)?;
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let (unit, after) =
                ["ms", "h", "m", "s"].into_iter().find_map(|unit| rest[digits..].strip_prefix(unit).map(|after| (unit, after))).ok_or_else(wrong)?;
            total += match unit {
                "ms" => Duration::from_millis(number),
                "s" => Duration::from_secs(number),
                "m" => Duration::from_secs(number * 60),
                _ => Duration::from_secs(number * 3600),
            };
            if after.is_empty() {
                return Ok(total);
            }
            rest = after;
        }
        Err(wrong())
    }
}

impl Quantity {
    /// Parses the text form (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>).
    pub fn parse(text: &str) -> Result<u64, String> {
        let wrong = || format!("`{text}` is no size; write bytes or a Kubernetes quantity, as in 64Ki or 10M");
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let factor: u64 = match &text[digits..] {
            "" => 1,
            "k" => 1000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return Err(wrong()),
        };
        let (whole, fraction) = text[..digits].split_once('.').unwrap_or((&text[..digits], ""));
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let part = match fraction {
            "" if !text.contains('.') => 0,
            digits if (1..=9).contains(&digits.len()) && !digits.contains('.') => {
                let numerator: u128 = digits.parse().map_err(|_| wrong())?;
                u64::try_from(numerator * u128::from(factor) / 10_u128.pow(u32::try_from(digits.len()).unwrap_or(0))).map_err(|_| wrong())?
            }
            _ => return Err(wrong()),
        };
        whole.checked_mul(factor).and_then(|bytes| bytes.checked_add(part)).ok_or_else(wrong)
    }
}

impl HeadBytes {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, String> {
        match usize::try_from(Quantity::parse(text)?) {
            Ok(bytes) if (1 << 10..=16 << 20).contains(&bytes) => Ok(Self(bytes)),
            _ => Err(format!("`{text}` is out of bounds for a head, which is buffered whole; write a size from 1Ki to 16Mi")),
        }
    }
}

impl ProbePath {
    /// Parses a path with an optional query. The slash in front may be missing, as kubelet has it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().any(|b| !b.is_ascii_graphic() || b == b'#') {
            return Err(format!("`{}` is no path for a request; write it percent-encoded, as in /healthz?full=1", text.escape_debug()));
        }
        Ok(Self(if text.starts_with('/') { text.to_owned() } else { format!("/{text}") }))
    }

    /// A path from anywhere, with what no request line may hold percent-encoded.
    pub fn encode(text: &str) -> Self {
        let mut path = String::with_capacity(text.len() + 1);
        if !text.starts_with('/') {
            path.push('/');
        }
        for byte in text.bytes() {
            match byte {
                b'#' => path.push_str("%23"),
                graphic if graphic.is_ascii_graphic() => path.push(char::from(graphic)),
                other => path.push_str(&format!("%{other:02X}")),
            }
        }
        Self(path)
    }
}

impl TryFrom<u16> for PortNumber {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        if number == 0 { Err("0 is no port; write a number from 1 to 65535") } else { Ok(Self(number)) }
    }
}

impl TryFrom<u32> for Positive {
    type Error = &'static str;

    fn try_from(count: u32) -> Result<Self, Self::Error> {
        if count > 0 { Ok(Self(count)) } else { Err("write a number from 1") }
    }
}

impl TryFrom<u8> for Percent {
    type Error = &'static str;

    fn try_from(share: u8) -> Result<Self, Self::Error> {
        if share <= 100 { Ok(Self(share)) } else { Err("a share is a number from 0 to 100") }
    }
}

impl TryFrom<u32> for Weight {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number <= 1_000_000 { Ok(Self(number)) } else { Err(format!("the weight {number} is too large; write a number from 0 to 1000000")) }
    }
}

impl Listen {
    /// Parses `ADDRESS:PORT`, a port, or `off`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        match SocketAddress::parse(text) {
            Some(address) => Ok(Self(Some(address))),
            None => Err(format!("`{text}` is no address to listen on; write ADDRESS:PORT as in [::]:8443 or 127.0.0.1:8443, a port, or off")),
        }
    }
}

impl EndpointText {
    /// Parses `HOST:PORT`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no endpoint; write HOST:PORT, as in 127.0.0.1:8080 or web.internal:8080");
        if text.contains("://") {
            return Err(wrong());
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return Err(wrong());
        }
        let host = Host::parse(host).map_err(|why| format!("`{text}` is no endpoint: {why}"))?;
        Ok(Self { host, port })
    }
}

impl BackendName {
    /// Parses a name or an `http://` URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => Err("a backend name cannot be empty".to_owned()),
                name => Ok(Self::Name(name.to_owned())),
            };
        };
        match scheme {
            "http" => {}
            "https" | "h2c" => return Err(format!("{}backends that speak {scheme}", super::NOT_YET)),
            _ => return Err(format!("`{text}` is no backend URL; write http://HOST:PORT")),
        }
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if place.contains(['/', '?', '#', '@']) {
            return Err(format!("`{text}` has more than a host and a port; write http://HOST:PORT"));
        }
        let with_port =
            if place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) { place.to_owned() } else { format!("{place}:80") };
        EndpointText::parse(&with_port).map(Self::Url)
    }
}

impl fmt::Display for EndpointText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.as_str().contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Url(endpoint) => write!(f, "http://{endpoint}"),
        }
    }
}

/// Gives a type that is parsed from a text its serde and schema sides.
macro_rules! text_value {
    ($type:ty, $name:literal, $pattern:literal, $description:literal, $parse:expr) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                $parse(&text).map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": ["string", "integer"], "pattern": $pattern, "description": $description })
            }
        }
    };
}

text_value!(Period, "Duration", "^([0-9]{1,5}(h|m|s|ms)){1,4}$", "A duration as the Gateway API writes it: 250ms, 30s, 1h30m.", |text: &str| {
    Self::parse(text).map(Self)
});
text_value!(
    PositivePeriod,
    "PositiveDuration",
    "^([0-9]{1,5}(h|m|s|ms)){1,4}$",
    "A duration above zero as the Gateway API writes it: 250ms, 30s, 1h30m.",
    |text: &str| match Period::parse(text)? {
        Duration::ZERO => Err("this wait must have a limit; write more than 0s".to_owned()),
        period => Ok(Self(period)),
    }
);
text_value!(
    OptionalLimit,
    "OptionalDuration",
    "^([0-9]{1,5}(h|m|s|ms)){1,4}$",
    "A duration as the Gateway API writes it: 250ms, 30s, 1h30m; 0s for no limit.",
    |text: &str| match Period::parse(text)? {
        Duration::ZERO => Ok::<_, String>(Self(Duration::MAX)),
        period => Ok(Self(period)),
    }
);
text_value!(Quantity, "Quantity", "^[0-9]+(\\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$", "Bytes as a Kubernetes quantity: 64Ki, 10M.", |text: &str| {
    Self::parse(text).map(Self)
});
text_value!(HeadBytes, "HeadSize", "^[0-9]+(\\.[0-9]+)?(k|M|Ki|Mi)?$", "Bytes as a Kubernetes quantity, from 1Ki to 16Mi.", Self::parse);
text_value!(ProbePath, "ProbePath", "^[^\\s#]*$", "A path, with a query if need be.", Self::parse);
text_value!(HostName, "HostName", "^[A-Za-z0-9._:\\[\\]-]+$", "A host name or an address, without a port.", |text: &str| {
    Host::parse(text).map(Self).map_err(|why| why.to_string())
});
text_value!(Listen, "ListenAddress", "^(off|:?[0-9]+|.+:[0-9]+)$", "ADDRESS:PORT, a port on every interface, or off.", Self::parse);
text_value!(EndpointText, "Endpoint", "^.+:[0-9]+$", "HOST:PORT.", Self::parse);
text_value!(BackendName, "BackendName", "^.+$", "The name of a backend, or http://HOST:PORT.", Self::parse);
text_value!(HostText, "Hostname", "^(\\*\\.)?[A-Za-z0-9._:\\[\\]-]+$", "A host name, or *. and a host name.", |text: &str| {
    HostPattern::parse(text).map(Self).map_err(|why| why.to_string())
});

/// What [`OrWord`] needs of a number.
pub trait Bound: Sized {
    /// Parses the number.
    fn parse(text: &str) -> Result<Self, String>;
}

impl Bound for usize {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("`{text}` is no number above 0"))
    }
}

impl Bound for Quantity {
    fn parse(text: &str) -> Result<Self, String> {
        Self::parse(text).map(Self)
    }
}

impl<'de, T: Bound, const WORD: usize> Deserialize<'de> for OrWord<T, WORD> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text == WORDS[WORD] {
            return Ok(Self(None));
        }
        T::parse(&text).map(|number| Self(Some(number))).map_err(|why| {
            let why = why.split("; write").next().unwrap_or_default();
            de::Error::custom(format!("{why}; write {} or a number", WORDS[WORD]))
        })
    }
}

impl<T: Bound, const WORD: usize> JsonSchema for OrWord<T, WORD> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("numberOr{}", WORDS[WORD]).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let pattern = format!("^({}|[0-9]+(\\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?)$", WORDS[WORD]);
        json_schema!({ "type": ["string", "integer"], "pattern": pattern })
    }
}

/// A port by number, or by name, which means the endpoint's own (Kubernetes' IntOrString).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortReference(pub Option<u16>);

impl<'de> Deserialize<'de> for PortReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PortVisitor;
        impl Visitor<'_> for PortVisitor {
            type Value = PortReference;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port number from 1 to 65535, or the name of a port")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<PortReference, E> {
                match u16::try_from(number) {
                    Ok(port) if port != 0 => Ok(PortReference(Some(port))),
                    _ => Err(E::custom(format!("{number} is no port; write a number from 1 to 65535"))),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PortReference, E> {
                match text.parse() {
                    Ok(number) => self.visit_i64(number),
                    Err(_) => Ok(PortReference(None)),
                }
            }
        }
        deserializer.deserialize_any(PortVisitor)
    }
}

impl JsonSchema for PortReference {
    fn schema_name() -> Cow<'static, str> {
        "PortReference".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "description": "A port by number, or by name: the endpoint's own." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_the_gateway_apis() {
        for (text, millis) in [("250ms", 250), ("30s", 30_000), ("1h30m", 5_400_000), ("0s", 0), ("1m1s1ms", 61_001), ("99999s", 99_999_000)] {
            assert_eq!(Period::parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "1d", "s", "1.5s", "-1s", "1s ", "100000s", "1s1s1s1s1s", "30 s"] {
            assert!(Period::parse(text).is_err(), "{text}");
        }
        assert_eq!(Period::parse("30").unwrap_err(), "`30` has no unit; write 30s or 30ms");
    }

    #[test]
    fn sizes_are_quantities() {
        for (text, bytes) in [("65536", 65_536), ("64Ki", 65_536), ("10M", 10_000_000), ("1.5Ki", 1536), ("0", 0)] {
            assert_eq!(Quantity::parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "Ki", "64KB", "-1", "1e3", "1.Ki", "99999999999999999999", "99999999999Ti"] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints_have_a_host_and_a_port() {
        for text in ["127.0.0.1:80", "web.internal:9000", "[::1]:80", "localhost:3000"] {
            assert_eq!(EndpointText::parse(text).map(|e| e.to_string()).as_deref(), Ok(text));
        }
        for text in ["web", "web:0", "web:99999", "::1:80", "http://web:80", "a b:80", ":80"] {
            assert!(EndpointText::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_backend_is_a_name_or_a_url() {
        let url = |text: &str| match BackendName::parse(text) {
            Ok(BackendName::Url(endpoint)) => Some(endpoint.to_string()),
            _ => None,
        };
        assert_eq!(BackendName::parse("web"), Ok(BackendName::Name("web".to_owned())));
        assert_eq!(url("http://127.0.0.1:3000/").as_deref(), Some("127.0.0.1:3000"));
        assert_eq!(url("http://web").as_deref(), Some("web:80"));
        assert_eq!(url("http://[::1]").as_deref(), Some("[::1]:80"));
        for text in ["", "http://web/path", "ftp://web", "http://user@web", "https://web"] {
            assert!(BackendName::parse(text).is_err(), "{text}");
        }
    }
}
