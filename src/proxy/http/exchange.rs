//! The conductor per request: check it, find its route, pick an endpoint, send it, try another where that is safe, and
//! hand the answer over. Each step is somebody else's work; what goes wrong in any of them is answered at the end.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};

use super::alias::Alias;
use super::answer::{self, Circumstances};
use super::cloud_trace;
use super::forwarded::{Forwarded, VIA_US};
use super::guard;
use super::ids::Ids;
use super::record::{Notes, Record, RecordedBody};
use super::redirect;
use super::request::{Checked, check, target};
use super::secure::{self, Decision};
use super::{Connection, Switched};
use crate::drain::Stage;
use crate::model::{BackendLimits, Behaviour, Explained};
use crate::proxy::affinity::Session;
use crate::proxy::backend::{Backend, Endpoint, InFlight};
use crate::proxy::balance::{Client, pick};
use crate::proxy::body::{Length, RequestBody, ResponseBody};
use crate::proxy::error::{ErrorKind, ProxyError, Side};
use crate::proxy::filter;
use crate::proxy::filter::facts::Facts;
use crate::proxy::filter::request::Changed;
use crate::proxy::io::interim::Interims;
use crate::proxy::live::{Live, LiveRoute, LiveSet};
use crate::proxy::upstream::http1::head::RequestHead;
use crate::proxy::upstream::{Answer, Bounds, Failed, Outcome, Seen, Try};
use crate::route;

/// The connection is to be closed without an answer.
#[derive(Debug)]
pub struct Close;

impl std::fmt::Display for Close {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("plain HTTP is closed without an answer")
    }
}

impl std::error::Error for Close {}

/// How often a request is sent at most.
const MAX_TRIES: usize = 3;

/// What is done with a request.
enum Plan {
    Forward(Arc<Backend>, Bounds),
    Redirect(String, Option<StatusCode>),
    /// It is answered without a backend.
    Answer(Response<ResponseBody>),
    Close,
}

/// Answers a request. What comes before the answer is put into `interims`.
pub async fn exchange(connection: &Rc<Connection>, request: Parts, body: RequestBody, interims: &Interims) -> Result<Response<RecordedBody>, Close> {
    let mut record = Box::new(Record::open(connection, request));
    let Record { request, ids, notes, .. } = &mut *record;
    let answered = match plan(connection, request, notes) {
        Ok((checked, Plan::Forward(backend, bounds))) => {
            let behaviour = notes.behaviour;
            Request { connection, parts: request, ids, checked, backend, bounds, behaviour, interims }.forward(notes, body).await
        }
        Ok((_, Plan::Redirect(location, status))) => {
            let response = answer::to_redirect(&location, status, connection.worker.mode);
            notes.refused(response.status(), None);
            return Ok(own(connection, response, record));
        }
        Ok((_, Plan::Answer(response))) => {
            notes.refused(response.status(), None);
            return Ok(own(connection, response, record));
        }
        Ok((_, Plan::Close)) => {
            notes.failed(ErrorKind::PlainHttpRejected);
            return Err(Close);
        }
        Err(kind) => Err(kind.into()),
    };
    match answered {
        Ok(Answered::Response(response)) => Ok(recorded(connection, response, record)),
        Ok(Answered::Switched(response, switched)) => {
            connection.switch(switched, record);
            Ok(response.map(RecordedBody::unrecorded))
        }
        Err(error) => Ok(refuse(connection, record, &error)),
    }
}

enum Answered {
    Response(Response<ResponseBody>),
    Switched(Response<ResponseBody>, Switched),
}

fn recorded(connection: &Connection, mut response: Response<ResponseBody>, record: Box<Record>) -> Response<RecordedBody> {
    let version = record.request.version;
    // From the first word of the end on, clients are to come back on a new connection; and so are those of one that is old.
    let leaving = connection.worker.stage() >= Stage::Leaving || connection.phase.is_leaving();
    // HTTP/1.0 has no chunks: a body without a length ends with the connection.
    let ends_it = version <= Version::HTTP_10 && response.body().length() == Length::Unknown;
    if version < Version::HTTP_2 && (leaving || ends_it) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        // To one in HTTP/1.1 hyper would add that it stays open.
        *response.version_mut() = version;
    }
    response.map(|body| RecordedBody::new(body, record))
}

