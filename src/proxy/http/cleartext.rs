//! Cleartext HTTP on a port that expects TLS: an answer that names https, or the redirect, and never a bare reset.
//! Only as much of the request is read as the answer needs, and nothing of it is forwarded.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::model::Cleartext;
use crate::proxy::Mode;
use crate::proxy::io::wire::Wire;
use crate::proxy::live::{Live, LiveListener};
use crate::route::{Authority, in_url};

/// A request head whose host is not found in this much gets an answer without it.
const MAX_HEAD: usize = 8 * 1024;

/// Reads a request's head and answers it.
pub async fn answer(wire: &mut Wire, live: &Live, listener: &LiveListener, policy: Cleartext, mode: Mode) -> io::Result<()> {
    let head = read_head(wire).await?;
    let place = place(&head, live, listener);
    wire.write_all(text(place.as_ref(), policy, mode).as_bytes()).await?;
    wire.flush().await
}

async fn read_head(wire: &mut Wire) -> io::Result<BytesMut> {
    let mut head = BytesMut::with_capacity(1024);
    while head.len() < MAX_HEAD && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if wire.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

/// Host with port, and target of the request.
type Place = (String, String);

/// Where the request was going, if the host is one of ours.
fn place(head: &[u8], live: &Live, listener: &LiveListener) -> Option<Place> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    // Incomplete is good enough: the host stands near the beginning.
    request.parse(head).ok()?;
    let host = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"))?;
    let host = std::str::from_utf8(host.value).ok()?;
    let authority = Authority::parse(host).ok().filter(|authority| live.knows(listener, &authority.host))?;
    let host = in_url(&authority.host);
    let target = request.path.filter(|path| path.starts_with('/')).unwrap_or("/");
    // The port is the one that speaks TLS.
    Some((authority.port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}")), target.to_owned()))
}

fn text(place: Option<&Place>, policy: Cleartext, mode: Mode) -> String {
    match (place, policy) {
        (Some((host, target)), Cleartext::Redirect) => {
            let status = if mode == Mode::Laptop { "307 Temporary Redirect" } else { "308 Permanent Redirect" };
            response(status, &format!("location: https://{host}{target}\r\n"), &format!("https://{host}{target}\n"))
        }
        (Some((host, _)), Cleartext::Reject) => response("400 Bad Request", "", &format!("This port speaks HTTPS. Use https://{host}/\n")),
        (None, _) => response("400 Bad Request", "", "This port speaks HTTPS. Use https:// in place of http://\n"),
    }
}

fn response(status: &str, fields: &str, text: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{fields}content-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nproxy-status: genkan; error=http_request_denied\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}
