//! What is known of one exchange, written once to metrics and log: when its last byte has been handed over, or when it
//! is dropped, whatever ends it. Nothing here decides anything about the exchange.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body::{Body, SizeHint};

use super::answer;
use super::ids::Ids;
use super::status_details::{self, Ended};
use super::trace::Trace;
use super::{Connection, OpenExchange};
use crate::model::{self, AccessLogFormat, AccessLogPolicy, Behaviour, Filter, LogSampling};
use crate::proxy::backend::{Backend, Endpoint};
use crate::proxy::body::{Frame, Length, ResponseBody};
use crate::proxy::error::{ErrorKind, ProxyError, Side};
use crate::proxy::random::Random;
use crate::telemetry::{self, ExchangeSample, Failure, Label, reasons};

/// One exchange, from its head on.
pub struct Record {
    connection: Rc<Connection>,
    /// The request as it came.
    pub request: Parts,
    /// Who it is.
    pub ids: Ids,
    /// What becomes of it.
    pub notes: Notes,
    started: Instant,
    /// Tells the connection that its exchange is over.
    _open: OpenExchange,
}

/// What becomes of an exchange.
#[derive(Default)]
pub struct Notes {
    /// Its route, and the label of that.
    pub route: Option<(Arc<model::Route>, Label)>,
    /// Whose answers the client gets.
    pub behaviour: Behaviour,
    /// Its backend.
    pub backend: Option<Arc<Backend>>,
    /// The endpoint that it was sent to last.
    pub endpoint: Option<Arc<Endpoint>>,
    /// How often it was sent.
    pub attempts: u32,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes after the answer's head.
    pub bytes_out: u64,
    /// When it was sent first.
    sent: Option<Instant>,
    /// From there to the head of the answer.
    backend_duration: Option<Duration>,
    status: Option<StatusCode>,
    from_backend: bool,
    error: Option<ErrorKind>,
    /// Where its trace is recorded.
    pub trace: Option<Box<Trace>>,
}

impl Record {
    /// A request has come.
    pub fn open(connection: &Rc<Connection>, request: Parts) -> Self {
        let worker = &connection.worker;
        worker.metrics.exchange_begun(connection.listener.label);
        let ids = Ids::of(&request.headers, &worker.random);
        let trace = Trace::begin(&worker.spans, &ids, &worker.random);
        Self {
            ids,
            connection: connection.clone(),
            request,
            notes: Notes { trace, ..Notes::default() },
            started: Instant::now(),
            _open: connection.open_exchange(),
        }
    }

    /// Writes of a request whose head could not be read, of which nothing is known but what is wrong with it.
    pub fn unread(connection: &Rc<Connection>, kind: ErrorKind) {
        let (mut request, ()) = http::Request::new(()).into_parts();
        request.method = Method::from_bytes(b"-").unwrap_or_default();
        let live = connection.worker.live.load();
        let mut record = Self::open(connection, request);
        record.notes.behaviour = live.set(&connection.listener).behaviour;
        record.notes.refused(answer::status(kind, record.notes.behaviour), Some(kind));
    }
}

impl Notes {
    /// What its route changes on the way.
    pub fn filters(&self) -> &[Filter] {
        self.route.as_ref().map_or(&[], |(route, _)| &route.filters)
    }

    /// Whether it is among those of its route that are logged. As in the cloud, one that failed is as likely as any other
    /// where it is the cloud's way that counts; elsewhere it always is.
    fn is_logged(&self, policy: &AccessLogPolicy, failed: bool, random: &Random) -> bool {
        let Some((route, _)) = &self.route else { return true };
        (failed && self.behaviour != Behaviour::Gke) || sampled(route.log_sampling.unwrap_or(policy.sampling), random)
    }

    /// It goes to an endpoint.
    pub fn send(&mut self, endpoint: &Arc<Endpoint>) {
        self.attempts += 1;
        self.sent.get_or_insert_with(Instant::now);
        self.endpoint = Some(endpoint.clone());
        if let Some(trace) = &mut self.trace {
            trace.sent(endpoint);
        }
    }

    /// It was sent in vain.
    pub fn try_failed(&mut self, error: ErrorKind) {
        if let Some(trace) = &mut self.trace {
            trace.failed(error.reason());
        }
    }

