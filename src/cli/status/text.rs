//! The status of a process for people: one fact a line, what is wrong last, where it is seen.

use serde_json::Value;

use crate::cli::output::printable;

pub(super) fn render(status: &Value, backends: &Value, certificates: &Value, report: &Value) -> String {
    let mut text = head(status);
    text.push_str(&traffic(status));
    text.push_str("\nbackends\n");
    backends["backends"].as_array().into_iter().flatten().for_each(|it| text.push_str(&backend(it)));
    let left = backends["total"].as_u64().unwrap_or(0).saturating_sub(array(&backends["backends"]).len() as u64);
    if left > 0 {
        text.push_str(&format!("  and {left} more\n"));
    }
    text.push_str(&self::certificates(certificates));
    text.push_str(&findings(report));
    text
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn head(status: &Value) -> String {
    let configuration = &status["configuration"];
    let nothing_ready = status["endpoints"]["ready"] == 0 && status["endpoints"]["total"] != 0;
    let ready = match (status["ready"] == true, nothing_ready) {
        (true, false) => "ready",
        (true, true) => "ready, but no endpoint of any backend is",
        (false, _) => "not ready",
    };
    let accepted = if configuration["accepted"] == true { "accepted" } else { "the last change has errors" };
    let mut text = format!("genkan {}  {ready}\n\n", word(status, "version"));
    let mut fact = |key: &str, value: String| text.push_str(&format!("{key:<14} {value}\n"));
    fact("up", uptime(status["uptimeSeconds"].as_u64().unwrap_or(0)));
    fact("configuration", format!("generation {}, {accepted}", configuration["generation"]));
    for listener in array(&status["listeners"]) {
        fact("listener", format!("{} {} {}", word(listener, "name"), word(listener, "address"), word(listener, "protocol")));
    }
    fact("endpoints", format!("{} of {} ready", status["endpoints"]["ready"], status["endpoints"]["total"]));
    fact("connections", format!("{} open", status["openConnections"]));
    for check in array(&status["checks"]) {
        if let Some(why) = check["failure"].as_str() {
            fact("not ready", format!("{}: {}", word(check, "name"), printable(why)));
        }
    }
    text
}

fn traffic(status: &Value) -> String {
    let traffic = &status["traffic"];
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let latency = match &traffic["latencyMs"] {
        Value::Null => String::new(),
        latency => format!(", p50 {} ms, p99 {} ms", latency["p50"], latency["p99"]),
    };
    format!(
        "{:<14} {:.1} requests/s, {:.1} % of them 5xx{latency}; {:.1} handshakes/s (last {:.0} s)\n",
        "traffic",
        number(&traffic["requestsPerSecond"]),
        number(&traffic["errorShare"]) * 100.0,
        number(&traffic["handshakesPerSecond"]),
        number(&traffic["seconds"]),
    )
}

fn uptime(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A line, and one more for each endpoint that gets no requests.
fn backend(backend: &Value) -> String {
    let mut text = format!("  {}  {} of {} ready\n", printable(word(backend, "name")), backend["ready"], backend["total"]);
    for endpoint in array(&backend["endpoints"]) {
        let state = match (word(endpoint, "state"), endpoint["ejected"] == true) {
            ("ready", false) => continue,
            ("ready", true) => "left out: its requests fail",
            ("not_ready", _) => "not ready",
            _ => "not checked yet",
        };
        let [address, since, reason] = ["address", "since", "reason"].map(|key| printable(word(endpoint, key)));
        text.push_str(&format!("    {address}  {state} since {since}: {reason}\n"));
    }
    text
}

/// A line each, the first to expire first; where there are many, the others are on the page.
fn certificates(view: &Value) -> String {
    let mut all: Vec<&Value> = array(&view["certificates"]).iter().collect();
    all.sort_by_key(|certificate| certificate["daysLeft"].as_i64());
    let mut text = String::from(if all.is_empty() { "" } else { "\ncertificates\n" });
    for certificate in all.iter().take(MOST_CERTIFICATES) {
        let names: Vec<String> = array(&certificate["names"]).iter().filter_map(Value::as_str).map(printable).collect();
        let days = match certificate["daysLeft"].as_i64().unwrap_or(0) {
            1 => "1 day left".to_owned(),
            days if days < 0 => "expired".to_owned(),
            days => format!("{days} days left"),
        };
        text.push_str(&format!("  {}  {days}, until {}\n", names.join(","), word(certificate, "notAfter")));
    }
    let left = all.len().saturating_sub(MOST_CERTIFICATES);
    if left > 0 {
        text.push_str(&format!("  and {left} more\n"));
    }
    text
}

const MOST_CERTIFICATES: usize = 10;

fn findings(report: &Value) -> String {
    let mut text = String::new();
    for finding in array(&report["findings"]).iter().filter(|finding| word(finding, "severity") != "note") {
        let place = finding["file"].as_str().map(|file| format!("  {}:{}", printable(file), finding["line"])).unwrap_or_default();
        let [severity, reason] = ["severity", "reason"].map(|key| word(finding, key));
        text.push_str(&format!("  {severity}[{reason}]: {}{place}\n", printable(word(finding, "message"))));
        for key in ["effect", "help"] {
            if let Some(said) = finding[key].as_str() {
                text.push_str(&format!("    {key}: {}\n", printable(said)));
            }
        }
    }
    if text.is_empty() { text } else { format!("\nreport\n{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_told_in_two_units_at_most() {
        let told = [0, 59, 61, 3_600, 7_261, 90_000].map(uptime);
        assert_eq!(told, ["0 s", "59 s", "1 min", "1 h 0 min", "2 h 1 min", "1 d 1 h"]);
    }
}
