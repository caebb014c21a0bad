//! What the documents promise: links that lead somewhere, and versions that agree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::{files, none, read, root};

/// What every reader looks for first.
const EXPECTED: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"];

#[test]
fn the_documents_are_there() {
    let missing: Vec<String> = EXPECTED.iter().filter(|name| !root().join(name).is_file()).map(ToString::to_string).collect();
    none(&missing, "these documents are missing");
    assert!(read("CHANGELOG.md").contains(env!("CARGO_PKG_VERSION")), "CHANGELOG.md does not name {}", env!("CARGO_PKG_VERSION"));
}

#[test]
fn links_lead_somewhere() {
    let mut violations = Vec::new();
    for path in documents() {
        let text = read(&path);
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap_or(Path::new("")).join(file) };
            if !root().join(&target).exists() {
                violations.push(format!("{}: {link}: no such file", path.display()));
            } else if let Some(anchor) = anchor.filter(|_| target.extension().is_some_and(|extension| extension == "md"))
                && !anchors(&read(&target)).contains(anchor)
            {
                violations.push(format!("{}: {link}: no such heading", path.display()));
            }
        }
    }
    none(&violations, "links in documents lead somewhere");
}

#[test]
fn the_image_has_the_packages_version() {
    let dockerfile = read("Dockerfile");
    let label = format!("org.opencontainers.image.version=\"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(dockerfile.contains(&label), "the Dockerfile lacks {label}");
    let manifest = read("Cargo.toml");
    let compiler = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(dockerfile.contains(&format!("/rust:{compiler}-")), "the Dockerfile builds with another Rust than {compiler}");
    let description = manifest.lines().find_map(|line| line.strip_prefix("description = ")).unwrap();
    assert!(dockerfile.contains(&format!("image.description={description}")), "the Dockerfile describes something else");
}

fn documents() -> Vec<PathBuf> {
    let mut paths = files(&["config", "tests", "benches"], ".md");
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    paths.extend(
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")).map(|path| path.strip_prefix(root()).unwrap().to_owned()),
    );
    paths
}

/// The targets of `[text](target)`, outside of code.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece is between backticks; a link whose text is code begins the next with `](`.
        for piece in line.split('`').step_by(2) {
            links.extend(piece.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next()));
        }
    }
    links
}

/// The anchors of headings as forges make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim().to_lowercase());
    headings
        .map(|heading| {
            heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn the_reader_of_links_reads_them() {
    assert_eq!(links("see [a](A.md#b) and [`c`](d/e.rs), not `[x](y)`\n```\n[z](z)\n```"), ["A.md#b", "d/e.rs"]);
    assert!(anchors("## 1. What it is: `genkan run`\n").contains("1-what-it-is-genkan-run"));
}
