//! Names from the configuration as small numbers, so that counting a request neither hashes nor copies a string.

use std::sync::Arc;

use foldhash::HashMap;

/// A configured name, to count under. Got from [`Metrics::label`](super::Metrics::label); cheap to copy and compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(u32);

impl Label {
    /// No name: nothing was chosen yet. Printed as the empty string.
    pub const NONE: Self = Self(0);
    /// Every name after the last that has room.
    const OTHER: Self = Self(1);
}

/// Which name has which label.
#[derive(Debug)]
pub(super) struct Names {
    names: Vec<Arc<str>>,
    labels: HashMap<Arc<str>, Label>,
}

/// A name is never forgotten, since its counters stay: this bounds what years of changing configurations can leave
/// behind. Ten times as many as a configuration of 10 000 hosts needs.
const MOST_NAMES: usize = 100_000;

impl Default for Names {
    fn default() -> Self {
        let names: Vec<Arc<str>> = vec!["".into(), "_other".into()];
        let labels = [(names[0].clone(), Label::NONE), (names[1].clone(), Label::OTHER)].into_iter().collect();
        Self { names, labels }
    }
}

impl Names {
    pub(super) fn intern(&mut self, name: &str) -> Label {
        if let Some(label) = self.labels.get(name) {
            return *label;
        }
        if self.names.len() >= MOST_NAMES {
            return Label::OTHER;
        }
        let Ok(number) = u32::try_from(self.names.len()) else { return Label::OTHER };
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.labels.insert(name, Label(number));
        Label(number)
    }

    pub(super) fn name(&self, label: Label) -> &str {
        // A label from another `Metrics` could be past the end.
        self.names.get(label.0 as usize).map_or("_other", |name| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_label() {
        let mut names = Names::default();
        let shop = names.intern("shop");
        assert_ne!(shop, names.intern("api"));
        assert_eq!(shop, names.intern("shop"));
        assert_eq!(names.name(shop), "shop");
        assert_eq!(names.name(Label::NONE), "");
        assert_eq!(names.intern(""), Label::NONE);
    }

    #[test]
    fn names_are_bounded() {
        let mut names = Names::default();
        for n in 0..MOST_NAMES + 10 {
            names.intern(&n.to_string());
        }
        assert_eq!(names.names.len(), MOST_NAMES);
        assert_eq!(names.intern("one more"), Label::OTHER);
        assert_eq!(names.name(Label::OTHER), "_other");
    }
}
