//! What is written of an exchange, and how. The lines themselves are `telemetry::access_log`'s.

use std::collections::BTreeSet;

use http::HeaderName;

use super::LogSampling;

/// How exchanges are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLogPolicy {
    /// The form of a line.
    pub format: AccessLogFormat,
    /// Which fields lines in JSON have.
    pub fields: LogFields,
    /// Fields of requests that are written too, by name.
    pub request_headers: Vec<HeaderName>,
    /// What is made unreadable.
    pub redact: BTreeSet<Redaction>,
    /// Of the exchanges whose route says nothing of it; those that went wrong are written all the same.
    pub sampling: LogSampling,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// One readable line.
    Text,
    /// Apache's combined format, for programs that read nothing else.
    Combined,
    /// Nothing.
    Off,
}

/// What may be made unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redaction {
    /// The last 8 bits of an IPv4 address, the last 80 of an IPv6 address, and the port.
    ClientAddress,
    /// The path.
    Path,
    /// The user agent.
    UserAgent,
}

/// A set of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogFields(u32);

/// A field of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogField {
    /// Its key.
    pub name: &'static str,
    /// The same as JSON has it behind another one: `,"name":`.
    pub json: &'static str,
    /// Where the cloud's load balancer has the same, in its log entries; empty: nowhere.
    pub cloud: &'static str,
    /// What it is.
    pub about: &'static str,
}

impl Default for AccessLogPolicy {
    fn default() -> Self {
        Self {
            format: AccessLogFormat::default(),
            fields: LogFields::ALL,
            request_headers: Vec::new(),
            redact: BTreeSet::new(),
            sampling: LogSampling::ALL,
        }
    }
}

macro_rules! fields {
    ($($id:ident: $name:literal $cloud:literal $about:literal)*) => {
        /// Places of the fields in [`LogField::ALL`].
        #[allow(missing_docs, reason = "each is described in the table")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FieldName { $($id),* }

        impl LogField {
            /// All of them, in the order in which they are written.
            pub const ALL: &[Self] = &[$(Self { name: $name, json: concat!(",\"", $name, "\":"), cloud: $cloud, about: $about }),*];
        }
    };
}

fields! {
    Time: "time" "timestamp" "When the first byte of the request came, RFC 3339 in UTC."
    RequestId: "request_id" "" "As sent to the backend in X-Request-Id, and to the client with answers of our own."
    TraceId: "trace_id" "trace" "The trace that the request belongs to."
    ClientIp: "client_ip" "httpRequest.remoteIp" "Who asked."
    ClientPort: "client_port" "" "From which port."
    Listener: "listener" "resource.labels.forwarding_rule_name" "Where it came in."
    Scheme: "scheme" "httpRequest.requestUrl" "https or http."
    Protocol: "protocol" "httpRequest.protocol" "Of the request."
    Method: "method" "httpRequest.requestMethod" "Of the request."
    Host: "host" "httpRequest.requestUrl" "Of the request."
    Path: "path" "httpRequest.requestUrl" "Without the query, which often holds what nobody should read."
    Status: "status" "httpRequest.status" "Of the answer."
    BytesIn: "bytes_in" "httpRequest.requestSize" "Of the request's body; the cloud counts the head too."
    BytesOut: "bytes_out" "httpRequest.responseSize" "Of the answer's body; the cloud counts the head too."
    Duration: "duration_ms" "httpRequest.latency" "From the first byte of the request to the last of the answer."
    BackendDuration: "backend_ms" "" "From sending the request to the head of the backend's answer."
    UserAgent: "user_agent" "httpRequest.userAgent" "Of the request."
    Route: "route" "resource.labels.url_map_name" "What it was routed by."
    Backend: "backend" "resource.labels.backend_service_name" "Who was to answer."
    Endpoint: "endpoint" "httpRequest.serverIp" "The last one that was asked."
    Attempts: "attempts" "" "How often it was sent to a backend."
    Reason: "reason" "jsonPayload.proxyStatus" "Why the answer was not simply relayed; absent when it was."
    StatusDetails: "statusDetails" "jsonPayload.statusDetails" "The cloud's word for how it went, for routes that behave as the cloud."
    TlsVersion: "tls_version" "" "Of the connection; absent over cleartext, as are the two below."
    ServerName: "server_name" "" "That the client asked for."
    Resumed: "resumed" "" "Whether the handshake was resumed."
    RequestHeaders: "request_headers" "" "Those named in accessLog.requestHeaders."
}

impl LogField {
    /// The place of a key.
    pub fn named(name: &str) -> Option<usize> {
        Self::ALL.iter().position(|field| field.name == name)
    }
}

impl LogFields {
    /// Every field.
    pub const ALL: Self = Self(u32::MAX >> (u32::BITS as usize - LogField::ALL.len()));

    /// These places of [`LogField::ALL`].
    pub fn of(places: impl IntoIterator<Item = usize>) -> Self {
        Self(places.into_iter().fold(0, |set, place| set | 1 << place))
    }

    /// Whether lines have it.
    pub fn has(self, field: FieldName) -> bool {
        self.0 & (1 << field as u32) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_what_was_named() {
        let set = LogFields::of(["status", "path"].map(|name| LogField::named(name).unwrap()));
        assert!(set.has(FieldName::Status) && set.has(FieldName::Path) && !set.has(FieldName::Time));
        assert!(LogFields::ALL.has(FieldName::RequestHeaders) && LogField::ALL.len() <= 32);
        assert_eq!(LogField::named("query"), None);
    }
}
