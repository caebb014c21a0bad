//! The status page: the views of `api` as HTML, which a server-sent event keeps as it would be if it were read again.
//! Works without JavaScript, brings everything with it, and shows long lists a page at a time. Values come from `api`
//! alone; what is here is how they look.

mod certificates;
mod explain;
mod failures;
mod health;
mod overview;
mod paging;
mod plot;
mod report;
mod routes;
mod strip;
mod words;

use std::time::SystemTime;

use askama::Template;
use http::StatusCode;

use super::Views;
use super::api::query::Query;
use crate::date::rfc3339;

/// One view of the page.
pub(super) struct HtmlView {
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    render: fn(&Views, &Query, Frame) -> Rendered,
}

/// HTML, or what is wrong with the request.
type Rendered = Result<String, Problem>;

/// Why there is nothing to show.
enum Problem {
    /// The query is wrong.
    Query(String),
    /// The template could not be filled in.
    Template(askama::Error),
}

/// Something that the page refers to.
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

/// All of them, in the order in which they are offered.
pub(super) const VIEWS: &[HtmlView] = &[
    HtmlView { path: "/", title: "Overview", render: overview::render },
    HtmlView { path: "/health", title: "Health", render: health::render },
    HtmlView { path: "/routes", title: "Routes", render: routes::render },
    HtmlView { path: "/certificates", title: "Certificates", render: certificates::render },
    HtmlView { path: "/report", title: "Report", render: report::render },
    HtmlView { path: "/failures", title: "Failures", render: failures::render },
    HtmlView { path: "/explain", title: "Explain", render: explain::render },
];

/// Everything else there is to fetch.
const ASSETS: &[Asset] = &[
    Asset { path: "/page.css", kind: "text/css; charset=utf-8", text: include_str!("page.css") },
    Asset { path: "/page.js", kind: "text/javascript; charset=utf-8", text: include_str!("page.js") },
    Asset { path: "/page.svg", kind: "image/svg+xml", text: include_str!("page.svg") },
];

/// What a page may load: what comes with it.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What every view has around it.
struct Frame {
    title: &'static str,
    path: &'static str,
    views: &'static [HtmlView],
    now: String,
}

impl HtmlView {
    /// The one at a path.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        VIEWS.iter().find(|view| view.path == path)
    }

    /// Status and HTML; of a wrong request, text. Blocks for as long as looking at everything takes.
    pub(super) fn answer(&'static self, views: &Views, query: &str) -> (StatusCode, String) {
        let frame = Frame { title: self.title, path: self.path, views: VIEWS, now: rfc3339(SystemTime::now()) };
        match (self.render)(views, &Query::parse(query), frame) {
            Ok(html) => (StatusCode::OK, html),
            Err(Problem::Query(why)) => (StatusCode::BAD_REQUEST, why + "\n"),
            Err(Problem::Template(error)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }
}

impl Asset {
    /// The one at a path.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        ASSETS.iter().find(|asset| asset.path == path)
    }
}

/// What may change between two looks: all but the frame.
pub(super) fn main_of(html: &str) -> &str {
    html.split_once("<main").and_then(|(_, rest)| rest.split_once("</main>")).map_or(html, |(main, _)| main)
}

fn fill(template: &impl Template) -> Rendered {
    template.render().map_err(Problem::Template)
}
