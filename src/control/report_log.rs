//! The report in the log: each finding once when it appears, and once when it is gone.

use std::collections::HashSet;

use crate::model::{Diagnostic, Object, Reason, Report, Severity};

/// Remembers what has been written.
#[derive(Default)]
pub(super) struct ReportLog {
    written: HashSet<Identity>,
}

/// What makes two findings one and the same. The rest may differ from look to look: a line that moved down is no news,
/// nor is a reason that grew older.
type Identity = (Reason, Option<Object>, String);

impl ReportLog {
    /// Writes what is new.
    pub(super) fn write(&mut self, report: &Report) {
        let mut before = std::mem::take(&mut self.written);
        // Notes are for whoever asks: `genkan check` has them.
        for finding in report.diagnostics.iter().filter(|finding| finding.severity != Severity::Note) {
            let identity = (finding.reason, finding.object.clone(), finding.message.clone());
            let known = before.remove(&identity);
            if self.written.insert(identity) && !known {
                write(finding);
            }
        }
        for (reason, _, message) in before {
            tracing::info!(%reason, "resolved: {message}");
        }
    }
}

fn write(finding: &Diagnostic) {
    let place = finding.place.as_ref().map(ToString::to_string);
    let object = finding.object.as_ref().map(ToString::to_string);
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                reason = %finding.reason,
                object = object.as_deref(),
                place = place.as_deref(),
                why = finding.why.as_deref(),
                effect = finding.effect.as_deref(),
                help = finding.help.as_deref(),
                "{}", finding.message
            )
        };
    }
    match finding.severity {
        Severity::Error => event!(error),
        Severity::Warning => event!(warn),
        Severity::Note => {}
    }
}
