//! One try: a request on one endpoint, over a pooled connection or a new one, until the head of the answer. Says
//! whether a failed request may be sent again; whether it is, and where to, is the exchange's decision.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use http::Response;

use super::connect::connect;
use super::http1::head::{RequestHead, ResponseHead};
use super::http1::{Call, Connection, WaitsFor};
use super::pool::Pools;
use super::{BackendBody, Bounds, LEFT};
use crate::proxy::backend::InFlight;
use crate::proxy::body::RequestBody;
use crate::proxy::error::{ErrorKind, ProxyError, Side};
use crate::proxy::outbound::{Outbound, OutboundPermit};
use crate::proxy::timer::Timers;

/// What one try led to.
pub enum Outcome {
    /// An answer has begun.
    Answered(Answer),
    /// The protocol was switched.
    Switched(ResponseHead, Connection, InFlight),
    /// There is no answer.
    Failed(Failed),
}

/// An answer that has begun.
pub struct Answer {
    /// Its head.
    pub head: ResponseHead,
    /// Everything after it.
    pub body: Box<BackendBody>,
}

/// A try without an answer.
pub struct Failed {
    /// Why.
    pub error: ProxyError,
    /// What is left of the request; `None` if it cannot be sent from its beginning again.
    pub body: Option<RequestBody>,
    /// Whether the backend may have seen any of it.
    pub seen: Seen,
    /// Bytes of the request's body that had come.
    pub received: u64,
}

/// What a backend may have seen of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not a byte: it can be sent again, whatever it was.
    Nothing,
    /// Some of it, so that it may have been acted on.
    Something,
}

/// What a worker keeps for its requests.
#[derive(Clone)]
pub struct Upstream {
    /// Idle connections.
    pub pools: Rc<Pools>,
    /// Where time limits run.
    pub timers: Timers,
    /// How many connections there may be; the same for all workers.
    pub outbound: Arc<Outbound>,
}

/// How one try is made.
pub struct Try<'a> {
    /// What is asked.
    pub head: RequestHead<'a>,
    /// The endpoint, with the place that the request takes there.
    pub endpoint: InFlight,
    /// Whether a connection that has been used before will do.
    pub fresh: bool,
    /// How long each part may take, and how much it may be.
    pub bounds: Bounds,
    /// Is given the interim responses that come before the answer.
    pub interim: &'a dyn Fn(Response<()>),
}

impl Upstream {
    /// Sends a request and waits for the head of the answer.
    pub async fn send(&self, attempt: Try<'_>, body: RequestBody) -> Outcome {
        let Try { head, endpoint, fresh, bounds, interim } = attempt;
        let pooled = if fresh { None } else { self.pools.take(endpoint.endpoint().id) };
        let connection = match pooled {
            Some(connection) => connection,
            // Boxed: nearly every request goes over a pooled connection, and need not carry this state.
            None => match Box::pin(self.open(&endpoint, &bounds)).await {
                Ok(connection) => connection,
                Err(error) => return Outcome::Failed(Failed::new(error, body, 0)),
            },
        };
        let mut call = Call::new(connection, &head, body, bounds.response_head);
        let answered = self.await_head(&mut call, &endpoint, &bounds, interim).await;
        match answered {
            Ok(head) if head.upgrade.is_some() => {
                let received = call.received();
                match call.into_switched() {
                    Some(connection) => Outcome::Switched(head, connection, endpoint),
                    None => {
                        let error = ErrorKind::BadResponse("it switches protocols before it has the request").into();
                        Outcome::Failed(Failed { error, body: None, seen: Seen::Something, received })
                    }
                }
            }
            Ok(mut head) => {
                endpoint.endpoint().trust();
                call.settle();
                let decoder = std::mem::replace(&mut head.decoder, super::http1::framing::Decoder::Done);
                let body = BackendBody::new(call, decoder, head.keep_alive, endpoint, self.clone(), bounds);
                Outcome::Answered(Answer { head, body: Box::new(body) })
            }
            Err(error) => {
                let sent = call.sent();
                Outcome::Failed(Failed::new(error, call.into_body(), sent))
            }
        }
    }

