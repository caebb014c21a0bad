//! What protocols and methods are called, in the access log, in metrics and in spans: the same everywhere.

use http::{Method, Version};

/// As in a status line.
pub fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// The same as OpenTelemetry has it: the number alone.
pub fn protocol_version(version: Version) -> &'static str {
    let name = protocol(version);
    name.strip_prefix("HTTP/").map_or(name, |number| if number == "2.0" { "2" } else { number })
}

/// The method to count under: one of the nine, or OpenTelemetry's word for all others, which clients may invent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountedMethod(u8);

impl CountedMethod {
    /// That of a request.
    pub fn of(method: &Method) -> Self {
        let place = match *method {
            Method::GET => 0,
            Method::HEAD => 1,
            Method::POST => 2,
            Method::PUT => 3,
            Method::DELETE => 4,
            Method::CONNECT => 5,
            Method::OPTIONS => 6,
            Method::TRACE => 7,
            Method::PATCH => 8,
            _ => u8::MAX,
        };
        Self(place)
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"].get(usize::from(self.0)).unwrap_or(&"_OTHER")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nine_methods_have_their_own_words() {
        for word in ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"] {
            assert_eq!(CountedMethod::of(&word.parse().unwrap()).as_str(), word);
        }
        assert_eq!(CountedMethod::of(&"get".parse().unwrap()).as_str(), "_OTHER");
    }
}
