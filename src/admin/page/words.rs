//! Times and counts as a person says them.

use std::time::{Duration, SystemTime};

/// How long ago, or how long: `45 s`, `12 min`, `3 h`, `5 days`.
pub(super) fn span(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// How long ago that was.
pub(super) fn since(time: SystemTime) -> String {
    span(SystemTime::now().duration_since(time).unwrap_or_default())
}

/// `1 error`, `2 errors`.
pub(super) fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// The time of day of an instant as RFC 3339 has it.
pub(super) fn clock(rfc3339: &str) -> String {
    rfc3339.get(11..19).unwrap_or(rfc3339).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_one_unit() {
        let spans = [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"]);
        assert_eq!(clock("2026-11-29T09:12:00.250Z"), "09:12:00");
        assert_eq!([count(1, "error"), count(0, "error")], ["1 error", "0 errors"]);
    }
}
