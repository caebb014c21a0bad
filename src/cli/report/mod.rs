//! Findings as text: for people, for programs, for GitHub. The one place where a diagnostic is printed.

mod github;
mod json;
mod text;

use std::borrow::Borrow;

use crate::model::Diagnostic;

pub(super) use json::pretty;

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As rustc prints them.
    Text {
        /// For a terminal.
        colour: bool,
    },
    /// One array of objects.
    Json,
    /// Workflow commands that become annotations.
    Github,
}

/// Prints findings in their order.
pub fn render<D: Borrow<Diagnostic>>(diagnostics: &[D], form: Form) -> String {
    let diagnostics: Vec<&Diagnostic> = diagnostics.iter().map(Borrow::borrow).collect();
    match form {
        Form::Text { colour } => text::render(&diagnostics, colour),
        Form::Json => json::render(&diagnostics),
        Form::Github => github::render(&diagnostics),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ObjectKind, Place, Reason};

    fn finding() -> Diagnostic {
        Diagnostic::error(Reason::UnknownField, "unknown field \"certifcates\"")
            .about(ObjectKind::Configuration, "a.yaml")
            .at(Place { file: "a.yaml".into(), line: 12, column: 3, source: "  certifcates: \u{1b}[31m".to_owned(), width: 11 })
            .why("100% seen")
            .help("did you mean \"certificates\"?\nyes")
    }

    #[test]
    fn people_see_the_line() {
        let expected = "\
error[UnknownField]: unknown field \"certifcates\"
  --> a.yaml:12:3
   |
12 |   certifcates: \u{fffd}[31m
   |   ^^^^^^^^^^^
   = why: 100% seen
   = help: did you mean \"certificates\"?
           yes

";
        assert_eq!(render(&[finding()], Form::Text { colour: false }), expected);
        assert!(render(&[finding()], Form::Text { colour: true }).starts_with("\u{1b}[1;31merror[UnknownField]\u{1b}[0m"));
    }

    #[test]
    fn a_line_that_is_a_secret_stays_out() {
        let mut secret = finding();
        secret.place.as_mut().unwrap().source.clear();
        let text = render(&[secret], Form::Text { colour: false });
        assert!(text.contains("a.yaml:12:3") && !text.contains('^'), "{text}");
    }

    #[test]
    fn programs_get_every_key() {
        let value: serde_json::Value = serde_json::from_str(&render(&[finding()], Form::Json)).unwrap();
        assert_eq!(value[0]["line"], 12);
        assert_eq!(value[0]["object"]["kind"], "configuration");
        assert!(value[0].as_object().unwrap().contains_key("effect") && value[0]["effect"].is_null());
        assert_eq!(render::<Diagnostic>(&[], Form::Json), "[]\n");
    }

    #[test]
    fn nothing_breaks_out_of_a_workflow_command() {
        let mut finding = finding();
        finding.place.as_mut().unwrap().file = "a,b:c.yaml".into();
        let text = render(&[finding], Form::Github);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.starts_with("::error file=a%2Cb%3Ac.yaml,line=12,col=3,endColumn=14,title=UnknownField::unknown field"), "{text}");
        assert!(text.contains("100%25 seen%0A"), "{text}");
    }
}
