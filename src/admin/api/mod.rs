//! `/api/v1/...`: what the status page shows, for programs. Each view is a value that is made of [`Views`] and printed
//! as JSON; the page prints the same values. Their shapes are written down in `config/openapi.json`, which is made of
//! the same types.

pub(super) mod backends;
pub(super) mod certificates;
pub(super) mod failures;
pub(super) mod openapi;
pub(super) mod overview;
pub(super) mod query;
pub(super) mod report;
pub(super) mod routes;
pub(super) mod tap;

use std::time::Duration;

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

use super::Views;
use query::{Page, Query};

/// Where the views are.
pub(super) const PREFIX: &str = "/api/v1/";

/// How much of a long list programs get at once, unless they ask for another number.
const ON_A_PAGE: usize = 1_000;

/// A view.
pub(super) struct View {
    /// Its path behind [`PREFIX`].
    pub(super) name: &'static str,
    /// What it shows.
    pub(super) about: &'static str,
    /// What may be asked for in its query.
    parameters: &'static [&'static str],
    schema: fn(&mut SchemaGenerator) -> Schema,
    show: fn(&Views, &Page) -> String,
}

/// All of them.
pub(super) const VIEWS: &[View] = &[
    View {
        name: "status",
        about: "version, readiness, configuration, traffic",
        parameters: &[],
        schema: SchemaGenerator::subschema_for::<overview::Overview>,
        show: |views, _| json(&overview::Overview::of(views)),
    },
    View {
        name: "backends",
        about: "endpoints, their probes and their load",
        parameters: &["q", "offset", "limit", "probes"],
        schema: SchemaGenerator::subschema_for::<backends::Backends>,
        show: |views, page| json(&backends::Backends::of(views, page)),
    },
    View {
        name: "certificates",
        about: "names, validity, refusals",
        parameters: &[],
        schema: SchemaGenerator::subschema_for::<certificates::Certificates>,
        show: |views, _| json(&certificates::Certificates::of(views)),
    },
    View {
        name: "routes",
        about: "hosts, paths, where they lead, how often",
        parameters: &["q", "offset", "limit"],
        schema: SchemaGenerator::subschema_for::<routes::Routes>,
        show: |views, page| json(&routes::Routes::of(views, page)),
    },
    View {
        name: "report",
        about: "what is wrong with the configuration",
        parameters: &[],
        schema: SchemaGenerator::subschema_for::<report::Findings<'_>>,
        show: |views, _| json(&report::Findings::of(&views.control.report())),
    },
    View {
        name: "failures",
        about: "the last exchanges that went wrong",
        parameters: &[],
        schema: SchemaGenerator::subschema_for::<failures::Failures>,
        show: |views, _| json(&failures::Failures::of(views)),
    },
];

impl View {
    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        VIEWS.iter().find(|view| view.name == name)
    }

    /// Status and JSON. Blocks for as long as looking at everything takes.
    pub(super) fn answer(&self, views: &Views, query: &str) -> (StatusCode, String) {
        match Query::parse(query).page(ON_A_PAGE) {
            Ok(page) => (StatusCode::OK, (self.show)(views, &page)),
            Err(error) => (StatusCode::BAD_REQUEST, json(&Problem { error })),
        }
    }
}

/// What is wrong with a request.
#[derive(Serialize, JsonSchema)]
struct Problem {
    error: String,
}

/// A part of a whole, from 0 to 1; of nothing it is 0.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { round(part as f64 / whole as f64) }
}

/// How many there are in a second.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { round(count as f64 / time.as_secs_f64()) }
}

/// With three digits after the point, which is more than anybody reads.
fn round(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

fn milliseconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1e3)
}

/// Texts and numbers alone cannot fail to be JSON.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
