//! A configuration read once by the very code that `run` starts with, certificates and names included, and nothing
//! served or changed. For the commands that only tell.

use std::collections::HashSet;
use std::sync::Arc;

use super::Refusal;
use super::flags::Mapped;
use crate::control::config::Overrides;
use crate::control::resources::Collection;
use crate::control::source::Configuration;
use crate::control::{self, Control, Refused};
use crate::drain::{Drain, Stage};
use crate::model::{Action, ControlStatus, Origins, Report, Route, SHARED, Severity, Snapshot};

/// What was seen.
#[derive(Debug)]
pub(super) struct Look {
    /// Everything that was found.
    pub(super) report: Report,
    /// What would be served; `None` if `run` would not start.
    pub(super) served: Option<(Arc<Snapshot>, Totals)>,
    /// A path that was named could not be opened.
    pub(super) unopened: bool,
    /// Where routes are written.
    pub(super) origins: Arc<Origins>,
}

/// What there would be if nothing were wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) listeners: usize,
    pub(super) routes: usize,
    pub(super) backends: usize,
    pub(super) certificates: usize,
}

/// Reads everything once.
pub(super) fn look(configuration: Configuration, mapped: Mapped) -> Result<Look, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Refusal::no(format!("the runtime cannot be started: {error}")))?;
    let options = control::Options { configuration, overrides: mapped.over(Overrides::default()), defaults: super::run::defaults() };
    let look = runtime.block_on(read(options));
    // A resolver that does not answer holds its thread; nobody waits for it any more.
    runtime.shutdown_background();
    Ok(look)
}

async fn read(options: control::Options) -> Look {
    let drain = Drain::new();
    let mut control = match Control::start(options, &drain).await {
        Ok(control) => control,
        Err(Refused { report, unopened }) => return Look { report, served: None, unopened, origins: Arc::default() },
    };
    let snapshot = control.first().await;
    drain.advance(Stage::Stopped);
    let mut report = Report::clone(&control.status().report());
    report.sort();
    Look { report, served: Some((snapshot.clone(), totals(&control, &snapshot))), unopened: false, origins: control.status().origins() }
}

/// What the configuration lists, and what comes of Kubernetes objects, of which everything is in the snapshot.
fn totals(control: &Control, snapshot: &Snapshot) -> Totals {
    fn all<T>(collection: &Collection<T>) -> usize {
        collection.names().count() + collection.duplicates.len()
    }
    let resources = control.resources();
    let off = resources.listeners.iter().filter(|(_, entry)| entry.latest.spec.listens_on().is_none()).count();
    let pairs = resources.certificates.iter().map(|object| match resources.found.get(&object.spec.value) {
        Some(Ok(pairs)) => pairs.len(),
        Some(Err(_)) | None => 1,
    });
    let routes = routes(snapshot).filter(|route| !resources.routes.contains(&route.name) && !resources.default_route.contains(&route.name));
    Totals {
        listeners: all(&resources.listeners) - off + snapshot.listeners.iter().filter(|listener| &*listener.route_set != SHARED).count(),
        routes: all(&resources.routes) + all(&resources.default_route) + routes.count(),
        backends: all(&resources.backends) + snapshot.backends.iter().filter(|backend| !resources.backends.contains(&backend.name)).count(),
        certificates: pairs.sum::<usize>().max(snapshot.certificates.len()),
    }
}

/// Every route once, without those that only stand behind others to say that nothing is there.
fn routes(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<Route>> {
    let mut seen = HashSet::new();
    snapshot.routes().filter(move |route| route.action != Action::NotFound && seen.insert(route.name.clone()))
}

impl Look {
    /// Whether something asked for would not be done.
    pub(super) fn has_errors(&self) -> bool {
        self.served.is_none() || self.report.count(Severity::Error) > 0
    }

    /// How many findings there are, and what would be served in spite of them.
    pub(super) fn summary(&self) -> String {
        let counts = counts(&self.report);
        let Some((snapshot, totals)) = &self.served else {
            return format!("{counts}. Nothing would be served: run does not start on this.");
        };
        let routes = routes(snapshot).filter(|route| !matches!(route.action, Action::Broken(_))).count();
        format!(
            "{counts}. Would be served: {}, {}, {}, {}.",
            part(snapshot.listeners.len(), totals.listeners, "listener"),
            part(routes, totals.routes, "route"),
            part(snapshot.backends.len(), totals.backends, "backend"),
            part(snapshot.certificates.len(), totals.certificates, "certificate"),
        )
    }
}

/// `2 errors, 1 warning`
pub fn counts(report: &Report) -> String {
    let count = |severity: Severity| match report.count(severity) {
        0 => format!("no {severity}s"),
        1 => format!("1 {severity}"),
        many => format!("{many} {severity}s"),
    };
    format!("{}, {}", count(Severity::Error), count(Severity::Warning))
}

/// `3 routes`, or `2 of 3 routes`
fn part(served: usize, total: usize, noun: &str) -> String {
    let plural = if total == 1 { "" } else { "s" };
    if served == total { format!("{total} {noun}{plural}") } else { format!("{served} of {total} {noun}{plural}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_where_something_is_missing() {
        assert_eq!(part(1, 1, "route"), "1 route");
        assert_eq!(part(0, 0, "route"), "0 routes");
        assert_eq!(part(4, 5, "route"), "4 of 5 routes");
        assert_eq!(part(0, 1, "route"), "0 of 1 route");
    }
}
