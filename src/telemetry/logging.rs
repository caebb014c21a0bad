//! The process's own log, on standard error: which events, in which form. Not the access log, which is apart in both.

mod line;
mod outlet;
mod repeats;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer as _, Registry};

use line::Lines;
use outlet::Outlet;
use repeats::Repeats;

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// `LEVEL[,target=LEVEL]...`.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; with colours on a terminal.
    #[default]
    Text,
    /// One flat JSON object.
    Json,
}

/// A part of a filter that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFilter {
    part: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::default() }
    }
}

/// Starts the log. The first call in a process decides; later ones change nothing, so that tests can share one.
pub fn start(settings: &LogSettings) -> Result<(), InvalidFilter> {
    let open = || OUTLET.get().map_or_else(|| Box::new(io::stderr()) as Box<dyn Write>, |outlet| Box::new(outlet.clone()));
    let layer = layer(settings, open, colours())?;
    if OUTLET.get().is_none()
        && let Ok(outlet) = Outlet::to(io::stderr(), tell_of_lost)
    {
        let _ = OUTLET.set(outlet); // Somebody else was faster.
    }
    let _ = tracing_subscriber::registry().with(layer).try_init(); // Already started.
    Ok(())
}

fn tell_of_lost(lines: u64) {
    tracing::warn!(lines, "lines of this log were lost: standard error takes them too slowly");
}

/// Of the process, as its log is. Without a thread for it, lines are written by whoever says them.
static OUTLET: OnceLock<Outlet> = OnceLock::new();

/// Waits until what was said before is written, or `limit` has passed. Blocks: for the end, and before something else is
/// written in the same place.
pub fn flush(limit: Duration) {
    if let Some(outlet) = OUTLET.get() {
        outlet.flush(limit);
    }
}

type AnyLayer = Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync>;

fn layer<W: Write + 'static>(settings: &LogSettings, open: impl Fn() -> W + Send + Sync + 'static, colours: bool) -> Result<AnyLayer, InvalidFilter> {
    let filter = parse(&settings.filter)?;
    // A standard error that is closed loses lines; reporting that there would panic.
    let layer = Layer::default().with_writer(move || OneLine { inner: open(), colours }).log_internal_errors(false);
    let coloured = colours && settings.format == LogFormat::Text;
    let lines = Lines { format: settings.format, repeats: Repeats::default() };
    Ok(layer.with_ansi(coloured).event_format(lines).with_filter(filter).boxed())
}

/// One event, one line, and nothing in it that a terminal obeys, except for colours where they are wanted: the text
/// form writes fields as they come, and they quote what others sent. Each write is a whole event.
struct OneLine<W> {
    inner: W,
    colours: bool,
}

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if line.contains(|c: char| c.is_control()) {
            self.inner.write_all(self.defused(line).as_bytes())?;
        } else {
            self.inner.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W> OneLine<W> {
    fn defused(&self, line: &str) -> String {
        let mut safe = String::with_capacity(line.len() + 16);
        for (place, character) in line.char_indices() {
            if character.is_control() && !(self.colours && is_colour(&line[place..])) {
                safe.extend(character.escape_default());
            } else {
                safe.push(character);
            }
        }
        safe.push('\n');
        safe
    }
}

/// Whether a text begins with `ESC [ numbers m`.
fn is_colour(text: &str) -> bool {
    let rest = text.strip_prefix("\x1b[").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';'));
    rest.is_some_and(|rest| rest.starts_with('m'))
}

/// `info`, `debug,rustls=warn`, `genkan::control=debug`. Without a level of its own everything is at `info`.
fn parse(filter: &str) -> Result<Targets, InvalidFilter> {
    let mut targets = Targets::new().with_default(LevelFilter::INFO);
    for part in filter.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let invalid = || InvalidFilter { part: part.to_owned() };
        targets = match part.split_once('=') {
            None => targets.with_default(level(part).ok_or_else(invalid)?),
            Some((target, text)) if is_target(target.trim()) => targets.with_target(target.trim(), level(text.trim()).ok_or_else(invalid)?),
            Some(_) => return Err(invalid()),
        };
    }
    Ok(targets)
}

