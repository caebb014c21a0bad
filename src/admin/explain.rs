//! `/api/v1/explain`: the request that a query describes, explained by what this process serves now.

use http::StatusCode;

use super::Views;
use super::api::query::Query;
use crate::explain::{Asked, Trace, World, explain, render};

/// Status and body; the body is JSON unless `format=text` is asked for.
pub(super) fn answer(views: &Views, query: &str) -> (StatusCode, String, bool) {
    let query = Query::parse(query);
    let wrong = |why: String| (StatusCode::BAD_REQUEST, format!("{why}\n"), true);
    let Some(url) = query.value("url") else {
        return wrong("which request? /api/v1/explain?url=https://HOST/PATH (method, header, from, format=text)".to_owned());
    };
    let headers: Vec<String> = query.values("header").map(str::to_owned).collect();
    let trace = match trace(views, query.value("method"), url, &headers, query.value("from")) {
        Ok(trace) => trace,
        Err(why) => return wrong(why),
    };
    if query.value("format") == Some("text") {
        return (StatusCode::OK, render(&trace), true);
    }
    match serde_json::to_string_pretty(&trace) {
        Ok(json) => (StatusCode::OK, json + "\n", false),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"), true),
    }
}

/// Where a request would go now. The error says what is wrong with it.
pub(super) fn trace(views: &Views, method: Option<&str>, url: &str, headers: &[String], from: Option<&str>) -> Result<Trace, String> {
    let from = from.map(str::parse).transpose().map_err(|_| "from is no address".to_owned())?;
    let asked = Asked::parse(method, url, headers, from)?;
    let (snapshot, origins, endpoints) = (views.control.snapshot(), views.control.origins(), views.proxy.endpoints());
    Ok(explain(World { snapshot: &snapshot, origins: &origins, endpoints: Some(&endpoints) }, &asked))
}
