//! `sessionAffinity`: how a client stays with the endpoint it had.

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::Period;

/// How a client stays with its endpoint, as long as that is ready.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "AffinityWords")]
pub enum SessionAffinity {
    /// By its address.
    ClientAddress,
    /// By a cookie of ours.
    Cookie {
        /// Default: GENKAN.
        name: String,
        /// How long browsers keep it. Absent, or 0s: as long as they are open.
        ttl: Option<Period>,
    },
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, rename = "SessionAffinity")]
struct AffinityWords {
    /// By what a client is known again.
    #[serde(rename = "type")]
    kind: AffinityType,
    /// Name of the cookie. Default: GENKAN.
    #[serde(default)]
    cookie_name: Option<CookieName>,
    /// How long browsers keep the cookie; 0s: as long as they are open. Default: 0s.
    #[serde(default)]
    cookie_ttl: Option<Period>,
}

/// By what a client is known again.
#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
enum AffinityType {
    /// Its address, IPv6 by its /64: loadBalancing: Hash.
    ClientAddress,
    /// A cookie of ours, which names nobody and no endpoint.
    Cookie,
}

impl TryFrom<AffinityWords> for SessionAffinity {
    type Error = &'static str;

    fn try_from(words: AffinityWords) -> Result<Self, Self::Error> {
        match (words.kind, words.cookie_name, words.cookie_ttl) {
            (AffinityType::ClientAddress, None, None) => Ok(Self::ClientAddress),
            (AffinityType::ClientAddress, ..) => {
                Err("there is no cookie with type: ClientAddress; write type: Cookie, or take cookieName and cookieTtl out")
            }
            (AffinityType::Cookie, name, ttl) => {
                Ok(Self::Cookie { name: name.map_or_else(|| "GENKAN".to_owned(), |name| name.0), ttl: ttl.filter(|ttl| !ttl.0.is_zero()) })
            }
        }
    }
}

/// A name that a cookie may have (RFC 6265 section 4.1.1).
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct CookieName(String);

impl TryFrom<String> for CookieName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // A cookie's name is a token, and so is a field's.
        match http::HeaderName::from_bytes(text.as_bytes()) {
            Ok(_) => Ok(Self(text)),
            Err(_) => Err(format!("`{}` is no name for a cookie; write letters, digits, - and _", text.escape_debug())),
        }
    }
}
