//! Explanations in our own answers, on a laptop: what `genkan explain` would say of the request.

use std::sync::Arc;

use crate::control::Status;
use crate::explain::{Asked, World, explain, render};
use crate::model::{ControlStatus, Explain, Explained};

/// Explains by what is served now.
pub(super) struct Explainer {
    pub(super) control: Arc<Status>,
}

impl Explain for Explainer {
    fn explain(&self, request: &Explained<'_>) -> String {
        let scheme = if request.tls { "https" } else { "http" };
        let url = format!("{scheme}://{}{}", request.host, request.target);
        let Ok(mut asked) = Asked::parse(Some(request.method.as_str()), &url, &[], Some(request.client)) else {
            return String::new();
        };
        asked.headers = request.headers.clone();
        asked.listener = Some(request.listener.to_owned());
        asked.server_name = request.server_name.map(str::to_owned);
        let (snapshot, origins) = (self.control.snapshot(), self.control.origins());
        render(&explain(World { snapshot: &snapshot, origins: &origins, endpoints: None }, &asked))
    }
}
