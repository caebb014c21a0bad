//! The report: what was refused or warned about, where, and what to do.

use askama::Template;

use super::super::api::query::Query;
use super::paging::Paging;
use super::{Frame, Rendered, fill};
use crate::admin::Views;
use crate::model::{Diagnostic, Severity};

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    frame: Frame,
    paging: Paging,
    findings: Vec<Entry>,
}

/// A finding.
pub(super) struct Entry {
    class: &'static str,
    severity: &'static str,
    pub(super) message: String,
    reason: String,
    object: Option<String>,
    pub(super) place: Option<String>,
    pub(super) why: Option<String>,
    effect: Option<String>,
    help: Option<String>,
}

pub(super) fn render(views: &Views, query: &Query, frame: Frame) -> Rendered {
    let asked = Paging::asked(query)?;
    let report = views.control.report();
    let mut all: Vec<_> = report.diagnostics.iter().collect();
    all.sort_by_key(|finding| finding.severity);
    let text = |finding: &&std::sync::Arc<Diagnostic>| {
        let object = finding.object.as_ref().map(|object| object.name.as_str()).unwrap_or_default();
        format!("{} {} {} {object}", finding.severity.as_str(), finding.reason, finding.message)
    };
    let (part, total) = asked.of(all.into_iter(), text);
    fill(&Page { paging: Paging::new(frame.path, &asked, total), frame, findings: part.into_iter().map(|finding| Entry::of(finding)).collect() })
}

impl Entry {
    pub(super) fn of(finding: &Diagnostic) -> Self {
        Self {
            class: class(finding.severity),
            severity: finding.severity.as_str(),
            message: finding.message.clone(),
            reason: finding.reason.to_string(),
            object: finding.object.as_ref().map(|object| format!("{} {}", object.kind.as_str(), object.name)),
            place: finding.place.as_ref().map(ToString::to_string),
            why: finding.why.clone(),
            effect: finding.effect.clone(),
            help: finding.help.clone(),
        }
    }
}

pub(super) fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "bad",
        Severity::Warning => "warn",
        Severity::Note => "idle",
    }
}
