//! The last probes of an endpoint as a strip of bars: short ones passed, tall ones failed, the newest at the right.

use std::fmt::Write as _;

use super::super::api::backends::ProbeView;
use crate::model::PROBES_KEPT;

/// A strip, as two paths of an SVG 16 high.
pub(super) struct Strip {
    pub(super) passed: String,
    pub(super) failed: String,
    /// The same in words.
    pub(super) words: String,
}

/// From bar to bar.
const STEP: usize = 4;

impl Strip {
    /// Of probes, oldest first. `None`: there was none.
    pub(super) fn of(probes: &[ProbeView]) -> Option<Self> {
        if probes.is_empty() {
            return None;
        }
        let (mut passed, mut failed) = (String::new(), String::new());
        let left = PROBES_KEPT.saturating_sub(probes.len());
        for (place, probe) in probes.iter().enumerate() {
            let x = (left + place) * STEP + STEP / 2;
            let _ = if probe.passed { write!(passed, "M{x} 16V9") } else { write!(failed, "M{x} 16V1") }; // A string takes everything.
        }
        let good = probes.iter().filter(|probe| probe.passed).count();
        Some(Self { passed, failed, words: format!("{good} of the last {} passed", probes.len()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(passed: bool) -> ProbeView {
        ProbeView { time: String::new(), passed, duration_ms: 1.0, answer: String::new() }
    }

    #[test]
    fn bars_end_at_the_right() {
        assert!(Strip::of(&[]).is_none());
        let strip = Strip::of(&[probe(false), probe(true)]).unwrap();
        assert_eq!((strip.passed.as_str(), strip.failed.as_str(), strip.words.as_str()), ("M198 16V9", "M194 16V1", "1 of the last 2 passed"));
    }
}
