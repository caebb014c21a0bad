//! Ending a connection so that its last answer arrives: a close while unread bytes are waiting becomes a reset, and a
//! reset takes away what the client has not read yet. So our side is closed first, and what the client still sends is
//! thrown away for a moment.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::plain::Stream;
use crate::proxy::timer::Timers;

/// How much of what nobody reads is taken. A client that sends more than this before it looks for an answer has to wait
/// for the end of our patience.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// How long a client is listened to whose request was refused before it had come.
pub const EARLY: Duration = Duration::from_secs(2);

/// Closes our side within `write`, and then takes what still comes until the client closes its own, for `read` at most.
pub async fn linger(mut stream: Stream, timers: &Timers, write: Duration, read: Duration) {
    let timer = timers.after(write);
    let closed = timer.limit(poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx))).await;
    if matches!(closed, Some(Ok(()))) && !read.is_zero() {
        timer.set(read);
        let _ = timer.limit(discard(&stream)).await; // Whatever it was, it is over.
    }
}

/// Reads the socket itself: what comes is of no interest, encrypted or not.
async fn discard(stream: &Stream) -> io::Result<()> {
    let socket = stream.wire().stream();
    let mut scratch = vec![0; 16 * 1024];
    let mut taken = 0;
    poll_fn(|cx| {
        while taken < MAX_BYTES {
            match socket.try_read(&mut scratch) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(length) => taken += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_read_ready(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        // A close now would be a reset, which may take away what the client has not read yet.
        Poll::Pending
    })
    .await
}
