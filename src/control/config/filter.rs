//! A rule's `filters`, in HTTPRoute's words: each has a type, and the key of that type says what it does. A header that
//! cannot be, or must not be changed, is refused here, with the place of its name.

use http::{HeaderName, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{HostName, PortNumber};
use super::{NOT_YET, not_yet};
use crate::control::yaml::closest;
use crate::model::{InvalidTemplate, Template, Variable, may_be_changed};

/// One of a rule's filters.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "FilterWords")]
pub enum Filter {
    /// Changes fields of the request.
    RequestHeaders(HeaderModifier),
    /// Changes fields of the answer.
    ResponseHeaders(HeaderModifier),
    /// Sends the client elsewhere.
    Redirect(RequestRedirect),
}

/// What is done on the way.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, rename = "Filter")]
struct FilterWords {
    /// What it is; the key of that name says the rest.
    #[serde(rename = "type")]
    kind: FilterType,
    /// Changes fields of the request.
    #[serde(default)]
    request_header_modifier: Option<HeaderModifier>,
    /// Changes fields of the answer, also of answers of genkan's own.
    #[serde(default)]
    response_header_modifier: Option<HeaderModifier>,
    /// Sends the client elsewhere; such a rule has no backend.
    #[serde(default)]
    request_redirect: Option<RequestRedirect>,
    #[serde(default, rename = "urlRewrite")]
    #[schemars(skip)]
    _url_rewrite: Option<UrlRewriteNotYet>,
    #[serde(default, rename = "requestMirror")]
    #[schemars(skip)]
    _request_mirror: Option<RequestMirrorNotYet>,
    #[serde(default, rename = "cors")]
    #[schemars(skip)]
    _cors: Option<CorsNotYet>,
    #[serde(default, rename = "externalAuth")]
    #[schemars(skip)]
    _external_auth: Option<ExternalAuthNotYet>,
    #[serde(default, rename = "extensionRef")]
    #[schemars(skip)]
    _extension_ref: Option<ExtensionRefNotYet>,
}

not_yet!(
    UrlRewriteNotYet "filters[].urlRewrite",
    RequestMirrorNotYet "filters[].requestMirror",
    CorsNotYet "filters[].cors",
    ExternalAuthNotYet "filters[].externalAuth",
    ExtensionRefNotYet "filters[].extensionRef",
);

/// What a filter is.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "TypeWord")]
enum FilterType {
    /// Changes fields of the request.
    RequestHeaderModifier,
    /// Changes fields of the answer.
    ResponseHeaderModifier,
    /// Sends the client elsewhere.
    RequestRedirect,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "FilterType")]
enum TypeWord {
    /// Changes fields of the request.
    RequestHeaderModifier,
    /// Changes fields of the answer.
    ResponseHeaderModifier,
    /// Sends the client elsewhere.
    RequestRedirect,
    #[serde(rename = "URLRewrite")]
    #[schemars(skip)]
    UrlRewrite,
    #[schemars(skip)]
    RequestMirror,
    #[serde(rename = "CORS")]
    #[schemars(skip)]
    Cors,
    #[schemars(skip)]
    ExternalAuth,
    #[schemars(skip)]
    ExtensionRef,
}

impl TryFrom<TypeWord> for FilterType {
    type Error = String;

    fn try_from(word: TypeWord) -> Result<Self, String> {
        let later = match word {
            TypeWord::RequestHeaderModifier => return Ok(Self::RequestHeaderModifier),
            TypeWord::ResponseHeaderModifier => return Ok(Self::ResponseHeaderModifier),
            TypeWord::RequestRedirect => return Ok(Self::RequestRedirect),
            TypeWord::UrlRewrite => "URLRewrite",
            TypeWord::RequestMirror => "RequestMirror",
            TypeWord::Cors => "CORS",
            TypeWord::ExternalAuth => "ExternalAuth",
            TypeWord::ExtensionRef => "ExtensionRef",
        };
        Err(format!("{NOT_YET}filters of type {later}"))
    }
}

impl TryFrom<FilterWords> for Filter {
    type Error = String;

    fn try_from(words: FilterWords) -> Result<Self, String> {
        let FilterWords { kind, request_header_modifier: request, response_header_modifier: response, request_redirect: redirect, .. } = words;
        let others = |wanted: &str| {
            let given = [
                ("requestHeaderModifier", request.is_some()),
                ("responseHeaderModifier", response.is_some()),
                ("requestRedirect", redirect.is_some()),
            ];
            given.into_iter().find(|(key, there)| *there && *key != wanted).map(|(key, _)| key)
        };
        let (kind, key) = match kind {
            FilterType::RequestHeaderModifier => ("RequestHeaderModifier", "requestHeaderModifier"),
            FilterType::ResponseHeaderModifier => ("ResponseHeaderModifier", "responseHeaderModifier"),
            FilterType::RequestRedirect => ("RequestRedirect", "requestRedirect"),
        };
        if let Some(other) = others(key) {
            return Err(format!("a filter of type {kind} has no {other}; write {key}, or that in a filter of its own"));
        }
        let filter = request.map(Self::RequestHeaders).or(response.map(Self::ResponseHeaders)).or(redirect.map(Self::Redirect));
        filter.ok_or_else(|| format!("a filter of type {kind} says nothing; write {key}: {{ ... }} beside its type"))
    }
}

