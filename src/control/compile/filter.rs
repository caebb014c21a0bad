//! Filters and redirects: what the file's types have already checked, in the model's words.

use http::StatusCode;

use crate::control::config::{self, HeaderText, PathModifier, RequestRedirect, Scheme};
use crate::model::{Filter, HeaderModifier, PathRewrite, Redirect};

/// Everything that changes a message. Redirects are what a route does, and no filters here.
pub(super) fn filters(rule: &config::Rule) -> Vec<Filter> {
    let filter = |filter: &config::Filter| match filter {
        config::Filter::RequestHeaders(modifier) => Some(Filter::RequestHeaders(header_modifier(modifier))),
        config::Filter::ResponseHeaders(modifier) => Some(Filter::ResponseHeaders(header_modifier(modifier))),
        config::Filter::Redirect(_) => None,
    };
    rule.filters.iter().filter_map(|located| filter(&located.value)).collect()
}

fn header_modifier(modifier: &config::HeaderModifier) -> HeaderModifier {
    let field = |HeaderText { name, value }: &HeaderText| (name.0.clone(), value.0.clone());
    HeaderModifier {
        set: modifier.set.iter().map(field).collect(),
        add: modifier.add.iter().map(field).collect(),
        remove: modifier.remove.iter().map(|name| name.0.clone()).collect(),
    }
}

pub(super) fn redirect(given: &RequestRedirect) -> Redirect {
    Redirect {
        https: given.scheme.map(|scheme| scheme == Scheme::Https),
        host: given.hostname.as_ref().map(|hostname| hostname.0.clone()),
        port: given.port.map(|port| port.0),
        path: given.path.as_ref().map(|path| match path {
            PathModifier::Full(path) => PathRewrite::Full(path.clone()),
            PathModifier::Prefix(path) => PathRewrite::Prefix(path.clone()),
        }),
        status: given.status_code.map_or(StatusCode::FOUND, |status| status.0),
    }
}
