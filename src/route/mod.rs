//! Which route, and which certificate: pure lookups, built once a configuration and asked on every request and
//! handshake. Nothing here reads a clock, does I/O or knows what a route leads to.
//!
//! A request passes through in this order: [`Authority::parse`] reads its host, [`normalize_path`] its path, and
//! [`Table::find_certain`] decides. What is forwarded are the client's own bytes; these forms exist for matching only.

mod alias;
mod candidates;
mod certificate;
mod condition;
mod host;
mod path;
mod paths;
mod plain_http;
mod reading;
mod redirect;
mod table;

pub use alias::{LOCALHOST, behind_localhost};
pub use candidates::{Fate, Specific, candidates};
pub use certificate::CertificateTable;
pub use host::{Authority, InvalidAuthority};
pub use path::{InvalidPath, normalize_path};
pub use plain_http::plain_http;
pub use reading::lenient_readings;
pub use redirect::{Asked as RedirectFrom, in_url, location};
pub use table::{AmbiguousPath, Request, Table};
