//! Secret and ConfigMap. The data of a Secret is decoded, and shown nowhere.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use super::fields::{Fields, Wrong, entries, present};
use crate::control::yaml::{Kind, Located, Node};

/// A Secret.
#[derive(Clone, Default, PartialEq)]
pub struct Secret {
    /// Its `type`; empty if absent.
    pub kind: String,
    /// `data` decoded, `stringData` over it; an entry that cannot be decoded says why. The place is that of the whole
    /// mapping, because a report prints the line, and the line of the entry holds what it holds.
    pub data: BTreeMap<String, Located<Result<Bytes, String>>>,
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMap {
    /// Its `data`.
    pub data: BTreeMap<String, String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("kind", &self.kind).field("keys", &self.data.keys()).finish_non_exhaustive()
    }
}

pub(super) fn read(document: &Node, fields: &mut Fields) -> Secret {
    let mut data = BTreeMap::new();
    if let Some(encoded) = mapping(document, "data", fields) {
        for (key, value) in entries(encoded) {
            let bytes = text(value).and_then(|text| decode(text).map(Bytes::from).ok_or_else(|| "it is no base64".to_owned()));
            data.insert(key.text.clone(), Located { value: bytes, span: encoded.span });
        }
    }
    if let Some(plain) = mapping(document, "stringData", fields) {
        for (key, value) in entries(plain) {
            let bytes = text(value).map(|text| Bytes::from(text.to_owned()));
            data.insert(key.text.clone(), Located { value: bytes, span: plain.span });
        }
    }
    Secret { kind: fields.plain_text(document, "type").unwrap_or_default(), data }
}

/// `Fields` would quote what it finds, and a mistyped Secret is secret.
fn text(value: &Node) -> Result<&str, String> {
    if value.is_null() { Ok("") } else { value.as_text().ok_or_else(|| "it is no text".to_owned()) }
}

/// Like `Fields::mapping`, but quotes nothing.
fn mapping<'n>(document: &'n Node, key: &str, fields: &mut Fields) -> Option<&'n Node> {
    let value = present(document, key)?;
    if matches!(value.kind, Kind::Mapping(_)) {
        return Some(value);
    }
    fields.wrong(Wrong::new(value, format!("{key}: expected a mapping")));
    None
}

pub(super) fn read_config_map(document: &Node, fields: &mut Fields) -> ConfigMap {
    ConfigMap { data: fields.texts(document, "data") }
}

/// RFC 4648 section 4; white space between the digits is ignored, as YAML's folding leaves some.
fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let padding = digits.iter().rev().take_while(|digit| **digit == b'=').count();
    if !digits.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = bits << 6 | u32::from(value(*digit)?);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    // Only the last group may be padded; padding elsewhere has no value.
    bytes.truncate(bytes.len().saturating_sub(padding));
    let is_padded_within = digits[..digits.len() - padding].contains(&b'=');
    if is_padded_within { None } else { Some(bytes) }
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        b'=' => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_and_nothing_else() {
        for (text, bytes) in [("", Some("")), ("Zg==", Some("f")), ("Zm8=", Some("fo")), ("Zm9v", Some("foo")), ("Zm9v\n Zg==", Some("foof"))] {
            assert_eq!(decode(text).as_deref(), bytes.map(str::as_bytes), "{text}");
        }
        for text in ["Z", "Zg", "Zg=", "Z===", "Zg==Zg==", "Zm9!", "-_-_"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
