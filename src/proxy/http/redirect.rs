//! Routes that answer by themselves: redirects, and paths that nothing is for. Where a redirect leads is `route`'s matter,
//! and what plain HTTP gets is `secure`'s.

use http::Response;

use super::request::Checked;
use super::{Connection, answer};
use crate::model::Action;
use crate::proxy::body::ResponseBody;
use crate::proxy::error::ErrorKind;
use crate::proxy::live::{Live, LiveRoute};
use crate::route::{RedirectFrom, location};

/// The answer of a route that has no backend; `None` if it is to be forwarded.
pub fn answer(connection: &Connection, live: &Live, route: &LiveRoute, checked: &Checked<'_>) -> Result<Option<Response<ResponseBody>>, ErrorKind> {
    let redirect = match &route.model.action {
        Action::Forward(_) | Action::Broken(_) => return Ok(None),
        Action::NotFound => return Err(ErrorKind::NoRoute),
        Action::Redirect(redirect) => redirect,
    };
    let authority = checked.authority.as_ref();
    let asked = RedirectFrom {
        https: connection.tls.is_some(),
        host: authority.map(|authority| &*authority.host).filter(|host| live.knows(&connection.listener, host)),
        port: authority.and_then(|authority| authority.port),
        path: &checked.path,
        query: checked.query,
        target: &checked.target,
    };
    let location = location(redirect, &route.model.matches.path, &asked).ok_or(ErrorKind::BadRequest("its host is none that is served here"))?;
    Ok(Some(answer::moved(redirect.status, &location)))
}
