//! A line of the log: when, how bad, of what category, a sentence, and fields. What is said again and again is counted.

use std::fmt::{self, Write as _};
use std::hash::BuildHasher as _;
use std::time::SystemTime;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::LogFormat;
use super::repeats::Repeats;
use crate::date::rfc3339_millis;

/// What a line is about, by where it is said; the first that fits. They are a part of the outside contract.
const CATEGORIES: &[(&str, &str)] = &[
    ("genkan::control::source::secret", "certificate"),
    ("genkan::authority", "certificate"),
    ("genkan::control", "configuration"),
    ("genkan::proxy::health", "readiness"),
    ("genkan::proxy::accept", "connection"),
    ("genkan::proxy::connection", "connection"),
    ("genkan::proxy::io", "connection"),
    ("genkan::proxy::tls", "connection"),
    ("genkan::proxy::tunnel", "connection"),
    ("genkan::proxy::http", "exchange"),
    ("genkan::proxy::upstream", "exchange"),
    ("genkan::proxy", "worker"),
    ("genkan::telemetry::spans", "spans"),
    ("genkan::telemetry", "log"),
    ("genkan::admin", "admin"),
    ("genkan", "process"),
];

/// The category of what is said at a place in the code; that of what a library says is `library`.
pub(super) fn category(target: &str) -> &'static str {
    let fits = |place: &str| target.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    CATEGORIES.iter().find(|(place, _)| fits(place)).map_or("library", |(_, category)| category)
}

/// Writes lines.
pub(super) struct Lines {
    pub(super) format: LogFormat,
    pub(super) repeats: Repeats,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut said = Said::default();
        event.record(&mut said);
        let metadata = event.metadata();
        let key = self.repeats.hasher().hash_one((metadata.callsite(), said.fields.to_string(), &said.message));
        let Some(repeated) = self.repeats.note(key) else { return Ok(()) };
        if repeated > 0 {
            said.fields.insert("repeated".to_owned(), repeated.into());
        }
        match self.format {
            LogFormat::Text => said.text(&mut writer, *metadata.level(), category(metadata.target())),
            LogFormat::Json => said.json(&mut writer, *metadata.level(), metadata.target()),
        }
    }
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Fields,
}

/// In their order.
#[derive(Default)]
struct Fields(Vec<(String, Value)>);

impl Said {
    fn text(&self, out: &mut Writer<'_>, level: Level, category: &str) -> fmt::Result {
        let (dim, colour, off) = if out.has_ansi_escapes() { ("\x1b[2m", colour(level), "\x1b[0m") } else { ("", "", "") };
        write!(out, "{dim}{}{off} {colour}{level:>5}{off} {dim}{category}:{off} {}", rfc3339_millis(SystemTime::now()), self.message)?;
        for (name, value) in &self.fields.0 {
            write!(out, " {dim}{name}={off}")?;
            match value.as_str().filter(|text| is_bare(text)) {
                Some(text) => out.write_str(text)?,
                None => write!(out, "{value}")?,
            }
        }
        writeln!(out)
    }

    fn json(&self, out: &mut Writer<'_>, level: Level, target: &str) -> fmt::Result {
        // What it is about comes first, and where it was said last.
        write!(out, "{{\"timestamp\":\"{}\"", rfc3339_millis(SystemTime::now()))?;
        let first = [("level", level.as_str()), ("category", category(target)), ("message", &self.message)];
        first.into_iter().try_for_each(|(name, value)| pair(out, name, &value.into()))?;
        self.fields.0.iter().try_for_each(|(name, value)| pair(out, name, value))?;
        pair(out, "target", &target.into())?;
        out.write_str("}\n")
    }
}

impl Fields {
    fn insert(&mut self, name: String, value: Value) {
        self.0.push((name, value));
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| write!(f, "{name}={value} "))
    }
}

fn pair(out: &mut Writer<'_>, name: &str, value: &Value) -> fmt::Result {
    write!(out, ",{}:{value}", Value::from(name))
}

/// Whether a text cannot be mistaken for anything else.
fn is_bare(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'='))
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

impl Said {
    fn keep(&mut self, field: &Field, value: Value) {
        self.fields.insert(field.name().to_owned(), value);
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}"); // A string takes everything.
        } else {
            self.keep(field, format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.keep(field, value.into());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_a_category() {
        for (target, word) in [
            ("genkan", "process"),
            ("genkan::app", "process"),
            ("genkan::control::compile::route", "configuration"),
            ("genkan::control::source::secret", "certificate"),
            ("genkan::proxy::health::prober", "readiness"),
            ("genkan::proxy::http::exchange", "exchange"),
            ("genkan::proxy::worker", "worker"),
            ("genkan::telemetry::access_log", "log"),
            ("genkanish", "library"),
            ("rustls::server", "library"),
        ] {
            assert_eq!(category(target), word, "{target}");
        }
    }
}
