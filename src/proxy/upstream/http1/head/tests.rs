use proptest::prelude::*;

use super::*;

fn parse_text(text: &str) -> Result<Parsed, ErrorKind> {
    parse_asked(text, Asked { method: &Method::GET, upgrade: None })
}

fn parse_asked(text: &str, asked: Asked<'_>) -> Result<Parsed, ErrorKind> {
    parse(&mut BytesMut::from(text), asked, 16 * 1024).map_err(|error| error.kind)
}

fn answer(text: &str) -> ResponseHead {
    match parse_text(text) {
        Ok(Parsed::Final(head)) => *head,
        Ok(_) => panic!("not final: {text}"),
        Err(kind) => panic!("{kind:?}: {text}"),
    }
}

#[test]
fn framing_is_decided_as_the_rfc_has_it() {
    let framing = |text: &str| format!("{:?} {}", answer(text).decoder, answer(text).keep_alive);
    for (text, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "Length(5) true"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\n", "Length(5) true"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\n", "Length(5) true"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "Done true"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", "Chunked(Size) true"),
        ("HTTP/1.1 200\r\n\r\n", "UntilClose false"),
        ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", "Length(5) false"),
        ("HTTP/1.2 200 OK\r\ncontent-length: 5\r\n\r\n", "Length(5) true"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "Done true"),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", "Done true"),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\n", "Done false"),
        ("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", "Done false"),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", "Done true"),
        ("HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", "Done false"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: x, Close\r\n\r\n", "Length(1) false"),
    ] {
        assert_eq!(framing(text), expected, "{text}");
    }
}

#[test]
fn ambiguous_responses_are_refused() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775808\r\n\r\n",
        "HTTP/2.0 200 OK\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: x\0y\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        "garbage\r\n\r\n",
    ] {
        assert!(matches!(parse_text(text), Err(ErrorKind::BadResponse(_))), "{text}");
    }
}

#[test]
fn a_switch_is_taken_only_to_what_was_asked_for() {
    let websocket = HeaderValue::from_static("websocket");
    let asked = Asked { method: &Method::GET, upgrade: Some(&websocket) };
    let text = |protocol: &str| format!("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n");
    assert!(matches!(parse_asked(&text("WebSocket"), asked), Ok(Parsed::Final(head)) if head.upgrade.is_some()));
    assert!(matches!(parse_asked(&text("h2c"), asked), Err(ErrorKind::BadResponse(_))));
}

#[test]
fn fields_of_the_connection_stay_behind() {
    let head = answer(
        "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: x\r\nx-pass: 2\r\nset-cookie: a\r\nset-cookie: b\r\ncontent-length: 1\r\n\r\n",
    );
    let mut names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "set-cookie", "x-pass"]);
    assert_eq!(head.headers.get_all("set-cookie").iter().count(), 2);
}

#[test]
fn interim_responses_have_no_body_and_keep_what_is_for_the_client() {
    let interim = |fields: &str| parse_text(&format!("HTTP/1.1 103 Early Hints\r\nlink: x\r\n{fields}\r\nHTTP"));
    let Ok(Parsed::Interim(head)) = interim("connection: x-hop\r\nx-hop: 1\r\nkeep-alive: 1\r\ncontent-length: 0\r\n") else { panic!("it is one") };
    assert_eq!((head.status(), head.headers().keys().map(HeaderName::as_str).collect()), (StatusCode::EARLY_HINTS, vec!["link"]));
    for fields in ["content-length: 5\r\n", "transfer-encoding: chunked\r\n", "content-length: x\r\ncontent-length: 6\r\n"] {
        assert!(matches!(interim(fields), Ok(Parsed::Interim(head)) if head.headers().len() == 1), "{fields}");
    }
    assert!(matches!(interim("link\0: x\r\n"), Err(ErrorKind::BadResponse(_))));
}

#[test]
fn heads_are_bounded() {
    assert!(matches!(parse_text("HTTP/1.1 200 OK\r\nlink"), Ok(Parsed::More)));
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(16 * 1024));
    assert!(matches!(parse_text(&endless), Err(ErrorKind::ResponseHeadTooLarge)));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(MAX_FIELDS + 1));
    assert!(matches!(parse_text(&many), Err(ErrorKind::ResponseHeadTooLarge)));
}

#[test]
fn a_request_is_written_without_what_is_not_for_the_backend() {
    let headers: HeaderMap = [("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2"), ("te", "trailers"), ("x-hop", "1"), ("host", "evil")]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .chain([(header::CONNECTION, HeaderValue::from_static("x-hop"))])
        .collect();
    let nominated = Nominated::of(&headers).unwrap();
    let head = RequestHead {
        method: &Method::POST,
        target: "/a?b",
        host: "shop.test",
        headers: &headers,
        nominated: &nominated,
        added: b"via: 1.1 x\r\n",
        upgrade: None,
    };
    let written = |length| {
        let mut out = BytesMut::new();
        head.write(&mut out, length);
        String::from_utf8(out.to_vec()).unwrap()
    };
    assert_eq!(
        written(Length::Unknown),
        "POST /a?b HTTP/1.1\r\nhost: shop.test\r\naccept: */*\r\ncookie: a=1; b=2\r\nvia: 1.1 x\r\nconnection: te\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    assert!(written(Length::Empty).ends_with("content-length: 0\r\n\r\n"));
    assert!(written(Length::Exact(7)).ends_with("content-length: 7\r\n\r\n"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut input = BytesMut::from(&[b"HTTP/1.1 200 OK\r\n".as_slice(), &bytes].concat()[..]);
        let _ = parse(&mut input, Asked { method: &Method::GET, upgrade: None }, 1024);
    }
}
