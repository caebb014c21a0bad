//! The report in the log: each finding once when it appears, and once when it is gone.

use std::collections::HashSet;

use crate::model::{Diagnostic, Object, Reason, Report, Severity};

/// Remembers what has been written.
#[derive(Default)]
pub(super) struct ReportLog {
    written: HashSet<Identity>,
    /// It is not the first time.
    begun: bool,
}

/// So many are written when the process starts, the worst first: those and what is served fit on a screen.
const MOST_AT_START: usize = 4;

/// What makes two findings one and the same. The rest may differ from look to look: a line that moved down is no news,
/// nor is a reason that grew older.
type Identity = (Reason, Option<Object>, String);

impl ReportLog {
    /// Writes what is new.
    pub(super) fn write(&mut self, report: &Report) {
        let mut before = std::mem::take(&mut self.written);
        // Notes are for whoever asks: `genkan check` has them.
        let mut findings: Vec<_> = report.diagnostics.iter().filter(|finding| finding.severity != Severity::Note).collect();
        let mut room = usize::MAX;
        if !std::mem::replace(&mut self.begun, true) && findings.len() > MOST_AT_START {
            findings.sort_by_key(|finding| finding.severity);
            room = MOST_AT_START;
        }
        let mut left_out = 0_usize;
        for finding in findings {
            let identity = (finding.reason, finding.object.clone(), finding.message.clone());
            let known = before.remove(&identity);
            if !self.written.insert(identity) || known {
                continue;
            }
            match room.checked_sub(1) {
                Some(left) => {
                    room = left;
                    write(finding);
                }
                None => left_out += 1,
            }
        }
        if left_out > 0 {
            tracing::warn!(more = left_out, "more of this kind: genkan check shows all of them, and so does the status page");
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
