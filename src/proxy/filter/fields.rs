//! HTTPRoute's header modifiers, applied to fields: remove, then set, then add.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::facts::Facts;
use crate::model::{HeaderModifier, Template, may_be_changed};

/// Changes fields as a modifier says.
pub fn modify(headers: &mut HeaderMap, modifier: &HeaderModifier, facts: &Facts<'_>) {
    debug_assert!(names(modifier).all(may_be_changed), "a field that frames a message");
    for name in &modifier.remove {
        headers.remove(name);
    }
    for (name, value) in filled(&modifier.set, facts) {
        let _ = headers.try_insert(name, value); // It fails for more fields than any head may have.
    }
    for (name, value) in filled(&modifier.add, facts) {
        let _ = headers.try_append(name, value);
    }
}

/// Every name that a modifier changes something about.
pub fn names(modifier: &HeaderModifier) -> impl Iterator<Item = &HeaderName> {
    let written = modifier.set.iter().chain(&modifier.add).map(|(name, _)| name);
    written.chain(&modifier.remove)
}

fn filled<'f>(fields: &'f [(HeaderName, Template)], facts: &'f Facts<'_>) -> impl Iterator<Item = (HeaderName, HeaderValue)> + 'f {
    fields.iter().map(|(name, template)| (name.clone(), facts.fill(template)))
}
