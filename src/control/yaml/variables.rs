//! `${NAME}` and `${NAME:-default}` in the scalars of our own files, filled in after parsing, so that no value can
//! change the structure. `$$` is a dollar. Kubernetes objects are never touched.

use crate::model::Reason;

use super::node::{Kind, Node, Problem, Span};

/// Replaces every variable in the tree. What is not set, or not written as above, is a problem at its scalar.
pub fn substitute(node: &mut Node, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    visit(node, lookup, &mut problems);
    problems
}

fn visit(node: &mut Node, lookup: &dyn Fn(&str) -> Option<String>, problems: &mut Vec<Problem>) {
    let span = node.span;
    match &mut node.kind {
        Kind::Scalar { text, .. } if text.contains('$') => match expand(text, lookup, span) {
            Ok(expanded) => *text = expanded,
            Err(problem) => problems.push(problem),
        },
        Kind::Scalar { .. } => {}
        Kind::Sequence(items) => items.iter_mut().for_each(|item| visit(item, lookup, problems)),
        Kind::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| visit(value, lookup, problems)),
    }
}

fn expand(text: &str, lookup: &dyn Fn(&str) -> Option<String>, span: Span) -> Result<String, Problem> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((inside, after)) = after.strip_prefix('{').and_then(|t| t.split_once('}')) {
            expanded.push_str(&value_of(inside, lookup, span)?);
            rest = after;
        } else {
            return Err(problem(span, Reason::InvalidValue, "`$` begins a variable".to_owned(), "write ${NAME}, or $$ for a dollar"));
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn value_of(inside: &str, lookup: &dyn Fn(&str) -> Option<String>, span: Span) -> Result<String, Problem> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !valid {
        let message = format!("`${{{inside}}}` does not name a variable");
        return Err(problem(span, Reason::InvalidValue, message, "write ${NAME} or ${NAME:-default}"));
    }
    // As in a shell, `:-` also stands in for a variable that is set to nothing.
    match (lookup(name).filter(|value| default.is_none() || !value.is_empty()), default) {
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => {
            let help = format!("set it, or give a default: ${{{name}:-...}}");
            Err(problem(span, Reason::UndefinedVariable, format!("the variable {name} is not set"), &help))
        }
    }
}

fn problem(span: Span, reason: Reason, message: String, help: &str) -> Problem {
    Problem { span, reason, message, help: Some(help.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, Reason> {
        let lookup = |name: &str| match name {
            "HOST" => Some("shop.test".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        expand(text, &lookup, Span::default()).map_err(|problem| problem.reason)
    }

    #[test]
    fn fills_in_what_is_set_and_defaults() {
        for (text, value) in [
            ("${HOST}", "shop.test"),
            ("a-${HOST}:${PORT:-80}/", "a-shop.test:80/"),
            ("$$5", "$5"),
            ("$${HOST}", "${HOST}"),
            ("${EMPTY}", ""),
            ("${EMPTY:-x}", "x"),
            ("${UNSET:-}", ""),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_unset_or_unclear() {
        assert_eq!(expanded("${UNSET}"), Err(Reason::UndefinedVariable));
        for text in ["$HOST", "${HOST", "${}", "${A B}", "100$"] {
            assert_eq!(expanded(text), Err(Reason::InvalidValue), "{text}");
        }
    }
}
