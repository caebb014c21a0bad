//! What every source file has, and what none has.

use crate::{files, none, read};

/// Left behind while writing, never meant to stay. In two parts each, so that this file does not hold them.
const UNFINISHED: &[(&str, &str)] = &[("to", "do!"), ("unimple", "mented!"), ("TO", "DO"), ("FIX", "ME"), ("db", "g!(")];

#[test]
fn every_file_says_what_it_is_for() {
    let paths = files(&["src", "tests", "benches"], ".rs");
    assert!(paths.len() > 20, "found only {} files", paths.len());
    let silent = paths.iter().filter(|path| !path.ends_with("tests.rs") && !read(path).starts_with("//! "));
    none(&silent.map(|path| path.display().to_string()).collect::<Vec<_>>(), "a file opens with `//!` and what it is for");
}

#[test]
fn nothing_is_unsafe() {
    let mut violations = Vec::new();
    for path in files(&["src", "tests", "benches"], ".rs") {
        for (number, line) in read(&path).lines().enumerate() {
            let keyword = ["{", "fn ", "impl ", "trait ", "extern "].iter().any(|after| line.contains(&format!("{} {after}", "unsafe")));
            if keyword {
                violations.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    none(&violations, "there is no unsafe code here");
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
}

#[test]
fn nothing_is_left_unfinished() {
    let mut violations = Vec::new();
    let mut paths = files(&["src", "tests", "benches"], ".rs");
    paths.extend(files(&["config"], ".yaml"));
    paths.extend(["Dockerfile", "Cargo.toml", "deny.toml", ".ci/run", "tests/image/run"].map(Into::into));
    for path in paths {
        for (number, line) in read(&path).lines().enumerate() {
            violations.extend(
                UNFINISHED
                    .iter()
                    .map(|(start, end)| format!("{start}{end}"))
                    .filter(|word| line.contains(word.as_str()))
                    .map(|word| format!("{}:{}: {word}", path.display(), number + 1)),
            );
        }
    }
    none(&violations, "what is unfinished has its place in an issue");
}
