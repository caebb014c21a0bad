//! Interim answers (1xx, RFC 9110 section 15.2) on their way from an exchange to whoever writes to its client: HTTP/2's
//! streams have a way to send them, HTTP/1's codec has none, so there they are written under it (`plain`). Which of them
//! there are, and how many, is the upstream's decision.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::{BufMut, BytesMut};
use http::Response;

use crate::proxy::headers::put_field;

/// Heads that wait to be written, in the order in which they came.
#[derive(Debug, Default)]
pub struct Interims(RefCell<VecDeque<Response<()>>>);

impl Interims {
    /// One more.
    pub fn put(&self, head: Response<()>) {
        self.0.borrow_mut().push_back(head);
    }

    /// The next.
    pub fn take(&self) -> Option<Response<()>> {
        self.0.borrow_mut().pop_front()
    }

    /// Whether none waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// It is too late for them.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// Appends a head as HTTP/1.1 has it.
pub fn write(head: &Response<()>, out: &mut BytesMut) {
    let status = head.status();
    for part in ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default(), "\r\n"] {
        out.put_slice(part.as_bytes());
    }
    for (name, value) in head.headers() {
        put_field(out, name.as_str(), value.as_bytes());
    }
    out.put_slice(b"\r\n");
}
