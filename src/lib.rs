//! genkan: a TLS-terminating reverse proxy.
//!
//! Two pipelines that meet in one type, [`model::Snapshot`]: `control` turns the outside world into a snapshot, `proxy`
//! turns client bytes into backend bytes under the current one. The modules below are in reading order.

pub mod model;
pub mod date;
pub mod percent;
pub mod drain;
pub mod control;
pub mod route;
pub mod explain;
pub mod proxy;
pub mod telemetry;
pub mod admin;
pub mod authority;
pub mod settings;
pub mod app;
pub mod cli;
