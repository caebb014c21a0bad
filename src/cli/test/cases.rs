//! The file of cases: a list, or `cases:` with one. Every mistake is found at once, with its place, by the reader that the
//! configuration has.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http::HeaderName;
use serde::Deserialize;

use super::super::{Refusal, input};
use crate::control::config::{HttpHeader, Pairs};
use crate::control::yaml::{self, Files, Kind, Located, Node, Problem, SourceFile};
use crate::explain::Asked;
use crate::model::{Diagnostic, Reason};

/// A request, and what is expected of it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) asked: Asked,
    pub(super) body: String,
    pub(super) expect: Expect,
}

/// What is expected; at least one of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct Expect {
    pub(super) status: Option<u16>,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) location: Option<String>,
    pub(super) backend: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) reason: Option<String>,
}

/// The cases of these files in their order, or everything that is wrong with them.
pub(super) fn read(paths: &[PathBuf]) -> Result<Result<Vec<Case>, Vec<Diagnostic>>, Refusal> {
    let mut files = Files::default();
    for path in paths {
        let name: std::sync::Arc<str> = if path == Path::new("-") { "standard input".into() } else { path.display().to_string().into() };
        files.0.push(SourceFile::new(name, PathBuf::new(), input::read(path)?));
    }
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    for (text, index) in files.0.iter().map(|file| &file.text).zip(0..) {
        match of_file(text, index) {
            Ok(read) => cases.extend(read),
            Err(wrong) => problems.extend(wrong),
        }
    }
    if !problems.is_empty() {
        return Ok(Err(problems.into_iter().map(|problem| problem.diagnose(&files)).collect()));
    }
    if cases.is_empty() {
        return Err(Refusal::no("there are no cases").help("write a list of {name, request, expect}; genkan test --help shows one"));
    }
    Ok(Ok(cases))
}

fn of_file(text: &str, index: u32) -> Result<Vec<Case>, Vec<Problem>> {
    let documents = yaml::parse(text, index).map_err(|problem| vec![problem])?;
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    for document in documents.iter().filter(|document| !document.is_null()) {
        match of_document(document) {
            Ok(entries) => entries.into_iter().for_each(|entry| match entry.case() {
                Ok(case) => cases.push(case),
                Err(problem) => problems.push(problem),
            }),
            Err(wrong) => problems.extend(wrong),
        }
    }
    if problems.is_empty() { Ok(cases) } else { Err(problems) }
}

fn of_document(document: &Node) -> Result<Vec<Entry>, Vec<Problem>> {
    match document.kind {
        Kind::Sequence(_) => yaml::read(document),
        Kind::Mapping(_) | Kind::Scalar { .. } => yaml::read::<List>(document).map(|list| list.cases),
    }
}

#[derive(Deserialize)]
struct List {
    cases: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: Option<String>,
    request: Located<Request>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Request {
    method: Option<Method>,
    url: Url,
    #[serde(default)]
    headers: Fields,
    body: Option<String>,
    from: Option<IpAddr>,
}

#[derive(Deserialize)]
struct Written {
    status: Option<Status>,
    #[serde(default)]
    headers: Fields,
    location: Option<String>,
    backend: Option<String>,
    certificate: Option<String>,
    reason: Option<String>,
}

impl Entry {
    fn case(self) -> Result<Case, Problem> {
        let Located { value: request, span } = self.request;
        let method = request.method.as_ref().map(|method| method.0.as_str());
        let headers: Vec<String> = request.headers.0.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let asked = Asked::parse(method, &request.url.0, &headers, request.from);
        let asked = asked.map_err(|message| Problem { span, reason: Reason::InvalidValue, message, help: None })?;
        let name = self.name.unwrap_or_else(|| format!("{} {}", asked.method, asked.url()));
        Ok(Case { name, asked, body: request.body.unwrap_or_default(), expect: self.expect })
    }
}

impl TryFrom<Written> for Expect {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { status, headers, location, backend, certificate, reason } = written;
        let texts = [&location, &backend, &certificate, &reason];
        if status.is_none() && headers.0.is_empty() && texts.iter().all(|text| text.is_none()) {
            return Err("nothing is expected; write status, headers, location, backend, certificate or reason".to_owned());
        }
        Ok(Self { status: status.map(|status| status.0), headers: headers.0, location, backend, certificate, reason })
    }
}

/// Its value is checked where it is written.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Method(String);

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        http::Method::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is no method"))?;
        Ok(Self(text))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Url(String);

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.contains("://") {
            return Err(format!("`{text}` has no scheme; write https://{text} or http://{text}"));
        }
        Asked::parse(None, &text, &[], None)?;
        Ok(Self(text))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "u16")]
struct Status(u16);

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        if (200..600).contains(&number) { Ok(Self(number)) } else { Err(format!("{number} is no final status; write 200 to 599")) }
    }
}

/// A mapping, or a list of `{name, value}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "Pairs")]
struct Fields(Vec<(HeaderName, String)>);

impl TryFrom<Pairs> for Fields {
    type Error = String;

    fn try_from(pairs: Pairs) -> Result<Self, String> {
        let field = |pair: crate::control::config::NameValue| {
            let HttpHeader { name, value } = HttpHeader::new(pair.name, pair.value)?;
            HeaderName::from_bytes(name.as_bytes()).map(|name| (name, value)).map_err(|error| error.to_string())
        };
        pairs.0.into_iter().map(field).collect::<Result<_, String>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(u32, u32, String)> {
        let problems = of_file(text, 0).unwrap_err();
        problems.into_iter().map(|problem| (problem.span.line, problem.span.column, problem.message)).collect()
    }

    #[test]
    fn a_list_is_read_and_a_mapping_with_one() {
        let list = "\
- name: a
  request: { method: POST, url: \"http://a.test:8080/b\", headers: { X-A: 1 }, body: c, from: 192.0.2.1 }
  expect: { status: 426 }
- request: { url: \"https://a.test/\", headers: [{ name: X-B, value: c }] }
  expect: { headers: { Server: d } }
";
        let mapping = format!("cases:\n{list}");
        for text in [list, &mapping] {
            let cases = of_file(text, 0).unwrap();
            let [first, second] = cases.as_slice() else { panic!("{cases:?}") };
            assert_eq!((first.name.as_str(), first.asked.port, first.body.as_str(), first.expect.status), ("a", Some(8080), "c", Some(426)));
            assert_eq!((&first.asked.headers["x-a"], first.asked.from), (&"1".parse().unwrap(), Some([192, 0, 2, 1].into())));
            assert_eq!((second.name.as_str(), &second.asked.headers["x-b"]), ("GET https://a.test/", &"c".parse().unwrap()));
            assert_eq!(second.expect.headers, [(HeaderName::from_static("server"), "d".to_owned())]);
        }
    }

    #[test]
    fn every_mistake_has_its_place() {
        let text = "\
- request: { url: a.test/b }
  expect: { status: 20 }
- request: { uri: \"https://a.test/\" }
  expect: {}
- request: { url: \"ftp://a.test/\", method: \"G T\", from: here }
  expect: { backend: [web] }
";
        let found = places(text);
        let lines: Vec<u32> = found.iter().map(|(line, ..)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 5, 5, 6], "{found:?}");
        assert!(found[0].2.contains("has no scheme") && found[3].2.contains("nothing is expected"), "{found:?}");
        assert!(places("cases: 1\n")[0].2.contains("expected a list"));
        assert!(places("- request: [\n")[0].0 >= 1);
    }
}
