//! A client's header blocks (RFC 7541), looked at before HTTP/2's codec reads them. To the codec, a name or a value that is
//! none is the same as a place lost in the compressed block, so it ends the connection with everybody else's streams; and
//! of trailers it drops silently what does not belong or fit. Here such a block becomes one that it refuses with its own
//! stream alone. Only what is needed for that is known of the table of fields: how long each is, and whether it is one.

use std::collections::VecDeque;

use super::huffman;

/// What the codec keeps of earlier fields, and what a client may make it keep (RFC 9113 section 6.5.2: we ask for no other
/// size than the first).
const TABLE_SIZE: usize = 4096;
/// What an entry counts for beside its text (RFC 7541 section 4.1).
const ENTRY_OVERHEAD: usize = 32;
/// A field that costs its stream: `te` other than `trailers` (RFC 9113 section 8.2.2), as a literal that nobody keeps.
const REFUSED: [u8; 6] = [0, 2, b't', b'e', 1, b'x'];

/// What is known of the fields that a connection has had.
pub struct Fields {
    /// The newest first.
    kept: VecDeque<Field>,
    size: usize,
    limit: usize,
    scratch: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Name,
    name_length: usize,
    value_length: usize,
    /// Whether it may be in a message at all.
    fine: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Method,
    Path,
    /// Another that begins with a colon.
    Pseudo,
    Regular,
}

/// What a block belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The head of a request.
    Head,
    /// What follows a body, of so many bytes at most, counted as the codec counts them.
    Trailers(usize),
}

/// What a block is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The codec may have it.
    Fine,
    /// The codec is to have this, which it refuses, and which leaves its table as it would be.
    Malformed(Vec<u8>),
}

/// It is no header block, or one that cannot be replaced. The codec ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl Default for Fields {
    fn default() -> Self {
        Self { kept: VecDeque::new(), size: 0, limit: TABLE_SIZE, scratch: Vec::new() }
    }
}

impl Fields {
    /// Looks at the next block of a connection.
    pub fn look(&mut self, block: &[u8], part: Part) -> Result<Verdict, Unreadable> {
        let mut replaced: Option<Vec<u8>> = None;
        let (mut rest, mut refused, mut size) = (block, false, 0);
        while let Some(first) = rest.first() {
            let before = rest;
            if first & 0xe0 == 0x20 {
                // Before all fields (RFC 7541 section 4.2).
                self.resize(integer(&mut rest, 5).ok().filter(|_| size == 0).ok_or(Unreadable)?)?;
            } else {
                let (field, keeps) = self.field(&mut rest)?;
                if keeps {
                    self.keep(field);
                }
                size += field.name_length + field.value_length + ENTRY_OVERHEAD;
                let belongs = part == Part::Head || field.name == Name::Regular;
                refused |= !field.fine || !belongs;
                if !field.fine && first & 0x80 == 0 {
                    let done = block.len() - before.len();
                    put_harmless(replaced.get_or_insert_with(|| block[..done].to_vec()), field, keeps)?;
                    continue;
                }
            }
            if let Some(replaced) = &mut replaced {
                replaced.extend_from_slice(&before[..before.len() - rest.len()]);
            }
        }
        refused |= matches!(part, Part::Trailers(limit) if size > limit);
        if !refused {
            return Ok(Verdict::Fine);
        }
        let mut replaced = replaced.unwrap_or_else(|| block.to_vec());
        replaced.extend_from_slice(&REFUSED);
        Ok(Verdict::Malformed(replaced))
    }

    /// The next field, and whether it is kept.
    fn field(&mut self, rest: &mut &[u8]) -> Result<(Field, bool), Unreadable> {
        let first = rest.first().copied().unwrap_or_default();
        if first & 0x80 != 0 {
            return Ok((self.get(integer(rest, 7)?)?, false));
        }
        let keeps = first & 0x40 != 0;
        let named = match integer(rest, if keeps { 6 } else { 4 })? {
            0 => {
                let text = string(rest, &mut self.scratch)?;
                let (name, fine) = name(text);
                Field { name, name_length: text.len(), value_length: 0, fine }
            }
            // The name of one that was replaced is no longer there.
            index => self.get(index)?,
        };
        let value = string(rest, &mut self.scratch)?;
        Ok((Field { value_length: value.len(), fine: named.fine && is_value(named.name, value), ..named }, keeps))
    }

    fn get(&self, index: usize) -> Result<Field, Unreadable> {
        let index = index.checked_sub(1).ok_or(Unreadable)?;
        match STATIC.get(index) {
            Some((text, value_length)) => {
                let (name, fine) = name(text.as_bytes());
                Ok(Field { name, name_length: text.len(), value_length: *value_length, fine })
            }
            None => self.kept.get(index - STATIC.len()).copied().ok_or(Unreadable),
        }
    }

    fn keep(&mut self, field: Field) {
        self.kept.push_front(field);
        self.size += field.size();
        self.evict();
    }

    fn resize(&mut self, limit: usize) -> Result<(), Unreadable> {
        if limit > TABLE_SIZE {
            return Err(Unreadable);
        }
        self.limit = limit;
        self.evict();
        Ok(())
    }

