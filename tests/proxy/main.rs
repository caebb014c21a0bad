//! The running program from end to end: real sockets, the real binary, one process a test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod affinity;
mod bodies;
mod departure;
mod dev;
mod drain;
mod errors;
mod examples;
mod faults;
mod filters;
mod gke;
mod health;
mod hostile_backend;
mod hostile_http1;
mod hostile_http2;
mod http1;
mod http2;
mod interim;
mod limits;
mod manifests;
mod nginx;
mod outliers;
mod page;
mod plain;
mod policies;
mod queue;
mod reload;
mod rest;
mod sets;
mod snapshot;
mod stalls;
mod startup;
mod tls;
mod traces;
mod views;
