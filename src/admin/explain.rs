//! `/api/v1/explain`: the request that a query describes, explained by what this process serves now.

use http::StatusCode;

use super::Views;
use super::api::query::Query;
use crate::explain::{Asked, World, explain, render};

/// Status and body; the body is JSON unless `format=text` is asked for.
pub(super) fn answer(views: &Views, query: &str) -> (StatusCode, String, bool) {
    let query = Query::parse(query);
    let wrong = |why: String| (StatusCode::BAD_REQUEST, format!("{why}\n"), true);
    let Some(url) = query.value("url") else {
        return wrong("which request? /api/v1/explain?url=https://HOST/PATH (method, header, from, format=text)".to_owned());
    };
    let Ok(from) = query.value("from").map(str::parse).transpose() else {
        return wrong("from is no address".to_owned());
    };
    let headers: Vec<String> = query.values("header").map(str::to_owned).collect();
    let asked = match Asked::parse(query.value("method"), url, &headers, from) {
        Ok(asked) => asked,
        Err(why) => return wrong(why),
    };
    let (snapshot, origins, endpoints) = (views.control.snapshot(), views.control.origins(), views.proxy.endpoints());
    let trace = explain(World { snapshot: &snapshot, origins: &origins, endpoints: Some(&endpoints) }, &asked);
    if query.value("format") == Some("text") {
        return (StatusCode::OK, render(&trace), true);
    }
    match serde_json::to_string_pretty(&trace) {
        Ok(json) => (StatusCode::OK, json + "\n", false),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"), true),
    }
}
