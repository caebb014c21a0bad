//! An explanation for people: one step a line, each with its reason.

use std::fmt::Write;

use super::trace::{Candidate, Trace};

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
        step(&mut out, "route", &format!("{}{object}, behaves as {}", route.name, route.behaviour), route.place.as_deref().unwrap_or_default());
        for rule in &route.parity {
            step(&mut out, "parity", rule, "");
        }
        for filter in &route.filters {
            step(&mut out, "filter", filter, "");
        }
        if let Some(seconds) = route.timeout_seconds {
            step(&mut out, "time-out", &format!("{seconds} s in all"), "");
        }
    }
    if let Some(client) = &trace.client_address {
        step(&mut out, "client", client.address.as_deref().unwrap_or("not known"), &client.why);
        step(&mut out, "", &format!("X-Forwarded-For: {}", client.forwarded_for), "");
    }
    for rule in &trace.parity {
        step(&mut out, "parity", rule, "");
    }
    for backend in &trace.backends {
        step(&mut out, "backend", &format!("{} ({})", backend.name, backend.load_balancing), &backend.probe);
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

/// The first column is as wide as the longest word in it.
fn step(out: &mut String, name: &str, what: &str, why: &str) {
    let why = if why.is_empty() { String::new() } else { format!("   ({why})") };
    let _ = writeln!(out, "  {name:<12} {what}{why}");
}

fn candidates(out: &mut String, trace: &Trace) {
    let width = trace.candidates.iter().map(|candidate| candidate.matches.chars().count()).max().unwrap_or_default().min(60);
    for Candidate { matches, won, why, place, route } in &trace.candidates {
        let verdict = if *won { "won" } else { "lost" };
        let place = place.as_ref().map_or_else(String::new, |place| format!("   {place}"));
        let _ = writeln!(out, "  {verdict:<12} {matches:<width$}   {route}: {why}{place}");
    }
    if trace.candidates.is_empty() && trace.listener.is_some() && trace.outcome.reason != "handshake_refused" {
        step(out, "routes", "none is for this host", "");
    }
    if trace.others > 0 {
        let _ = writeln!(out, "  {:<12} {} more", "", trace.others);
    }
}
