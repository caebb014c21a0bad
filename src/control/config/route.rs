//! `routes`: hosts, paths and conditions in HTTPRoute's words.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::filter::Filter;
use super::listener::PlainHttp;
use super::values::{BackendName, HostText, OptionalLimit, Weight};
use super::{NOT_YET, Share, not_yet};
use crate::control::yaml::Located;

/// Which requests go where. A route without rules may carry a rule's keys itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Route {
    /// Unique. Default: derived from host, path and methods.
    pub name: Option<Located<String>>,
    /// Absent: every host. A wildcard stands for one label.
    pub hostnames: Vec<Located<HostText>>,
    /// What plain HTTP gets where the listener leaves it to the route. Default: Reject.
    pub plain_http: Option<PlainHttp>,
    /// Rules of their own.
    pub rules: Option<Vec<Located<Rule>>>,
    /// See a rule's.
    pub path: Option<Located<PathText>>,
    /// See a rule's.
    pub path_type: Option<PathType>,
    /// See a rule's.
    pub methods: Vec<MethodText>,
    /// See a rule's.
    pub headers: Pairs,
    /// See a rule's.
    pub query_params: Pairs,
    /// See a rule's.
    pub filters: Vec<Located<Filter>>,
    /// See a rule's.
    pub timeouts: RuleTimeouts,
    /// See a rule's.
    pub log_sampling: Option<Share>,
    /// See a rule's.
    pub backend: Option<Located<BackendName>>,
    /// See a rule's.
    pub backends: Vec<Located<WeightedBackend>>,
}

/// One rule of a route.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Rule {
    /// Unique within the route.
    pub name: Option<Located<String>>,
    /// Default: /.
    pub path: Option<Located<PathText>>,
    /// How the path is compared. Default: PathPrefix, by whole elements.
    pub path_type: Option<PathType>,
    /// One of these. Default: any.
    pub methods: Vec<MethodText>,
    /// Fields with exactly these values: a mapping, or HTTPRoute's list.
    pub headers: Pairs,
    /// Query parameters with exactly these values: a mapping, or HTTPRoute's list.
    pub query_params: Pairs,
    /// HTTPRoute's filters, in this order.
    pub filters: Vec<Located<Filter>>,
    /// How long a request may take.
    pub timeouts: RuleTimeouts,
    /// Which share of its exchanges is written to the access log, from 0 to 1; errors are all the same. Default:
    /// accessLog.sampling.
    pub log_sampling: Option<Share>,
    /// A backend's name or URL.
    pub backend: Option<Located<BackendName>>,
    /// Several, by weight.
    pub backends: Vec<Located<WeightedBackend>>,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "PathTypeWord")]
pub enum PathType {
    /// The path or anything below it, by whole elements.
    #[default]
    PathPrefix,
    /// The same path.
    Exact,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "PathType")]
enum PathTypeWord {
    /// The path or anything below it, by whole elements.
    PathPrefix,
    /// Ingress' word for the same.
    Prefix,
    /// The same path.
    Exact,
    #[schemars(skip)]
    RegularExpression,
}

impl TryFrom<PathTypeWord> for PathType {
    type Error = String;

    fn try_from(word: PathTypeWord) -> Result<Self, String> {
        match word {
            PathTypeWord::PathPrefix | PathTypeWord::Prefix => Ok(Self::PathPrefix),
            PathTypeWord::Exact => Ok(Self::Exact),
            PathTypeWord::RegularExpression => Err(format!("{NOT_YET}pathType: RegularExpression")),
        }
    }
}

/// How long a request may take.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct RuleTimeouts {
    /// From the end of the request head to the last byte of the answer; 0s: no limit. Default: 0s.
    pub request: Option<OptionalLimit>,
    /// One try.
    #[schemars(skip)]
    pub backend_request: Option<BackendRequestNotYet>,
}

not_yet!(BackendRequestNotYet "timeouts.backendRequest");

/// One of several backends.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct WeightedBackend {
    /// A backend's name or URL.
    pub name: BackendName,
    /// Share relative to the sum. Default: 1.
    #[serde(default = "one")]
    pub weight: Weight,
}

fn one() -> Weight {
    Weight(1)
}

/// A path that begins with a slash and has neither query nor fragment.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct PathText(pub String);

impl TryFrom<String> for PathText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err(format!("`{text}` is no path; write /{text}"));
        }
        match text.find(|c: char| matches!(c, '?' | '#' | '*') || c.is_whitespace() || c.is_control()) {
            Some(at) => {
                let kept = &text[..at];
                Err(format!("`{text}` is more than a path; write {}", if kept.is_empty() { "/" } else { kept }))
            }
            None => Ok(Self(text)),
        }
    }
}

/// A request method.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct MethodText(pub String);

impl TryFrom<String> for MethodText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match http::Method::from_bytes(text.as_bytes()) {
            Ok(_) if text.bytes().any(|b| b.is_ascii_lowercase()) => Err(format!("methods are case-sensitive; write {}", text.to_ascii_uppercase())),
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(format!("`{text}` is no method")),
        }
    }
}

/// Names with values: a mapping, or HTTPRoute's list of `{name, value}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs(pub Vec<NameValue>);

/// A name with the value it must have.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct NameValue {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// How values are compared.
    #[serde(default, rename = "type")]
    pub kind: MatchType,
}

/// How values are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "MatchTypeWord")]
pub enum MatchType {
    /// The same value.
    #[default]
    Exact,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "MatchType")]
enum MatchTypeWord {
    /// The same value.
    Exact,
    #[schemars(skip)]
    RegularExpression,
}

impl TryFrom<MatchTypeWord> for MatchType {
    type Error = String;

    fn try_from(word: MatchTypeWord) -> Result<Self, String> {
        match word {
            MatchTypeWord::Exact => Ok(Self::Exact),
            MatchTypeWord::RegularExpression => Err(format!("{NOT_YET}type: RegularExpression")),
        }
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names to values, or a list of {name, value}")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Pairs, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry()? {
                    pairs.push(NameValue { name, value, kind: MatchType::Exact });
                }
                Ok(Pairs(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = seq.next_element()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(PairsVisitor)
    }
}

impl JsonSchema for Pairs {
    fn schema_name() -> Cow<'static, str> {
        "Pairs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let item = generator.subschema_for::<NameValue>();
        json_schema!({ "anyOf": [
            { "type": "object", "additionalProperties": { "type": "string" } },
            { "type": "array", "items": item },
        ] })
    }
}
