//! For people: what, where with the line itself, why, effect, help.

use std::fmt::Write;

use super::super::output::printable;
use crate::model::{Diagnostic, Place, Severity};

pub(super) fn render(diagnostics: &[&Diagnostic], colour: bool) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        // Writing to a String cannot fail.
        let _ = Painter { colour, out: &mut text }.finding(diagnostic);
    }
    text
}

struct Painter<'t> {
    colour: bool,
    out: &'t mut String,
}

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const BLUE: &str = "\u{1b}[1;34m";
const CYAN: &str = "\u{1b}[1;36m";
const PLAIN: &str = "\u{1b}[0m";

impl Painter<'_> {
    fn finding(&mut self, finding: &Diagnostic) -> std::fmt::Result {
        let hue = match finding.severity {
            Severity::Error => RED,
            Severity::Warning => YELLOW,
            Severity::Note => CYAN,
        };
        let head = self.paint(hue, &format!("{}[{}]", finding.severity, finding.reason));
        writeln!(self.out, "{head}: {}", printable(&finding.message))?;
        let margin = finding.place.as_ref().map_or(2, |place| place.line.to_string().len());
        if let Some(place) = &finding.place {
            self.place(place, margin, hue)?;
        }
        for (name, hue, line) in [("why", BLUE, &finding.why), ("effect", BLUE, &finding.effect), ("help", CYAN, &finding.help)] {
            if let Some(line) = line {
                self.note(margin, name, hue, line)?;
            }
        }
        self.out.write_str("\n")
    }

    fn place(&mut self, place: &Place, margin: usize, hue: &str) -> std::fmt::Result {
        let file = printable(&place.file);
        let arrow = self.paint(BLUE, "-->");
        writeln!(self.out, "{:margin$}{arrow} {file}:{}:{}", "", place.line, place.column)?;
        let source = printable(&place.source);
        if source.trim().is_empty() {
            return Ok(());
        }
        let before = place.column.saturating_sub(1);
        let bar = self.paint(BLUE, "|");
        let number = self.paint(BLUE, &place.line.to_string());
        writeln!(self.out, "{:margin$} {bar}", "")?;
        writeln!(self.out, "{number} {bar} {}", source.trim_end())?;
        let room = source.trim_end().chars().count().saturating_sub(before);
        if room > 0 {
            let carets = self.paint(hue, &"^".repeat(place.width.clamp(1, room)));
            writeln!(self.out, "{:margin$} {bar} {:before$}{carets}", "", "")?;
        }
        Ok(())
    }

    /// A note; its further lines stand below its first.
    fn note(&mut self, margin: usize, name: &str, hue: &str, text: &str) -> std::fmt::Result {
        let sign = self.paint(BLUE, "=");
        let title = self.paint(hue, &format!("{name}:"));
        let mut lines = text.lines();
        writeln!(self.out, "{:margin$} {sign} {title} {}", "", printable(lines.next().unwrap_or_default()))?;
        let indent = margin + 4 + name.len() + 2 - 1;
        lines.try_for_each(|line| writeln!(self.out, "{:indent$}{}", "", printable(line)))
    }

    fn paint(&self, hue: &str, text: &str) -> String {
        if self.colour { format!("{hue}{text}{PLAIN}") } else { text.to_owned() }
    }
}
