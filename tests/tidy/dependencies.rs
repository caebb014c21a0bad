//! Which crates there are: those that deny.toml keeps out are out, also where no cargo-deny runs, and README.md tells
//! of every one that Cargo.toml names.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::process::Command;

use crate::{none, read, root};

#[test]
fn banned_crates_are_not_in_the_tree() {
    let (banned, single) = bans();
    assert!(banned.contains("openssl-sys") && single.contains("rustls"), "deny.toml was not understood: {banned:?} {single:?}");
    let tree = tree();
    assert!(tree.contains_key("rustls") && tree.len() > 50, "the tree was not understood: {tree:?}");
    let mut violations: Vec<String> = banned.iter().filter(|name| tree.contains_key(*name)).map(|name| format!("{name} is banned")).collect();
    let several = single.iter().filter_map(|name| tree.get(name).filter(|versions| versions.len() > 1).map(|versions| (name, versions)));
    violations.extend(several.map(|(name, versions)| format!("{name} is there more than once: {versions:?}")));
    none(&violations, "deny.toml says which crates are kept out");
}

#[test]
fn licences_are_those_that_are_allowed() {
    let text = read("deny.toml");
    let list = text.split("\nallow = [").nth(1).unwrap().split(']').next().unwrap();
    let allowed: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains("MIT"), "deny.toml was not understood: {allowed:?}");
    let lines = cargo_tree("{p} | {l}");
    let licences = lines.lines().map(|line| line.trim_end_matches(" (*)")).filter_map(|line| line.split_once(" | "));
    let refused = licences.filter(|(_, licence)| !is_allowed(licence, &allowed));
    none(&refused.map(|(name, licence)| format!("{name}: {licence}")).collect::<Vec<_>>(), "deny.toml says which licences are allowed");
}

#[test]
fn crates_come_from_one_place() {
    let lock = read("Cargo.lock");
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    let strange = sources.filter(|source| *source != "\"registry+https://github.com/rust-lang/crates.io-index\"");
    none(&strange.map(str::to_owned).collect::<Vec<_>>(), "every crate comes from crates.io");
}

#[test]
fn the_readme_tells_of_every_dependency() {
    let readme = read("README.md");
    let rows: BTreeSet<&str> = readme.lines().filter_map(|line| line.strip_prefix('|')).filter_map(|row| row.split('|').next()).collect();
    let names: BTreeSet<&str> = rows.iter().flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`')).collect();
    let missing: Vec<String> = dependencies().into_iter().filter(|name| !names.contains(name.as_str())).collect();
    none(&missing, "README.md has a table with a row `| name | ... |` for each dependency; these are missing");
}

/// What deny.toml bans outright, and what it wants at most once.
fn bans() -> (BTreeSet<String>, BTreeSet<String>) {
    let text = read("deny.toml");
    let entries = text.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \"")).filter_map(|rest| rest.split_once('"'));
    let (single, banned): (Vec<_>, Vec<_>) = entries.partition(|(_, rest)| rest.contains("deny-multiple-versions = true"));
    let names = |entries: Vec<(&str, &str)>| entries.into_iter().map(|(name, _)| name.to_owned()).collect();
    (names(banned), names(single))
}

/// What is built here, tests included, with versions. The lock file alone would not do: it also has what other platforms
/// and unused features would bring.
fn tree() -> BTreeMap<String, BTreeSet<String>> {
    let mut tree = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, rest) in cargo_tree("{p}").lines().filter_map(|line| line.split_once(" v")) {
        let version = rest.split(' ').next().unwrap_or_default();
        tree.entry(name.to_owned()).or_default().insert(version.to_owned());
    }
    tree
}

fn cargo_tree(format: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal,build,dev", "--prefix", "none", "--format", format])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether an SPDX expression can be met with these licences; `/` is how older crates write OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "-WITH-");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words, allowed) && words.next().is_none()
}

fn any_of<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allowed: &BTreeSet<&str>) -> bool {
    let mut met = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allowed);
    }
    met
}

fn all_of<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allowed: &BTreeSet<&str>) -> bool {
    let mut met = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allowed);
    }
    met
}

fn one<'a>(words: &mut Peekable<impl Iterator<Item = &'a str>>, allowed: &BTreeSet<&str>) -> bool {
    if words.next_if_eq(&"(").is_none() {
        return words.next().is_some_and(|licence| allowed.contains(licence));
    }
    any_of(words, allowed) & words.next_if_eq(&")").is_some()
}

#[test]
fn the_reader_of_licences_reads_them() {
    let allowed = BTreeSet::from(["MIT", "ISC"]);
    for licence in ["MIT", "Apache-2.0 OR MIT", "Apache-2.0/MIT", "ISC AND (Apache-2.0 OR MIT)", "Apache-2.0 WITH LLVM-exception OR MIT"] {
        assert!(is_allowed(licence, &allowed), "{licence}");
    }
    for licence in ["", "GPL-3.0", "MIT AND GPL-3.0", "ISC AND (Apache-2.0 OR GPL-3.0)", "MIT)"] {
        assert!(!is_allowed(licence, &allowed), "{licence}");
    }
}

/// The names under `[dependencies]` in Cargo.toml.
fn dependencies() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name.to_owned()).collect()
}
