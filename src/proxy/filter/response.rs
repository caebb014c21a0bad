//! Filters of answers: a backend's, and our own for the same route.

use http::HeaderMap;

use super::facts::Facts;
use super::fields::modify;
use crate::model::Filter;

/// Lets an answer's head pass its route's filters.
pub fn filter(filters: &[Filter], facts: &Facts<'_>, headers: &mut HeaderMap) {
    for filter in filters {
        match filter {
            Filter::ResponseHeaders(modifier) => modify(headers, modifier, facts),
            Filter::RequestHeaders(_) => {}
        }
    }
}
