//! `listeners` and `certificates`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::values::{Listen, PortNumber};
use super::{NOT_YET, not_yet};
use crate::control::yaml::Located;

/// What is accepted on one address.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Listener {
    /// Unique. Default: the protocol in lower case.
    pub name: Option<String>,
    /// Where. Default: `[::]:8443` for HTTPS, `[::]:8080` for HTTP.
    pub address: Option<Listen>,
    /// What is spoken there. Default: HTTPS.
    pub protocol: ListenerProtocol,
    /// What requests without TLS get. Unset on an HTTP listener: each route decides. On an HTTPS listener: Reject or Redirect.
    pub plain_http: Option<Located<PlainHttp>>,
    /// The port that clients see, for redirects and texts.
    pub public_port: Option<PortNumber>,
    /// Certificates of its own.
    #[schemars(skip)]
    pub tls: Option<ListenerTlsNotYet>,
    /// PROXY protocol.
    #[schemars(skip)]
    pub proxy_protocol: Option<ListenerProxyProtocolNotYet>,
}

not_yet!(ListenerTlsNotYet "listeners[].tls", ListenerProxyProtocolNotYet "listeners[].proxyProtocol");

/// What a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "ProtocolWord")]
pub enum ListenerProtocol {
    /// HTTP over TLS.
    #[default]
    Https,
    /// Plain HTTP.
    Http,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "ListenerProtocol")]
enum ProtocolWord {
    /// HTTP over TLS.
    Https,
    /// Plain HTTP.
    Http,
    #[schemars(skip)]
    Tls,
}

impl TryFrom<ProtocolWord> for ListenerProtocol {
    type Error = String;

    fn try_from(word: ProtocolWord) -> Result<Self, String> {
        match word {
            ProtocolWord::Https => Ok(Self::Https),
            ProtocolWord::Http => Ok(Self::Http),
            ProtocolWord::Tls => Err(format!("{NOT_YET}TLS passthrough (protocol: TLS)")),
        }
    }
}

/// What becomes of a request that came in plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub enum PlainHttp {
    /// Answered 426.
    Reject,
    /// Redirected to https.
    Redirect,
    /// Forwarded.
    Allow,
    /// The connection is closed.
    Close,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "CertificateKeys")]
#[schemars(with = "CertificateKeys")]
pub enum Certificate {
    /// A directory as Kubernetes mounts a Secret.
    Secret(PathBuf),
    /// A directory of such directories.
    Secrets(PathBuf),
    /// Two files.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// One of: a Secret's directory; a directory of such directories; two files.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields, rename = "Certificate")]
#[derive(Default)]
struct CertificateKeys {
    /// A directory as Kubernetes mounts a Secret (tls.crt, tls.key), or with one pair as certbot or mkcert name it.
    secret: Option<PathBuf>,
    /// A directory whose sub-directories are Secrets that come and go.
    secrets: Option<PathBuf>,
    /// A file with the certificate chain.
    certificate: Option<PathBuf>,
    /// A file with its key.
    key: Option<PathBuf>,
}

impl TryFrom<CertificateKeys> for Certificate {
    type Error = &'static str;

    fn try_from(keys: CertificateKeys) -> Result<Self, Self::Error> {
        match keys {
            CertificateKeys { secret: Some(directory), secrets: None, certificate: None, key: None } => Ok(Self::Secret(directory)),
            CertificateKeys { secret: None, secrets: Some(directory), certificate: None, key: None } => Ok(Self::Secrets(directory)),
            CertificateKeys { secret: None, secrets: None, certificate: Some(certificate), key: Some(key) } => Ok(Self::Files { certificate, key }),
            _ => Err("a certificate is one directory or two files; write secret: DIRECTORY, secrets: DIRECTORY, or certificate: FILE with key: FILE"),
        }
    }
}