/// An answer of ours: to HEAD without its text.
fn own(connection: &Connection, mut response: Response<ResponseBody>, record: Box<Record>) -> Response<RecordedBody> {
    connection.refuse_rest();
    if record.request.method == Method::HEAD {
        *response.body_mut() = ResponseBody::Empty;
    }
    filter::response::filter(record.notes.filters(), &facts(connection, &record.request), response.headers_mut());
    recorded(connection, response, record)
}

/// What filters may tell of a request.
fn facts<'a>(connection: &'a Connection, request: &'a Parts) -> Facts<'a> {
    let Connection { client, local, tls, .. } = connection;
    Facts { client: *client, local: *local, tls: tls.as_ref(), version: request.version, headers: &request.headers }
}

/// The answer to whatever went wrong.
fn refuse(connection: &Connection, mut record: Box<Record>, error: &ProxyError) -> Response<RecordedBody> {
    if error.kind.side() == Side::Backend {
        let source = std::error::Error::source(error).map(ToString::to_string);
        tracing::debug!(request = record.ids.request(), reason = error.kind.reason(), source, "{error}");
    }
    let circumstances = Circumstances {
        behaviour: record.notes.behaviour,
        mode: connection.worker.mode,
        ids: &record.ids,
        version: record.request.version,
        explanation: explain(connection, &record.request),
    };
    let response = answer::to_error(error, &circumstances);
    record.notes.refused(response.status(), Some(error.kind));
    own(connection, response, record)
}

/// Why a request came to an answer of ours, for whoever started the process.
fn explain(connection: &Connection, request: &Parts) -> Option<String> {
    let explainer = connection.worker.explainer.as_ref()?;
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    let host = authority.or_else(|| request.headers.get(header::HOST).and_then(|host| host.to_str().ok())).unwrap_or_default();
    Some(explainer.explain(&Explained {
        listener: &connection.listener.model.name,
        tls: connection.tls.is_some(),
        server_name: connection.tls.as_ref().and_then(|tls| tls.server_name.as_deref()),
        method: &request.method,
        host,
        target: target(request).as_deref().unwrap_or("/"),
        headers: &request.headers,
        client: connection.client.ip(),
    }))
}

/// Decides what is done, under the configuration of this moment. Nothing of it but the route outlives this call.
fn plan<'r>(connection: &Connection, request: &'r Parts, notes: &mut Notes) -> Result<(Checked<'r>, Plan), ErrorKind> {
    let live = connection.worker.live.load();
    notes.behaviour = live.set(&connection.listener).behaviour;
    let mut checked = check(request, &live.snapshot.limits)?;
    let place = live.place(&connection.listener, checked.authority.as_ref().map(|authority| &*authority.host));
    notes.behaviour = place.set.behaviour;
    if let Some((host, authority)) = place.host.zip(checked.authority.as_ref()) {
        checked.alias = Some(Alias::new(&authority.host, secure::https_port(connection, &live, authority.port), host));
    }
    check_policy(connection, &live, &checked)?;
    let route = find(place.set, request, &checked)?;
    if let Some(route) = route {
        notes.behaviour = route.model.behaviour;
    }
    if notes.behaviour == Behaviour::Gke && !cloud_trace::passes(&request.headers) {
        checked.nominated.add(cloud_trace::FIELD);
    }
    if notes.behaviour == Behaviour::Gke {
        guard::check(request, connection.tls.is_some())?;
    }
    if connection.tls.is_none() {
        match secure::decide(connection, &live, route, &checked) {
            Decision::Forward => {}
            Decision::Reject => return Err(ErrorKind::PlainHttpRejected),
            Decision::Redirect(location) => return Ok((checked, Plan::Redirect(location, route.and_then(|route| route.model.https_redirect)))),
            Decision::Close => return Ok((checked, Plan::Close)),
        }
    }
    let route = route.ok_or(ErrorKind::NoRoute)?;
    notes.route = Some((route.model.clone(), route.label));
    if let Some(response) = redirect::answer(connection, &live, route, &checked)? {
        return Ok((checked, Plan::Answer(response)));
    }
    let timer = (route.model.request_timeout != std::time::Duration::MAX)
        .then(|| Rc::new(connection.worker.upstream.timers.after(route.model.request_timeout)));
    let backend = route.choose(&connection.worker.random).ok_or(ErrorKind::RouteBroken)?;
    let timeouts = &backend.model.timeouts;
    let bounds = Bounds {
        connect: timeouts.connect,
        response: timeouts.response,
        idle: timeouts.idle,
        keep_alive: timeouts.keep_alive,
        response_head: live.snapshot.limits.response_head,
        overall: timer,
    };
    notes.backend = Some(backend.clone());
    Ok((checked, Plan::Forward(backend.clone(), bounds)))
}