/// HTTPRoute's `HTTPHeaderFilter`: remove, then set, then add.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct HeaderModifier {
    /// Each replaces every field of its name.
    pub set: Vec<HeaderText>,
    /// Each comes after the fields of its name.
    pub add: Vec<HeaderText>,
    /// Every field of these names is taken away.
    pub remove: Vec<FieldName>,
}

/// A field with what it says.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct HeaderText {
    /// The name.
    pub name: FieldName,
    /// The value. {client_ip_address} and the like stand for what is known of the connection.
    pub value: FieldText,
}

/// The name of a field that may be changed.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct FieldName(pub HeaderName);

impl TryFrom<String> for FieldName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match HeaderName::from_bytes(text.as_bytes()) {
            Err(_) => Err(format!("`{text}` is no header field name")),
            Ok(http::header::HOST) => Err(format!("{NOT_YET}another Host for the backend (a filter of type URLRewrite)")),
            Ok(name) if may_be_changed(&name) => Ok(Self(name)),
            Ok(_) => Err(format!("no filter may change {text}: genkan writes it itself for each connection")),
        }
    }
}

/// A value with variables in it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct FieldText(pub Template);

impl TryFrom<String> for FieldText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Template::parse(&text, Variable::named).map(Self).map_err(|why| match &why {
            InvalidTemplate::Variable(name) => match closest(name, Variable::ALL.map(|(name, _)| name)) {
                Some(meant) => format!("{why}; did you mean {{{meant}}}?"),
                None => format!("{why}; write one of {}", Variable::ALL.map(|(name, _)| format!("{{{name}}}")).join(", ")),
            },
            InvalidTemplate::Brace | InvalidTemplate::Character => why.to_string(),
        })
    }
}

/// HTTPRoute's `HTTPRequestRedirectFilter`: what is not given stays as the client asked for it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct RequestRedirect {
    /// Default: the request's.
    pub scheme: Option<Scheme>,
    /// Default: the request's.
    pub hostname: Option<HostName>,
    /// Default: the request's. The query always stays.
    pub path: Option<PathModifier>,
    /// Default: the usual one of the scheme if that is given, else the request's.
    pub port: Option<PortNumber>,
    /// 301, 302, 303, 307 or 308. Default: 302.
    pub status_code: Option<RedirectStatus>,
}

/// A scheme that redirects lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

/// The status of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
#[schemars(with = "u16")]
pub struct RedirectStatus(pub StatusCode);

impl TryFrom<u16> for RedirectStatus {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        let status = StatusCode::from_u16(number).ok().filter(|_| matches!(number, 301 | 302 | 303 | 307 | 308));
        status.map(Self).ok_or_else(|| format!("{number} is no status of a redirect; write 301, 302, 303, 307 or 308"))
    }
}

/// HTTPRoute's `HTTPPathModifier`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "PathModifierWords")]
pub enum PathModifier {
    /// This path.
    Full(String),
    /// This instead of the prefix that the rule matches by.
    Prefix(String),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields, rename = "PathModifier")]
struct PathModifierWords {
    /// Which of the two.
    #[serde(rename = "type")]
    kind: PathModifierType,
    /// The whole path.
    #[serde(default)]
    replace_full_path: Option<NewPath>,
    /// What replaces the prefix that the rule matches by.
    #[serde(default)]
    replace_prefix_match: Option<NewPath>,
}

#[derive(Deserialize, JsonSchema)]
enum PathModifierType {
    ReplaceFullPath,
    ReplacePrefixMatch,
}

impl TryFrom<PathModifierWords> for PathModifier {
    type Error = &'static str;

    fn try_from(words: PathModifierWords) -> Result<Self, Self::Error> {
        match (words.kind, words.replace_full_path, words.replace_prefix_match) {
            (PathModifierType::ReplaceFullPath, Some(path), None) if path.0.is_empty() => Err("an empty text is no path; write /"),
            (PathModifierType::ReplaceFullPath, Some(path), None) => Ok(Self::Full(path.0)),
            (PathModifierType::ReplacePrefixMatch, None, Some(path)) => Ok(Self::Prefix(path.0)),
            (PathModifierType::ReplaceFullPath, ..) => Err("ReplaceFullPath takes one path; write replaceFullPath: /PATH and nothing else"),
            (PathModifierType::ReplacePrefixMatch, ..) => Err("ReplacePrefixMatch takes one path; write replacePrefixMatch: /PATH and nothing else"),
        }
    }
}

/// A path to be written in a URL as it stands; empty where it only takes a prefix away.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "String")]
struct NewPath(String);

impl TryFrom<String> for NewPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(format!("`{text}` is no path; write /{text}"));
        }
        // Two slashes at the beginning would name a host.
        if text.contains("//") || text.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'#' | b'\\')) {
            return Err(format!("`{}` is no path for a URL; write it percent-encoded and with single slashes", text.escape_debug()));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_frame_a_message_are_refused() {
        for name in ["Host", "content-length", "Transfer-Encoding", "connection", "Upgrade", "TE", "Trailer", "keep-alive", "Proxy-Connection", "a b"]
        {
            assert!(FieldName::try_from(name.to_owned()).is_err(), "{name}");
        }
        assert_eq!(FieldName::try_from("X-A".to_owned()).unwrap().0, "x-a");
    }

    #[test]
    fn a_path_in_a_url_is_one_path() {
        for text in ["a", "//evil.test", "/a//b", "/a?b", "/a#b", "/a b", "/\u{e4}", "/a\\b"] {
            assert!(NewPath::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(NewPath::try_from("/a/%20b".to_owned()).is_ok() && NewPath::try_from(String::new()).is_ok());
    }
}
