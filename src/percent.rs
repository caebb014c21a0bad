//! Values in the query of a URL (RFC 3986 section 2.1): for those who ask a running process, and for what it links to.

/// A value as a query has it.
pub fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            text.push(byte.into());
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// `%XX` and `+`; an escape that is none stands for itself.
pub fn decode(text: &str) -> String {
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
    fn a_value_is_decoded() {
        for (text, decoded) in [("a%20b+c", "a b c"), ("%zz%", "%zz%"), ("https://a.test/%25", "https://a.test/%"), ("%C3%A9", "é")] {
            assert_eq!(decode(text), decoded, "{text}");
        }
        for text in ["a b&c=d", "é/%+", "", "https://a.test:8443/x"] {
            assert_eq!(decode(&encode(text)), text);
        }
    }
}
