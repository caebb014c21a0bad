use http::Request;

use super::*;

fn parts(method: &str, uri: &str, version: Version, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri).version(version);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn refusal(parts: &Parts) -> Option<ErrorKind> {
    check(parts, &Limits::default()).err()
}

const H1: Version = Version::HTTP_11;
const H2: Version = Version::HTTP_2;

#[test]
fn one_host_is_needed_and_it_must_be_one() {
    let host = ("host", "shop.test:8443");
    assert_eq!(refusal(&parts("GET", "/a", H1, &[host])), None);
    assert_eq!(check(&parts("GET", "http://other.test/a", H1, &[host]), &Limits::default()).unwrap().host, "other.test");
    assert_eq!(refusal(&parts("GET", "/a", Version::HTTP_10, &[])), None);
    for (uri, version, fields) in [
        ("/a", H1, &[][..]),
        ("/a", H1, &[host, host]),
        ("/a", H1, &[("host", "")]),
        ("/a", H1, &[("host", "user@shop.test")]),
        ("/a", H1, &[("host", "shop.test:99999")]),
        ("/a", H1, &[("host", "a b")]),
        ("https://shop.test/a", H2, &[("host", "other.test")]),
        ("/a", H2, &[]),
    ] {
        let refusal = refusal(&parts("GET", uri, version, fields));
        assert!(matches!(refusal, Some(ErrorKind::BadRequest(_))), "{uri} {fields:?} {refusal:?}");
    }
}

#[test]
fn what_cannot_be_forwarded_is_refused() {
    let host = ("host", "shop.test");
    assert_eq!(refusal(&parts("TRACE", "/", H1, &[host])), Some(ErrorKind::MethodRefused));
    assert_eq!(refusal(&parts("CONNECT", "shop.test:443", H1, &[host])), Some(ErrorKind::MethodRefused));
    assert_eq!(refusal(&parts("GET", "/", H1, &[host, ("expect", "200-ok")])), Some(ErrorKind::ExpectationUnknown));
    assert_eq!(refusal(&parts("POST", "/", H1, &[host, ("expect", "100-Continue")])), None);
    let twice = [host, ("expect", "100-continue"), ("expect", "200-ok")];
    assert_eq!(refusal(&parts("POST", "/", H1, &twice)), Some(ErrorKind::ExpectationUnknown));
    assert_eq!(refusal(&parts(&"A".repeat(64), "/", H1, &[host])), None);
    for (method, target) in [("A".repeat(65).as_str(), "/"), ("GET", "ftp://shop.test/")] {
        assert!(matches!(refusal(&parts(method, target, H1, &[host])), Some(ErrorKind::BadRequest(_))), "{method} {target}");
    }
    assert_eq!(refusal(&parts("OPTIONS", "*", H1, &[host])), None);
    for (target, version) in [("*", H1), ("first", H1), ("shop.test", H1), ("https://shop.test?x", H2)] {
        assert!(matches!(refusal(&parts("GET", target, version, &[host])), Some(ErrorKind::BadRequest(_))), "{target}");
    }
}

#[test]
fn heads_are_bounded_by_count_and_size() {
    let limits = Limits { request_headers: 2, request_head: 100, ..Limits::default() };
    let kind = |fields: &[(&str, &str)]| check(&parts("GET", "/", H1, fields), &limits).err();
    assert_eq!(kind(&[("host", "a.test"), ("a", "1")]), None);
    assert_eq!(kind(&[("host", "a.test"), ("a", "1"), ("b", "1")]), Some(ErrorKind::RequestHeadTooLarge));
    assert_eq!(kind(&[("host", "a.test"), ("a", &"x".repeat(100))]), Some(ErrorKind::RequestHeadTooLarge));
}

#[test]
fn a_switch_is_asked_for_by_both_fields_and_never_to_h2c() {
    let asked = |version, fields: &[(&str, &str)]| {
        let fields = [&[("host", "a.test")], fields].concat();
        check(&parts("GET", "/", version, &fields), &Limits::default()).map(|checked| checked.upgrade.is_some())
    };
    let both = [("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")];
    assert_eq!(asked(H1, &both), Ok(true));
    assert_eq!(asked(Version::HTTP_10, &both), Ok(false));
    assert_eq!(asked(H1, &both[1..]), Ok(false));
    assert_eq!(asked(H1, &[both[0], ("upgrade", "h2c")]), Ok(false));
    assert_eq!(asked(H1, &[both[0], ("upgrade", "websocket, h2c")]), Ok(false));
    assert!(asked(H1, &[both[0], both[1], ("content-length", "5")]).is_err());
}
