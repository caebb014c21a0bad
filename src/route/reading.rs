//! The other reading of a path: that of the most lenient backend. Which of the two is right, nobody here can know; the
//! table refuses a request only if it makes a difference. What has no second reading that could be right is refused
//! earlier, in `path`.

/// How a backend reads a path (in its normal form) that takes `%2F`, `%5C` and `\` for separators, merges repeated ones,
/// and drops path parameters (`;...`, as servlet containers do). `None` if that is no other path.
///
/// All at once, since that is the reading that reaches the furthest. Decoding twice (`%252F`) is not considered: it is a
/// bug wherever it happens, and would refuse paths that carry URLs.
pub fn lenient_reading(path: &str) -> Option<String> {
    if !has_another(path.as_bytes()) {
        return None;
    }
    let mut read = String::with_capacity(path.len());
    for element in path.replace("%2F", "/").replace("%5C", "/").replace('\\', "/").split_inclusive('/') {
        let name = element.strip_suffix('/').unwrap_or(element);
        let (name, _) = name.split_once(';').unwrap_or((name, ""));
        read.push_str(name);
        if element.ends_with('/') && !read.ends_with('/') {
            read.push('/');
        }
    }
    (read != path).then_some(read)
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

    #[test]
    fn reads_as_a_lenient_backend_does() {
        for (path, read) in [
            ("/", None),
            ("/a/b", None),
            ("/a%20b%25", None),
            ("//admin", Some("/admin")),
            ("/a//b/", Some("/a/b/")),
            ("/a%2Fb", Some("/a/b")),
            ("/%2F%5C/a", Some("/a")),
            ("/a%5Cb", Some("/a/b")),
            ("/a;v=1/b;w", Some("/a/b")),
            ("/a/;x", Some("/a/")),
            ("/;x/a", Some("/a")),
            ("/a;x%2Fb", Some("/a/b")),
            ("/a%252Fb", None),
        ] {
            assert_eq!(lenient_reading(path).as_deref(), read, "{path}");
        }
    }
}
