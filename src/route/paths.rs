//! The rules of one host by their paths: Exact before Prefix, longer before shorter, by whole elements. Knows nothing
//! of hosts; whether a rule of the right path applies is for `condition` to say.

use foldhash::HashMap;

use super::condition::Condition;
use super::path::normalize_path;
use super::table::Request;
use crate::model::PathMatch;

/// The rules of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    exact: HashMap<Box<str>, Vec<Rule>>,
    /// Without a final slash, as [`PathMatch::Prefix`] keeps them.
    prefix: HashMap<Box<str>, Vec<Rule>>,
    /// The lengths that prefixes have, each once, longest first. Only these are looked up, and only where an element of
    /// the request's path ends there: what a lookup costs is bounded by the configuration, not by how many slashes a
    /// client can send.
    lengths: Vec<usize>,
}

/// Conditions, and the position of the route that they belong to.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) condition: Condition,
    /// The path itself is not meant, only what is below it.
    pub(super) below: bool,
    pub(super) route: usize,
}

impl Paths {
    pub(super) fn add(&mut self, path: &PathMatch, rule: Rule) {
        let (map, path) = match path {
            PathMatch::Exact(path) => (&mut self.exact, normal(path)),
            PathMatch::Prefix(path) | PathMatch::Below(path) => (&mut self.prefix, normal(path).trim_end_matches('/').into()),
        };
        map.entry(path).or_default().push(rule);
    }

    /// To be called once, after the last rule.
    pub(super) fn arrange(&mut self) {
        // A stable sort: equals keep the order of the configuration, in which they were added.
        self.exact.values_mut().chain(self.prefix.values_mut()).for_each(|rules| rules.sort_by_key(|rule| rule.condition.rank()));
        self.lengths = self.prefix.keys().map(|path| path.len()).collect();
        self.lengths.sort_unstable_by(|a, b| b.cmp(a));
        self.lengths.dedup();
    }

    pub(super) fn find(&self, request: &Request<'_>) -> Option<usize> {
        let path = request.path;
        let first = |rules: &Vec<Rule>, length: usize| rules.iter().find(|rule| rule.holds(request, length)).map(|rule| rule.route);
        let exact = self.exact.get(path).and_then(|rules| first(rules, path.len()));
        exact.or_else(|| self.lengths.iter().find_map(|&length| first(self.prefix.get(elements(path, length)?)?, length)))
    }
}

impl Rule {
    /// `length`: how much of the path it was found by.
    fn holds(&self, request: &Request<'_>, length: usize) -> bool {
        (!self.below || request.path.len() > length) && self.condition.holds(request)
    }
}

/// The first `length` bytes of the path, if an element ends there.
fn elements(path: &str, length: usize) -> Option<&str> {
    let ends = path.as_bytes().get(length).is_none_or(|&next| next == b'/');
    if ends { path.get(..length) } else { None }
}

/// A configured path in the form that requests are compared in. One that has none is kept as it is and never met.
fn normal(path: &str) -> Box<str> {
    normalize_path(path).map_or_else(|_| path.into(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Conditions;

    #[test]
    fn only_lengths_that_prefixes_have_are_looked_up() {
        let mut paths = Paths::default();
        for (route, path) in ["/a", "/b", "/a/b/c", "/", "/b/"].into_iter().enumerate() {
            paths.add(&PathMatch::prefix(path), Rule { condition: Condition::new(&Conditions::default()), below: false, route });
        }
        paths.arrange();
        assert_eq!(paths.lengths, [6, 2, 0]);
    }

    #[test]
    fn elements_are_whole() {
        for (path, length, expected) in
            [("/ab", 2, None), ("/a/b", 2, Some("/a")), ("/a", 2, Some("/a")), ("/a", 3, None), ("/", 0, Some("")), ("x", 0, None), ("/é/", 2, None)]
        {
            assert_eq!(elements(path, length), expected, "{path} {length}");
        }
    }
}
