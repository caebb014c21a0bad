//! What the demo says once it serves: what to open, and a command to paste, alone on its line.

use std::net::SocketAddr;

use super::secret::Secret;
use crate::cli::output::quoted;
use crate::control::config::{Listen, Overrides};
use crate::model::SocketAddress;
use crate::settings::Served;

/// The ports of the embedded configuration, and the admin pages'.
const PORTS: [u16; 3] = [8443, 8080, 9900];

pub(super) fn text(served: &Served, secret: &Secret, overrides: &Overrides) -> String {
    let socket = |https: bool| served.sockets.iter().find(|socket| socket.https == https).map(|socket| socket.address);
    let (https, http) = (socket(true), socket(false));
    // The CA is beside the certificate, unless nothing is kept.
    let changed = if secret.temporary.is_none() { secret.directory.parent() } else { None };
    let directory = changed.unwrap_or(&secret.directory).display();
    let mut text = format!("\ngenkan {}  demo: two sample backends and a local CA; ", env!("CARGO_PKG_VERSION"));
    match &secret.temporary {
        None => text.push_str(&format!("nothing outside of\n{directory} is changed\n\n")),
        Some(why) => text.push_str(&format!("nothing is kept:\nthe data directory cannot be used ({why}), so the CA is in\n{directory}\n\n")),
    }
    if let Some(https) = https {
        text.push_str(&format!("  Open    https://{}/\n", place(https)));
    }
    if let Some(http) = http {
        text.push_str(&format!("  Plain   http://{}/    is refused\n", place(http)));
    }
    if let Some(admin) = served.admin {
        text.push_str(&format!("  Status  http://{admin}/readyz?verbose\n"));
    }
    if let Some(https) = https {
        text.push_str("  Try     this line now, and again in a few seconds, when the second backend is\n          ready:\n\n");
        text.push_str(&format!("  curl --cacert {} https://{}/\n\n", quoted(&secret.authority()), place(https)));
    }
    let wanted = [overrides.https, overrides.http, overrides.admin];
    for ((bound, default), flag) in [https, http, served.admin].into_iter().zip(PORTS).zip(wanted) {
        text.extend(bound.and_then(|bound| moved(bound.port(), flag, default)));
    }
    text.push_str("Ctrl-C stops; a second Ctrl-C stops without draining.\n\n");
    text
}

/// A line if the port is another than the one that was wanted.
fn moved(bound: u16, flag: Option<Listen>, default: u16) -> Option<String> {
    let wanted = flag.and_then(|listen| listen.0).map_or(default, SocketAddress::port);
    (wanted != 0 && wanted != bound).then(|| format!("Port {wanted} is taken; using {bound} instead.\n"))
}

/// By the name in the certificate where that leads there.
fn place(address: SocketAddr) -> String {
    let local = address.ip().is_loopback() || address.ip().is_unspecified();
    if local { format!("localhost:{}", address.port()) } else { address.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PublishedSocket;

    fn served(https: &str) -> Served {
        let socket = PublishedSocket { listeners: vec!["https".to_owned()], address: https.parse().unwrap(), https: true };
        Served { sockets: vec![socket], admin: "127.0.0.1:9900".parse().ok(), ..Served::default() }
    }

    fn secret(directory: &str) -> Secret {
        Secret { directory: directory.into(), temporary: None }
    }

    #[test]
    fn the_command_stands_alone_on_its_line() {
        let text = text(&served("127.0.0.1:8443"), &secret("/home/me/.local/share/genkan/demo"), &Overrides::default());
        let curl = "  curl --cacert /home/me/.local/share/genkan/demo/ca.crt https://localhost:8443/";
        assert!(text.lines().any(|line| line == curl), "{text}");
        assert!(text.contains("nothing outside of\n/home/me/.local/share/genkan is changed\n"), "{text}");
        assert!(!text.contains("taken"), "{text}");
    }

    #[test]
    fn another_port_is_said() {
        let moved = text(&served("127.0.0.1:8444"), &secret("/s"), &Overrides::default());
        assert!(moved.contains("Port 8443 is taken; using 8444 instead."), "{moved}");
        let any = Overrides { https: Listen::parse("127.0.0.1:0").ok(), ..Overrides::default() };
        assert!(!text(&served("127.0.0.1:40000"), &secret("/s"), &any).contains("taken"));
    }
}
