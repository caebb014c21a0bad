//! The query of an admin request: pairs, and the part of a long list that somebody wants to see.

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
}

const DEFAULT_LIMIT: usize = 1_000;
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

    /// `q`, `offset` and `limit`.
    pub(in crate::admin) fn page(&self) -> Result<Page, String> {
        let number = |key: &str, default: usize| match self.value(key) {
            None => Ok(default),
            Some(text) => text.parse::<usize>().map_err(|_| format!("{key} is a whole number, not {text:?}")),
        };
        let filter = self.value("q").unwrap_or_default().to_lowercase();
        Ok(Page { filter, offset: number("offset", 0)?, limit: number("limit", DEFAULT_LIMIT)?.min(MOST) })
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

/// `%XX` and `+`; an escape that is none stands for itself.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%').and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        let (byte, left) = match escaped {
            Some(byte) => (byte, &after[2..]),
            None => (if first == b'+' { b' ' } else { first }, after),
        };
        bytes.push(byte);
        rest = left;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        for (text, decoded) in [("a%20b+c", "a b c"), ("%zz%", "%zz%"), ("https://a.test/%25", "https://a.test/%"), ("%C3%A9", "é")] {
            assert_eq!(decode(text), decoded, "{text}");
        }
        let query = Query::parse("header=a&&header=b%3A1&url=");
        assert_eq!(query.values("header").collect::<Vec<_>>(), ["a", "b:1"]);
        assert_eq!((query.value("url"), query.value("from")), (Some(""), None));
    }

    #[test]
    fn a_page_is_a_part_of_what_was_found() {
        let page = Query::parse("q=A&offset=1&limit=2").page().unwrap();
        let (part, total) = page.of(["a1", "b", "a2", "ca", "a3"].into_iter(), |item| (*item).to_owned());
        assert_eq!((part, total), (vec!["a2", "ca"], 4));
        assert!(Query::parse("limit=-1").page().unwrap_err().contains("limit"));
        assert_eq!(Query::parse("limit=99999999").page().unwrap().limit, MOST);
    }
}
