//! Case files: a configuration beside what it compiles to. `cases/<name>.in.yaml` goes through the code that `run`
//! uses, and the report and a summary of the snapshot are compared with `cases/<name>.out.yaml`.
//!
//! Files under `objects/` are given as that directory, as users give their manifests; every other is named outright.
//!
//! Comments in a case say what is around the configuration: `# file: NAME` begins another file of it,
//! `# certificate: DIRECTORY names=a.test,b.test until=2030` makes a mounted Secret, `# secret: FILE NAME names=a.test` one
//! that is an object, `# resolves: NAME ADDRESS,ADDRESS` or
//! `# unresolved: NAME WHY` answer for the resolver, `# flags: --backend HOST:PORT ...` stand for a file, and
//! `# then:` begins the same files as they are a moment later, compiled on top of what was accepted before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where it cannot go on")]

mod summary;
mod world;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[test]
fn cases_compile_to_what_is_written_beside_them() {
    let accept = std::env::var_os("GENKAN_ACCEPT").is_some_and(|value| value == "1");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile/cases");
    let mut names: BTreeSet<String> = BTreeSet::new();
    for entry in std::fs::read_dir(&directory).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        names.extend(file.strip_suffix(".in.yaml").or_else(|| file.strip_suffix(".out.yaml")).map(str::to_owned));
    }
    assert!(names.len() >= 20, "the cases are gone");
    let wrong: Vec<String> = names.iter().filter_map(|name| check(&directory, name, accept)).collect();
    assert!(wrong.is_empty(), "{}\nIf this is as it should be: GENKAN_ACCEPT=1 cargo test --test compile", wrong.join("\n"));
}

/// The difference, if there is one.
fn check(directory: &Path, name: &str, accept: bool) -> Option<String> {
    let path = |suffix: &str| -> PathBuf { directory.join(format!("{name}.{suffix}.yaml")) };
    let Ok(input) = std::fs::read_to_string(path("in")) else { return Some(format!("{name}: there is no {name}.in.yaml")) };
    let is = world::compile(name, &input);
    let expected = std::fs::read_to_string(path("out")).unwrap_or_default();
    if is == expected {
        return None;
    }
    if accept {
        std::fs::write(path("out"), &is).unwrap();
        return None;
    }
    Some(format!("{name}:\n{}", difference(&expected, &is)))
}

/// Lines that are gone (`-`) and new (`+`), by their longest common subsequence.
fn difference(expected: &str, is: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), is.lines().collect());
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            text.push_str(&format!("  {}\n", old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            text.push_str(&format!("- {}\n", old[i]));
            i += 1;
        } else {
            text.push_str(&format!("+ {}\n", new[j]));
            j += 1;
        }
    }
    text
}
