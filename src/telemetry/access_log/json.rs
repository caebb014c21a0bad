//! The JSON form: one flat object a line, keys in a fixed order. What is absent has no key.

use std::time::Duration;

use http::Version;

use super::escape;
use super::{Record, put};
use crate::date::rfc3339_millis;

/// Appends the object.
pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>) {
    put(out, format_args!("{{\"time\":\"{}\"", rfc3339_millis(record.started)));
    text(out, "request_id", record.request_id);
    optional(out, "trace_id", record.trace_id);
    put(out, format_args!(",\"client_ip\":\"{}\",\"client_port\":{}", record.client.to_canonical(), record.client_port));
    text(out, "listener", record.listener);
    text(out, "scheme", record.scheme);
    text(out, "protocol", protocol(record.protocol));
    text(out, "method", record.method.as_str());
    optional(out, "host", record.host);
    text(out, "path", record.path);
    put(out, format_args!(",\"status\":{},\"bytes_in\":{},\"bytes_out\":{}", record.status, record.bytes_in, record.bytes_out));
    milliseconds(out, "duration_ms", record.duration);
    if let Some(duration) = record.backend_duration {
        milliseconds(out, "backend_ms", duration);
    }
    if let Some(user_agent) = record.user_agent {
        key(out, "user_agent");
        escape::json(out, user_agent);
    }
    optional(out, "route", record.route);
    optional(out, "backend", record.backend);
    optional(out, "endpoint", record.endpoint);
    put(out, format_args!(",\"attempts\":{}", record.attempts));
    optional(out, "reason", record.reason);
    optional(out, "statusDetails", record.status_details);
    if let Some(version) = record.tls_version {
        text(out, "tls_version", version);
        optional(out, "server_name", record.server_name);
        put(out, format_args!(",\"resumed\":{}", record.resumed));
    }
    out.push(b'}');
}

/// As in a status line.
pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

fn key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    escape::json(out, value.as_bytes());
}

fn optional(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        text(out, name, value);
    }
}

fn milliseconds(out: &mut Vec<u8>, name: &str, duration: Duration) {
    key(out, name);
    let micros = duration.as_micros();
    put(out, format_args!("{}.{:03}", micros / 1000, micros % 1000));
}
