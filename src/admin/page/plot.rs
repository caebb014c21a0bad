//! A small plot of the last minutes: an area over time, as the path of an SVG, with its numbers as text beside it.

use std::fmt::Write as _;

/// The view box that the page gives it.
const WIDTH: usize = 300;
const HEIGHT: f64 = 48.0;
/// Room for so many values; fewer keep to the right.
const VALUES: usize = 60;

/// A plot.
pub(super) struct Plot {
    pub(super) title: &'static str,
    /// The newest value, with its unit.
    pub(super) now: String,
    /// The largest.
    pub(super) most: String,
    /// The area under the values.
    pub(super) area: String,
}

impl Plot {
    /// Of values, oldest first. `None`: there was nothing to measure then.
    pub(super) fn of(title: &'static str, unit: &str, values: &[Option<f64>]) -> Self {
        let most = values.iter().flatten().copied().fold(0.0, f64::max);
        let text = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| format!("{}{unit}", number(value)));
        let now = text(values.last().copied().flatten());
        Self { title, now, most: text(Some(most)), area: area(&values[values.len().saturating_sub(VALUES)..], most) }
    }
}

/// Closed along the base line, so that it can be filled.
fn area(values: &[Option<f64>], most: f64) -> String {
    if values.is_empty() {
        return String::new();
    }
    let step = WIDTH / (VALUES - 1);
    let left = WIDTH - (values.len() - 1) * step;
    let mut path = format!("M{left} {HEIGHT}");
    for (place, value) in values.iter().enumerate() {
        let share = if most > 0.0 { value.unwrap_or_default() / most } else { 0.0 };
        let _ = write!(path, "L{} {:.1}", left + place * step, (HEIGHT - 1.0).mul_add(-share, HEIGHT)); // A string takes everything.
    }
    let _ = write!(path, "L{WIDTH} {HEIGHT}Z");
    path
}

/// Three digits at most where they matter, and no more than one after the point.
fn number(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_reaches_the_top_and_the_newest_is_at_the_right() {
        let plot = Plot::of("Requests", "/s", &[Some(0.0), Some(20.0), None, Some(5.25)]);
        assert_eq!((plot.now.as_str(), plot.most.as_str()), ("5.2/s", "20/s"));
        assert_eq!(plot.area, "M285 48L285 48.0L290 1.0L295 48.0L300 35.7L300 48Z");
    }

    #[test]
    fn nothing_yet_is_no_plot() {
        let plot = Plot::of("Requests", "/s", &[]);
        assert_eq!((plot.now.as_str(), plot.most.as_str(), plot.area.as_str()), ("none", "0/s", ""));
        assert!(Plot::of("Requests", "/s", &[Some(0.0); 100]).area.starts_with("M5 48L5 48.0"));
    }
}
