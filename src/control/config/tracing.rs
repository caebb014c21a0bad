//! `tracing`: where spans of exchanges go.

use std::borrow::Cow;

use http::Uri;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{NOT_YET, Share};

/// Where spans go.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Tracing {
    /// A collector's address for OTLP over HTTP, such as http://collector:4318. Default: none, and no spans. Read once, at
    /// start.
    pub otlp: Option<CollectorText>,
    /// Which share of the traces that begin here is recorded, from 0 to 1; of others' traces those whose beginner says so.
    /// Default: 1.
    pub sampling: Option<Share>,
}

/// A collector's address.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CollectorText(pub Uri);

/// Where OTLP over HTTP has spans, unless the address has a path of its own.
const PATH: &str = "/v1/traces";

impl TryFrom<String> for CollectorText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no address of a collector; write http://HOST:4318");
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(format!("{NOT_YET}a collector behind TLS; write http://HOST:4318")),
            _ => return Err(wrong()),
        }
        let mut parts = uri.into_parts();
        let authority = parts.authority.as_ref().filter(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
        authority.ok_or_else(wrong)?;
        if parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/") {
            parts.path_and_query = Some(http::uri::PathAndQuery::from_static(PATH));
        }
        Uri::from_parts(parts).map(Self).map_err(|_| wrong())
    }
}

impl JsonSchema for CollectorText {
    fn schema_name() -> Cow<'static, str> {
        "Collector".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^http://", "description": "An address such as http://HOST:4318." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_has_an_address_and_a_path() {
        let uri = |text: &str| CollectorText::try_from(text.to_owned()).map(|collector| collector.0.to_string());
        assert_eq!(uri("http://collector:4318").unwrap(), "http://collector:4318/v1/traces");
        assert_eq!(uri("http://[::1]:4318/").unwrap(), "http://[::1]:4318/v1/traces");
        assert_eq!(uri("http://collector/otlp/v1/traces").unwrap(), "http://collector/otlp/v1/traces");
        for text in ["collector:4318", "https://collector", "ftp://a", "http://", "http://me:secret@collector", "/v1"] {
            assert!(uri(text).is_err(), "{text}");
        }
    }
}
