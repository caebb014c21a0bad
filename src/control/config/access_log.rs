//! `accessLog`: what is written of exchanges, how and where.

use std::path::PathBuf;

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::model::{self, LogField};

/// How exchanges are written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct AccessLog {
    /// Default: json.
    pub format: Option<AccessLogFormat>,
    /// A file instead of standard output; opened again on SIGUSR1. Read once, at start.
    pub file: Option<PathBuf>,
    /// Which fields lines in JSON have. Default: all.
    pub fields: Option<Vec<FieldText>>,
    /// Fields of requests that lines in JSON have as well; secrets stay secret. Default: none.
    pub request_headers: Vec<HeaderNameText>,
    /// Which share of the exchanges of rules that say nothing of it, from 0 to 1; errors are written all the same.
    /// Default: 1.
    pub sampling: Option<Share>,
    /// What is made unreadable. Default: nothing.
    pub redact: Vec<Redact>,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// One JSON object a line.
    Json,
    /// One readable line.
    Text,
    /// Apache's combined format.
    Combined,
    /// Nothing.
    Off,
}

/// What is made unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Redact {
    /// The last 8 bits of an IPv4 address, the last 80 of an IPv6 address, and the port.
    ClientAddress,
    /// The path.
    Path,
    /// The user agent.
    UserAgent,
}

/// A field of a line: its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FieldText(pub usize);

/// A name of a field of requests.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct HeaderNameText(#[schemars(with = "String")] pub HeaderName);

/// A share from 0 to 1, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
pub struct Share(#[schemars(with = "f64", range(min = 0, max = 1))] pub u32);

impl TryFrom<String> for FieldText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        LogField::named(&text).map(Self).ok_or_else(|| {
            let names: Vec<&str> = LogField::ALL.iter().map(|field| field.name).collect();
            format!("there is no field `{text}`; there are {}", names.join(", "))
        })
    }
}

impl JsonSchema for FieldText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AccessLogField".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = LogField::ALL.iter().map(|field| field.name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

impl TryFrom<String> for HeaderNameText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        HeaderName::from_bytes(text.as_bytes()).map(Self).map_err(|_| format!("`{text}` is no name of a header field"))
    }
}

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("{share} is no share; write a number from 0 to 1, such as 0.1 for one in ten"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a million")]
        Ok(Self((share * 1e6).round() as u32))
    }
}

impl From<Redact> for model::Redaction {
    fn from(redact: Redact) -> Self {
        match redact {
            Redact::ClientAddress => Self::ClientAddress,
            Redact::Path => Self::Path,
            Redact::UserAgent => Self::UserAgent,
        }
    }
}

impl From<AccessLogFormat> for model::AccessLogFormat {
    fn from(format: AccessLogFormat) -> Self {
        match format {
            AccessLogFormat::Json => Self::Json,
            AccessLogFormat::Text => Self::Text,
            AccessLogFormat::Combined => Self::Combined,
            AccessLogFormat::Off => Self::Off,
        }
    }
}
