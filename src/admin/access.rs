//! Who may see what. What probes and scrapers need is for everybody; the rest, which speaks of configuration and traffic,
//! is for whoever shows the token, or is on this machine where there is none.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};
use http::uri::Authority;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Somebody at an address.
    Address(IpAddr),
    /// Somebody who may open the socket.
    Socket,
}

/// Why something is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not shown to other machines.
    Elsewhere,
    /// The name that it was asked under is somebody else's.
    Name,
    /// A page of another site wants it.
    OtherSite,
    /// The token was not shown, or another one.
    Token,
}

/// The file with the token.
#[derive(Clone, Debug)]
pub struct Token(PathBuf);

/// Guessing one of these would take longer than anybody has.
const MIN_TOKEN: usize = 16;
const MAX_TOKEN: u64 = 4096;

impl Token {
    /// One that can be read now. Later it is read each time that somebody shows one, so that a new one counts at once.
    pub fn open(path: &Path) -> io::Result<Self> {
        let token = Self(path.to_owned());
        token.read().map(|_| token)
    }

    fn read(&self) -> io::Result<String> {
        let mut text = String::new();
        File::open(&self.0)?.take(MAX_TOKEN).read_to_string(&mut text)?;
        let token = text.trim();
        if token.len() < MIN_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "a token is one line of 16 letters, digits and marks, or more: openssl rand -hex 32";
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        Ok(token.to_owned())
    }

    /// Blocks for as long as reading a file takes.
    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let Some(shown) = shown(headers) else { return false };
        match self.read() {
            Ok(token) => verify_slices_are_equal(token.as_bytes(), shown.as_bytes()).is_ok(),
            Err(error) => {
                let path = self.0.display();
                tracing::warn!(%path, %error, "the admin token cannot be read: nobody is let in");
                false
            }
        }
    }
}

/// `Bearer TOKEN`, or as browsers ask people for it: `Basic` with the token as the password (RFC 7617).
fn shown(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(rest.trim()).ok()).flatten()?;
    let pair = String::from_utf8(pair).ok()?;
    pair.split_once(':').map(|(_, password)| password.to_owned())
}

/// Whether what is not for everybody is shown. Blocks for as long as reading a file takes.
pub(super) fn check(token: Option<&Token>, peer: Peer, headers: &HeaderMap) -> Result<(), Refused> {
    if is_for_another_site(headers) {
        return Err(Refused::OtherSite);
    }
    match (peer, token) {
        (Peer::Socket, _) => Ok(()),
        (Peer::Address(_), Some(token)) => token.is_shown(headers).then_some(()).ok_or(Refused::Token),
        (Peer::Address(ip), None) if !ip.to_canonical().is_loopback() => Err(Refused::Elsewhere),
        (Peer::Address(_), None) => names_this_machine(headers).then_some(()).ok_or(Refused::Name),
    }
}

/// A page of somebody else's must not read this through a browser on this machine, by a name of theirs that leads here
/// (DNS rebinding).
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true }; // No browser.
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let host = host.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    host.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost")
}

/// A page of another site may lead a browser here, but not have it fetch from here: it could not read the answer, and would
/// take places all the same (Fetch Metadata, <https://www.w3.org/TR/fetch-metadata/>). What is no browser does not say.
fn is_for_another_site(headers: &HeaderMap) -> bool {
    let says = |name: &str, words: &[&[u8]]| headers.get(name).is_some_and(|value| words.contains(&value.as_bytes()));
    let leads_here = says("sec-fetch-mode", &[b"navigate"]) && says("sec-fetch-dest", &[b"document"]);
    says("sec-fetch-site", &[b"cross-site", b"same-site"]) && !leads_here
}

impl Refused {
    /// As the answer says it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Elsewhere => "this is answered to this machine alone",
            Self::Name => "this is answered under localhost or an address alone",
            Self::OtherSite => "this is not answered to pages of other sites",
            Self::Token => "this is answered to those alone who show the token: Authorization: Bearer TOKEN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())])
    }

    #[test]
    fn pages_of_other_sites_lead_here_and_fetch_nothing() {
        for (site, mode, dest, good) in [
            ("same-origin", "cors", "empty", true),
            ("none", "navigate", "document", true),
            ("cross-site", "navigate", "document", true),
            ("cross-site", "navigate", "iframe", false),
            ("cross-site", "no-cors", "empty", false),
            ("same-site", "no-cors", "image", false),
        ] {
            let pairs = [("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
            let headers = pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let seen = check(None, Peer::Address([127, 0, 0, 1].into()), &headers);
            assert_eq!(seen, if good { Ok(()) } else { Err(Refused::OtherSite) }, "{site} {mode} {dest}");
        }
    }

    #[test]
    fn a_token_is_shown_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        assert!(Token::open(&path).is_err());
        std::fs::write(&path, "short\n").unwrap();
        assert!(Token::open(&path).unwrap_err().to_string().contains("openssl rand"));
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let token = Token::open(&path).unwrap();
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for (authorization, good) in [
            ("Bearer 0123456789abcdef".to_owned(), true),
            ("bearer  0123456789abcdef".to_owned(), true),
            (basic("me:0123456789abcdef"), true),
            (basic(":0123456789abcdef"), true),
            ("Bearer 0123456789abcdeF".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("0123456789abcdef".to_owned(), false),
            (basic("0123456789abcdef"), false),
            ("Basic %%%".to_owned(), false),
        ] {
            let local = Peer::Address([127, 0, 0, 1].into());
            assert_eq!(check(Some(&token), local, &headers(&authorization)).is_ok(), good, "{authorization}");
        }
        std::fs::write(&path, "another-token-0000").unwrap();
        let far = Peer::Address([192, 0, 2, 1].into());
        assert_eq!(check(Some(&token), far, &headers("Bearer 0123456789abcdef")), Err(Refused::Token));
        assert_eq!(check(Some(&token), far, &headers("Bearer another-token-0000")), Ok(()));
        assert_eq!(check(Some(&token), Peer::Socket, &HeaderMap::new()), Ok(()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(check(Some(&token), far, &headers("Bearer another-token-0000")), Err(Refused::Token), "a lost file lets nobody in");
    }
}
