//! What a configuration alone says of an answer. Of an answer that is ours that is everything but its less important
//! fields; of a forwarded request it is the way there and what filters make of the answer.
//!
//! Whether a status is a backend's to give is a matter of what the case means. One that expects a backend means the
//! backend's answer. One that does not, and expects 426 or a redirect of plain HTTP to https, means the edge's: if the
//! request is forwarded, that is a difference. Any other status of a forwarded request is not checked.

use http::HeaderName;
use http::header::LOCATION;

use super::cases::Case;
use super::compare::{Observed, Seen};
use crate::explain::{Trace, World, explain};
use crate::model::{Filter, HeaderModifier, Part, Template};

pub(super) fn observe(world: World<'_>, case: &Case) -> Observed {
    let trace = explain(world, &case.asked);
    let outcome = &trace.outcome;
    let forwarded = outcome.reason == FORWARDED;
    let unseen = || if forwarded && !means_the_edge(case) { Seen::Hidden } else { Seen::Nothing(format!("none of ours: {}", outcome.text)) };
    let location = outcome.location.as_ref().map_or_else(unseen, |location| value(location));
    let mut headers = if forwarded { filtered(world, &trace) } else { Vec::new() };
    headers.push((LOCATION, location.clone()));
    Observed {
        status: outcome.status.map_or_else(unseen, |status| value(&status.to_string())),
        headers,
        other_headers: Seen::Hidden,
        location,
        backend: if outcome.backends.is_empty() { Seen::Nothing("none".to_owned()) } else { Seen::Values(outcome.backends.clone()) },
        certificate: certificate(&trace),
        reason: value(&outcome.reason),
        text: Some(format!("{} ({})", outcome.text, outcome.reason)),
    }
}

/// The outcome that leaves the answer to a backend.
const FORWARDED: &str = "forwarded";

fn value(text: &str) -> Seen {
    Seen::Values(vec![text.to_owned()])
}

/// What is expected is an answer that only an edge gives.
fn means_the_edge(case: &Case) -> bool {
    let expect = &case.expect;
    let to_https = || !case.asked.https && expect.location.as_ref().is_some_and(|location| location.starts_with("https://"));
    expect.backend.is_none() && expect.reason.as_deref() != Some(FORWARDED) && (expect.status == Some(426) || to_https())
}

fn certificate(trace: &Trace) -> Seen {
    match &trace.certificate {
        None if trace.listener.is_none() => Seen::Nothing(trace.outcome.text.clone()),
        None => Seen::Nothing("none: plain HTTP has no handshake".to_owned()),
        Some(certificate) => match &certificate.name {
            Some(name) => Seen::Values(std::iter::once(name).chain(&certificate.names).cloned().collect()),
            None if certificate.refused => Seen::Nothing(format!("none: {}", certificate.why)),
            None => Seen::Hidden,
        },
    }
}

/// The fields of an answer that filters decide, whatever the backend says.
fn filtered(world: World<'_>, trace: &Trace) -> Vec<(HeaderName, Seen)> {
    let route = trace.route.as_ref().and_then(|won| world.snapshot.routes().find(|route| *route.name == won.name));
    let mut fields = Vec::new();
    for filter in route.iter().flat_map(|route| &route.filters) {
        match filter {
            Filter::RequestHeaders(_) => {}
            Filter::ResponseHeaders(modifier) => modify(&mut fields, modifier),
        }
    }
    fields
}

fn modify(fields: &mut Vec<(HeaderName, Seen)>, modifier: &HeaderModifier) {
    let mut put = |name: &HeaderName, seen: Seen| {
        fields.retain(|(known, _)| known != name);
        fields.push((name.clone(), seen));
    };
    modifier.remove.iter().for_each(|name| put(name, Seen::Nothing("removed by a filter".to_owned())));
    modifier.set.iter().for_each(|(name, template)| put(name, fixed(template).map_or(Seen::Hidden, |text| value(&text))));
    // What is added comes after a field that only the backend knows.
    modifier.add.iter().for_each(|(name, _)| put(name, Seen::Hidden));
}

/// Its text, unless that depends on the connection.
fn fixed(template: &Template) -> Option<String> {
    let text = |part: &Part| match part {
        Part::Text(text) => Some(text.clone()),
        Part::Variable(_) => None,
    };
    template.0.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cases::Expect;
    use super::*;
    use crate::explain::Asked;
    use crate::model::Variable;

    fn case(url: &str, expect: Expect) -> Case {
        Case { name: String::new(), asked: Asked::parse(None, url, &[], None).unwrap(), body: String::new(), expect }
    }

    #[test]
    fn an_answer_of_the_edge_is_told_from_a_backends() {
        let location = |text: &str| Some(text.to_owned());
        let web = || Some("web".to_owned());
        for (url, expect, edge) in [
            ("http://a.test/", Expect { status: Some(426), ..Expect::default() }, true),
            ("http://a.test/", Expect { location: location("https://a.test/"), ..Expect::default() }, true),
            ("http://a.test/", Expect { location: location("https://a.test/"), backend: web(), ..Expect::default() }, false),
            ("http://a.test/", Expect { location: location("/login"), ..Expect::default() }, false),
            ("https://a.test/", Expect { location: location("https://b.test/"), ..Expect::default() }, false),
            ("https://a.test/", Expect { status: Some(404), ..Expect::default() }, false),
        ] {
            let case = case(url, expect);
            assert_eq!(means_the_edge(&case), edge, "{case:?}");
        }
    }

    #[test]
    fn filters_decide_what_they_set_and_remove() {
        let name = HeaderName::from_static;
        let text = |text: &str| Template(vec![Part::Text(text.to_owned())]);
        let mut fields = Vec::new();
        modify(&mut fields, &HeaderModifier { set: vec![(name("x-a"), text("1"))], remove: vec![name("server")], ..HeaderModifier::default() });
        let variable = Template(vec![Part::Variable(Variable::ClientPort)]);
        modify(&mut fields, &HeaderModifier { set: vec![(name("x-b"), variable)], add: vec![(name("x-c"), text("2"))], ..HeaderModifier::default() });
        let found: Vec<(&str, &Seen)> = fields.iter().map(|(name, seen)| (name.as_str(), seen)).collect();
        let expected =
            [("server", &Seen::Nothing("removed by a filter".to_owned())), ("x-a", &value("1")), ("x-b", &Seen::Hidden), ("x-c", &Seen::Hidden)];
        assert_eq!(found, expected);
    }
}
