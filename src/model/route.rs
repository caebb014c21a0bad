//! Which requests go where: hosts, path and conditions on one side, weighted backends on the other.
//! Which of several routes a request takes is decided in `route`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};

use super::{Behaviour, Filter, Host, HostPattern, PlainHttp};

/// One rule of a configured route: what it matches and what is done then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Unique and stable: given, or derived from host, path and methods; never a position in a list.
    pub name: Arc<str>,
    /// The requests it is for.
    pub matches: Match,
    /// What plain HTTP gets where the listener leaves it to the route; `None`: not said.
    pub plain_http: Option<PlainHttp>,
    /// The status of a redirect to https; `None`: what is usual where the process runs.
    pub https_redirect: Option<StatusCode>,
    /// From the end of the request head to the last byte of the answer (HTTPRoute's `timeouts.request`).
    /// [`Duration::MAX`] stands for no limit.
    pub request_timeout: Duration,
    /// Whether the time limit also ends tunnels, as the cloud's does.
    pub limits_tunnels: bool,
    /// What is changed on the way, in this order.
    pub filters: Vec<Filter>,
    /// Which of its exchanges are written to the access log.
    pub log_sampling: Option<LogSampling>,
    /// Whose answers clients get where nothing of the backend's can be passed on.
    pub behaviour: Behaviour,
    /// What is done.
    pub action: Action,
}

/// The requests a route is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Match {
    /// Empty: every host.
    pub hosts: Vec<HostPattern>,
    /// The path.
    pub path: PathMatch,
    /// Everything besides host and path.
    pub conditions: Conditions,
}

/// How a path is compared, as Ingress and HTTPRoute do it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathMatch {
    /// The same path.
    Exact(String),
    /// The path itself or anything below it, by whole elements: `/api` is not a prefix of `/apiary`.
    /// Kept without a final slash; the root is the empty text.
    Prefix(String),
    /// Anything below the path, and not the path itself: the cloud's `/api/*`. Kept without a final slash.
    Below(String),
}

/// A share of exchanges, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSampling(pub u32);

impl LogSampling {
    /// Every exchange.
    pub const ALL: Self = Self(1_000_000);
}

impl Default for LogSampling {
    fn default() -> Self {
        Self::ALL
    }
}

/// What must hold besides host and path; all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conditions {
    /// One of these; empty: any.
    pub methods: Vec<Method>,
    /// Fields with exactly these values.
    pub headers: Vec<(HeaderName, String)>,
    /// Query parameters with exactly these values.
    pub query: Vec<(String, String)>,
}

/// What is done with a request that a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes to one of these, by weight.
    Forward(Vec<Target>),
    /// It is sent elsewhere.
    Redirect(Redirect),
    /// It is answered 404: its host is known, and nothing of it is for this path.
    NotFound,
    /// It is answered 500: the route cannot be served, and this is why.
    Broken(String),
}

/// HTTPRoute's `RequestRedirect`: what is not given stays as the client asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `true`: https, `false`: http.
    pub https: Option<bool>,
    /// Another host.
    pub host: Option<Host>,
    /// Another port.
    pub port: Option<u16>,
    /// Another path; the query stays.
    pub path: Option<PathRewrite>,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// HTTPRoute's `HTTPPathModifier`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// This path.
    Full(String),
    /// This instead of the prefix that the route matches by.
    Prefix(String),
}

/// One of the backends that share a route's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of a backend of the same snapshot. A name that is not there answers its share with 500, as the
    /// Gateway API has it.
    pub backend: String,
    /// Share of the requests, relative to the sum; 0: none.
    pub weight: u32,
}

impl PathMatch {
    /// A prefix in its kept form.
    pub fn prefix(path: &str) -> Self {
        Self::Prefix(path.trim_end_matches('/').to_owned())
    }

    /// The path as written in configurations.
    pub fn path(&self) -> &str {
        match self {
            Self::Exact(path) => path,
            Self::Prefix(path) if path.is_empty() => "/",
            Self::Prefix(path) | Self::Below(path) => path,
        }
    }
}

impl Default for PathMatch {
    fn default() -> Self {
        Self::Prefix(String::new())
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "Exact {path}"),
            Self::Prefix(_) => write!(f, "PathPrefix {}", self.path()),
            Self::Below(path) => write!(f, "Below {path}/"),
        }
    }
}
