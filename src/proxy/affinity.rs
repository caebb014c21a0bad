//! The cookie by which a client comes back to the endpoint it had. It holds a random number and nothing else: which
//! endpoint that stands for follows from the number and the endpoints there are, so it reveals none, and every replica
//! comes to the same. Which one is picked is `balance`'s matter.

use std::time::{Duration, SystemTime};

use http::header::{COOKIE, HeaderMap, HeaderValue};

use super::random::{Random, mix};
use crate::model::AffinityCookie;

/// Who a client is, to its backend.
pub struct Session {
    id: u128,
    /// The client does not know it yet.
    new: bool,
}

impl Session {
    /// The client's own, or a new one if it has none that is one of ours.
    pub fn of(cookie: &AffinityCookie, headers: &HeaderMap, random: &Random) -> Self {
        match known(&cookie.name, headers) {
            Some(id) => Self { id, new: false },
            None => Self { id: u128::from(random.next()) << 64 | u128::from(random.next()), new: true },
        }
    }

    /// What it is picked by.
    pub fn key(&self) -> u64 {
        let [high, low] = [self.id >> 64, self.id & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or(0));
        mix(mix(high) ^ low)
    }

    /// What tells the client, where it does not know yet. `secure`: it came over TLS.
    pub fn set_cookie(&self, cookie: &AffinityCookie, secure: bool, now: SystemTime) -> Option<HeaderValue> {
        if !self.new {
            return None;
        }
        let mut text = format!("{}={:032x}; path=/; HttpOnly", cookie.name, self.id);
        if secure {
            text.push_str("; Secure");
        }
        if let Some(age) = cookie.max_age {
            // Browsers read Max-Age; `expires` is for what is older than that.
            let expires = httpdate::fmt_http_date(now + age.min(LONGEST));
            text.push_str(&format!("; Max-Age={}; expires={expires}", age.as_secs()));
        }
        HeaderValue::from_str(&text).ok()
    }
}

/// A date later than this has no form that browsers read. They keep no cookie for longer than 400 days.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

/// The number in the cookie of this name: 32 hexadecimal digits, in quotes or not.
fn known(name: &str, headers: &HeaderMap) -> Option<u128> {
    let mut pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    let value = pairs.find_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    let value = value.strip_prefix(b"\"").and_then(|quoted| quoted.strip_suffix(b"\"")).unwrap_or(value);
    let digits = std::str::from_utf8(value).ok().filter(|digits| digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u128::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff";

    fn cookie(max_age: Option<Duration>) -> AffinityCookie {
        AffinityCookie { name: "GENKAN".to_owned(), max_age }
    }

    fn session(cookies: &[&str]) -> Session {
        let headers = cookies.iter().map(|text| (COOKIE, HeaderValue::from_str(text).unwrap())).collect();
        Session::of(&cookie(None), &headers, &Random::seeded(1))
    }

    #[test]
    fn a_client_is_known_by_its_cookie_alone() {
        for cookies in [vec![format!("GENKAN={ID}")], vec![format!("a=b;GENKAN={ID} ; c=d")], vec!["a=b".to_owned(), format!("GENKAN=\"{ID}\"")]] {
            let session = session(&cookies.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(!session.new, "{cookies:?}");
            assert_eq!(session.id, 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        }
        for text in ["", "GENKAN=", "GENKAN=1", "GENKAN=+0112233445566778899aabbccddeeff", &format!("XGENKAN={ID}"), &format!("GENKAN={ID}0")] {
            assert!(session(&[text]).new, "{text}");
        }
    }

    #[test]
    fn a_cookie_is_set_once_and_as_long_as_told() {
        let now = SystemTime::UNIX_EPOCH;
        let known = session(&[&format!("GENKAN={ID}")]);
        assert_eq!(known.set_cookie(&cookie(None), true, now), None);
        let new = Session { id: 255, new: true };
        let text = |max_age, secure| new.set_cookie(&cookie(max_age), secure, now).unwrap();
        let value = "GENKAN=000000000000000000000000000000ff; path=/; HttpOnly";
        assert_eq!(text(None, false), value);
        assert_eq!(text(None, true), format!("{value}; Secure"));
        let hour = Duration::from_secs(3600);
        assert_eq!(text(Some(hour), true), format!("{value}; Secure; Max-Age=3600; expires=Thu, 01 Jan 1970 01:00:00 GMT"));
        assert!(new.set_cookie(&cookie(Some(Duration::MAX)), true, SystemTime::now()).is_some(), "no age is too large");
    }
}
