//! An explanation for people: one step a line, each with its reason. The last line is the outcome and ends in its reason.

use std::fmt::Write;

use super::MAX_CANDIDATES;
use super::trace::{Candidate, Trace};
use crate::model::Behaviour;

/// As text.
pub fn render(trace: &Trace) -> String {
    let mut out = String::new();
    // A String takes everything, here and below.
    let _ = writeln!(out, "{} {}", trace.method, trace.url);
    if let Some(listener) = &trace.listener {
        step(&mut out, "listener", &format!("{} on {}", listener.name, listener.address), &listener.why);
    }
    if let Some(certificate) = &trace.certificate {
        let what = match &certificate.name {
            Some(name) => format!("{name} for {}", certificate.names.join(", ")),
            None => "none yet".to_owned(),
        };
        step(&mut out, "certificate", &what, &certificate.why);
    }
    if let Some(alias) = &trace.alias {
        step(&mut out, "host", alias, "");
    }
    candidates(&mut out, trace);
    if let Some(route) = &trace.route {
        let object = route.object.as_ref().map_or_else(String::new, |object| format!(" of {object}"));
        let behaviour = if route.behaviour == Behaviour::Genkan.as_str() { String::new() } else { format!(", behaves as {}", route.behaviour) };
        step(&mut out, "route", &format!("{}{object}{behaviour}", route.name), route.place.as_deref().unwrap_or_default());
        for rule in &route.parity {
            step(&mut out, "as the cloud", &format!("{}: {}", rule.subject, rule.text), rule.rule);
        }
        for filter in &route.filters {
            step(&mut out, "filter", filter, "");
        }
        if let Some(seconds) = route.timeout_seconds {
            step(&mut out, "time-out", &format!("{seconds} s in all"), "");
        }
        if route.logged_share < 1.0 {
            step(&mut out, "logged", &format!("{} % of its exchanges", route.logged_share * 100.0), "");
        }
    }
    if trace.outcome.reason == "forwarded" {
        client(&mut out, trace);
    }
    for rule in &trace.parity {
        step(&mut out, "as the cloud", &format!("{}: {}", rule.subject, rule.text), rule.rule);
    }
    for backend in &trace.backends {
        step(&mut out, "backend", &format!("{} ({})", backend.name, backend.load_balancing), &backend.probe);
        if let Some(seconds) = backend.draining_seconds {
            step(&mut out, "", &format!("an endpoint that leaves has {seconds} s for what it still has"), "");
        }
        if backend.endpoints.is_empty() {
            step(&mut out, "", "it has no endpoints", "");
        }
        for endpoint in &backend.endpoints {
            step(&mut out, "", &format!("{} {}", endpoint.address, endpoint.state), &endpoint.reason);
        }
    }
    let status = trace.outcome.status.map_or_else(String::new, |status| format!("{status}, "));
    step(&mut out, "outcome", &format!("{status}{}", trace.outcome.text), &trace.outcome.reason);
    out
}

/// Of interest to whoever gets the request.
fn client(out: &mut String, trace: &Trace) {
    if let Some(client) = &trace.client_address {
        step(out, "client", client.address.as_deref().unwrap_or("ADDRESS"), &client.why);
        step(out, "", &format!("X-Forwarded-For: {}", client.forwarded_for), "");
    }
}

/// The first column is as wide as the longest word in it.
fn step(out: &mut String, name: &str, what: &str, why: &str) {
    let why = if why.is_empty() { String::new() } else { format!("   ({why})") };
    let _ = writeln!(out, "  {name:<12} {what}{why}");
}

/// One below the other, so that what they are for and why they lost can be compared.
fn candidates(out: &mut String, trace: &Trace) {
    let widest = |column: fn(&Candidate) -> &str| trace.candidates.iter().map(|candidate| column(candidate).chars().count()).max();
    let width = widest(|candidate| &candidate.matches).unwrap_or_default().min(MAX_COLUMN);
    let why_width = widest(|candidate| &candidate.why).unwrap_or_default().min(MAX_COLUMN);
    for Candidate { matches, won, why, place, .. } in &trace.candidates {
        let verdict = if *won { "won" } else { "lost" };
        let line = format!("  {verdict:<12} {matches:<width$}   {why:<why_width$}   {}", place.as_deref().unwrap_or_default());
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if trace.candidates.is_empty() && matches!(&*trace.outcome.reason, "no_route" | "plain_http_rejected" | "redirect") {
        step(out, "routes", "none is for this host", "");
    }
    if trace.others > 0 {
        let noun = if trace.others == 1 { "route" } else { "routes" };
        let whose = if trace.candidates.len() < MAX_CANDIDATES { ", for other hosts" } else { "" };
        step(out, "", &format!("{} more {noun}{whose}", trace.others), "");
    }
}

/// One long column must not push the others out of sight.
const MAX_COLUMN: usize = 60;