    /// A backend's answer has begun.
    pub fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.from_backend = true;
        self.backend_duration = self.sent.map(|sent| sent.elapsed());
        if let Some(trace) = &mut self.trace {
            trace.answered(status);
        }
    }

    /// The answer is ours.
    pub fn refused(&mut self, status: StatusCode, error: Option<ErrorKind>) {
        self.status = Some(status);
        self.error = error;
    }

    /// It went wrong after its answer had begun.
    pub fn failed(&mut self, error: ErrorKind) {
        self.error.get_or_insert(error);
    }

    fn reason(&self) -> Option<&'static str> {
        match (self.error, self.status) {
            (Some(ErrorKind::ClientLeft), Some(_)) => Some(reasons::CLIENT_LEFT_AFTER_PART),
            (Some(error), _) => Some(error.reason()),
            (None, None) => Some(ErrorKind::ClientLeft.reason()),
            (None, Some(_)) => None,
        }
    }

    /// For a client that left before there was a status: the cloud's word, or nginx's.
    fn code(&self) -> u16 {
        let left = if self.behaviour == Behaviour::Gke { 0 } else { 499 };
        self.status.map_or(left, |status| status.as_u16())
    }
}

impl Record {
    fn write(&self) {
        let duration = self.started.elapsed();
        let notes = &self.notes;
        self.connection.worker.metrics.exchange(&ExchangeSample {
            listener: self.connection.listener.label,
            route: notes.route.as_ref().map_or(Label::NONE, |(_, label)| *label),
            backend: notes.backend.as_ref().map_or(Label::NONE, |backend| backend.label),
            method: &self.request.method,
            protocol: self.request.version,
            status: notes.code(),
            from_backend: notes.from_backend,
            reason: notes.reason(),
            status_details: self.status_details(),
            duration,
            first_byte: notes.backend_duration,
            bytes_in: notes.bytes_in,
            bytes_out: notes.bytes_out,
        });
        let worker = &self.connection.worker;
        let live = worker.live.load();
        let policy = &live.snapshot.access_log;
        let failed = notes.reason().is_some() || notes.code() >= 500;
        let logged = policy.format != AccessLogFormat::Off && notes.is_logged(policy, failed, &worker.random);
        if logged || failed || worker.metrics.taps().is_open() || notes.trace.is_some() {
            self.tell(policy, duration, logged, failed);
        }
    }

    /// To the access log, to those that went wrong, and to whoever watches.
    fn tell(&self, policy: &AccessLogPolicy, duration: Duration, logged: bool, failed: bool) {
        let connection = &*self.connection;
        let (request, notes) = (&self.request, &self.notes);
        let tls = connection.tls.as_ref();
        let host = request.uri.authority().map(http::uri::Authority::as_str);
        let host = host.or_else(|| request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()));
        let record = telemetry::Record {
            started: SystemTime::now().checked_sub(duration).unwrap_or(SystemTime::UNIX_EPOCH),
            duration,
            request_id: self.ids.request(),
            trace_id: self.ids.trace(),
            client: connection.client.ip(),
            client_port: connection.client.port(),
            listener: &connection.listener.model.name,
            scheme: if tls.is_some() { "https" } else { "http" },
            protocol: request.version,
            method: &request.method,
            host,
            path: request.uri.path(),
            status: notes.code(),
            bytes_in: notes.bytes_in,
            bytes_out: notes.bytes_out,
            headers: &request.headers,
            user_agent: request.headers.get(http::header::USER_AGENT).map(http::HeaderValue::as_bytes),
            route: notes.route.as_ref().map(|(route, _)| &*route.name),
            backend: notes.backend.as_ref().map(|backend| backend.model.name.as_str()),
            endpoint: notes.endpoint.as_ref().map(|endpoint| endpoint.name.as_str()),
            attempts: notes.attempts,
            backend_duration: notes.backend_duration,
            reason: notes.reason(),
            status_details: self.status_details(),
            tls_version: tls.map(|tls| tls.version),
            server_name: tls.and_then(|tls| tls.server_name.as_deref()),
            resumed: tls.is_some_and(|tls| tls.resumed),
        };
        if logged {
            connection.worker.access_log.write(policy, &record);
        }
        if connection.worker.metrics.taps().is_open() {
            connection.worker.metrics.taps().offer(policy, &record);
        }
        if let Some(trace) = &notes.trace {
            connection.worker.spans.push(trace.spans(policy, &record, self.started));
        }
        if failed {
            connection.worker.metrics.failure(Failure::of(policy, &record));
        }
    }
}

