//! Who an exchange is, to whoever reads several logs: a request identifier of ours, and the trace it belongs to
//! (W3C Trace Context), passed on if the client began one.

use http::HeaderMap;

use crate::proxy::random::Random;

/// The identifiers of an exchange.
pub struct Ids {
    request: [u8; 32],
    /// `00-` trace `-` parent `-` flags.
    traceparent: [u8; TRACEPARENT],
    /// The client began the trace.
    continued: bool,
}

const TRACEPARENT: usize = 55;

impl Ids {
    /// A new request; its trace is the client's if that sent a valid one.
    pub fn of(headers: &HeaderMap, random: &Random) -> Self {
        let mut request = [0; 32];
        hex(&mut request[..16], random.next());
        hex(&mut request[16..], random.next());
        let mut fields = headers.get_all("traceparent").iter();
        let traceparent = match (fields.next(), fields.next()) {
            (Some(value), None) => <[u8; TRACEPARENT]>::try_from(value.as_bytes()).ok().filter(is_traceparent),
            _ => None,
        };
        Self { request, continued: traceparent.is_some(), traceparent: traceparent.unwrap_or_else(|| begin(random)) }
    }

    /// The same with a span of ours below which the rest is, recorded.
    pub fn below(&self, span: u64) -> Self {
        let mut traceparent = self.traceparent;
        hex(&mut traceparent[36..52], span);
        // The other flags are whoever's who set them.
        hex(&mut traceparent[54..], u64::from(self.flags() | 1) & 15);
        Self { request: self.request, traceparent, continued: true }
    }

    /// Whether the client began the trace.
    pub fn is_continued(&self) -> bool {
        self.continued
    }

    /// 32 hexadecimal digits.
    pub fn request(&self) -> &str {
        text(&self.request)
    }

    /// The whole `traceparent` field.
    pub fn traceparent(&self) -> &str {
        text(&self.traceparent)
    }

    /// The span that the request comes from, as a number.
    pub fn span(&self) -> u64 {
        u64::from_str_radix(text(&self.traceparent[36..52]), 16).unwrap_or_default()
    }

    /// Whether somebody records the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags() & 1 == 1
    }

    fn flags(&self) -> u8 {
        u8::from_str_radix(text(&self.traceparent[53..]), 16).unwrap_or_default()
    }

    /// The trace as a number.
    pub fn trace_number(&self) -> u128 {
        u128::from_str_radix(self.trace(), 16).unwrap_or_default()
    }

    /// The trace's 32 hexadecimal digits.
    pub fn trace(&self) -> &str {
        text(&self.traceparent[3..35])
    }
}

/// A trace that begins here, not sampled: nobody records spans for it.
fn begin(random: &Random) -> [u8; TRACEPARENT] {
    let mut field = *b"00-00000000000000000000000000000000-0000000000000000-00";
    // All zeros would be invalid; one bit costs nothing.
    hex(&mut field[3..19], random.next() | 1);
    hex(&mut field[19..35], random.next());
    hex(&mut field[36..52], random.next() | 1);
    field
}

/// Version 00 (<https://www.w3.org/TR/trace-context/>): lower-case hexadecimal, neither identifier all zeros.
fn is_traceparent(field: &[u8; TRACEPARENT]) -> bool {
    let digits = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let not_zero = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    field.starts_with(b"00-")
        && field[35] == b'-'
        && field[52] == b'-'
        && digits(&field[3..35])
        && digits(&field[36..52])
        && digits(&field[53..])
        && not_zero(&field[3..35])
        && not_zero(&field[36..52])
}

fn hex(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::from(number.to_le_bytes()[0] & 15)];
        number >>= 4;
    }
}

/// Only digits and hyphens are ever written there.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ids(traceparent: &'static str) -> Ids {
        let headers = HeaderMap::from_iter([(http::HeaderName::from_static("traceparent"), HeaderValue::from_static(traceparent))]);
        Ids::of(&headers, &Random::seeded(7))
    }

    #[test]
    fn a_valid_trace_goes_on_and_any_other_begins_anew() {
        let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(ids(valid).traceparent(), valid);
        assert_eq!(ids(valid).below(0xa2).traceparent(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00000000000000a2-01");
        assert_eq!(ids("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02").below(1).traceparent()[53..], *"03");
        assert_eq!(ids(valid).trace(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for invalid in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            let ids = ids(invalid);
            assert_ne!(ids.traceparent(), invalid);
            assert!(is_traceparent(ids.traceparent().as_bytes().try_into().unwrap()), "{}", ids.traceparent());
        }
    }

    #[test]
    fn request_identifiers_are_hexadecimal_and_differ() {
        let random = Random::seeded(1);
        let (a, b) = (Ids::of(&HeaderMap::new(), &random), Ids::of(&HeaderMap::new(), &random));
        assert!(a.request().len() == 32 && a.request().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(a.request(), b.request());
    }
}
