//! What an answer of the admin listener consists of: a text, or pieces that come as things happen.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A body.
#[derive(Debug)]
pub(super) enum Body {
    /// As it is.
    Text(Bytes),
    /// As it comes, for as long as the client stays.
    Stream(Stream),
}

/// Pieces from somewhere else, and the place that their reader takes.
#[derive(Debug)]
pub(super) struct Stream {
    pieces: mpsc::Receiver<Bytes>,
    _place: OwnedSemaphorePermit,
}

/// Places for those who watch. Each costs a connection, and a view a second.
#[derive(Clone, Debug)]
pub struct Watchers(Arc<Semaphore>);

/// Some tabs and terminals. The other connections are for probes and scrapers.
const MOST_WATCHERS: usize = 16;

impl Default for Watchers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_WATCHERS)))
    }
}

impl Watchers {
    /// A body and where its pieces go to, so many ahead of their reader; `None`: too many watch already. Sending fails
    /// once nobody reads any more.
    pub(super) fn watch(&self, ahead: usize) -> Option<(Body, mpsc::Sender<Bytes>)> {
        let place = self.0.clone().try_acquire_owned().ok()?;
        let (sender, pieces) = mpsc::channel(ahead);
        Some((Body::Stream(Stream { pieces, _place: place }), sender))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(Bytes::new())
    }
}

impl Body {
    /// Whether it may take as long as its reader likes.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Stream(stream) => stream.pieces.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.len() as u64),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
