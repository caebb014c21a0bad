//! The two streams: results on standard output, everything for people on standard error. The one file that writes to
//! them. A reader that has left is no error: `genkan schema | head` is fine.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// For results.
    Out,
    /// For people.
    Err,
}

impl Stream {
    /// Whether somebody watches.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Out => io::stdout().is_terminal(),
            Self::Err => io::stderr().is_terminal(),
        }
    }

    /// Whether colours are welcome: on a terminal, unless `NO_COLOR` says otherwise (<https://no-color.org>).
    pub fn colour(self) -> bool {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        self.is_terminal() && !refused && !dumb
    }

    /// Writes a text as it is.
    pub fn write(self, text: &str) {
        self.write_bytes(text.as_bytes());
    }

    /// Writes what is no text.
    pub fn write_bytes(self, bytes: &[u8]) {
        // Whoever would read of a failure is the one who has left.
        let _ = match self {
            Self::Out => write_all(io::stdout().lock(), bytes),
            Self::Err => write_all(io::stderr().lock(), bytes),
        };
    }
}

fn write_all(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Says why something is not done, and what to do about it.
pub fn problem(message: &str, help: Option<&str>) {
    let (bold, plain) = if Stream::Err.colour() { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    let mut text = format!("{bold}error{plain}: {}\n", printable(message));
    if let Some(help) = help {
        text.push_str(&format!("  help: {}\n", printable(help)));
    }
    Stream::Err.write(&text);
}

/// A text without anything that a terminal would act on: it may come from a file that somebody else wrote.
pub fn printable(text: &str) -> String {
    let visible = |c: char| match c {
        '\t' => ' ',
        // Control characters, and those that make a text read in another direction than it is written.
        c if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
        c => c,
    };
    text.chars().map(visible).collect()
}

/// Lines that others wrote, each as [`printable`] has it.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(|line| printable(line) + "\n").collect()
}

/// A path as a shell takes it.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@%".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_safe_to_paste() {
        assert_eq!(quoted(Path::new("/a/b-c.d")), "/a/b-c.d");
        assert_eq!(quoted(Path::new("/a b/it's;rm")), r"'/a b/it'\''s;rm'");
    }

    #[test]
    fn terminals_get_nothing_to_act_on() {
        assert_eq!(printable("a\u{1b}[31mb\tc\u{202e}d\ne"), "a\u{fffd}[31mb c\u{fffd}d\u{fffd}e");
        assert_eq!(printable("grüße: 玄関"), "grüße: 玄関");
    }
}
