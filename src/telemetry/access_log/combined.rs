//! Apache's combined format (<https://httpd.apache.org/docs/2.4/logs.html#combined>), for programs that read nothing
//! else. What it has no place for is left out; queries are, as everywhere.

use super::redact::{address, referer, unless};
use super::{Record, put};
use crate::date::common_log;
use crate::model::{AccessLogPolicy, Redaction};
use crate::telemetry::names::protocol;

/// Appends the line: `HOST - - [TIME] "METHOD PATH PROTOCOL" STATUS BYTES "REFERER" "USER-AGENT"`.
pub(super) fn write(out: &mut Vec<u8>, policy: &AccessLogPolicy, record: &Record<'_>) {
    put(out, format_args!("{} - - [{}] \"", address(policy, record.client), common_log(record.started)));
    escaped(out, record.method.as_str().as_bytes());
    out.push(b' ');
    for (at, word) in unless(policy, Redaction::Path, record.path.as_bytes()).split(|byte| *byte == b' ').enumerate() {
        // A space would make another word of the request line.
        out.extend_from_slice(if at > 0 { b"%20" } else { b"" });
        escaped(out, word);
    }
    put(out, format_args!(" {}\" {} {} \"", protocol(record.protocol), record.status, record.bytes_out));
    escaped(out, record.headers.get(http::header::REFERER).map_or(b"-", |value| referer(policy, value.as_bytes())));
    out.extend_from_slice(b"\" \"");
    escaped(out, record.user_agent.map_or(b"-", |agent| unless(policy, Redaction::UserAgent, agent)));
    out.push(b'"');
}

/// As nginx and Apache escape: whatever is not printable ASCII as `\xHH`, and so are quotes and backslashes.
fn escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'"' | b'\\' | 0..=31 | 127.. => put(out, format_args!("\\x{byte:02X}")),
            plain => out.push(*plain),
        }
    }
}
