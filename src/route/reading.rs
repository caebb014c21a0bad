//! The other readings of a path: those of lenient backends. Which of them is right, nobody here can know; the table refuses
//! a request only if it makes a difference. What has no second reading that could be right is refused earlier, in `path`.

/// How backends read a path (in its normal form) that merge repeated separators, and take `%2F`, `%5C` and `\` for
/// separators, too, or drop path parameters (`;...`, as servlet containers do), or both, the one first or the other. None
/// if the path has nothing of this.
///
/// Decoding twice (`%252F`) is not considered: it is a bug wherever it happens, and would refuse paths that carry URLs.
pub fn lenient_readings(path: &str) -> impl Iterator<Item = String> {
    let readers = if has_another(path.as_bytes()) { &READERS[..] } else { &[] };
    readers.iter().map(|reader| reader.read(path))
}

/// What a backend makes of a path beside merging separators.
struct Reader {
    decodes: bool,
    parameters: Parameters,
}

/// What a backend does with what follows a `;`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parameters {
    Kept,
    /// As far as the next `/`, before anything is decoded.
    DroppedFirst,
    /// As far as the next separator of any kind.
    DroppedLast,
}

const READERS: [Reader; 5] = [
    Reader { decodes: true, parameters: Parameters::DroppedLast },
    Reader { decodes: true, parameters: Parameters::DroppedFirst },
    Reader { decodes: true, parameters: Parameters::Kept },
    Reader { decodes: false, parameters: Parameters::DroppedLast },
    Reader { decodes: false, parameters: Parameters::Kept },
];

impl Reader {
    fn read(&self, path: &str) -> String {
        let mut read = String::with_capacity(path.len());
        let mut dropping = false;
        let mut rest = path;
        while let Some(next) = rest.chars().next() {
            let separator = self.separator(rest, dropping);
            rest = &rest[separator.unwrap_or(next.len_utf8())..];
            if separator.is_some() {
                dropping = false;
                if !read.ends_with('/') {
                    read.push('/');
                }
            } else if next == ';' && self.parameters != Parameters::Kept {
                dropping = true;
            } else if !dropping {
                read.push(next);
            }
        }
        read
    }

    /// The length of the separator that a text begins with, if it does.
    fn separator(&self, text: &str, dropping: bool) -> Option<usize> {
        let decodes = self.decodes && !(dropping && self.parameters == Parameters::DroppedFirst);
        match text.as_bytes() {
            [b'/', ..] => Some(1),
            [b'\\', ..] if decodes => Some(1),
            [b'%', b'2', b'F', ..] | [b'%', b'5', b'C', ..] if decodes => Some(3),
            _ => None,
        }
    }
}

/// One pass, since every request is asked.
fn has_another(mut path: &[u8]) -> bool {
    while let Some((first, rest)) = path.split_first() {
        let found = match first {
            b';' | b'\\' => true,
            b'/' => rest.starts_with(b"/"),
            b'%' => rest.starts_with(b"2F") || rest.starts_with(b"5C"),
            _ => false,
        };
        if found {
            return true;
        }
        path = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(path: &str) -> Vec<String> {
        let mut readings: Vec<_> = lenient_readings(path).filter(|read| read != path).collect();
        readings.dedup();
        readings
    }

    #[test]
    fn reads_as_lenient_backends_do() {
        for (path, expected) in [
            ("/", &[][..]),
            ("/a/b", &[]),
            ("/a%20b%25", &[]),
            ("//admin", &["/admin"]),
            ("/a//b/", &["/a/b/"]),
            ("/a%2Fb", &["/a/b"]),
            ("/%2F%5C/a", &["/a"]),
            ("/a%5Cb", &["/a/b"]),
            ("/a;v=1/b;w", &["/a/b"]),
            ("/a/;x", &["/a/"]),
            ("/;x/a", &["/a"]),
            ("/a;x%2Fb", &["/a/b", "/a", "/a;x/b", "/a"]),
            ("//a;x%5Cb", &["/a/b", "/a", "/a;x/b", "/a", "/a;x%5Cb"]),
            ("/a%252Fb", &[]),
        ] {
            assert_eq!(readings(path), expected, "{path}");
        }
    }
}