/// A host for which something else is offered is not served on this connection (RFC 9110 section 15.5.20).
fn check_policy(connection: &Connection, live: &Live, checked: &Checked<'_>) -> Result<(), ErrorKind> {
    let Some(tls) = connection.tls.as_ref().filter(|_| live.has_policies()) else { return Ok(()) };
    let host = checked.authority.as_ref().map(|authority| &*authority.host);
    // For the name that it was made for, a connection outlives a change of what is offered.
    let is_its_own = host.is_some() && host == tls.server_name.as_deref();
    if is_its_own || *live.policy(&connection.listener, host) == tls.policy { Ok(()) } else { Err(ErrorKind::Misdirected) }
}

fn find<'l>(set: &'l LiveSet, request: &Parts, checked: &Checked<'_>) -> Result<Option<&'l Arc<LiveRoute>>, ErrorKind> {
    let host = checked.routed_host();
    let asked = route::Request { host, path: &checked.path, query: checked.query, method: &request.method, headers: &request.headers };
    let found = set.routes.find_certain(&asked).map_err(|_| ErrorKind::BadRequest("its path is ambiguous"))?;
    Ok(found.or(set.default_route.as_ref()))
}

/// A request on its way to a backend.
struct Request<'a> {
    connection: &'a Connection,
    parts: &'a Parts,
    ids: &'a Ids,
    checked: Checked<'a>,
    backend: Arc<Backend>,
    bounds: Bounds,
    behaviour: Behaviour,
    interims: &'a Interims,
}

