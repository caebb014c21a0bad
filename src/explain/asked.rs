//! The request that is asked about: a URL, as a person types it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::route::Authority;

/// A request that need not have been made.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Over TLS.
    pub https: bool,
    /// In its canonical spelling.
    pub host: String,
    /// As in the URL.
    pub port: Option<u16>,
    /// Path and query.
    pub target: String,
    /// Its method.
    pub method: Method,
    /// Its fields.
    pub headers: HeaderMap,
    /// The client's address, where that matters.
    pub from: Option<IpAddr>,
    /// The name of the listener; `None`: the one that the URL leads to.
    pub listener: Option<String>,
    /// The server name of the handshake; `None`: the host.
    pub server_name: Option<String>,
}

impl Asked {
    /// Parses a URL and fields as `name: value`.
    pub fn parse(method: Option<&str>, url: &str, headers: &[String], from: Option<IpAddr>) -> Result<Self, String> {
        let method = method.unwrap_or("GET");
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?;
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
        let (without_fragment, _) = with_scheme.split_once('#').unwrap_or((&with_scheme, ""));
        let uri: Uri = without_fragment.parse().map_err(|_| format!("`{url}` is no URL; write https://HOST/PATH"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("`{url}` is neither http nor https")),
        };
        let authority = uri.authority().ok_or_else(|| format!("`{url}` has no host; write https://HOST/PATH"))?;
        let authority = Authority::parse(authority.as_str()).map_err(|why| format!("`{url}`: {why}"))?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let mut asked = Self {
            https,
            host: authority.host.into_owned(),
            port: authority.port,
            target,
            method,
            headers: HeaderMap::new(),
            from,
            listener: None,
            server_name: None,
        };
        for header in headers {
            asked.add(header)?;
        }
        Ok(asked)
    }

    /// A Host field is another host for the same connection.
    fn add(&mut self, header: &str) -> Result<(), String> {
        let wrong = || format!("`{header}` is no header; write 'name: value'");
        let (name, value) = header.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
        if name == http::header::HOST {
            let authority = Authority::parse(value.to_str().map_err(|_| wrong())?).map_err(|why| format!("`{header}`: {why}"))?;
            self.server_name.get_or_insert_with(|| self.host.clone());
            self.host = authority.host.into_owned();
            return Ok(());
        }
        self.headers.append(name, value);
        Ok(())
    }

    /// Without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path)
    }

    /// Without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The name in the handshake; an address is none.
    pub fn asked_name(&self) -> Option<&str> {
        let name = self.server_name.as_deref().unwrap_or(&self.host);
        name.parse::<IpAddr>().is_err().then_some(name)
    }

    /// As a URL.
    pub fn url(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{scheme}://{host}{port}{}", self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let asked = Asked::parse(Some("POST"), "http://Shop.test:8080/a?b=c#d", &["X-A: b".to_owned()], None).unwrap();
        assert_eq!((asked.https, asked.host.as_str(), asked.port, asked.path(), asked.query()), (false, "shop.test", Some(8080), "/a", Some("b=c")));
        assert_eq!(asked.url(), "http://shop.test:8080/a?b=c");
        assert_eq!(asked.headers["x-a"], "b");
        let asked = Asked::parse(None, "shop.test", &["Host: other.test".to_owned()], None).unwrap();
        assert_eq!((asked.url().as_str(), asked.asked_name()), ("https://other.test/", Some("shop.test")));
    }

    #[test]
    fn what_is_no_request_says_why() {
        for (method, url, header) in [
            (Some("G T"), "https://a.test/", None),
            (None, "ftp://a.test/", None),
            (None, "https:///a", None),
            (None, "https://a..test/", None),
            (None, "https://a.test/", Some("x")),
        ] {
            let headers: Vec<String> = header.into_iter().map(str::to_owned).collect();
            assert!(Asked::parse(method, url, &headers, None).is_err(), "{method:?} {url} {header:?}");
        }
    }
}
