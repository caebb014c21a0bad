//! What a client sent may be long, and where it is kept for people the rest of it helps nobody.

use std::borrow::Cow;

/// In characters.
const LONGEST: usize = 256;

/// A text, or its beginning.
pub fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(cut("é"), "é");
        assert_eq!(cut(&"é".repeat(1_000)).chars().count(), LONGEST + 1);
    }
}
