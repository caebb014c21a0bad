//! A long list, a page at a time.

use super::super::api::query::{Page, Query};
use super::Problem;
use crate::percent::encode;

/// How many there are on a page, unless somebody asks for another number: few enough for 100 KB.
const ON_A_PAGE: usize = 50;
const MOST_ON_A_PAGE: usize = 200;

/// The part of a list that is shown, and how to get to the others.
pub(super) struct Paging {
    pub(super) filter: String,
    /// How many there are in all.
    pub(super) total: usize,
    path: &'static str,
    offset: usize,
    limit: usize,
}

impl Paging {
    /// What is asked for.
    pub(super) fn asked(query: &Query) -> Result<Page, Problem> {
        let page = query.page(ON_A_PAGE).map_err(Problem::Query)?;
        Ok(Page { limit: page.limit.clamp(1, MOST_ON_A_PAGE), ..page })
    }

    pub(super) fn new(path: &'static str, page: &Page, total: usize) -> Self {
        Self { filter: page.filter.clone(), total, path, offset: page.offset, limit: page.limit }
    }

    /// Number of the first that is shown, from 1.
    pub(super) fn first(&self) -> usize {
        self.offset.saturating_add(1).min(self.total)
    }

    pub(super) fn last(&self) -> usize {
        self.offset.saturating_add(self.limit).min(self.total)
    }

    pub(super) fn before(&self) -> Option<String> {
        (self.offset > 0).then(|| self.link(self.offset.min(self.total).saturating_sub(self.limit)))
    }

    pub(super) fn after(&self) -> Option<String> {
        (self.last() < self.total).then(|| self.link(self.last()))
    }

    fn link(&self, offset: usize) -> String {
        format!("{}?q={}&offset={offset}&limit={}", self.path, encode(&self.filter), self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(offset: usize, total: usize) -> Paging {
        Paging { filter: "a b".to_owned(), total, path: "/routes", offset, limit: 50 }
    }

    #[test]
    fn pages_lead_to_each_other_and_not_beyond() {
        let first = paging(0, 120);
        assert_eq!((first.first(), first.last(), first.before()), (1, 50, None));
        assert_eq!(first.after().as_deref(), Some("/routes?q=a%20b&offset=50&limit=50"));
        let last = paging(100, 120);
        assert_eq!((last.first(), last.last(), last.after()), (101, 120, None));
        assert_eq!(last.before().as_deref(), Some("/routes?q=a%20b&offset=50&limit=50"));
        let beyond = paging(usize::MAX, 7);
        assert_eq!((beyond.last(), beyond.after(), beyond.before().as_deref()), (7, None, Some("/routes?q=a%20b&offset=0&limit=50")));
    }
}
