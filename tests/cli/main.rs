//! The real binary: what it prints where, and with which exit code it ends. Commands that serve have their tests with
//! the proxy; those that ask one that serves are here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs, reason = "a test that cannot go on fails")]

mod ca;
mod certificates;
mod cases;
mod check;
mod diff;
mod explain;
mod formats;
mod generated;
mod help;
mod refusals;
mod running;
#[path = "../support/mod.rs"]
mod serving;
mod status;
mod support;
