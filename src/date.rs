//! Instants as text: RFC 3339 in UTC, and days as people count them. By hand, since it is all that is done with dates.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 3600;

/// `2026-11-29T09:12:00Z`. Times before 1970 are written as its beginning.
pub fn rfc3339(time: SystemTime) -> String {
    format!("{}Z", Second(since_1970(time).as_secs()))
}

/// `2026-11-29T09:12:00.250Z`, for events.
pub fn rfc3339_millis(time: SystemTime) -> impl fmt::Display {
    let since = since_1970(time);
    fmt::from_fn(move |f| write!(f, "{}.{:03}Z", Second(since.as_secs()), since.subsec_millis()))
}

/// `29/Nov/2026:09:12:00 +0000`, as the Common Log Format has it.
pub fn common_log(time: SystemTime) -> impl fmt::Display {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = since_1970(time).as_secs();
    fmt::from_fn(move |f| {
        let Civil { year, month, day, hour, minute, second } = Civil::of(seconds);
        let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month - 1)).unwrap_or(&"Jan");
        write!(f, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
    })
}

/// Whole days from `now` to `then`; below zero if it has passed.
pub fn days_until(then: SystemTime, now: SystemTime) -> i64 {
    let days = |duration: Duration| i64::try_from(duration.as_secs() / DAY).unwrap_or(i64::MAX);
    match then.duration_since(now) {
        Ok(left) => days(left),
        Err(passed) => -1 - days(passed.duration()),
    }
}

fn since_1970(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A second since 1970, without the letter of its zone.
struct Second(u64);

/// A second since 1970, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// From 1970.
    pub year: u64,
    /// From 1.
    pub month: u64,
    /// From 1.
    pub day: u64,
    /// From 0.
    pub hour: u64,
    /// From 0.
    pub minute: u64,
    /// From 0.
    pub second: u64,
}

impl Civil {
    /// In UTC.
    pub fn of(seconds: u64) -> Self {
        let (year, month, day) = date(seconds / DAY);
        Self { year, month, day, hour: seconds / 3600 % 24, minute: seconds / 60 % 60, second: seconds % 60 }
    }
}

impl fmt::Display for Second {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second } = Civil::of(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// The proleptic Gregorian date of a day since 1970: Howard Hinnant's `civil_from_days`, for days from then on. Its
/// years begin in March, so that the leap day is the last of one.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // Since 0000-03-01.
    let era = days / 146_097; // Of 400 years.
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153; // From March, 0.
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, january) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + january, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: u64, millis: u32) -> String {
        let time = UNIX_EPOCH + Duration::new(seconds, millis * 1_000_000);
        let text = rfc3339_millis(time).to_string();
        assert_eq!(rfc3339(time)[..19], text[..19]);
        text
    }

    #[test]
    fn known_instants() {
        assert_eq!(common_log(UNIX_EPOCH + Duration::from_secs(951_782_399)).to_string(), "28/Feb/2000:23:59:59 +0000");
        assert_eq!(text(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_399, 999), "2000-02-28T23:59:59.999Z");
        assert_eq!(text(951_782_400, 7), "2000-02-29T00:00:00.007Z");
        assert_eq!(text(1_709_251_199, 0), "2024-02-29T23:59:59.000Z");
        assert_eq!(text(1_709_251_200, 0), "2024-03-01T00:00:00.000Z");
        assert_eq!(text(1_798_761_599, 0), "2026-12-31T23:59:59.000Z");
        assert_eq!(text(4_107_542_400, 0), "2100-03-01T00:00:00.000Z"); // 2100 is no leap year.
        assert_eq!(text(253_402_300_799, 0), "9999-12-31T23:59:59.000Z");
    }

    #[test]
    fn every_day_follows_the_last() {
        let mut last = date(0);
        for day in 1..146_097 * 2 {
            let next = date(day);
            let (year, month, day_of_month) = last;
            let follows = [(year, month, day_of_month + 1), (year, month + 1, 1), (year + 1, 1, 1)].contains(&next);
            assert!(follows && next.1 <= 12 && next.2 <= 31, "{last:?} {next:?}");
            last = next;
        }
    }

    #[test]
    fn before_1970_is_its_beginning() {
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn days_are_whole() {
        let now = UNIX_EPOCH + Duration::from_secs(100 * DAY);
        assert_eq!(days_until(now + Duration::from_secs(DAY + 5), now), 1);
        assert_eq!(days_until(now + Duration::from_secs(5), now), 0);
        assert_eq!(days_until(now - Duration::from_secs(5), now), -1);
    }
}
