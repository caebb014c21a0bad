use proptest::prelude::*;

use super::*;
use crate::route::lenient_readings;

#[test]
fn equal_paths_have_one_spelling() {
    for (path, normal) in [
        ("", "/"),
        ("/", "/"),
        ("/a/b.c/", "/a/b.c/"),
        ("/%61dmin", "/admin"),
        ("/a%3Ab%2b%7E", "/a:b+~"),
        ("/a%2fb%5c%25", "/a%2Fb%5C%25"),
        ("/a b".replace(' ', "%20").as_str(), "/a%20b"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/café", "/caf%C3%A9"),
        ("/a\\b|", "/a%5Cb%7C"),
        ("/a//b/", "/a//b/"),
        ("/a/./b/.", "/a/b/"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/..", "/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a//b/../c", "/a//c"),
        ("/a;v=1/../b", "/b"),
        ("/.well-known/..a/...", "/.well-known/..a/..."),
    ] {
        assert_eq!(normalize_path(path).as_deref(), Ok(normal), "{path}");
    }
}

#[test]
fn what_is_in_its_form_already_is_borrowed() {
    for path in ["/", "/a/b.c//d;e/@x:$&'()*+,=!~", "/a%2Fb", "/.well-known/x", ""] {
        assert!(matches!(normalize_path(path), Ok(Cow::Borrowed(_))), "{path}");
    }
}

#[test]
fn what_cannot_be_routed_is_refused() {
    for (path, why) in [
        ("*", InvalidPath::Relative),
        ("a/b", InvalidPath::Relative),
        ("/%", InvalidPath::Escape),
        ("/%2", InvalidPath::Escape),
        ("/%zz", InvalidPath::Escape),
        ("/%+1", InvalidPath::Escape),
        ("/a%00.png", InvalidPath::Nul),
        ("/a b", InvalidPath::Character),
        ("/a?b", InvalidPath::Character),
        ("/a#b", InvalidPath::Character),
        ("/a\u{7f}", InvalidPath::Character),
        ("/..", InvalidPath::AboveRoot),
        ("/a/../..", InvalidPath::AboveRoot),
        ("/%2e%2e/a", InvalidPath::AboveRoot),
        ("/a/..%2fb", InvalidPath::Ambiguous),
        ("/a%2f..", InvalidPath::Ambiguous),
        ("/a/%2e%2e%5cb", InvalidPath::Ambiguous),
        ("/a/..\\b", InvalidPath::Ambiguous),
        ("/a/..;/b", InvalidPath::Ambiguous),
        ("/a/..%3bx=1/b", InvalidPath::Ambiguous),
        ("/a/.;/b", InvalidPath::Ambiguous),
        ("//..", InvalidPath::Ambiguous),
        ("/a//../b", InvalidPath::Ambiguous),
        ("/a/b%2Fc/../d", InvalidPath::Ambiguous),
        ("/a/;x/../b", InvalidPath::Ambiguous),
    ] {
        assert_eq!(normalize_path(path), Err(why), "{path}");
    }
}

/// Texts in which everything that matters here is frequent. Whole escapes only, which `most_lenient` knows.
fn paths() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec!["/", "/", "a", "b", ".", "..", "%2e", "%2F", "%5c", "\\", ";", "%3B", "%61", "%25", "é"]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// What a backend does that decodes everything, drops parameters, merges slashes and only then resolves dots; `None` if
/// it climbs above the root.
fn most_lenient(path: &str) -> Option<String> {
    let mut decoded = path.replace('\\', "/");
    for (escape, text) in [("%2e", "."), ("%2E", "."), ("%2f", "/"), ("%2F", "/"), ("%5c", "/"), ("%5C", "/"), ("%3B", ";"), ("%61", "a")] {
        decoded = decoded.replace(escape, text);
    }
    let mut elements = Vec::new();
    let mut directory = true;
    for element in decoded.split('/') {
        let element = element.split(';').next().unwrap();
        directory = matches!(element, "" | "." | "..");
        match element {
            "" | "." => {}
            ".." => drop(elements.pop()?),
            _ => elements.push(element),
        }
    }
    let end = if directory && !elements.is_empty() { "/" } else { "" };
    Some(format!("/{}{end}", elements.join("/")))
}

proptest! {
    #[test]
    fn never_panics(path in any::<String>()) {
        let _ = normalize_path(&path);
        let _ = normalize_path(&format!("/{path}"));
    }

    #[test]
    fn is_idempotent(path in prop_oneof![paths(), any::<String>().prop_map(|path| format!("/{path}"))]) {
        if let Ok(normal) = normalize_path(&path) {
            prop_assert!(matches!(normalize_path(&normal), Ok(Cow::Borrowed(same)) if same == normal));
        }
    }

    /// No backend, however lenient, ends up at a path that the table is not asked about.
    #[test]
    fn the_first_of_the_other_readings_is_the_most_lenient(path in paths()) {
        if let Ok(normal) = normalize_path(&path) {
            let reading = lenient_readings(&normal).next().unwrap_or_else(|| normal.to_string());
            let expected = most_lenient(&path).expect("climbs above the root").replace('é', "%C3%A9");
            prop_assert_eq!(reading, expected);
        }
    }
}
