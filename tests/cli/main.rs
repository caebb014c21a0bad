//! The real binary: what it prints where, and with which exit code it ends. Commands that serve have their tests with
//! the proxy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test that cannot go on fails")]

mod ca;
mod certificates;
mod check;
mod formats;
mod generated;
mod help;
mod refusals;
mod status;
mod support;
