//! The explain form: a request in, the trace of `genkan explain` out.

use askama::Template;

use super::super::api::query::Query;
use super::{Frame, Rendered, fill};
use crate::admin::Views;
use crate::admin::explain::trace;
use crate::explain::render as text;

#[derive(Template)]
#[template(path = "explain.html")]
struct Page {
    frame: Frame,
    method: String,
    url: String,
    headers: String,
    from: String,
    problem: Option<String>,
    trace: Option<String>,
}

pub(super) fn render(views: &Views, query: &Query, frame: Frame) -> Rendered {
    let field = |key: &str| query.value(key).unwrap_or_default().trim().to_owned();
    let (method, url, headers, from) = (field("method"), field("url"), field("headers"), field("from"));
    let lines: Vec<String> = headers.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let outcome = given(&url).map(|url| trace(views, given(&method).as_deref(), &url, &lines, given(&from).as_deref()));
    let (trace, problem) = match outcome {
        Some(Ok(trace)) => (Some(text(&trace)), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let method = if method.is_empty() { "GET".to_owned() } else { method };
    fill(&Page { frame, method, url, headers, from, problem, trace })
}
