//! BackendConfig: GKE's settings of a Service's port. A field that is absent has its default, where the cloud would
//! keep what was there before.

use http::HeaderName;

use super::fields::{Fields, Wrong, boolean, located, number};
use super::table::{self, Fate, Field};
use super::{AppProtocol, Finding};
use crate::control::yaml::{Kind, Located, Node};
use crate::model::{Reason, Template, Variable, may_be_changed};

/// A BackendConfig.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendConfig {
    /// `timeoutSec`.
    pub timeout_sec: Option<u32>,
    /// `connectionDraining.drainingTimeoutSec`.
    pub draining_timeout_sec: Option<u32>,
    /// `sessionAffinity`.
    pub affinity: Option<Affinity>,
    /// `healthCheck`.
    pub health_check: Option<HealthCheck>,
    /// `customRequestHeaders.headers`: names and values, variables as written.
    pub request_headers: Vec<Located<(String, String)>>,
    /// `customResponseHeaders.headers`: names and values, variables as written.
    pub response_headers: Vec<Located<(String, String)>>,
    /// `logging`: of a million requests, how many are logged.
    pub log_sample_rate: Option<u32>,
    /// Why the cloud would refuse the object as a whole, in its words.
    pub invalid: Option<String>,
}

/// `sessionAffinity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// `affinityType`.
    pub kind: AffinityKind,
    /// `affinityCookieTtlSec`.
    pub cookie_ttl_sec: Option<u32>,
}

/// How a client stays with its endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "words of GKE")]
pub enum AffinityKind {
    #[default]
    None,
    ClientIp,
    GeneratedCookie,
}

/// `healthCheck`; what is absent comes from the probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthCheck {
    /// `checkIntervalSec`.
    pub interval: Option<u32>,
    /// `timeoutSec`.
    pub timeout: Option<u32>,
    /// `healthyThreshold`.
    pub healthy: Option<u32>,
    /// `unhealthyThreshold`.
    pub unhealthy: Option<u32>,
    /// `port`.
    pub port: Option<u16>,
    /// `requestPath`.
    pub path: Option<String>,
    /// `type`.
    pub kind: Option<AppProtocol>,
}

const PER_MILLION: f64 = 1_000_000.0;
/// What the cloud takes.
const MAX_HEADERS: usize = 16;
/// Of names and values, before variables are filled in.
const MAX_HEADER_BYTES: usize = 8192;

