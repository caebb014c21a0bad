//! The path in the one form in which routes are matched. The backend still gets the client's own bytes, so a path that a
//! backend could resolve to somewhere else is refused here, or (where only the routes can tell whether it matters) in
//! [`super::Table::find_certain`].
//!
//! - Escapes of characters that may stand in a path by themselves are decoded (`/%61dmin` is `/admin`), every other byte
//!   is an escape with upper-case digits: two spellings of the same bytes are equal. `%2F`, `%5C` and `%25` stay escaped.
//! - `.` and `..` are resolved (RFC 3986 section 5.2.4), also where their dots are escaped. Climbing above the root is
//!   refused rather than cut off: no client means it.
//! - `//` stays: an empty element is an element. So is `%2F` a character of its element: registries and APIs use it.
//! - Dots beside an encoded separator (`/a/..%2Fb`), `..` that takes off an empty element or one with an encoded
//!   separator, and `..;` are refused: lenient backends climb there, strict ones do not.
//! - Escapes that are none, `%00`, and raw control characters, spaces, `?` and `#` are refused.

use std::borrow::Cow;
use std::fmt;

use super::condition::escaped;

/// Why a path cannot be routed. Answered 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidPath {
    /// It does not begin with a slash. `OPTIONS *` has no path and is not for routes.
    Relative,
    /// A `%` without two hexadecimal digits.
    Escape,
    /// An escaped NUL, at which some backends end the path.
    Nul,
    /// A raw byte that no path may have.
    Character,
    /// More `..` than elements before them.
    AboveRoot,
    /// Dot segments that backends resolve in different ways.
    Ambiguous,
}

/// The path (without query) in the form that [`super::Request`] takes; the empty path is the root. A path that is in it
/// already, as nearly all are, costs one scan.
pub fn normalize_path(path: &str) -> Result<Cow<'_, str>, InvalidPath> {
    if path.is_empty() {
        return Ok(Cow::Borrowed("/"));
    }
    if !path.starts_with('/') {
        return Err(InvalidPath::Relative);
    }
    if is_plain(path.as_bytes()) {
        return Ok(Cow::Borrowed(path));
    }
    let normal = resolve(&respell(path.as_bytes())?)?;
    Ok(if normal == path { Cow::Borrowed(path) } else { Cow::Owned(normal) })
}

/// Whether there is nothing to decode, and no element that begins with a dot.
fn is_plain(path: &[u8]) -> bool {
    let mut before = b'/';
    path.iter().all(|&byte| {
        let plain = byte == b'/' || (stands_by_itself(byte) && !(byte == b'.' && before == b'/'));
        before = byte;
        plain
    })
}

/// RFC 3986's `pchar`, without escapes.
fn stands_by_itself(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@')
}

/// Every byte in its one spelling.
fn respell(path: &[u8]) -> Result<String, InvalidPath> {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'/' => text.push('/'),
            b'%' => {
                let [high, low, after @ ..] = rest else { return Err(InvalidPath::Escape) };
                let byte = escaped(*high, *low).ok_or(InvalidPath::Escape)?;
                rest = after;
                match byte {
                    0 => return Err(InvalidPath::Nul),
                    _ => spell(byte, &mut text),
                }
            }
            0..=b' ' | b'?' | b'#' | 0x7f => return Err(InvalidPath::Character),
            _ => spell(first, &mut text),
        }
    }
    Ok(text)
}

fn spell(byte: u8, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if stands_by_itself(byte) {
        text.push(char::from(byte));
    } else {
        text.extend(['%', char::from(DIGITS[usize::from(byte >> 4)]), char::from(DIGITS[usize::from(byte & 15)])]);
    }
}

/// Takes dot segments out.
fn resolve(path: &str) -> Result<String, InvalidPath> {
    let mut normal = String::with_capacity(path.len());
    for element in path.split_inclusive('/').skip(1) {
        let (name, end) = element.strip_suffix('/').map_or((element, ""), |name| (name, "/"));
        match name {
            "." => {}
            ".." => take_off(&mut normal)?,
            _ if hides_dots(name) => return Err(InvalidPath::Ambiguous),
            _ => normal.extend([name, end]),
        }
    }
    normal.insert(0, '/');
    Ok(normal)
}

/// Takes off the last element, which still has its slash.
fn take_off(normal: &mut String) -> Result<(), InvalidPath> {
    let Some(before) = normal.strip_suffix('/') else { return Err(InvalidPath::AboveRoot) };
    let start = before.rfind('/').map_or(0, |slash| slash + 1);
    let last = &before[start..];
    // To whoever merges slashes or decodes them, this is not the element that `..` takes off.
    if last.is_empty() || last.starts_with(';') || pieces(last).nth(1).is_some() {
        return Err(InvalidPath::Ambiguous);
    }
    normal.truncate(start);
    Ok(())
}

/// Whether an element that is no dot segment has one in it for those who decode separators or drop parameters.
fn hides_dots(name: &str) -> bool {
    pieces(name).any(|piece| matches!(piece.split(';').next(), Some("." | "..")))
}

/// What an element falls into where `%2F` and `%5C` separate.
fn pieces(name: &str) -> impl Iterator<Item = &str> {
    name.split("%2F").flat_map(|part| part.split("%5C"))
}

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relative => "the path does not begin with '/'",
            Self::Escape => "the path has a '%' that is not followed by two hexadecimal digits",
            Self::Nul => "the path has an encoded NUL",
            Self::Character => "the path has a space, a control character, '?' or '#'",
            Self::AboveRoot => "the path leads above the root",
            Self::Ambiguous => "the path has dot segments that can be read in more than one way",
        })
    }
}

impl std::error::Error for InvalidPath {}

#[cfg(test)]
mod tests;
