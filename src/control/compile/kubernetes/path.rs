//! A path of an Ingress to what routes are matched by: Kubernetes' meaning of its pathType, or the URL map that the
//! cloud's controller makes of it, with the controller's own words where it makes none.

use crate::model::{Behaviour, Parity, PathMatch};

/// What a path means, and where that is the cloud's reading, which.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) matches: PathMatch,
    pub(super) parity: Option<Parity>,
}

impl Meaning {
    /// What every path is.
    pub(super) fn all() -> Self {
        Self { matches: PathMatch::prefix("/"), parity: None }
    }
}

/// Reads a path. The error follows the cloud's, and is the reason why the rule leads nowhere.
pub(super) fn read(path: &str, path_type: Option<&str>, behaviour: Behaviour) -> Result<Meaning, String> {
    let plain = |matches| Ok(Meaning { matches, parity: None });
    match path_type {
        Some("Exact") if path.is_empty() => Err("failed to validate exact path type due to empty path".to_owned()),
        Some("Exact") if path.contains('*') => Err(format!("failed to validate exact path {path} due to invalid wildcard")),
        Some("Exact") => rooted(path).and_then(|path| plain(PathMatch::Exact(path.to_owned()))),
        Some("Prefix") if path.is_empty() => Err("failed to validate prefix path type due to empty path".to_owned()),
        Some("Prefix") if path.contains('*') => Err(format!("failed to validate prefix path {path} due to invalid wildcard")),
        Some("Prefix") => rooted(path).and_then(|path| plain(PathMatch::prefix(path))),
        None | Some("ImplementationSpecific") => specific(path, behaviour),
        Some(other) => Err(format!("unsupported path type: {other}")),
    }
}

/// What is left of a path for an earlier route where a later one has the other; `None`: nothing. To the cloud a prefix
/// is two paths, itself and what is below it.
pub(super) fn without(earlier: &PathMatch, later: &PathMatch) -> Option<PathMatch> {
    let ((exact, below), (exact_taken, below_taken)) = (entries(earlier), entries(later));
    match (exact.filter(|_| exact != exact_taken), below.filter(|_| below != below_taken)) {
        (None, None) => None,
        (left_exact, left_below) if (left_exact, left_below) == (exact, below) => Some(earlier.clone()),
        (Some(path), _) => Some(PathMatch::Exact(path.to_owned())),
        (None, Some(path)) => Some(PathMatch::Below(path.to_owned())),
    }
}

/// The path itself, and the one that everything is below.
fn entries(path: &PathMatch) -> (Option<&str>, Option<&str>) {
    match path {
        PathMatch::Exact(path) => (Some(path), None),
        PathMatch::Below(path) => (None, Some(path)),
        PathMatch::Prefix(path) if path.is_empty() => (None, Some(path)),
        PathMatch::Prefix(path) => (Some(path), Some(path)),
    }
}

fn rooted(path: &str) -> Result<&str, String> {
    match path.find(|c: char| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control()) {
        _ if !path.starts_with('/') => Err(format!("the path {path} does not begin with a slash")),
        Some(at) => Err(format!("the path {path} is more than a path; write {}", &path[..at])),
        None => Ok(path),
    }
}

fn specific(path: &str, behaviour: Behaviour) -> Result<Meaning, String> {
    if path.is_empty() {
        return Ok(Meaning::all());
    }
    let path = rooted(path)?;
    let (before, below) = path.strip_suffix("/*").map_or((path, false), |before| (before, true));
    if before.contains('*') {
        return Err(format!("the path {path} has a wildcard elsewhere than after its last slash"));
    }
    Ok(match (behaviour, below) {
        (Behaviour::Genkan, _) => Meaning { matches: PathMatch::prefix(before), parity: None },
        (Behaviour::Gke, true) if before.is_empty() => Meaning::all(),
        (Behaviour::Gke, true) => Meaning { matches: PathMatch::Below(before.to_owned()), parity: Some(Parity::ImplementationSpecific) },
        (Behaviour::Gke, false) => Meaning { matches: PathMatch::Exact(path.to_owned()), parity: Some(Parity::ImplementationSpecific) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clouds_table_of_paths() {
        let exact = |path: &str| PathMatch::Exact(path.to_owned());
        for (path, path_type, expected) in [
            ("", None, Ok(PathMatch::prefix("/"))),
            ("/", None, Ok(exact("/"))),
            ("/foo", Some("ImplementationSpecific"), Ok(exact("/foo"))),
            ("/foo/", None, Ok(exact("/foo/"))),
            ("/foo/*", None, Ok(PathMatch::Below("/foo".to_owned()))),
            ("/*", None, Ok(PathMatch::prefix("/"))),
            ("/f*o", None, Err("the path /f*o has a wildcard elsewhere than after its last slash")),
            ("/foo", Some("Exact"), Ok(exact("/foo"))),
            ("", Some("Exact"), Err("failed to validate exact path type due to empty path")),
            ("/foo/*", Some("Exact"), Err("failed to validate exact path /foo/* due to invalid wildcard")),
            ("/", Some("Prefix"), Ok(PathMatch::prefix("/"))),
            ("/foo", Some("Prefix"), Ok(PathMatch::prefix("/foo"))),
            ("/foo/", Some("Prefix"), Ok(PathMatch::prefix("/foo"))),
            ("", Some("Prefix"), Err("failed to validate prefix path type due to empty path")),
            ("/foo/*", Some("Prefix"), Err("failed to validate prefix path /foo/* due to invalid wildcard")),
            ("/foo", Some("Regex"), Err("unsupported path type: Regex")),
            ("foo", Some("Prefix"), Err("the path foo does not begin with a slash")),
        ] {
            let read = read(path, path_type, Behaviour::Gke).map(|meaning| meaning.matches);
            assert_eq!(read, expected.map_err(str::to_owned), "{path} {path_type:?}");
        }
    }

    #[test]
    fn a_later_path_takes_what_it_has_of_an_earlier_one() {
        let (exact, below) = (PathMatch::Exact("/foo".to_owned()), PathMatch::Below("/foo".to_owned()));
        let (prefix, all) = (PathMatch::prefix("/foo"), PathMatch::prefix("/"));
        for (earlier, later, left) in [
            (&exact, &exact, None),
            (&exact, &prefix, None),
            (&below, &prefix, None),
            (&prefix, &prefix, None),
            (&all, &all, None),
            (&prefix, &exact, Some(&below)),
            (&prefix, &below, Some(&exact)),
            (&exact, &below, Some(&exact)),
            (&exact, &all, Some(&exact)),
            (&all, &prefix, Some(&all)),
            (&prefix, &PathMatch::prefix("/bar"), Some(&prefix)),
        ] {
            assert_eq!(without(earlier, later).as_ref(), left, "{earlier} and then {later}");
        }
    }

    #[test]
    fn ours_reads_what_is_specific_as_a_prefix() {
        for (path, expected) in [("", "/"), ("/", "/"), ("/foo", "/foo"), ("/foo/", "/foo"), ("/foo/*", "/foo")] {
            let meaning = read(path, None, Behaviour::Genkan).unwrap();
            assert_eq!(meaning, Meaning { matches: PathMatch::prefix(expected), parity: None }, "{path}");
        }
    }
}
