//! What a connection is doing, in one state that everybody around it reads: time limits, drain, counts.

use std::cell::Cell;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::proxy::timer::{Timer, Timers};

/// The state of a connection that speaks HTTP.
pub struct Phase {
    state: Cell<State>,
    exchanges: Cell<usize>,
    /// How many there have been.
    opened: Cell<u64>,
    /// Bytes of the next request came while the answer before was leaving.
    more_came: Cell<bool>,
    idle_since: Cell<Option<Instant>>,
    leaving: Cell<Option<Duration>>,
    timer: Timer,
    limits: PhaseLimits,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing has come yet, not even the first byte.
    New,
    /// It waits for the next request.
    Idle,
    /// A request's head is coming.
    Head,
    /// A request is being answered.
    Exchange,
    /// The last byte of an answer has been handed over and is leaving.
    Flushing,
    /// It carries another protocol.
    Tunnel,
}

/// What would be lost if a connection were closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owed {
    /// It was accepted, and its first request may be on its way.
    FirstRequest,
    /// A part of a request has come.
    Request,
    /// Nothing that its codec does not look after.
    Nothing,
}

/// How long the states may last that only the client can end.
#[derive(Clone, Copy, Debug)]
pub struct PhaseLimits {
    /// `timeouts.requestHead`.
    pub request_head: Duration,
    /// `timeouts.keepAlive`.
    pub keep_alive: Duration,
}

impl Phase {
    /// A connection on which nothing has come. A client that connects and says nothing has the time of a request head.
    pub fn new(timers: &Timers, limits: PhaseLimits) -> Self {
        Self {
            state: Cell::new(State::New),
            exchanges: Cell::new(0),
            opened: Cell::new(0),
            more_came: Cell::new(false),
            idle_since: Cell::new(None),
            leaving: Cell::new(None),
            timer: timers.after(limits.request_head),
            limits,
        }
    }

    /// Bytes have come from the client.
    pub fn bytes_came(&self) {
        match self.state.get() {
            // The time for the first head began with the connection.
            State::New => self.state.set(State::Head),
            State::Idle => self.head(),
            State::Flushing => self.more_came.set(true),
            State::Head | State::Exchange | State::Tunnel => {}
        }
    }

    fn head(&self) {
        self.state.set(State::Head);
        self.timer.set(self.limits.request_head);
    }

    /// A request's head is complete.
    pub fn exchange_opened(&self) {
        self.exchanges.set(self.exchanges.get() + 1);
        self.opened.set(self.opened.get() + 1);
        self.state.set(State::Exchange);
        self.idle_since.set(None);
        self.more_came.set(false);
        self.timer.clear();
    }

    /// The last byte of an answer has been handed over.
    pub fn exchange_closed(&self) {
        self.exchanges.set(self.exchanges.get().saturating_sub(1));
        if self.exchanges.get() == 0 && self.state.get() == State::Exchange {
            self.state.set(State::Flushing);
        }
    }

    /// Everything that was handed over has left.
    pub fn flushed(&self) {
        match (self.state.get(), self.more_came.replace(false)) {
            (State::Flushing, false) => self.idle(),
            (State::Flushing, true) => self.head(),
            (_, more_came) => self.more_came.set(more_came),
        }
    }

    /// It waits for a request from now on.
    pub fn idle(&self) {
        self.state.set(State::Idle);
        self.idle_since.set(Some(Instant::now()));
        self.timer.set(self.leaving.get().unwrap_or(self.limits.keep_alive));
    }

    /// It has been asked to leave, and has this long to do so whenever it has nothing to do.
    pub fn leaving(&self, limit: Duration) {
        self.leaving.set(Some(limit));
        if matches!(self.state.get(), State::New | State::Idle) {
            self.timer.set(limit);
        }
    }

    /// Whether its next answer is to be the last.
    pub fn is_leaving(&self) -> bool {
        self.leaving.get().is_some()
    }

    /// It carries another protocol from now on, which has a limit of its own.
    pub fn tunnel(&self) {
        self.state.set(State::Tunnel);
        self.timer.clear();
    }

    /// For how long nothing has been owed to the client.
    pub fn idle_for(&self) -> Duration {
        self.idle_since.get().map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Whether the client has only a part of an answer.
    pub fn is_answering(&self) -> bool {
        matches!(self.state.get(), State::Exchange | State::Flushing)
    }

    /// How many exchanges there have been, and whether one is going on.
    pub fn exchanges(&self) -> (u64, bool) {
        (self.opened.get(), self.state.get() == State::Exchange)
    }

    /// Whether a request's head is coming, and nothing is owed for any other.
    pub fn is_reading_head(&self) -> bool {
        self.state.get() == State::Head
    }

    /// What a connection that is to end still waits for.
    pub fn owes(&self) -> Owed {
        match self.state.get() {
            State::New => Owed::FirstRequest,
            State::Head => Owed::Request,
            State::Idle | State::Exchange | State::Flushing | State::Tunnel => Owed::Nothing,
        }
    }

    /// `timeouts.requestHead`.
    pub fn head_limit(&self) -> Duration {
        self.limits.request_head
    }

    /// Ready when the client has had its time; the state says for what.
    pub fn poll_limit(&self, cx: &mut Context<'_>) -> Poll<State> {
        self.timer.poll(cx).map(|()| self.state.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(request_head: Duration, keep_alive: Duration) -> Phase {
        Phase::new(&Timers::default(), PhaseLimits { request_head, keep_alive })
    }

    fn limit(phase: &Phase) -> Option<State> {
        match phase.poll_limit(&mut Context::from_waker(std::task::Waker::noop())) {
            Poll::Ready(state) => Some(state),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_time_for_a_head_begins_with_its_first_byte() {
        let phase = phase(Duration::ZERO, Duration::from_secs(60));
        phase.exchange_opened();
        assert_eq!(limit(&phase), None, "an exchange has limits of its own");
        phase.exchange_closed();
        phase.flushed();
        assert_eq!((phase.state.get(), limit(&phase)), (State::Idle, None));
        phase.bytes_came();
        assert_eq!(limit(&phase), Some(State::Head));
    }

    #[test]
    fn a_request_that_comes_while_an_answer_leaves_has_its_time_afterwards() {
        let phase = phase(Duration::ZERO, Duration::from_secs(60));
        phase.exchange_opened();
        phase.exchange_closed();
        phase.bytes_came();
        assert_eq!(limit(&phase), None, "an answer is never cut for it");
        phase.flushed();
        assert_eq!(limit(&phase), Some(State::Head));
    }

    #[test]
    fn one_that_is_to_leave_has_less_time_once_it_is_idle() {
        let phase = phase(Duration::from_secs(60), Duration::from_secs(60));
        phase.exchange_opened();
        phase.leaving(Duration::ZERO);
        assert_eq!(limit(&phase), None, "its exchange goes on");
        phase.exchange_closed();
        phase.flushed();
        assert_eq!(limit(&phase), Some(State::Idle));
    }

    #[test]
    fn idle_time_begins_when_the_answer_has_left() {
        let phase = phase(Duration::from_secs(60), Duration::ZERO);
        phase.exchange_opened();
        phase.exchange_opened();
        phase.exchange_closed();
        phase.flushed();
        assert_eq!(phase.state.get(), State::Exchange, "another one goes on");
        phase.exchange_closed();
        assert_eq!((phase.state.get(), limit(&phase)), (State::Flushing, None));
        phase.flushed();
        assert_eq!(limit(&phase), Some(State::Idle));
    }
}
