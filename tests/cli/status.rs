//! `status` asks over the wire; here a thread answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use crate::support::Place;

/// Answers one connection, and gives back what it was asked.
fn admin(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
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
    });
    (address, thread)
}

#[test]
fn ready_is_an_exit_code_and_nothing_else() {
    for (answer, code) in [("HTTP/1.1 200 OK\r\n\r\nready\n", 0), ("HTTP/1.1 503 Service Unavailable\r\n\r\nnot ready\n", 1), ("nonsense", 1)] {
        let (address, thread) = admin(answer);
        let done = Place::new().run(&format!("status --ready --admin {address}")).code(code);
        assert!(done.out.is_empty(), "{}", done.out);
        assert!(thread.join().unwrap().starts_with("GET /readyz HTTP/1."));
    }
}

#[test]
fn without_it_every_check_is_printed() {
    let (address, thread) = admin("HTTP/1.1 503 Service Unavailable\r\n\r\n[+]configuration ok\n[-]certificate failed: none\u{1b}[31m\n");
    let done = Place::new().run_with("status", &[("GENKAN_ADMIN", &address.to_string())], "").code(1);
    assert_eq!(done.out, "[+]configuration ok\n[-]certificate failed: none\u{fffd}[31m\n");
    assert!(thread.join().unwrap().starts_with("GET /readyz?verbose HTTP/1."));
}

#[test]
fn nobody_there_is_a_no() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Place::new().run(&format!("status --ready --admin {free}")).code(1).tells(&["no answer from", &free.to_string()]);
}