/// Every field of `spec`, and what becomes of it.
pub(super) const FIELDS: &[Field<BackendConfig>] = &[
    Field {
        path: "timeoutSec",
        value: "seconds, 1 to 2147483647",
        default: "30",
        fate: Fate::Applied("request and response in all, WebSockets included", |node, config| {
            config.timeout_sec = Some(number(node, 1..=2_147_483_647)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "connectionDraining.drainingTimeoutSec",
        value: "seconds, 0 to 3600",
        default: "none: what an endpoint still has may end by itself (the cloud: 0)",
        fate: Fate::Applied("how long requests go on at an endpoint that has left; 0 cuts them at once", |node, config| {
            config.draining_timeout_sec = Some(number(node, 0..=3600)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "sessionAffinity.affinityType",
        value: "NONE, CLIENT_IP, GENERATED_COOKIE",
        default: "NONE",
        fate: Fate::Applied("CLIENT_IP: by the client's address; GENERATED_COOKIE: by the cookie GCLB", |node, config| {
            let kind = match located(node)?.value.as_str() {
                "NONE" => AffinityKind::None,
                "CLIENT_IP" => AffinityKind::ClientIp,
                "GENERATED_COOKIE" => AffinityKind::GeneratedCookie,
                other => {
                    config.invalid = Some(format!("unsupported AffinityType: {other}, should be one of NONE, CLIENT_IP, or GENERATED_COOKIE"));
                    return Ok(());
                }
            };
            config.affinity.get_or_insert_default().kind = kind;
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "sessionAffinity.affinityCookieTtlSec",
        value: "seconds, 0 to 86400",
        default: "0: as long as the browser is open",
        fate: Fate::Applied("how long browsers keep the cookie", |node, config| {
            let seconds: i64 = number(node, i64::MIN..=i64::MAX)?;
            match u32::try_from(seconds) {
                Ok(ttl) if ttl <= 86_400 => config.affinity.get_or_insert_default().cookie_ttl_sec = Some(ttl),
                _ => config.invalid = Some(format!("unsupported AffinityCookieTtlSec: {seconds}, should be between 0 and 86400")),
            }
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "healthCheck.checkIntervalSec",
        value: "seconds",
        default: "the probe's, else 15",
        fate: Fate::Applied("from one check to the next", |node, config| {
            check(config).interval = Some(number(node, 1..=300)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "healthCheck.timeoutSec",
        value: "seconds, at most the interval",
        default: "the probe's, else 15",
        fate: Fate::Applied("how long one check may take", |node, config| {
            check(config).timeout = Some(number(node, 1..=300)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "healthCheck.healthyThreshold",
        value: "1 to 10",
        default: "1",
        fate: Fate::Applied("passes in a row that make an endpoint ready", |node, config| {
            check(config).healthy = Some(number(node, 1..=10)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "healthCheck.unhealthyThreshold",
        value: "1 to 10",
        default: "2",
        fate: Fate::Applied("failures in a row that make it unready", |node, config| {
            check(config).unhealthy = Some(number(node, 1..=10)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "healthCheck.port",
        value: "a port number",
        default: "the endpoint's own",
        fate: Fate::Applied("the port that is asked", |node, config| {
            check(config).port = u16::try_from(number(node, 1..=65_535)?).ok();
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "healthCheck.requestPath",
        value: "a path",
        default: "the probe's, else /",
        fate: Fate::Applied("the path that is asked", |node, config| {
            check(config).path = Some(located(node)?.value);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "healthCheck.type",
        value: "HTTP, HTTPS, HTTP2",
        default: "as app-protocols say, else HTTP",
        fate: Fate::Applied("how it is asked; HTTP2 as HTTPS", |node, config| {
            let kind = match located(node)?.value.as_str() {
                "HTTP" => AppProtocol::Http,
                "HTTPS" => AppProtocol::Https,
                "HTTP2" => AppProtocol::Http2,
                other => return Err(Wrong::new(node, format!("Protocol \"{other}\" is not valid, must be one of [\"HTTP\",\"HTTPS\",\"HTTP2\"]"))),
            };
            check(config).kind = Some(kind);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "customRequestHeaders.headers",
        value: "list of \"Name: value {variable}\", at most 16",
        default: "none",
        fate: Fate::Applied("set on requests, in place of what the client sent under the same name", |node, config| {
            let (headers, wrong) = headers(node);
            config.request_headers = headers;
            wrong
        }),
        confirmed: true,
    },
    Field {
        path: "customResponseHeaders.headers",
        value: "list of \"Name: value {variable}\", at most 16",
        default: "none",
        fate: Fate::Applied("set on answers", |node, config| {
            let (headers, wrong) = headers(node);
            config.response_headers = headers;
            wrong
        }),
        confirmed: true,
    },
    Field {
        path: "logging.enable",
        value: "true, false",
        default: "true without `logging`, else false",
        fate: Fate::Applied("false: none of its requests is in the access log", |node, config| {
            if !boolean(node)? {
                config.log_sample_rate = Some(0);
            }
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "logging.sampleRate",
        value: "0.0 to 1.0",
        default: "1.0",
        fate: Fate::Applied("which share of its requests is in the access log", |node, config| {
            let rate: f64 = located(node)?
                .value
                .parse()
                .map_err(|_| Wrong::new(node, format!("expected a number from 0.0 to 1.0, found {}", node.describe())))?;
            if !(0.0..=1.0).contains(&rate) {
                config.invalid = Some(format!("unsupported SampleRate: {rate}, should be between 0.0 and 1.0"));
                return Ok(());
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to a million")]
            let rate = (rate * PER_MILLION).round() as u32;
            // Switched off stays off, whatever the share.
            config.log_sample_rate = Some(config.log_sample_rate.unwrap_or(rate).min(rate));
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "securityPolicy",
        value: "{ name }",
        default: "none",
        fate: Fate::NoMeaning("Cloud Armor is a service of the cloud's; limit who gets in with a network policy or a firewall"),
        confirmed: true,
    },
    Field {
        path: "iap",
        value: "{ enabled, oauthclientCredentials }",
        default: "off",
        fate: Fate::NoMeaning(
            "Identity-Aware Proxy is a service of the cloud's; whoever relies on it must not be served without: put an authenticating proxy before the Service",
        ),
        confirmed: true,
    },
    Field {
        path: "cdn",
        value: "{ enabled, cachePolicy, ... }",
        default: "off",
        fate: Fate::NoMeaning("nothing is cached here; every request goes to the Service"),
        confirmed: true,
    },
];

fn check(config: &mut BackendConfig) -> &mut HealthCheck {
    config.health_check.get_or_insert_default()
}

type Headers = Vec<Located<(String, String)>>;

/// Every line that is a header; the first that is none is an error.
fn headers(node: &Node) -> (Headers, Result<(), Wrong>) {
    let Kind::Sequence(items) = &node.kind else {
        return (Vec::new(), Err(Wrong::new(node, format!("expected a list of \"Name: value\", found {}", node.describe()))));
    };
    let mut headers = Vec::new();
    let mut wrong = Ok(());
    let mut bytes = 0;
    for item in items {
        match header(item) {
            Ok(Located { value: (name, value), .. }) if bytes + name.len() + value.len() > MAX_HEADER_BYTES => {
                wrong = wrong.and(Err(Wrong::new(item, format!("the headers are more than {MAX_HEADER_BYTES} bytes in all"))));
            }
            Ok(header) if headers.len() < MAX_HEADERS => {
                bytes += header.value.0.len() + header.value.1.len();
                headers.push(header);
            }
            Ok(_) => wrong = wrong.and(Err(Wrong::new(item, format!("more than {MAX_HEADERS} headers")))),
            Err(why) => wrong = wrong.and(Err(why)),
        }
    }
    (headers, wrong)
}

fn header(node: &Node) -> Result<Located<(String, String)>, Wrong> {
    let Located { value: text, span } = located(node)?;
    let (name, value) = text.split_once(':').ok_or_else(|| Wrong::new(node, format!("\"{text}\" is no header")).help("write \"Name: value\""))?;
    let (name, value) = (name.trim(), value.trim());
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Wrong::new(node, format!("\"{name}\" is no name of a header")))?;
    if !may_be_changed(&parsed) {
        return Err(Wrong::new(node, format!("{name} says how a message is sent, and cannot be set")));
    }
    Template::parse(value, |name| Some(Variable::named(name).unwrap_or(Variable::Unknown)))
        .map_err(|why| Wrong::new(node, format!("{name}: {why}")))?;
    Ok(Located { value: (name.to_owned(), value.to_owned()), span })
}

pub(super) fn read(document: &Node, fields: &mut Fields) -> BackendConfig {
    let mut config = BackendConfig::default();
    let Some(spec) = fields.mapping(document, "spec") else { return config };
    table::read(FIELDS, spec, &mut config, &mut fields.findings);
    log_only_if_enabled(spec, &mut config, fields);
    let enabled = |key: &str| spec.get(key).and_then(|group| group.get("enabled")).is_some_and(|node| boolean(node).unwrap_or(false));
    if enabled("iap") && enabled("cdn") {
        config.invalid = Some("iap and cdn cannot be enabled at the same time".to_owned());
    }
    let unknown = config.request_headers.iter().chain(&config.response_headers).flat_map(unknown_variables);
    let unknown: Vec<Finding> = unknown.collect();
    fields.findings.extend(unknown);
    config
}

/// `logging` without `enable` logs nothing: the cloud's controller knows no third state.
fn log_only_if_enabled(spec: &Node, config: &mut BackendConfig, fields: &mut Fields) {
    let Some(logging) = spec.get("logging").filter(|logging| matches!(logging.kind, Kind::Mapping(_))) else { return };
    if logging.get("enable").is_some() {
        return;
    }
    config.log_sample_rate = Some(0);
    let finding = Finding::new(crate::model::Severity::Warning, Reason::MissingField, logging.span, "logging without enable: true is off");
    fields.findings.push(finding.effect("none of its requests is in the access log, as in the cloud").help("write logging: { enable: true }"));
}

/// Variables that only a database or another machine knows.
fn unknown_variables(header: &Located<(String, String)>) -> Vec<Finding> {
    let (name, value) = &header.value;
    let variables = value.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(variable, _)| variable);
    let unknown = variables.filter(|variable| Variable::named(variable).is_none());
    unknown
        .map(|variable| {
            let message = format!("{name}: {{{variable}}} is not known here, and stands for nothing");
            Finding::new(crate::model::Severity::Warning, Reason::NotApplied, header.span, message)
        })
        .collect()
}
