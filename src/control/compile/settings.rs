//! The keys that are no lists: what is written, or the default.

use std::time::Duration;

use super::Defaults;
use crate::control::config::{self, HeadBytes, Listen, OptionalLimit, OrUnlimited, Period, PositivePeriod, Quantity, Settings};
use crate::model::{
    AccessLogFormat, AccessLogPolicy, ClientTimeouts, Diagnostic, DrainPolicy, FieldName, Limits, LogFields, LogSampling, ObjectKind,
    ProcessSettings, Reason, SocketAddress, TlsPolicy, TlsProfile, TlsVersion, UnknownServerName,
};

pub(super) fn unknown_server_name(settings: &Settings) -> UnknownServerName {
    match settings.unknown_server_name {
        Some(config::UnknownServerName::Refuse) => UnknownServerName::Refuse,
        Some(config::UnknownServerName::DefaultCertificate) | None => UnknownServerName::DefaultCertificate,
    }
}

pub(super) fn tls(settings: &Settings) -> TlsPolicy {
    let minimum_version = match settings.tls.minimum_version {
        Some(config::TlsVersion::V1_3) => TlsVersion::Tls13,
        Some(config::TlsVersion::V1_2) | None => TlsVersion::Tls12,
    };
    let profile = match settings.tls.profile {
        Some(config::TlsProfile::Modern) | None => TlsProfile::Modern,
        Some(config::TlsProfile::Compatible) => TlsProfile::Compatible,
    };
    TlsPolicy { minimum_version, profile }
}

/// How long the cloud's load balancer keeps clients' connections; not settable there.
const CLOUD_KEEP_ALIVE: Duration = Duration::from_secs(610);

/// `has_cloud`: something behaves as the cloud's load balancer.
pub(super) fn timeouts(settings: &Settings, has_cloud: bool) -> ClientTimeouts {
    let given = &settings.timeouts;
    let default = ClientTimeouts::default();
    ClientTimeouts {
        tls_handshake: or(given.tls_handshake, default.tls_handshake),
        request_head: or(given.request_head, default.request_head),
        request_body: or(given.request_body, default.request_body),
        response_write: or(given.response_write, default.response_write),
        keep_alive: or(given.keep_alive, if has_cloud { CLOUD_KEEP_ALIVE } else { default.keep_alive }),
        tunnel_idle: or(given.tunnel_idle, default.tunnel_idle),
        connection_age: given.connection_age.map_or(default.connection_age, |OptionalLimit(age)| age),
    }
}

/// What is written, or the default.
pub(super) fn or(given: Option<PositivePeriod>, default: Duration) -> Duration {
    given.map_or(default, |PositivePeriod(period)| period)
}

pub(super) fn limits(settings: &Settings) -> Limits {
    let given = &settings.limits;
    let default = Limits::default();
    Limits {
        request_head: given.request_head.map_or(default.request_head, |HeadBytes(bytes)| bytes),
        request_headers: given.request_headers.map_or(default.request_headers, |count| count.0.into()),
        response_head: given.response_head.map_or(default.response_head, |HeadBytes(bytes)| bytes),
        request_body: given.request_body.map_or(default.request_body, |limit| limit.0.map(|Quantity(bytes)| bytes)),
        connections: given.connections.map_or(default.connections, |limit| limit.0),
        connections_per_client: given.connections_per_client.map_or(default.connections_per_client, |limit: OrUnlimited<usize>| limit.0),
        streams_per_connection: given.streams_per_connection.map_or(default.streams_per_connection, |count| count.0.into()),
    }
}

pub(super) fn drain(settings: &Settings, defaults: &Defaults) -> DrainPolicy {
    DrainPolicy {
        delay: settings.drain.delay.map_or(defaults.drain_delay, |Period(delay)| delay),
        timeout: settings.drain.timeout.map_or(DrainPolicy::default().timeout, |Period(timeout)| timeout),
    }
}

pub(super) fn access_log(settings: &Settings) -> AccessLogPolicy {
    let given = &settings.access_log;
    AccessLogPolicy {
        format: given.format.map(AccessLogFormat::from).unwrap_or_default(),
        fields: given.fields.as_ref().map_or(LogFields::ALL, |fields| LogFields::of(fields.iter().map(|field| field.0))),
        request_headers: given.request_headers.iter().map(|name| name.0.clone()).collect(),
        redact: given.redact.iter().map(|redact| (*redact).into()).collect(),
        sampling: given.sampling.map_or(LogSampling::ALL, |share| LogSampling(share.0)),
    }
}

/// Keys of the access log that another one takes the effect from.
pub(super) fn check_access_log(settings: &Settings, findings: &mut Vec<Diagnostic>) {
    let (given, policy) = (&settings.access_log, access_log(settings));
    let mut has_no_effect = |key: &str, why: &str, help: &str| {
        let finding = Diagnostic::warning(Reason::NotApplied, format!("accessLog.{key} has no effect: {why}"));
        findings.push(finding.about(ObjectKind::Configuration, format!("accessLog.{key}")).help(help));
    };
    if given.fields.is_some() && policy.format != AccessLogFormat::Json {
        has_no_effect("fields", "only lines in JSON are made of fields", "leave it out, or write format: json");
    }
    if !policy.request_headers.is_empty() {
        if policy.format != AccessLogFormat::Json {
            has_no_effect("requestHeaders", "only lines in JSON have room for them", "leave it out, or write format: json");
        } else if !policy.fields.has(FieldName::RequestHeaders) {
            has_no_effect("requestHeaders", "accessLog.fields does not list request_headers", "add request_headers to accessLog.fields");
        }
    }
}

pub(super) fn process(settings: &Settings) -> ProcessSettings {
    let default = SocketAddress::parse("127.0.0.1:9900");
    ProcessSettings {
        workers: settings.workers.and_then(|workers| workers.0),
        admin: settings.admin.address.map_or(default, |Listen(address)| address),
        admin_token: settings.admin.token.as_ref().map(|token| token.file.clone()),
        admin_socket: settings.admin.unix_socket.clone(),
        access_log: settings.access_log.file.clone(),
        collector: settings
            .tracing
            .otlp
            .as_ref()
            .map(|collector| (collector.0.clone(), settings.tracing.sampling.map_or(LogSampling::ALL, |share| LogSampling(share.0)))),
    }
}
