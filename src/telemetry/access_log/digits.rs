//! Numbers, times and addresses as a line has them, digit by digit. Formatting them with std's machinery took more time
//! than all the rest of a line, and there is a line for every exchange.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::put;
use crate::date::Civil;

/// Appends a number.
pub(super) fn whole(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = digit(rest % 10);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a number with zeros before it, up to so many digits.
fn padded<const N: usize>(out: &mut Vec<u8>, number: u64) {
    let mut digits = [b'0'; N];
    let mut rest = number;
    for place in digits.iter_mut().rev() {
        *place = digit(rest % 10);
        rest /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Of a number below ten.
#[allow(clippy::cast_possible_truncation, reason = "it is below ten")]
fn digit(number: u64) -> u8 {
    b'0' + number as u8
}

/// Appends `12.345`: milliseconds to the microsecond.
pub(super) fn milliseconds(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    whole(out, micros / 1000);
    out.push(b'.');
    padded::<3>(out, micros % 1000);
}

/// Appends `2026-11-29T09:12:00.250Z`.
pub(super) fn time(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let Civil { year, month, day, hour, minute, second } = Civil::of(since.as_secs());
    padded::<4>(out, year);
    for (before, number) in [(b'-', month), (b'-', day), (b'T', hour), (b':', minute), (b':', second)] {
        out.push(before);
        padded::<2>(out, number);
    }
    out.push(b'.');
    padded::<3>(out, since.subsec_millis().into());
    out.push(b'Z');
}

/// Appends an address.
pub(super) fn address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(ip) => {
            for (at, octet) in ip.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push(b'.');
                }
                whole(out, octet.into());
            }
        }
        IpAddr::V6(ip) => put(out, format_args!("{ip}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::date::rfc3339_millis;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn all_are_as_std_has_them(number: u64, micros in 0..u64::MAX / 2, millis in 0..253_402_300_799_999_u64, ip: std::net::Ipv4Addr, ip6: std::net::Ipv6Addr) {
            prop_assert_eq!(written(|out| whole(out, number)), number.to_string());
            let expected = format!("{}.{:03}", micros / 1000, micros % 1000);
            prop_assert_eq!(written(|out| milliseconds(out, Duration::from_micros(micros))), expected);
            let instant = UNIX_EPOCH + Duration::from_millis(millis);
            prop_assert_eq!(written(|out| time(out, instant)), rfc3339_millis(instant).to_string());
            prop_assert_eq!(written(|out| address(out, ip.into())), ip.to_string());
            prop_assert_eq!(written(|out| address(out, ip6.into())), ip6.to_string());
        }
    }

    #[test]
    fn the_ends_are_right_too() {
        assert_eq!([0, 9, 10, u64::MAX].map(|number| written(|out| whole(out, number))), ["0", "9", "10", "18446744073709551615"]);
    }
}
