//! The cloud's own trace field, `X-Cloud-Trace-Context: TRACE_ID/SPAN_ID;o=OPTIONS`
//! (<https://cloud.google.com/trace/docs/trace-context>): kept where the client began it, else written for the trace that
//! the exchange belongs to.

use http::header::{HeaderMap, HeaderName};

use super::ids::Ids;

/// Its name.
pub const FIELD: HeaderName = HeaderName::from_static("x-cloud-trace-context");

/// Whether the client has sent a valid one, which passes to the backend as it is.
pub fn passes(headers: &HeaderMap) -> bool {
    let mut fields = headers.get_all(FIELD).iter();
    matches!((fields.next(), fields.next()), (Some(field), None) if field.to_str().is_ok_and(is_valid))
}

/// 32 hexadecimal digits; span and options may be left out.
fn is_valid(field: &str) -> bool {
    let (field, options) = field.split_once(";o=").unwrap_or((field, "0"));
    let (trace, span) = field.split_once('/').unwrap_or((field, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    trace.len() == 32
        && trace.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (digits(span) && span.parse::<u64>().is_ok())
        && (digits(options) && options.parse::<u8>().is_ok())
}

/// Appends the field's value for a trace: the span in decimal, and the option where the trace is recorded.
pub fn write(ids: &Ids, out: &mut String) {
    let option = if ids.is_sampled() { ";o=1" } else { "" };
    out.push_str(&format!("{}/{}{option}", ids.trace(), ids.span()));
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::proxy::random::Random;

    #[test]
    fn a_valid_field_passes_and_any_other_is_replaced() {
        for (field, valid) in [
            ("105445aa7843bc8bf206b12000100000/1;o=1", true),
            ("105445AA7843BC8BF206B12000100000/18446744073709551615", true),
            ("105445aa7843bc8bf206b12000100000", true),
            ("105445aa7843bc8bf206b12000100000;o=0", true),
            ("105445aa7843bc8bf206b1200010000/1;o=1", false),
            ("105445aa7843bc8bf206b12000100000/18446744073709551616", false),
            ("105445aa7843bc8bf206b12000100000/+1", false),
            ("105445aa7843bc8bf206b12000100000/", false),
            ("105445aa7843bc8bf206b12000100000/1;o=", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(FIELD, HeaderValue::from_str(field).unwrap())]);
            assert_eq!(passes(&headers), valid, "{field}");
        }
        let twice = [1, 2].map(|_| (FIELD, HeaderValue::from_static("105445aa7843bc8bf206b12000100000/1")));
        assert!(!passes(&HeaderMap::from_iter(twice)) && !passes(&HeaderMap::new()));
    }

    #[test]
    fn it_names_the_trace_that_the_backend_is_told_of() {
        let traceparent = |flags: &str| format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        for (flags, expected) in
            [("01", "4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343;o=1"), ("00", "4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343")]
        {
            let headers = HeaderMap::from_iter([(HeaderName::from_static("traceparent"), HeaderValue::from_str(&traceparent(flags)).unwrap())]);
            let mut out = String::new();
            write(&Ids::of(&headers, &Random::seeded(1)), &mut out);
            assert_eq!(out, expected);
            assert!(is_valid(&out));
        }
    }
}
