//! `status` asks over the wire; here a thread answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use crate::support::Place;

/// Gives each connection the next answer, and gives back what they asked.
fn admin(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || answers.iter().map(|answer| serve(&listener, answer)).collect());
    (address, thread)
}

fn serve(listener: &TcpListener, answer: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0);
        request.extend_from_slice(&buffer[..count]);
    }
    stream.write_all(answer.as_bytes()).unwrap();
    String::from_utf8(request).unwrap()
}

#[test]
fn ready_is_an_exit_code_and_nothing_else() {
    for (answer, code) in
        [(&["HTTP/1.1 200 OK\r\n\r\nready\n"], 0), (&["HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready\n"], 1), (&["nonsense"], 1)]
    {
        let (address, thread) = admin(answer);
        let done = Place::new().run(&format!("status --ready --admin {address}")).code(code);
        assert!(done.out.is_empty(), "{}", done.out);
        assert!(thread.join().unwrap()[0].starts_with("GET /readyz HTTP/1."));
    }
}

#[test]
fn to_those_elsewhere_every_check_is_printed() {
    let (address, thread) = admin(&[
        "HTTP/1.1 503 Service Unavailable\r\n\r\n[+]configuration ok\n[-]certificate failed: none\u{1b}[31m\n",
        "HTTP/1.1 403 Forbidden\r\n\r\nno\n",
    ]);
    let done = Place::new().run_with("status", &[("GENKAN_ADMIN", &address.to_string())], "").code(1);
    assert_eq!(done.out, "what it tells everybody:\n[+]configuration ok\n[-]certificate failed: none\u{fffd}[31m\n");
    done.tells(&["backends is answered with 403: no; ask on the machine that it runs on"]);
    let asked = thread.join().unwrap();
    assert!(asked[0].starts_with("GET /readyz?verbose HTTP/1.") && asked[1].starts_with("GET /api/v1/backends?probes=0 HTTP/1."), "{asked:?}");
}

#[test]
fn what_is_no_view_is_told() {
    for (answer, words) in
        [("HTTP/1.1 200 OK\r\n\r\n{", "backends is no JSON"), ("HTTP/1.1 500 No\r\n\r\nbroken\n", "backends is answered with 500: broken")]
    {
        let answers: &'static [&'static str] = Box::leak(Box::new(["HTTP/1.1 200 OK\r\n\r\nok\n", answer]));
        let (address, thread) = admin(answers);
        Place::new().run(&format!("status --admin {address}")).code(1).tells(&[words]);
        thread.join().unwrap();
    }
}

#[test]
fn nobody_there_is_a_no() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Place::new().run(&format!("status --ready --admin {free}")).code(1).tells(&["no answer from", &free.to_string()]);
}
