//! What surrounds an [`Intake`], for tests of it: a socket that brings bytes in pieces, a codec that takes them, and
//! answers.

use std::io;
use std::time::Duration;

use tokio::io::ReadBuf;

use super::head::HeadLimits;
use super::intake::{Intake, Next};
use super::phase::{Phase, PhaseLimits};
use crate::proxy::timer::Timers;

/// Feeds pieces to an intake as a socket would, and collects what the codec gets until it is held or asks for more.
pub struct Feed {
    pub intake: Intake,
    pub phase: Phase,
    /// Each request is answered as soon as the next is waited for.
    answers: bool,
}

impl Feed {
    pub fn new(answers: bool) -> Self {
        let limit = Duration::from_secs(60);
        let phase = Phase::new(&Timers::default(), PhaseLimits { request_head: limit, keep_alive: limit });
        Self { intake: Intake::new(HeadLimits { bytes: 1000, fields: 10 }), phase, answers }
    }

    /// What the codec gets of these bytes, read in pieces of a size.
    pub fn feed(&mut self, bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let mut got = Vec::new();
        self.feed_into(&mut got, bytes, size).map(|()| got)
    }

    /// The same, with what came before an error.
    pub fn feed_into(&mut self, got: &mut Vec<u8>, bytes: &[u8], size: usize) -> io::Result<()> {
        let mut socket = bytes;
        let mut space = vec![0; size];
        loop {
            let mut buf = ReadBuf::new(&mut space);
            match self.intake.next(&self.phase, &mut buf)? {
                Next::Given => got.extend_from_slice(buf.filled()),
                Next::Read | Next::Held { .. } if !socket.is_empty() => {
                    let length = socket.len().min(size);
                    buf.put_slice(&socket[..length]);
                    socket = &socket[length..];
                    self.intake.take(&self.phase, &mut buf, 0);
                    got.extend_from_slice(buf.filled());
                }
                Next::Held { .. } if self.answers && self.intake.refused().is_none() => self.answer(),
                Next::Read | Next::Held { .. } | Next::Over => return Ok(()),
            }
        }
    }

    fn answer(&self) {
        self.phase.exchange_opened();
        self.phase.exchange_closed();
        self.phase.flushed();
    }
}
