//! Metrics as text: Prometheus' format 0.0.4, which everything that scrapes reads, and OpenMetrics 1.0 for those who ask
//! for it (<https://prometheus.io/docs/specs/om/open_metrics_spec/>). Written here rather than by a crate: the one at
//! hand writes OpenMetrics alone, whose names for counters `promtool check metrics` does not take.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::histogram::{BOUNDS_MICROS, Histogram};
use super::table::{Kind, Row, TABLE};

/// What a scrape found: the samples of each metric by their label values, in the order of the row's labels.
#[derive(Debug, Default)]
pub(super) struct Scrape(BTreeMap<&'static str, BTreeMap<Vec<String>, Value>>);

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' own.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Exposition {
    /// What a scraper gets that accepts this.
    pub fn wanted(accept: &str) -> Self {
        let wanted = accept.split(',').any(|range| range.split(';').next().is_some_and(|kind| kind.trim() == "application/openmetrics-text"));
        if wanted { Self::OpenMetrics } else { Self::Text }
    }

    /// As a media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// A metric's name in the lines about it: OpenMetrics gives its samples the suffix, not the metric.
    fn family(self, row: &Row) -> &'static str {
        match (self, row.kind) {
            (Self::OpenMetrics, Kind::Counter) => row.name.strip_suffix("_total").unwrap_or(row.name),
            _ => row.name,
        }
    }
}

/// A sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Whole(u64),
    Float(f64),
    Histogram(Histogram),
}

impl Scrape {
    /// Sets a sample. The same labels twice: the last counts, since a repeated sample makes a scrape fail.
    pub(super) fn set<const N: usize>(&mut self, row: &Row, labels: [&str; N], value: Value) {
        debug_assert_eq!(labels.len(), row.labels.len(), "{}", row.name);
        self.0.entry(row.name).or_default().insert(labels.map(str::to_owned).into(), value);
    }

    pub(super) fn whole<const N: usize>(&mut self, row: &Row, labels: [&str; N], value: u64) {
        self.set(row, labels, Value::Whole(value));
    }
}

/// All of it, in the order of the table; a metric without samples is left out.
pub(super) fn encode(exposition: Exposition, scrape: &Scrape) -> String {
    let mut out = String::new();
    for row in TABLE {
        let Some(samples) = scrape.0.get(row.name) else { continue };
        let _ = writeln!(out, "# HELP {} {}\n# TYPE {0} {}", exposition.family(row), row.help, row.kind.as_str()); // A string takes everything.
        for (labels, value) in samples {
            write_sample(&mut out, row, labels, value);
        }
    }
    if exposition == Exposition::OpenMetrics {
        out.push_str("# EOF\n");
    }
    out
}

fn write_sample(out: &mut String, row: &Row, labels: &[String], value: &Value) {
    match value {
        Value::Whole(n) => write_line(out, row, "", labels, None, &n.to_string()),
        Value::Float(n) => write_line(out, row, "", labels, None, &n.to_string()),
        Value::Histogram(histogram) => {
            let mut seen = 0;
            for (place, n) in histogram.buckets.iter().enumerate() {
                seen += n;
                write_line(out, row, "_bucket", labels, Some(&bound(place)), &seen.to_string());
            }
            write_line(out, row, "_sum", labels, None, &histogram.sum.as_secs_f64().to_string());
            write_line(out, row, "_count", labels, None, &seen.to_string());
        }
    }
}

/// The upper bound of a bucket in seconds, as `le` prints it.
#[allow(clippy::cast_precision_loss, reason = "the bounds are small")]
fn bound(place: usize) -> String {
    BOUNDS_MICROS.get(place).map_or_else(|| "+Inf".to_owned(), |micros| (*micros as f64 / 1e6).to_string())
}

fn write_line(out: &mut String, row: &Row, suffix: &str, labels: &[String], bound: Option<&str>, value: &str) {
    out.push_str(row.name);
    out.push_str(suffix);
    let labels = row.labels.iter().copied().zip(labels.iter().map(String::as_str)).chain(bound.map(|bound| ("le", bound)));
    let mut before = '{';
    for (name, value) in labels {
        out.push(before);
        before = ',';
        out.push_str(name);
        out.push_str("=\"");
        push_escaped(out, value);
        out.push('"');
    }
    out.push_str(if before == ',' { "} " } else { " " });
    out.push_str(value);
    out.push('\n');
}

/// The three characters that the format knows escapes for. Others that would end a line somewhere do not here.
fn push_escaped(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}
