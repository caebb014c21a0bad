//! Text that others chose, inside lines of ours: nothing in it may end a line, a string or a field, or drive the
//! terminal of whoever reads the log. Bytes that are no UTF-8 become U+FFFD.

use super::put;

/// Appends a JSON string with its quotes.
pub(super) fn json(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    // Nearly everything is plain: one look at its bytes then, and no more.
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    for chunk in bytes.utf8_chunks() {
        json_content(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn json_content(out: &mut Vec<u8>, text: &str) {
    // Copied in runs: nearly always one.
    let mut from = 0;
    for (place, character) in text.char_indices() {
        if !is_special(character) {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[from..place]);
        from = place + character.len_utf8();
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            // All of them lie in the basic plane: one escape each.
            other => put(out, format_args!("\\u{:04x}", u32::from(other))),
        }
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
}

/// Appends a value of the text form: bare if it cannot be mistaken for anything else, quoted if not.
pub(super) fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    let bare = !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
    if bare { out.extend_from_slice(bytes) } else { quoted(out, bytes) }
}

/// Appends a value in quotes, escaped as in Rust.
pub(super) fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                special if is_special(special) => put(out, format_args!("\\u{{{:x}}}", u32::from(special))),
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

/// What is not printed as it is: quotes and backslashes, control characters (C1 and DEL too, which terminals obey),
/// separators that some readers end a line at, and those that turn the direction of what follows.
fn is_special(character: char) -> bool {
    match character {
        '"' | '\\' => true,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' => true,
        other => other.is_control(),
    }
}