impl Request<'_> {
    /// Sends it until there is an answer or no try is left.
    async fn forward(&self, notes: &mut Notes, mut body: RequestBody) -> Result<Answered, ProxyError> {
        if body.is_too_large() {
            return Err(ErrorKind::RequestBodyTooLarge.into());
        }
        let worker = &self.connection.worker;
        let (mut added, mut changed) = self.told(notes);
        let session = self.backend.model.affinity.as_ref().map(|cookie| Session::of(cookie, &self.parts.headers, &worker.random));
        let client = Client { ip: self.connection.client.ip(), session: session.as_ref().map(Session::key) };
        let mut tried = Vec::new();
        let mut lost = None;
        self.backend.retries.deposit();
        loop {
            let given = self.place(client, &tried).await;
            let guard = given.map_err(|kind| lost.take().unwrap_or_else(|| kind.into()))?;
            let endpoint = guard.endpoint().clone();
            if let Some(ProxyError { kind, .. }) = &lost {
                worker.metrics.retry(self.backend.label, kind.reason());
                if notes.trace.is_some() {
                    // It is told of another span.
                    (added, changed) = self.told(notes);
                }
            }
            notes.send(&endpoint);
            let length = body.length();
            let head = self.head(&added, changed.as_ref());
            let interim = |head| self.pass_on(notes, head);
            let attempt = Try { head, endpoint: guard, fresh: !tried.is_empty(), bounds: self.bounds.clone(), interim: &interim };
            match worker.upstream.send(attempt, body).await {
                Outcome::Answered(answer) => {
                    self.judge(&endpoint, answer.head.status.is_server_error().then_some("it answers with an error"));
                    self.connection.answer_begun(self.parts.version, &answer.body);
                    let mut response = relay(notes, answer);
                    self.map_back(response.headers_mut());
                    self.finish(notes, session.as_ref(), response.headers_mut());
                    return Ok(Answered::Response(response));
                }
                Outcome::Switched(head, backend, guard) => {
                    notes.answered(head.status);
                    let mut response = switching(head.headers, head.upgrade);
                    self.finish(notes, session.as_ref(), response.headers_mut());
                    let limited = notes.route.as_ref().is_some_and(|(route, _)| route.limits_tunnels);
                    let limit = self.bounds.overall.clone().filter(|_| limited);
                    return Ok(Answered::Switched(response, Switched { backend, guard, limit }));
                }
                Outcome::Failed(failed) => {
                    notes.bytes_in = failed.received;
                    notes.try_failed(failed.error.kind);
                    if failed.error.kind.side() == Side::Backend {
                        self.judge(&endpoint, Some(failed.error.kind.reason()));
                    }
                    tried.push(endpoint.id);
                    let error;
                    (body, error) = self.again(failed, length, tried.len())?;
                    lost = Some(error);
                }
            }
        }
    }

    /// A place at an endpoint. Where none has room, it is waited for: not for long, and not with many others.
    async fn place(&self, client: Client, tried: &[u64]) -> Result<InFlight, ErrorKind> {
        let taken = self.take_place(client, tried);
        if !matches!(taken, Err(ErrorKind::EndpointsFull)) {
            return taken;
        }
        let BackendLimits { waiting, wait, .. } = self.backend.model.limits;
        let Some(place) = self.backend.room.enter(waiting) else { return taken };
        let timer = self.connection.worker.upstream.timers.after(wait);
        let found = place.until(|| Some(self.take_place(client, tried)).filter(|taken| !matches!(taken, Err(ErrorKind::EndpointsFull))));
        timer.limit(found).await.unwrap_or(taken)
    }

    /// Another worker may take a place between the look and the taking; then the next look sees that.
    fn take_place(&self, client: Client, tried: &[u64]) -> Result<InFlight, ErrorKind> {
        let worker = &self.connection.worker;
        loop {
            let endpoint = pick(&self.backend, client, tried, &worker.random)?;
            if let Some(guard) = self.backend.give(&endpoint, &worker.upstream.timers) {
                return Ok(guard);
            }
        }
    }

    /// Tells its backend what became of a request at an endpoint: why it failed, if it did.
    fn judge(&self, endpoint: &Endpoint, failure: Option<&'static str>) {
        if let Some(time) = self.backend.note(endpoint, failure.is_some()) {
            let worker = &self.connection.worker;
            worker.metrics.ejection(self.backend.label);
            let (backend, seconds) = (&self.backend.model.name, time.as_secs_f64());
            tracing::warn!(target: "genkan::proxy::health", backend, endpoint = endpoint.name, seconds, reason = failure, "endpoint is left out: its requests failed in a row");
        }
    }

    /// A backend that is known under another name speaks of itself by its own.
    fn map_back(&self, headers: &mut HeaderMap) {
        if let Some(alias) = &self.checked.alias {
            let live = self.connection.worker.live.load();
            let aliases = live.snapshot.localhost_aliases;
            alias.map_back(headers, |host| aliases && live.set(&self.connection.listener).routes.knows_host(host));
        }
    }

    /// An interim answer is on its way before the answer. HTTP/1.0 has none (RFC 9110 section 15.2).
    fn pass_on(&self, notes: &Notes, mut head: Response<()>) {
        if self.parts.version > Version::HTTP_10 {
            self.map_back(head.headers_mut());
            filter::response::filter(notes.filters(), &facts(self.connection, self.parts), head.headers_mut());
            self.interims.put(head);
        }
    }

    /// What is ours about a backend's answer. No filter takes the session away: that is set for itself.
    fn finish(&self, notes: &Notes, session: Option<&Session>, headers: &mut HeaderMap) {
        if self.behaviour == Behaviour::Gke {
            let _ = headers.try_append(header::VIA, HeaderValue::from_static(VIA_US)); // As below.
        }
        filter::response::filter(notes.filters(), &facts(self.connection, self.parts), headers);
        let secure = self.connection.tls.is_some();
        if let (Some(session), Some(cookie)) = (session, &self.backend.model.affinity)
            && let Some(cookie) = session.set_cookie(cookie, secure, SystemTime::now())
        {
            let _ = headers.try_append(header::SET_COOKIE, cookie); // It fails for more fields than any head may have.
        }
    }

    fn head<'h>(&'h self, added: &'h str, changed: Option<&'h Changed>) -> RequestHead<'h> {
        RequestHead {
            method: &self.parts.method,
            target: &self.checked.target,
            host: self.checked.forwarded_host(),
            headers: &self.parts.headers,
            nominated: changed.map_or(&self.checked.nominated, |changed| &changed.staying),
            added: changed.map_or(added.as_bytes(), |changed| &changed.added),
            upgrade: self.checked.upgrade.as_ref(),
        }
    }

    /// What its backend is told this time: the fields that we add, and what filters make of all of them.
    fn told(&self, notes: &mut Notes) -> (String, Option<Changed>) {
        let span = notes.trace.as_mut().map(|trace| trace.next(&self.connection.worker.random));
        let added = self.added(span);
        let changed = filter::request::filter(notes.filters(), &facts(self.connection, self.parts), &self.checked.nominated, &added);
        (added, changed)
    }

    /// The fields that we add.
    fn added(&self, span: Option<u64>) -> String {
        let scheme = self.connection.scheme();
        let asked = self.checked.authority.as_ref().and_then(|authority| authority.port);
        let mut added = String::with_capacity(512);
        Forwarded {
            origin: &self.connection.origin,
            host: self.checked.host,
            port: asked.unwrap_or(if scheme == "https" { 443 } else { 80 }),
            ids: self.ids,
            span,
            behaviour: self.behaviour,
            headers: &self.parts.headers,
        }
        .write(&mut added);
        added
    }

    /// The body for another try, if another is safe: no byte of the request was seen, or it may be repeated and has no
    /// body; and the backend's retries are not used up.
    fn again(&self, failed: Failed, length: Length, tries: usize) -> Result<(RequestBody, ProxyError), ProxyError> {
        let Failed { error, body, seen, .. } = failed;
        let lost = matches!(error.kind, ErrorKind::ConnectFailed | ErrorKind::ConnectTimedOut | ErrorKind::ClosedBeforeHead);
        let safe = seen == Seen::Nothing || (is_idempotent(&self.parts.method) && length == Length::Empty);
        match body {
            Some(body) if lost && safe && tries < MAX_TRIES && self.backend.retries.withdraw() => Ok((body, error)),
            _ => Err(error),
        }
    }
}

fn relay(notes: &mut Notes, answer: Answer) -> Response<ResponseBody> {
    notes.answered(answer.head.status);
    let body = if answer.body.is_end() {
        notes.bytes_in = answer.body.request_bytes();
        ResponseBody::Empty
    } else {
        ResponseBody::Backend(answer.body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.head.status;
    *response.headers_mut() = answer.head.headers;
    response
}

/// RFC 9110 section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

fn switching(headers: HeaderMap, upgrade: Option<HeaderValue>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    if let Some(protocol) = upgrade {
        response.headers_mut().insert(header::UPGRADE, protocol);
    }
    response
}
