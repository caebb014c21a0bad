//! A request whose host stands for another, and its answer: what the backend says of its own host is said of the alias,
//! so that a browser stays where it is.

use http::header::{HeaderMap, HeaderValue, LOCATION, SET_COOKIE};

use crate::route::LOCALHOST;

/// The host that was asked for, and the one that it stands for.
pub struct Alias {
    /// As in URLs that lead to it: `HOST`, or `HOST:PORT`.
    asked: String,
    /// `:PORT` of HTTPS as the client sees it, or nothing.
    port: String,
    host: String,
}

impl Alias {
    /// `asked` is the client's Host without its port, `https_port` where such clients find HTTPS, if not on the usual one.
    pub fn new(asked: &str, https_port: Option<u16>, host: String) -> Self {
        let port = https_port.map_or_else(String::new, |port| format!(":{port}"));
        Self { asked: format!("{asked}{port}"), port, host }
    }

    /// The host that the request is routed and forwarded as.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Maps what an answer says of the host, and of others that `has_alias` says are reached the same way.
    pub fn map_back(&self, headers: &mut HeaderMap, has_alias: impl Fn(&str) -> bool) {
        let location = headers.get(LOCATION).and_then(|value| self.location(value.to_str().ok()?, has_alias));
        if let Some(location) = location {
            headers.insert(LOCATION, location);
        }
        for cookie in headers.iter_mut().filter(|(name, _)| **name == SET_COOKIE).map(|(_, value)| value) {
            if let Some(mapped) = cookie.to_str().ok().and_then(Self::cookie) {
                *cookie = mapped;
            }
        }
    }

    /// An absolute URL of the host, whatever its port, leads to where the client is now.
    fn location(&self, text: &str, has_alias: impl Fn(&str) -> bool) -> Option<HeaderValue> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let host = authority.split_once(':').map_or(authority, |(host, _)| host);
        let host = host.to_ascii_lowercase();
        if host == self.host {
            return HeaderValue::from_str(&format!("https://{}{rest}", self.asked)).ok();
        }
        if has_alias(&host) { HeaderValue::from_str(&format!("https://{host}{LOCALHOST}{}{rest}", self.port)).ok() } else { None }
    }

    /// A cookie for the host, or for what it is part of, is for the alias alone.
    fn cookie(text: &str) -> Option<HeaderValue> {
        let is_domain = |attribute: &&str| attribute.trim_start().get(..7).is_some_and(|name| name.eq_ignore_ascii_case("domain="));
        if !text.split(';').skip(1).any(|attribute| is_domain(&attribute)) {
            return None;
        }
        let kept: Vec<&str> = text.split(';').enumerate().filter(|(at, attribute)| *at == 0 || !is_domain(attribute)).map(|(_, part)| part).collect();
        HeaderValue::from_str(&kept.join(";")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias() -> Alias {
        Alias::new("shop.test.localhost", Some(8443), "shop.test".to_owned())
    }

    #[test]
    fn locations_of_the_host_lead_to_the_alias_and_no_other() {
        for (location, mapped) in [
            ("https://shop.test/a?b", Some("https://shop.test.localhost:8443/a?b")),
            ("http://Shop.test:8080", Some("https://shop.test.localhost:8443")),
            ("https://other.test/", None),
            ("https://second.test/a", Some("https://second.test.localhost:8443/a")),
            ("https://shop.test.evil/", None),
            ("/relative", None),
        ] {
            let found = alias().location(location, |host| host == "second.test");
            assert_eq!(found.as_ref().map(|value| value.to_str().unwrap()), mapped, "{location}");
        }
    }

    #[test]
    fn cookies_lose_their_domain_and_nothing_else() {
        let mut headers = HeaderMap::new();
        for cookie in ["a=b; Path=/; Domain=.shop.test; Secure", "c=domain=x; HttpOnly", "d=e"] {
            headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
        }
        alias().map_back(&mut headers, |_| false);
        let cookies: Vec<&str> = headers.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(cookies, ["a=b; Path=/; Secure", "c=domain=x; HttpOnly", "d=e"]);
    }
}
