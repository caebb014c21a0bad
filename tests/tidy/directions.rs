//! Which module may name which. The table is the one in ARCHITECTURE.md; the imports are read from the text, tests
//! left out, since a test may take whatever it needs to set a scene.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{files, none, read};

/// Of ours: who may name whom. `app` wires everything together and so may name everything.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("main", &["app", "cli"]),
    ("settings", &["admin", "control", "proxy", "telemetry", "model", "drain"]),
    ("cli", &["app", "authority", "control", "explain", "route", "model", "settings", "drain", "date", "percent"]),
    ("authority", &["control", "model"]),
    ("admin", &["explain", "route", "model", "telemetry", "drain", "date", "percent"]),
    ("explain", &["route", "model"]),
    ("control", &["model", "route", "telemetry", "drain"]),
    ("proxy", &["model", "route", "telemetry", "drain"]),
    ("telemetry", &["model", "date"]),
    ("route", &["model"]),
    ("model", &[]),
    ("drain", &[]),
    ("date", &[]),
    ("percent", &[]),
];

/// Of others: what is named in few places only.
const NAMED_ONLY_IN: &[(&str, &[&str])] = &[
    // Unmaintained; one file to change when it goes.
    ("rustls_pemfile", &["src/control/compile/pem.rs"]),
    // Of clients' connections, and of checks over HTTPS, which no request shares.
    ("tokio_rustls", &["src/proxy/tls/stream.rs", "src/proxy/health/tls.rs"]),
    ("granit_parser", &["src/control/yaml/parse.rs"]),
];

/// What decides without doing: no I/O, no runtime, no clock.
const PURE: &[&str] = &["src/model/", "src/route/", "src/control/compile/"];
const IMPURE: &[&str] = &["tokio::", "hyper::", "hyper_util::", "notify::", "kube::", "std::fs", "TcpStream", "SystemTime::now", "Instant::now"];

#[test]
fn modules_name_only_what_they_may() {
    let mut violations = Vec::new();
    for (path, from, names) in named() {
        let Some(allowed) = allowed(&from) else {
            if from != "app" && from != "lib" {
                violations.push(format!("{path} belongs to a module that the table lacks"));
            }
            continue;
        };
        violations.extend(names.iter().filter(|to| !allowed.contains(&to.as_str())).map(|to| format!("{path} names crate::{to}")));
    }
    none(&violations, "the directions in ARCHITECTURE.md say who may name whom");
}

#[test]
fn modules_form_no_cycle() {
    let mut graph = BTreeMap::<String, BTreeSet<String>>::new();
    for (_, from, names) in named() {
        graph.entry(from).or_default().extend(names);
    }
    // What names nothing that is left can be taken away; a cycle is what cannot.
    while let Some(leaf) = graph.iter().find(|(_, to)| to.iter().all(|to| !graph.contains_key(to))).map(|(from, _)| from.clone()) {
        graph.remove(&leaf);
    }
    let left: Vec<String> = graph.iter().map(|(from, to)| format!("{from} -> {to:?}")).collect();
    none(&left, "these modules name each other in a circle, or lead to one");
}

#[test]
fn the_local_ca_knows_of_control_only_how_pairs_are_built() {
    let mut violations = Vec::new();
    for path in files(&["src/authority"], ".rs") {
        let text = code(&path);
        let others = text.match_indices("crate::control").filter(|(at, _)| !text[*at..].starts_with("crate::control::compile::key_pair"));
        violations.extend(others.map(|(at, _)| format!("{}: {}", path.display(), text[at..].lines().next().unwrap_or_default())));
    }
    none(&violations, "authority takes control::compile::key_pair and no more");
}

#[test]
fn what_decides_does_no_io() {
    let mut violations = Vec::new();
    for path in files(&["src"], ".rs").iter().filter(|path| PURE.iter().any(|folder| path.starts_with(folder))) {
        let text = code(path);
        violations.extend(IMPURE.iter().filter(|word| contains_path(&text, word)).map(|word| format!("{} names {word}", path.display())));
    }
    none(&violations, "model, route and control/compile hold no clock, do no I/O, and know neither tokio nor hyper");
}

#[test]
fn some_crates_are_named_in_one_place() {
    let mut violations = Vec::new();
    for path in files(&["src"], ".rs") {
        let text = code(&path);
        for (name, places) in NAMED_ONLY_IN {
            if contains_path(&text, name) && !places.iter().any(|place| path == Path::new(place)) {
                violations.push(format!("{} names {name}, which is for {}", path.display(), places.join(", ")));
            }
        }
    }
    none(&violations, "some crates are kept to a file");
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    MAY_NAME.iter().find(|(name, _)| *name == module).map(|(_, to)| *to)
}

/// Of each source file: its path, its top-level module, and the other top-level modules that it names.
fn named() -> Vec<(String, String, BTreeSet<String>)> {
    let mut all = Vec::new();
    for path in files(&["src"], ".rs") {
        let parts: Vec<String> = path.iter().skip(1).map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned()).collect();
        let from = parts[0].clone();
        let depth = if parts.last().is_some_and(|last| last == "mod") { parts.len() - 1 } else { parts.len() };
        let mut names = names_after(&code(&path), "crate::");
        if from == "main" {
            names.extend(names_after(&code(&path), "genkan::"));
        }
        // `super` as far as the crate's root is the same in other words.
        names.extend(names_after(&code(&path), &"super::".repeat(depth)).into_iter().filter(|name| allowed(name).is_some()));
        names.remove(&from);
        // Macros, constants and types at the root would be no module.
        names.retain(|name| name.starts_with(|first: char| first.is_ascii_lowercase()));
        all.push((path.display().to_string(), from, names));
    }
    all
}

/// The code of a file without comments and without its tests.
fn code(path: &Path) -> String {
    if path.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests.rs" | "tests"))) {
        return String::new();
    }
    let text = read(path);
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split_once("//").filter(|(before, _)| !before.ends_with(':')).map_or(line, |(before, _)| before)).fold(
        String::new(),
        |mut code, line| {
            code.push_str(line);
            code.push('\n');
            code
        },
    )
}

/// The first element of every path that begins so, also of `crate::{a, b::c}`.
fn names_after(code: &str, start: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(start) {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':') {
            continue;
        }
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group_elements(group)),
            None => names.extend(identifier(rest)),
        }
    }
    names
}

/// The first identifiers of the elements of a group, up to its closing brace.
fn group_elements(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut elements = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => elements.push(String::new()),
            _ => {}
        }
        if let Some(element) = elements.last_mut().filter(|_| c != ',' || depth > 0) {
            element.push(c);
        }
    }
    elements.iter().filter_map(|element| identifier(element.trim_start())).collect()
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

/// Whether a path begins so: `tokio::` is not in `my_tokio::`.
fn contains_path(code: &str, start: &str) -> bool {
    code.match_indices(start).any(|(at, _)| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

#[test]
fn the_reader_of_imports_reads_them() {
    let names = |text: &str| names_after(text, "crate::").into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("use crate::model::Host;"), "model");
    assert_eq!(names("use crate::{\n    model::{Host, Route},\n    drain::Drain,\n};"), "drain model");
    assert_eq!(names("let table: crate::route::Table<mycrate::Thing> = x;"), "route");
    assert_eq!(names("pub(in crate::proxy) fn f() {}"), "proxy");
    assert!(contains_path("use tokio::net;", "tokio::") && !contains_path("use my_tokio::net;", "tokio::"));
}
