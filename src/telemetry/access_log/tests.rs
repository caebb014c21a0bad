//! The access log as its readers see it.

use std::collections::HashSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, Sender, channel};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{LogField, LogFields, Redaction};
use crate::telemetry::fake::record;

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(20);

fn policy(format: AccessLogFormat) -> AccessLogPolicy {
    AccessLogPolicy { format, ..AccessLogPolicy::default() }
}

fn full() -> Record<'static> {
    Record {
        trace_id: "trace",
        user_agent: Some(b"curl/8"),
        route: Some("shop"),
        backend: Some("web"),
        endpoint: Some("127.0.0.1:9000"),
        attempts: 2,
        backend_duration: Some(Duration::from_micros(7)),
        reason: Some("backend_timeout"),
        tls_version: Some("1.3"),
        server_name: Some("shop.test"),
        resumed: true,
        ..record()
    }
}

type Form = fn(&mut Vec<u8>, &AccessLogPolicy, &Record<'_>);

fn line(format: Form, record: &Record<'_>) -> String {
    line_by(&AccessLogPolicy::default(), format, record)
}

fn line_by(policy: &AccessLogPolicy, format: Form, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    format(&mut out, policy, record);
    String::from_utf8(out).unwrap()
}

#[test]
fn json_has_these_keys_in_this_order() {
    assert_eq!(
        line(json::write, &full()),
        concat!(
            r#"{"time":"2023-11-14T22:13:20.123Z","request_id":"id-1","trace_id":"trace","client_ip":"127.0.0.1","client_port":5000,"#,
            r#""listener":"https","scheme":"https","protocol":"HTTP/2.0","method":"GET","host":"shop.test","path":"/cart","status":200,"#,
            r#""bytes_in":0,"bytes_out":512,"duration_ms":12.345,"backend_ms":0.007,"user_agent":"curl/8","route":"shop","backend":"web","#,
            r#""endpoint":"127.0.0.1:9000","attempts":2,"reason":"backend_timeout","tls_version":"1.3","server_name":"shop.test","resumed":true}"#
        )
    );
}

#[test]
fn absent_keys_are_left_out() {
    let object: Value = serde_json::from_str(&line(json::write, &Record { host: None, ..record() })).unwrap();
    for key in ["host", "backend_ms", "user_agent", "route", "backend", "endpoint", "reason", "tls_version", "server_name", "resumed"] {
        assert_eq!(object.get(key), None, "{key}");
    }
    assert_eq!(object["attempts"], json!(0));
}

#[test]
fn text_reads_from_left_to_right() {
    assert_eq!(
        line(text::write, &full()),
        concat!(
            "2023-11-14T22:13:20.123Z 127.0.0.1 GET shop.test /cart HTTP/2.0 200 12.345ms in=0 out=512 listener=https route=shop backend=web ",
            r#"endpoint=127.0.0.1:9000 attempts=2 reason=backend_timeout tls=1.3 request_id=id-1 user_agent="curl/8""#
        )
    );
}

#[test]
fn text_cannot_be_forged() {
    let hostile = Record {
        path: "/ HTTP/1.1 200\r\n2026-01-01T00:00:00.000Z",
        host: Some("a b"),
        user_agent: Some(b"x\" route=admin\x1b[2J\xff\xc2\x9b\xe2\x80\xae"),
        ..record()
    };
    let line = line(text::write, &hostile);
    assert!(line.contains(r#" "a b" "/ HTTP/1.1 200\u{d}\u{a}2026-01-01T00:00:00.000Z" HTTP/2.0 200 "#), "{line}");
    assert!(line.ends_with("user_agent=\"x\\\" route=admin\\u{1b}[2J\u{fffd}\\u{9b}\\u{202e}\""), "{line}");
}

#[test]
fn lines_have_the_fields_that_are_wanted() {
    let places = ["status", "host", "reason"].map(|name| LogField::named(name).unwrap());
    let policy = AccessLogPolicy { fields: LogFields::of(places), ..AccessLogPolicy::default() };
    assert_eq!(line_by(&policy, json::write, &full()), r#"{"host":"shop.test","status":200,"reason":"backend_timeout"}"#);
    let none = AccessLogPolicy { fields: LogFields::of([]), ..AccessLogPolicy::default() };
    assert_eq!(line_by(&none, json::write, &full()), "{}");
}

#[test]
fn header_fields_are_written_where_they_are_asked_for_and_secrets_never() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("x-tenant", "a \"b\""),
        ("x-tenant", "c"),
        ("cookie", "session=1"),
        ("authorization", "Bearer x"),
        ("x-other", "1"),
        ("referer", "https://a.test/b?token=1"),
    ] {
        headers.append(name, value.parse().unwrap());
    }
    let asked = ["x-tenant", "cookie", "authorization", "x-absent", "referer"];
    let request_headers = asked.iter().map(|name| name.parse().unwrap()).collect();
    let policy = AccessLogPolicy { request_headers, ..AccessLogPolicy::default() };
    let object: Value = serde_json::from_str(&line_by(&policy, json::write, &Record { headers: &headers, ..full() })).unwrap();
    let expected = json!({ "x-tenant": "a \"b\", c", "cookie": "[redacted]", "authorization": "[redacted]", "referer": "https://a.test/b" });
    assert_eq!(object["request_headers"], expected);
    assert!(!line(json::write, &Record { headers: &headers, ..full() }).contains("request_headers"));
}

#[test]
fn what_is_to_be_unreadable_is_so_in_every_form() {
    let redact = [Redaction::ClientAddress, Redaction::Path, Redaction::UserAgent].into();
    let policy = AccessLogPolicy { redact, ..AccessLogPolicy::default() };
    let record = Record { client: Ipv4Addr::new(203, 0, 113, 77).into(), path: "/a/secret", user_agent: Some(b"agent/1"), ..full() };
    for form in [json::write as Form, text::write, combined::write] {
        let (hidden, shown) = (line_by(&policy, form, &record), line(form, &record));
        for (secret, instead) in [("203.0.113.77", "203.0.113.0"), ("/a/secret", "[redacted]"), ("agent/1", "[redacted]")] {
            assert!(!hidden.contains(secret) && hidden.contains(instead), "{hidden}");
            assert!(shown.contains(secret), "{shown}");
        }
    }
    assert!(!line_by(&policy, json::write, &record).contains("client_port"));
}

#[test]
fn combined_is_what_apache_writes() {
    let mut headers = HeaderMap::new();
    headers.insert("referer", "https://a.test/b?c=1".parse().unwrap());
    let record = Record { headers: &headers, path: "/a b\"\u{e9}", ..full() };
    let expected = r#"127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] "GET /a%20b\x22\xC3\xA9 HTTP/2.0" 200 512 "https://a.test/b" "curl/8""#;
    assert_eq!(line(combined::write, &record), expected);
    assert!(line(combined::write, &self::record()).ends_with(r#" "-" "-""#));
}

#[test]
fn a_file_that_was_moved_away_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let log = AccessLog::start(Some(&path)).unwrap();
    let write = |id: &str| {
        log.write(&policy(AccessLogFormat::Json), &Record { request_id: id, ..record() });
        log.flush(SOON);
    };
    write("first");
    std::fs::rename(&path, &moved).unwrap();
    write("second");
    log.reopen();
    log.flush(SOON);
    write("third");
    let ids = |path| {
        std::fs::read_to_string(path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!((ids(&moved), ids(&path)), (vec![json!("first"), json!("second")], vec![json!("third")]));
    // Where it cannot be opened, nothing is lost.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    log.reopen();
    write("fourth");
    assert_eq!(log.dropped(), 0);
    assert!(AccessLog::start(Some(&path)).is_err());
}

proptest! {
    #[test]
    fn combined_has_its_fields_whatever_the_client_sent(path: String, agent: Vec<u8>, referer in "[ -~]*") {
        let mut headers = HeaderMap::new();
        headers.insert("referer", referer.parse().unwrap());
        let hostile = Record { path: &path, user_agent: Some(&agent), headers: &headers, ..full() };
        let line = line(combined::write, &hostile);
        prop_assert!(line.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line:?}");
        let parts: Vec<&str> = line.split('"').collect();
        prop_assert_eq!(parts.len(), 7, "{}", line);
        prop_assert_eq!(parts[1].split(' ').count(), 3, "{}", line);
    }

    #[test]
    fn json_is_one_valid_line_with_what_the_client_sent(host: String, path: String, id: String, name: String, agent: Vec<u8>) {
        let hostile = Record { host: Some(&host), path: &path, request_id: &id, server_name: Some(&name), user_agent: Some(&agent), ..full() };
        let line = line(json::write, &hostile);
        prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        let object: Value = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(&object["host"], &json!(host));
        prop_assert_eq!(&object["path"], &json!(path));
        prop_assert_eq!(&object["request_id"], &json!(id));
        prop_assert_eq!(&object["server_name"], &json!(name));
        prop_assert_eq!(&object["user_agent"], &json!(String::from_utf8_lossy(&agent)));
        prop_assert_eq!(&object["status"], &json!(200));
    }

    #[test]
    fn text_is_one_line_with_as_many_fields_as_ever(host: String, path in "[\\PC\\r\\n\"\\\\ ]*", id: String, agent: Vec<u8>) {
        let hostile = Record { host: Some(&host), path: &path, request_id: &id, user_agent: Some(&agent), ..full() };
        let line = line(text::write, &hostile);
        prop_assert!(!line.chars().any(char::is_control), "{line:?}");
        prop_assert_eq!(fields(&line), fields(&self::line(text::write, &full())), "{}", line);
    }
}

/// How many values stand on a line of the text form.
fn fields(line: &str) -> usize {
    let (mut fields, mut quoted, mut escaped) = (1, false, false);
    for character in line.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => fields += 1,
            _ => {}
        }
    }
    assert!(!quoted && !escaped, "{line}");
    fields
}

/// Hands what is written to the test, each time after the test has let it.
struct Gate {
    entered: Sender<()>,
    open: Receiver<()>,
    written: Sender<Vec<u8>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        let _ = self.open.recv(); // Open for good once the test has dropped its side.
        let _ = self.written.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn gated() -> (AccessLog, Receiver<()>, Sender<()>, Receiver<Vec<u8>>) {
    let ((entered, has_entered), (opener, open), (written, lines)) = (channel(), channel(), channel());
    (AccessLog::write_to(Gate { entered, open, written }), has_entered, opener, lines)
}

#[test]
fn a_line_comes_soon_without_a_flush() {
    let (log, _, opener, lines) = gated();
    drop(opener);
    log.write(&policy(AccessLogFormat::Json), &record());
    let first = lines.recv_timeout(SOON).unwrap();
    assert_eq!(first, format!("{}\n", line(json::write, &record())).as_bytes());
    log.write(&policy(AccessLogFormat::Text), &record());
    assert_eq!(lines.recv_timeout(SOON).unwrap(), format!("{}\n", line(text::write, &record())).as_bytes());
    log.write(&policy(AccessLogFormat::Off), &record());
    log.flush(SOON);
    assert!(lines.try_recv().is_err());
}

#[test]
fn a_blocked_reader_costs_lines_and_not_time() {
    let (log, entered, opener, lines) = gated();
    log.write(&policy(AccessLogFormat::Json), &record());
    entered.recv_timeout(SOON).unwrap();
    // The writer is stuck from here on.
    let mut total = 1;
    while log.dropped() < 100 {
        log.write(&policy(AccessLogFormat::Json), &record());
        total += 1;
        assert!(total < 100_000, "nothing is dropped");
    }
    log.flush(Duration::from_millis(1));
    drop(opener);
    log.flush(SOON);
    let written: Vec<u8> = lines.try_iter().flatten().collect();
    let whole = written.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"}\n")).count() as u64;
    assert_eq!(whole + log.dropped(), total);
    assert!(written.len() <= queue::CAPACITY + 1000, "{}", written.len());
}

#[test]
fn a_line_that_finds_no_room_is_taken_back_whole() {
    let (log, entered, opener, lines) = gated();
    log.write(&policy(AccessLogFormat::Json), &record());
    entered.recv_timeout(SOON).unwrap();
    let long = "x".repeat(queue::CAPACITY - 1000);
    log.write(&policy(AccessLogFormat::Json), &Record { path: &long, ..record() });
    log.write(&policy(AccessLogFormat::Json), &Record { path: &long, ..record() });
    log.write(&policy(AccessLogFormat::Json), &record());
    drop(opener);
    log.flush(SOON);
    let written: Vec<u8> = lines.try_iter().flatten().collect();
    assert_eq!((written.split(|byte| *byte == b'\n').count() - 1, log.dropped()), (3, 1));
    assert!(written.split(|byte| *byte == b'\n').all(|line| line.is_empty() || serde_json::from_slice::<Value>(line).is_ok()));
}

#[test]
fn a_closed_reader_is_counted() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let log = AccessLog::write_to(writer);
    for written in 1..=3 {
        log.write(&policy(AccessLogFormat::Json), &record());
        log.flush(SOON);
        assert_eq!(log.dropped(), written);
    }
}

#[test]
fn many_threads_lose_and_mix_nothing() {
    let (log, _, opener, lines) = gated();
    drop(opener);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let log = log.clone();
            scope.spawn(move || {
                for n in 0..500 {
                    let id = format!("{thread}-{n}");
                    log.write(&policy(AccessLogFormat::Json), &Record { request_id: &id, ..record() });
                }
            });
        }
    });
    log.flush(SOON);
    let written: Vec<u8> = lines.try_iter().flatten().collect();
    let ids: HashSet<String> = written
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<Value>(line).unwrap()["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((ids.len(), log.dropped()), (4000, 0));
}

#[test]
fn the_writer_ends_with_the_last_clone_and_loses_nothing() {
    let (log, _, opener, lines) = gated();
    drop(opener);
    let clone = log.clone();
    drop(log);
    clone.write(&policy(AccessLogFormat::Json), &record());
    drop(clone);
    assert!(!lines.recv_timeout(SOON).unwrap().is_empty());
    assert_eq!(lines.recv_timeout(SOON), Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn off_is_off() {
    let log = AccessLog::off();
    log.write(&policy(AccessLogFormat::Json), &record());
    log.flush(SOON);
    assert_eq!(log.dropped(), 0);
}
