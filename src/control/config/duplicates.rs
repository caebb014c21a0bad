//! Names that one document gives twice: a mistake in it, like a key that is there twice. Names that several documents
//! give, or that follow from the same host and path, are the compile step's matter: there the first is used.

use std::collections::HashMap;

use super::objects::derived_name;
use super::{Objects, RouteRule};
use crate::control::yaml::{Located, Problem, Span};
use crate::model::{ObjectKind, Reason};

/// A problem for every listener, route and backend whose name was taken before.
pub fn duplicates(objects: &Objects) -> Vec<Problem> {
    let named = |(name, route): &&(String, Located<RouteRule>)| *name != derived_name(&route.hostnames, &route.rule);
    let mut problems = Vec::new();
    check(ObjectKind::Listener, objects.listeners.iter().map(|(name, object)| (name, object.span)), &mut problems);
    check(ObjectKind::Route, objects.routes.iter().filter(named).map(|(name, object)| (name, object.span)), &mut problems);
    check(ObjectKind::Backend, objects.backends.iter().map(|(name, object)| (name, object.name.span)), &mut problems);
    problems
}

fn check<'o>(kind: ObjectKind, names: impl Iterator<Item = (&'o String, Span)>, problems: &mut Vec<Problem>) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for (name, span) in names {
        let first = *seen.entry(name).or_insert(span);
        if first != span {
            problems.push(Problem {
                span,
                reason: Reason::DuplicateName,
                message: format!("there is already a {} named \"{name}\", on line {}", kind.as_str(), first.line),
                help: Some("give each a name of its own".to_owned()),
            });
        }
    }
}
