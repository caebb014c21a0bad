//! What the cloud's load balancer refuses of requests, beyond what nobody may let through: see `invalid_request_headers`
//! and its like among its `statusDetails`. Which exchanges that is for is decided in `exchange`.

use http::Version;
use http::request::Parts;
use http::uri::Scheme;

use crate::proxy::error::{ErrorKind, INVALID_HTTP2_PATH, SECURE_URL};

/// Checks a request; `secure` is whether the connection has TLS.
pub fn check(request: &Parts, secure: bool) -> Result<(), ErrorKind> {
    if !secure && request.version < Version::HTTP_2 && request.uri.scheme() == Some(&Scheme::HTTPS) {
        return Err(ErrorKind::BadRequest(SECURE_URL));
    }
    if !request.uri.path().bytes().all(is_path) {
        let of_http2 = request.version >= Version::HTTP_2;
        return Err(ErrorKind::BadRequest(if of_http2 { INVALID_HTTP2_PATH } else { "its path has what no URL has" }));
    }
    if !request.headers.values().all(|value| value.as_bytes().is_ascii()) {
        return Err(ErrorKind::BadRequest("a field of it is not ASCII"));
    }
    Ok(())
}

/// A byte of a path (RFC 3986 section 3.3).
fn is_path(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(version: Version, target: &str, value: &[u8], secure: bool) -> Option<ErrorKind> {
        let request = http::Request::builder().version(version).uri(target).header("x-a", value).body(()).unwrap();
        check(&request.into_parts().0, secure).err()
    }

    #[test]
    fn only_urls_and_ascii_get_through() {
        let refused = |target: &str, value: &[u8]| refusal(Version::HTTP_11, target, value, true).is_some();
        assert!(!refused("/a/b-c_d~1.e%20f!$&'()*+,;=:@?q[x]=|", b"a\tb"));
        for target in ["/caf\u{e9}", "/a\"b", "/{a}", "/a|b", "/a^b"] {
            assert!(refused(target, b""), "{target}");
        }
        assert!(refused("/", b"caf\xe9"));
        assert_eq!(refusal(Version::HTTP_2, "/{a}", b"", true), Some(ErrorKind::BadRequest(INVALID_HTTP2_PATH)));
    }

    #[test]
    fn https_is_not_asked_for_in_the_clear() {
        assert_eq!(refusal(Version::HTTP_11, "https://shop.test/", b"", false), Some(ErrorKind::BadRequest(SECURE_URL)));
        assert_eq!(refusal(Version::HTTP_11, "https://shop.test/", b"", true), None);
        assert_eq!(refusal(Version::HTTP_11, "http://shop.test/", b"", false), None);
    }
}