    async fn open(&self, endpoint: &InFlight, bounds: &Bounds) -> Result<Connection, ProxyError> {
        let permit = self.permit().ok_or(ErrorKind::OutOfResources)?;
        let opening = connect(endpoint.endpoint(), permit, bounds.connect, &self.timers);
        let opened = match &bounds.overall {
            Some(overall) => overall.limit(opening).await.unwrap_or_else(|| Err(ErrorKind::RequestTimedOut.into())),
            None => opening.await,
        };
        if opened.as_ref().is_err_and(|error| error.kind.side() == Side::Backend) {
            endpoint.endpoint().suspect();
        }
        opened
    }

    /// One that is idle gives way to one that is needed.
    fn permit(&self) -> Option<OutboundPermit> {
        self.outbound.admit().or_else(|| self.pools.close_one().then(|| self.outbound.admit())?)
    }

    /// `timeouts.response` counts while the backend is waited for, not while the client is.
    async fn await_head(
        &self,
        call: &mut Call,
        endpoint: &InFlight,
        bounds: &Bounds,
        interim: &dyn Fn(Response<()>),
    ) -> Result<ResponseHead, ProxyError> {
        let timer = RefCell::new(None);
        let mut waited_for = WaitsFor::Client;
        let mut sent = 0;
        poll_fn(|cx| {
            let mut waits_for = WaitsFor::Backend;
            if let Poll::Ready(head) = call.poll_head(cx, &mut waits_for, interim) {
                return Poll::Ready(head);
            }
            if bounds.overall.as_ref().is_some_and(|overall| overall.poll(cx).is_ready()) {
                return Poll::Ready(Err(ErrorKind::RequestTimedOut.into()));
            }
            if endpoint.poll_cut(cx).is_ready() {
                return Poll::Ready(Err(ProxyError::new(ErrorKind::ClosedBeforeHead, LEFT)));
            }
            let mut timer = timer.borrow_mut();
            if waits_for == WaitsFor::Client {
                *timer = None;
            } else {
                let timer = timer.get_or_insert_with(|| self.timers.after(bounds.response));
                if waited_for == WaitsFor::Backend && sent != call.sent() {
                    timer.set(bounds.response);
                }
                if timer.poll(cx).is_ready() {
                    return Poll::Ready(Err(ErrorKind::ResponseTimedOut.into()));
                }
            }
            waited_for = waits_for;
            sent = call.sent();
            Poll::Pending
        })
        .await
    }
}

impl Failed {
    fn new(error: ProxyError, mut body: RequestBody, sent: u64) -> Self {
        let received = body.received();
        let body = body.rewind().then_some(body);
        let seen = if sent == 0 { Seen::Nothing } else { Seen::Something };
        Self { error, body, seen, received }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::model::{self, EndpointAddress, Readiness};
    use crate::proxy::backend::running;

    #[tokio::test]
    async fn an_idle_connection_gives_way_to_one_that_is_needed_and_one_in_use_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoints = vec![EndpointAddress::Ip(listener.local_addr().unwrap())];
        let backend = running(model::Backend { endpoints, readiness: Readiness::Assumed, ..model::Backend::default() });
        let endpoint = &backend.endpoints[0];
        let upstream = Upstream { pools: Rc::default(), timers: Timers::default(), outbound: Arc::new(Outbound::new(1)) };
        let opened = connect(endpoint, upstream.permit().unwrap(), Duration::from_secs(60), &upstream.timers).await.unwrap();
        assert!(upstream.permit().is_none() && endpoint.connections() == 1);
        upstream.pools.put(endpoint.id, opened, Duration::from_secs(60));
        assert!(upstream.permit().is_some() && endpoint.connections() == 0);
    }
}
