//! From the results of checks to a verdict, with kubelet's meaning of the thresholds. Pure: when to check is decided in
//! `prober`, how in `check`.

use std::time::Duration;

use crate::model::{EndpointState, Probe};

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed; how, in plain words.
    Passed(String),
    /// It did not.
    Failed {
        /// In plain words.
        why: String,
        /// Whether nothing answered at all.
        unreachable: bool,
    },
}

/// What the checks so far say of an endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// Whether it gets requests.
    pub state: EndpointState,
    passes: u32,
    failures: u32,
    ever_ready: bool,
    unreachable: bool,
}

/// Between checks of an endpoint that has not been ready yet, or at which nothing answers: it may start at any moment, and
/// is to be used within a second of it.
pub const FAST: Duration = Duration::from_millis(500);

impl Outcome {
    /// Whether it passed, and how or why not.
    pub fn in_words(&self) -> (bool, &str) {
        match self {
            Self::Passed(how) => (true, how),
            Self::Failed { why, .. } => (false, why),
        }
    }
}

impl Verdict {
    /// Begins with what was known before: a changed probe keeps the old verdict until it has reached one of its own.
    pub fn from(state: EndpointState) -> Self {
        Self { state, passes: 0, failures: 0, ever_ready: state == EndpointState::Ready, unreachable: false }
    }

    /// Takes a result.
    pub fn note(&mut self, outcome: &Outcome, probe: &Probe) {
        match outcome {
            Outcome::Passed(_) => {
                self.passes = self.passes.saturating_add(1);
                self.failures = 0;
                self.unreachable = false;
                if self.passes >= probe.success_threshold {
                    self.state = EndpointState::Ready;
                    self.ever_ready = true;
                }
            }
            Outcome::Failed { unreachable, .. } => {
                self.failures = self.failures.saturating_add(1);
                self.passes = 0;
                self.unreachable = *unreachable;
                // One that was never ready is not ready from the first failure on; a ready one gets its chances.
                if self.state != EndpointState::Ready || self.failures >= probe.failure_threshold {
                    self.state = EndpointState::NotReady;
                }
            }
        }
    }

    /// How long until the next check.
    pub fn pause(&self, probe: &Probe) -> Duration {
        if self.ever_ready && !self.unreachable { probe.period } else { probe.period.min(FAST) }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed() -> Outcome {
        Outcome::Passed(String::new())
    }

    fn failed(unreachable: bool) -> Outcome {
        Outcome::Failed { why: String::new(), unreachable }
    }

    fn probe(success_threshold: u32, failure_threshold: u32) -> Probe {
        Probe { success_threshold, failure_threshold, ..Probe::default() }
    }

    #[test]
    fn thresholds_count_results_in_a_row() {
        use EndpointState::{NotReady as N, Ready as R, Unknown as U};

        let probe = probe(2, 3);
        let mut verdict = Verdict::from(EndpointState::Unknown);
        let mut states = Vec::new();
        for outcome in
            [passed(), failed(false), passed(), passed(), failed(false), failed(false), passed(), failed(false), failed(false), failed(false)]
        {
            verdict.note(&outcome, &probe);
            states.push(verdict.state);
        }
        assert_eq!(states, [U, N, N, R, R, R, R, R, R, N]);
    }

    #[test]
    fn checks_are_fast_until_the_first_pass_and_while_nothing_answers() {
        let probe = probe(1, 1);
        let mut verdict = Verdict::from(EndpointState::Unknown);
        assert_eq!(verdict.pause(&probe), FAST);
        verdict.note(&failed(false), &probe);
        assert_eq!(verdict.pause(&probe), FAST);
        verdict.note(&passed(), &probe);
        assert_eq!(verdict.pause(&probe), probe.period);
        verdict.note(&failed(false), &probe);
        assert_eq!(verdict.pause(&probe), probe.period, "it answers, so its own period holds");
        verdict.note(&failed(true), &probe);
        assert_eq!(verdict.pause(&probe), FAST);
    }

    #[test]
    fn a_threshold_of_passes_is_reached_as_fast() {
        let probe = probe(2, 1);
        let mut verdict = Verdict::from(EndpointState::Unknown);
        verdict.note(&passed(), &probe);
        assert_eq!((verdict.state, verdict.pause(&probe)), (EndpointState::Unknown, FAST));
        verdict.note(&passed(), &probe);
        assert_eq!((verdict.state, verdict.pause(&probe)), (EndpointState::Ready, probe.period));
        verdict.note(&failed(false), &probe);
        verdict.note(&passed(), &probe);
        assert_eq!(verdict.pause(&probe), probe.period, "it has been ready, and is to show that it stays so");
    }

    #[test]
    fn a_new_probe_takes_over_with_a_verdict_of_its_own() {
        let mut verdict = Verdict::from(EndpointState::Ready);
        verdict.note(&failed(false), &probe(1, 2));
        assert_eq!(verdict.state, EndpointState::Ready);
        verdict.note(&failed(false), &probe(1, 2));
        assert_eq!(verdict.state, EndpointState::NotReady);
    }
}