    fn evict(&mut self) {
        while self.size > self.limit
            && let Some(oldest) = self.kept.pop_back()
        {
            self.size -= oldest.size();
        }
    }
}

impl Field {
    fn size(&self) -> usize {
        self.name_length + self.value_length + ENTRY_OVERHEAD
    }
}

/// Puts a field of the same size in the place of one that is none: where it is kept, those that follow stay where they are.
fn put_harmless(out: &mut Vec<u8>, field: Field, keeps: bool) -> Result<(), Unreadable> {
    let length = field.name_length + field.value_length;
    if !keeps {
        return Ok(());
    }
    let value = length.checked_sub(1).ok_or(Unreadable)?;
    out.extend_from_slice(&[0x40, 1, b'x']);
    put_integer(out, value);
    out.resize(out.len() + value, b'x');
    Ok(())
}

/// Of a string that is not compressed.
fn put_integer(out: &mut Vec<u8>, value: usize) {
    const PREFIX: usize = 0x7f;
    let Some(mut rest) = value.checked_sub(PREFIX) else { return out.push(value.to_le_bytes()[0]) };
    out.push(PREFIX.to_le_bytes()[0]);
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// RFC 7541 section 5.1.
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Unreadable> {
    let (first, tail) = rest.split_first().ok_or(Unreadable)?;
    *rest = tail;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value < most {
        return Ok(value);
    }
    // Four bytes are a quarter of a gibibyte.
    for shift in [0, 7, 14, 21] {
        let (next, tail) = rest.split_first().ok_or(Unreadable)?;
        *rest = tail;
        value += (usize::from(*next) & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Unreadable)
}

/// RFC 7541 section 5.2.
fn string<'s, 'a: 's>(rest: &mut &'a [u8], scratch: &'s mut Vec<u8>) -> Result<&'s [u8], Unreadable> {
    let compressed = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length = integer(rest, 7)?;
    let (text, tail) = rest.split_at_checked(length).ok_or(Unreadable)?;
    *rest = tail;
    if !compressed {
        return Ok(text);
    }
    scratch.clear();
    huffman::decode(text, scratch).ok_or(Unreadable)?;
    Ok(scratch)
}

/// What a name is, and whether a request may have it (RFC 9113 sections 8.2.1 and 8.3.1).
fn name(text: &[u8]) -> (Name, bool) {
    match text {
        b":method" => (Name::Method, true),
        b":path" => (Name::Path, true),
        b":scheme" | b":authority" | b":protocol" => (Name::Pseudo, true),
        [b':', ..] => (Name::Pseudo, false),
        _ => (Name::Regular, !text.is_empty() && text.iter().all(|byte| is_token(*byte) && !byte.is_ascii_uppercase())),
    }
}

/// Whether a field may have the value. Of a target, a fragment would be dropped by the codec: what is asked for would be
/// something else than what was sent.
fn is_value(name: Name, text: &[u8]) -> bool {
    match name {
        Name::Method => !text.is_empty() && text.iter().all(|byte| is_token(*byte)),
        Name::Path => is_text(text) && !text.contains(&b'#'),
        Name::Pseudo => is_text(text),
        Name::Regular => text.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)),
    }
}

/// Characters, and no controls or spaces.
fn is_text(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte > b' ' && *byte != 0x7f) && (text.is_ascii() || std::str::from_utf8(text).is_ok())
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Names, and how long the values are (RFC 7541 appendix A).
const STATIC: [(&str, usize); 61] = [
    (":authority", 0),
    (":method", 3),
    (":method", 4),
    (":path", 1),
    (":path", 11),
    (":scheme", 4),
    (":scheme", 5),
    (":status", 3),
    (":status", 3),
    (":status", 3),
    (":status", 3),
    (":status", 3),
    (":status", 3),
    (":status", 3),
    ("accept-charset", 0),
    ("accept-encoding", 13),
    ("accept-language", 0),
    ("accept-ranges", 0),
    ("accept", 0),
    ("access-control-allow-origin", 0),
    ("age", 0),
    ("allow", 0),
    ("authorization", 0),
    ("cache-control", 0),
    ("content-disposition", 0),
    ("content-encoding", 0),
    ("content-language", 0),
    ("content-length", 0),
    ("content-location", 0),
    ("content-range", 0),
    ("content-type", 0),
    ("cookie", 0),
    ("date", 0),
    ("etag", 0),
    ("expect", 0),
    ("expires", 0),
    ("from", 0),
    ("host", 0),
    ("if-match", 0),
    ("if-modified-since", 0),
    ("if-none-match", 0),
    ("if-range", 0),
    ("if-unmodified-since", 0),
    ("last-modified", 0),
    ("link", 0),
    ("location", 0),
    ("max-forwards", 0),
    ("proxy-authenticate", 0),
    ("proxy-authorization", 0),
    ("range", 0),
    ("referer", 0),
    ("refresh", 0),
    ("retry-after", 0),
    ("server", 0),
    ("set-cookie", 0),
    ("strict-transport-security", 0),
    ("transfer-encoding", 0),
    ("user-agent", 0),
    ("vary", 0),
    ("via", 0),
    ("www-authenticate", 0),
];

#[cfg(test)]
mod tests;
