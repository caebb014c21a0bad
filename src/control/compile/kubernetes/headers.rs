//! A BackendConfig's custom headers to filters. Variables that nobody here can know are empty, as the cloud leaves
//! those that it does not know.

use http::HeaderName;

use crate::control::kubernetes::BackendConfig;
use crate::control::yaml::Located;
use crate::model::{Filter, HeaderModifier, Template, Variable, may_be_changed};

/// The filters of a BackendConfig. What is no header was reported where the object was read.
pub(super) fn filters(config: &BackendConfig) -> Vec<Filter> {
    let request = modifier(&config.request_headers).map(Filter::RequestHeaders);
    let response = modifier(&config.response_headers).map(Filter::ResponseHeaders);
    request.into_iter().chain(response).collect()
}

fn modifier(headers: &[Located<(String, String)>]) -> Option<HeaderModifier> {
    let set: Vec<_> = headers
        .iter()
        .filter_map(|header| {
            let (name, value) = &header.value;
            let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(may_be_changed)?;
            let value = Template::parse(value, |name| Some(Variable::named(name).unwrap_or(Variable::Unknown))).ok()?;
            Some((name, value))
        })
        .collect();
    if set.is_empty() { None } else { Some(HeaderModifier { set, ..HeaderModifier::default() }) }
}