/// The words alone: `LevelFilter` would also take numbers, and an empty word.
fn level(text: &str) -> Option<LevelFilter> {
    let words = ["off", "error", "warn", "info", "debug", "trace"];
    words.iter().any(|word| word.eq_ignore_ascii_case(text)).then(|| text.parse().ok()).flatten()
}

fn is_target(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-'))
}

fn colours() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !set("NO_COLOR") && !dumb
}

impl fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = &self.part;
        write!(f, "{part:?} is not a log filter: write LEVEL or target=LEVEL, separated by commas, such as `info` or `info,genkan=debug`; ")?;
        f.write_str("levels are off, error, warn, info, debug, trace")
    }
}

impl std::error::Error for InvalidFilter {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use tracing::Level;

    struct Written(Sender<Vec<u8>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written for the events of `act`.
    fn written(format: LogFormat, act: impl FnOnce()) -> String {
        let (sender, receiver) = channel();
        let settings = LogSettings { format, ..LogSettings::default() };
        let layer = layer(&settings, move || Written(sender.clone()), false).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        String::from_utf8(receiver.try_iter().flatten().collect()).unwrap()
    }

    #[test]
    fn json_is_flat() {
        let line = written(LogFormat::Json, || tracing::info!(target: "genkan", address = "[::]:1", listeners = "https", "listening"));
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (key, value) in [
            ("level", "INFO"),
            ("category", "process"),
            ("target", "genkan"),
            ("message", "listening"),
            ("address", "[::]:1"),
            ("listeners", "https"),
        ] {
            assert_eq!(object[key], value, "{line}");
        }
        assert!(object["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn text_has_its_category_and_quotes_what_could_be_mistaken() {
        let line =
            written(LogFormat::Text, || tracing::warn!(target: "genkan::proxy::health", endpoint = "a:1", reason = "x y=\"z\"", n = 3, "not ready"));
        assert!(line.contains("  WARN readiness: not ready endpoint=a:1 reason=\"x y=\\\"z\\\"\" n=3\n"), "{line}");
    }

    #[test]
    fn what_is_said_again_and_again_is_written_a_few_times() {
        let text = written(LogFormat::Json, || {
            for round in 0..40 {
                tracing::warn!(endpoint = "a:1", "endpoint is not ready");
                tracing::info!(round, "something new each time");
            }
        });
        assert_eq!((text.matches("not ready").count(), text.matches("something new").count()), (5, 40), "{text}");
    }

    #[test]
    fn colours_are_the_only_escapes_on_a_terminal() {
        let mut line = OneLine { inner: Vec::new(), colours: true };
        line.write_all("\x1b[2;31mred\x1b[0m \x1b[2J\x1b]0;title\x07 \u{9b}2J\r\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(line.inner).unwrap(), "\x1b[2;31mred\x1b[0m \\u{1b}[2J\\u{1b}]0;title\\u{7} \\u{9b}2J\\r\n");
    }

    #[test]
    fn an_event_is_one_line_without_terminal_escapes() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let hostile = "a\r\n2026-01-01T00:00:00Z ERROR genkan: forged \x1b[2J";
            let text = written(format, || tracing::info!(field = %hostile, quoted = hostile, "got {hostile}"));
            assert!(text.ends_with('\n') && !text.trim_end_matches('\n').contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn filters_are_levels_by_target() {
        let filter = parse("warn, genkan::control=debug,rustls=off").unwrap();
        assert!(filter.would_enable("anything", &Level::WARN) && !filter.would_enable("anything", &Level::INFO));
        assert!(filter.would_enable("genkan::control::compile", &Level::DEBUG));
        assert!(!filter.would_enable("rustls::server", &Level::ERROR));
        assert!(parse("").unwrap().would_enable("genkan", &Level::INFO) && !parse("").unwrap().would_enable("genkan", &Level::DEBUG));
        assert!(parse("INFO,genkan=TRACE").unwrap().would_enable("genkan", &Level::TRACE));
    }

    #[test]
    fn a_wrong_filter_says_what_to_write() {
        for wrong in ["verbose", "info,genkan=", "=debug", "genkan=loud", "3", "a b=info", "genkan[span]=info"] {
            let error = parse(wrong).expect_err(wrong).to_string();
            assert!(error.contains("`info,genkan=debug`") && error.contains("trace"), "{error}");
        }
    }
}
