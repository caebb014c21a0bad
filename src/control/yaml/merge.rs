//! Several configuration files as one: lists append, mappings merge, a scalar that is set twice is a problem that
//! names both places.

use crate::model::Reason;

use super::node::{Files, Kind, Node, Problem};

/// Adds `from` to `into`. Where both set the same scalar the first stays.
pub fn merge(into: &mut Node, from: Node, files: &Files, problems: &mut Vec<Problem>) {
    if into.is_null() {
        *into = from;
        return;
    }
    if from.is_null() {
        return;
    }
    match (&mut into.kind, from.kind) {
        (Kind::Mapping(entries), Kind::Mapping(more)) => {
            for (key, value) in more {
                match entries.iter_mut().find(|(known, _)| known.text == key.text) {
                    Some((_, known)) => merge(known, value, files, problems),
                    None => entries.push((key, value)),
                }
            }
        }
        (Kind::Sequence(items), Kind::Sequence(more)) => items.extend(more),
        _ => {
            let first = files.place(into.span).map_or_else(|| "another file".to_owned(), |place| place.to_string());
            problems.push(Problem {
                span: from.span,
                reason: Reason::ScalarSetTwice,
                message: format!("this value is already set at {first}"),
                help: Some("keep one of the two; the first is used".to_owned()),
            });
        }
    }
}