/// Whether an exchange is one of the share that is logged.
pub(super) fn sampled(share: LogSampling, random: &Random) -> bool {
    share == LogSampling::ALL || random.below(1_000_000) < share.0 as usize
}

impl Record {
    /// The cloud's word, where it is the cloud's way that counts.
    fn status_details(&self) -> Option<&'static str> {
        let notes = &self.notes;
        if notes.behaviour != Behaviour::Gke {
            return None;
        }
        let protocol = self.request.headers.get(http::header::UPGRADE);
        let ended = Ended {
            status: notes.status,
            from_backend: notes.from_backend,
            error: notes.error,
            websocket: protocol.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket")),
        };
        Some(status_details::word(ended))
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.write();
    }
}

/// A response body with the record of its exchange inside, so that the last byte that is handed over closes it.
pub struct RecordedBody {
    body: ResponseBody,
    /// `None` once it has been closed.
    record: Option<Box<Record>>,
    /// Why it was cut, for when hyper asks again.
    cut: Option<ProxyError>,
}

impl RecordedBody {
    /// Puts the two together.
    pub fn new(body: ResponseBody, record: Box<Record>) -> Self {
        Self { body, record: Some(record), cut: None }
    }

    /// The next piece.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ProxyError>>> {
        let polled = self.body.poll_frame(cx);
        let Some(record) = &mut self.record else { return polled };
        match &polled {
            Poll::Ready(Some(Ok(Frame::Data(data)))) => record.notes.bytes_out += data.len() as u64,
            Poll::Ready(Some(Err(error))) => {
                record.notes.failed(error.kind);
                if error.kind.side() == Side::Backend {
                    tracing::debug!(request = record.ids.request(), %error, "an answer was cut short");
                }
            }
            Poll::Ready(Some(Ok(Frame::Trailers(_))) | None) | Poll::Pending => {}
        }
        polled
    }

    /// See [`ResponseBody::poll_end`].
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        self.body.poll_end(cx)
    }

    /// The last byte has been handed over.
    pub fn finish(mut self) {
        self.close();
    }

    /// A body whose record is kept elsewhere.
    pub fn unrecorded(body: ResponseBody) -> Self {
        Self { body, record: None, cut: None }
    }

    /// Whether nothing more comes.
    pub fn is_end(&self) -> bool {
        self.body.is_end()
    }

    /// The client did not take it in time, or left.
    pub fn fail(&mut self, error: ErrorKind) {
        if let Some(record) = &mut self.record {
            record.notes.failed(error);
        }
    }

    fn close(&mut self) {
        if let Some(mut record) = self.record.take()
            && let ResponseBody::Backend(body) = &self.body
        {
            record.notes.bytes_in = body.request_bytes();
            record.connection.answer_over(body.is_early());
        }
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        if !self.body.is_end()
            && let Some(record) = &mut self.record
        {
            record.notes.failed(record.connection.ended_for().unwrap_or(ErrorKind::ClientLeft));
        }
        self.close();
    }
}

impl Body for RecordedBody {
    type Data = Bytes;
    type Error = ProxyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, ProxyError>>> {
        let this = self.get_mut();
        let polled = match this.cut.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None => this.poll_next(cx),
        };
        let polled = match polled {
            // With an error hyper drops what it has not sent yet, the head perhaps, and a client that gets nothing sends
            // its request again.
            Poll::Ready(Some(Err(error))) if this.record.is_some() => {
                this.close();
                this.cut = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            polled => polled,
        };
        if this.body.is_end() {
            this.close();
        }
        polled.map_ok(|frame| match frame {
            Frame::Data(data) => http_body::Frame::data(data),
            Frame::Trailers(trailers) => http_body::Frame::trailers(trailers),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end() && self.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.length() {
            Length::Empty => SizeHint::with_exact(0),
            Length::Exact(length) => SizeHint::with_exact(length),
            Length::Unknown => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_exchanges_is_logged() {
        let random = Random::seeded(1);
        let logged = |share| (0..10_000).filter(|_| sampled(LogSampling(share), &random)).count();
        assert_eq!((logged(0), logged(1_000_000)), (0, 10_000));
        let tenth = logged(100_000);
        assert!((800..1200).contains(&tenth), "{tenth}");
    }
}
