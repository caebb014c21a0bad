//! `livez` and `readyz`: checks as text, in the form that kube-apiserver made known.

use std::fmt::Write as _;

use super::Views;
use crate::drain::Stage;
use crate::model::Check;

/// The checks of one page.
pub(super) struct Health {
    name: &'static str,
    checks: Vec<Check>,
}

impl Health {
    /// Whether the process works at all: if not, only a restart helps. Passes while draining.
    pub(super) fn live(views: &Views) -> Self {
        Self { name: "livez", checks: views.proxy.live_checks() }
    }

    /// Whether the process should get new connections.
    pub(super) fn ready(views: &Views) -> Self {
        let mut checks = views.control.checks();
        checks.extend(views.proxy.ready_checks());
        checks.push(Check::new("drain", leaving(views.drain.stage())));
        Self { name: "readyz", checks }
    }

    /// Whether all of them pass.
    pub(super) fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.failure.is_none())
    }

    /// Each of them.
    pub(super) fn into_checks(self) -> impl Iterator<Item = Check> {
        self.checks.into_iter()
    }

    /// `ok`, or all checks where somebody asks for them or one fails.
    pub(super) fn text(&self, verbose: bool) -> String {
        if self.passed() && !verbose {
            return "ok\n".to_owned();
        }
        let mut text = String::new();
        for Check { name, failure } in &self.checks {
            // A string takes everything.
            let _ = match failure {
                None => writeln!(text, "[+]{name} ok"),
                Some(why) => writeln!(text, "[-]{name} failed: {}", one_line(why)),
            };
        }
        let _ = writeln!(text, "{} check {}", self.name, if self.passed() { "passed" } else { "failed" });
        text
    }
}

fn leaving(stage: Stage) -> Option<String> {
    let doing = match stage {
        Stage::Running => return None,
        Stage::Leaving => "leaving: still serving, but do not send new connections",
        Stage::Closing => "closing: requests in flight are finished, new connections refused",
        Stage::Stopped => "stopped",
    };
    Some(doing.to_owned())
}

/// A reason may quote what others wrote: it stays within its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
