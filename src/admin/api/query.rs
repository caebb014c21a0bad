//! The query of an admin request: pairs, and the part of a long list that somebody wants to see.

use crate::model::PROBES_KEPT;
use crate::percent::decode;

/// Pairs in their order, decoded.
pub(in crate::admin) struct Query(Vec<(String, String)>);

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::admin) struct Page {
    /// In what is shown, without regard to case; empty: everything.
    pub(in crate::admin) filter: String,
    /// How many are left out.
    pub(in crate::admin) offset: usize,
    /// How many are shown at most.
    pub(in crate::admin) limit: usize,
    /// How many of the last probes of an endpoint are shown.
    pub(in crate::admin) probes: usize,
}

const MOST: usize = 10_000;

impl Query {
    pub(in crate::admin) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(key, value)| (decode(key), decode(value))).collect())
    }

    /// The first value of a key.
    pub(in crate::admin) fn value(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Every value of a key.
    pub(in crate::admin) fn values<'q>(&'q self, key: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// `q`, `offset`, `limit`, which is `usually` so many, and `probes`.
    pub(in crate::admin) fn page(&self, usually: usize) -> Result<Page, String> {
        let number = |key: &str, default: usize| match self.value(key) {
            None => Ok(default),
            Some(text) => text.parse::<usize>().map_err(|_| format!("{key} is a whole number, not {text:?}")),
        };
        let filter = self.value("q").unwrap_or_default().to_lowercase();
        Ok(Page { filter, offset: number("offset", 0)?, limit: number("limit", usually)?.min(MOST), probes: number("probes", PROBES_KEPT)? })
    }
}

impl Page {
    /// The part of a list, and how long the list is.
    pub(in crate::admin) fn of<T>(&self, all: impl Iterator<Item = T>, text: impl Fn(&T) -> String) -> (Vec<T>, usize) {
        let found: Vec<T> = all.filter(|item| self.filter.is_empty() || text(item).to_lowercase().contains(&self.filter)).collect();
        let total = found.len();
        (found.into_iter().skip(self.offset).take(self.limit).collect(), total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let query = Query::parse("header=a&&header=b%3A1&url=");
        assert_eq!(query.values("header").collect::<Vec<_>>(), ["a", "b:1"]);
        assert_eq!((query.value("url"), query.value("from")), (Some(""), None));
    }

    #[test]
    fn a_page_is_a_part_of_what_was_found() {
        let page = Query::parse("q=A&offset=1&limit=2").page(1_000).unwrap();
        let (part, total) = page.of(["a1", "b", "a2", "ca", "a3"].into_iter(), |item| (*item).to_owned());
        assert_eq!((part, total), (vec!["a2", "ca"], 4));
        assert!(Query::parse("limit=-1").page(1).unwrap_err().contains("limit"));
        assert_eq!(Query::parse("limit=99999999").page(1).unwrap().limit, MOST);
    }
}
