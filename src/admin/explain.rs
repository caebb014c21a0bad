//! `/api/v1/explain`: the request that a query describes, explained by what this process serves now.

use http::StatusCode;

use super::Views;
use crate::explain::{Asked, World, explain, render};

/// Status and body; the body is JSON unless `format=text` is asked for.
pub(super) fn answer(views: &Views, query: &str) -> (StatusCode, String, bool) {
    let pairs: Vec<(String, String)> = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), decode(v))).collect();
    let value = |key: &str| pairs.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    let wrong = |why: String| (StatusCode::BAD_REQUEST, format!("{why}\n"), true);
    let Some(url) = value("url") else {
        return wrong("which request? /api/v1/explain?url=https://HOST/PATH (method, header, from, format=text)".to_owned());
    };
    let Ok(from) = value("from").map(str::parse).transpose() else {
        return wrong("from is no address".to_owned());
    };
    let headers: Vec<String> = pairs.iter().filter(|(key, _)| key == "header").map(|(_, value)| value.clone()).collect();
    let asked = match Asked::parse(value("method"), url, &headers, from) {
        Ok(asked) => asked,
        Err(why) => return wrong(why),
    };
    let (snapshot, origins, endpoints) = (views.control.snapshot(), views.control.origins(), views.proxy.endpoints());
    let trace = explain(World { snapshot: &snapshot, origins: &origins, endpoints: Some(&endpoints) }, &asked);
    if value("format") == Some("text") {
        return (StatusCode::OK, render(&trace), true);
    }
    match serde_json::to_string_pretty(&trace) {
        Ok(json) => (StatusCode::OK, json + "\n", false),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"), true),
    }
}

/// `%XX` and `+`; an escape that is none stands for itself.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%').and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        let (byte, left) = match escaped {
            Some(byte) => (byte, &after[2..]),
            None => (if first == b'+' { b' ' } else { first }, after),
        };
        bytes.push(byte);
        rest = left;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        for (text, decoded) in [("a%20b+c", "a b c"), ("%zz%", "%zz%"), ("https://a.test/%25", "https://a.test/%"), ("%C3%A9", "é")] {
            assert_eq!(decode(text), decoded, "{text}");
        }
    }
}
