//! What traffic was in the last minutes: a sample a second, for rates and plots. Counters only grow, so a rate is the
//! difference of two samples.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use crate::model::ProxyStatus;
use crate::telemetry::{Metrics, Traffic};

/// From sample to sample.
const STEP: Duration = Duration::from_secs(1);
/// Five minutes, and where they begin.
const KEPT: usize = 301;
/// A step of a plot has so many samples.
const SAMPLES: usize = 5;
/// What rates are of.
const MINUTE: Duration = Duration::from_secs(60);

/// The samples, oldest first. The page and its streams read what one task writes.
#[derive(Debug, Default)]
pub struct History(Mutex<VecDeque<Sample>>);

/// The counters at an instant.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    traffic: Traffic,
    open_connections: usize,
}

/// One of the steps that plots are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// What happened in it.
    pub(super) rates: Rates,
    /// How many client connections were open at its end.
    pub(super) open_connections: usize,
}

/// What happened in a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// How long a while.
    pub(super) over: Duration,
    /// What happened in it.
    pub(super) traffic: Traffic,
}

impl History {
    /// Takes a sample a second, for ever.
    pub(super) async fn follow(self: Arc<Self>, metrics: Arc<Metrics>, proxy: Arc<dyn ProxyStatus>) {
        let mut steps = interval(STEP);
        steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            steps.tick().await;
            self.keep(&Sample { at: Instant::now(), traffic: metrics.traffic(), open_connections: proxy.open_connections() });
        }
    }

    fn keep(&self, sample: &Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == KEPT {
            samples.pop_front();
        }
        samples.push_back(*sample);
    }

    /// The last five minutes in steps of five seconds, oldest first; right after the start there are fewer.
    pub(super) fn steps(&self) -> Vec<Step> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ends: Vec<&Sample> = samples.iter().rev().step_by(SAMPLES).collect();
        let step = |pair: &[&Sample]| {
            let (end, start) = (pair[0], pair[1]);
            let rates = Rates { over: end.at.saturating_duration_since(start.at), traffic: end.traffic.since(&start.traffic) };
            Step { rates, open_connections: end.open_connections }
        };
        ends.windows(2).rev().map(step).collect()
    }

    /// From a minute ago until now, or from the first sample if that is later.
    pub(super) fn last_minute(&self, now: &Traffic) -> Rates {
        self.until(Instant::now(), now)
    }

    fn until(&self, now: Instant, traffic: &Traffic) -> Rates {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = samples.iter().find(|sample| now.saturating_duration_since(sample.at) <= MINUTE);
        let (at, before) = first.map_or((now, *traffic), |sample| (sample.at, sample.traffic));
        Rates { over: now.saturating_duration_since(at), traffic: traffic.since(&before) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(requests: u64) -> Traffic {
        Traffic { requests, ..Traffic::default() }
    }

    fn sample(at: Instant, requests: u64) -> Sample {
        Sample { at, traffic: Traffic { requests, ..Traffic::default() }, open_connections: 1 }
    }

    #[test]
    fn plots_have_steps_of_five_seconds_up_to_now() {
        let (history, start) = (History::default(), Instant::now());
        assert!(history.steps().is_empty());
        for second in 0..1_000_u32 {
            history.keep(&sample(start + STEP * second, u64::from(second) * 10));
        }
        let steps = history.steps();
        assert_eq!(steps.len(), 60);
        assert!(steps.iter().all(|step| step.rates.over == STEP * 5 && step.rates.traffic.requests == 50 && step.open_connections == 1));
    }

    #[test]
    fn rates_are_of_the_last_minute() {
        let (history, start) = (History::default(), Instant::now());
        assert_eq!(history.until(start, &requests(5)).traffic.requests, 0, "nothing to compare with");
        for second in 0..200 {
            history.keep(&sample(start + STEP * second, u64::from(second) * 10));
        }
        let rates = history.until(start + STEP * 199, &requests(1_990));
        assert_eq!((rates.over, rates.traffic.requests), (MINUTE, 600));
    }

    #[test]
    fn so_many_are_kept() {
        let history = History::default();
        (0..KEPT as u64 + 7).for_each(|n| history.keep(&sample(Instant::now(), n)));
        assert_eq!(history.0.lock().unwrap().front().unwrap().traffic.requests, 7);
    }
}
