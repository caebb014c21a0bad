//! The picture: the difference of two looks, as text.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value;

use super::Sort;

/// The views at an instant.
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) status: Value,
    pub(super) routes: Value,
    pub(super) backends: Value,
}

/// What is counted, by what it is counted for.
type Counts = HashMap<String, u64>;

pub(super) fn render(before: &Look, now: &Look, rows: usize, sort: Sort) -> String {
    let seconds = now.at.saturating_duration_since(before.at).as_secs_f64().max(0.001);
    format!("{}\n\n{}\n{}", head(&now.status), routes(before, now, seconds, rows, sort), endpoints(before, now, seconds, rows, sort))
}

fn head(status: &Value) -> String {
    let traffic = &status["traffic"];
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let latency = &traffic["latencyMs"];
    let latency = if latency.is_null() { String::new() } else { format!("  p50 {} ms  p99 {} ms", latency["p50"], latency["p99"]) };
    format!(
        "{}  {:.1} requests/s  {:.1} % errors{latency}  {} connections  {:.1} handshakes/s  (last minute)",
        if status["ready"] == true { "ready" } else { "not ready" },
        number(&traffic["requestsPerSecond"]),
        number(&traffic["errorShare"]) * 100.0,
        status["openConnections"],
        number(&traffic["handshakesPerSecond"]),
    )
}

fn routes(before: &Look, now: &Look, seconds: f64, rows: usize, sort: Sort) -> String {
    let list = |look: &Look| look.routes["routes"].as_array().cloned().unwrap_or_default();
    let count = |look: &Look, key: &str| -> Counts { list(look).iter().map(|route| (text(&route["name"]), whole(&route[key]))).collect() };
    let (requests, errors) = (count(before, "requests"), count(before, "serverErrors"));
    let mut lines: Vec<(f64, String)> = Vec::new();
    for route in list(now) {
        let name = text(&route["name"]);
        let new = grown(&route["requests"], requests.get(&name));
        let failed = grown(&route["serverErrors"], errors.get(&name));
        let hosts: Vec<String> = route["hosts"].as_array().into_iter().flatten().map(text).collect();
        let hosts = if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") };
        let targets: Vec<String> = route["backends"].as_array().into_iter().flatten().map(|share| text(&share["backend"])).collect();
        let share = if new == 0.0 { 0.0 } else { failed / new * 100.0 };
        let row = format!(
            "{:>10.1} {share:>6.1} {:>10}  {hosts} {} > {}",
            new / seconds,
            whole(&route["requests"]),
            text(&route["path"]),
            targets.join(",")
        );
        let first = if sort == Sort::Errors { failed } else { new };
        lines.push((first, row));
    }
    format!("{:>10} {:>6} {:>10}  ROUTE\n{}", "REQ/S", "5XX %", "REQUESTS", busiest(lines, rows))
}

fn endpoints(before: &Look, now: &Look, seconds: f64, rows: usize, sort: Sort) -> String {
    let known: Counts = each(before).map(|(backend, endpoint)| (key(&backend, endpoint), whole(&endpoint["requests"]))).collect();
    let mut lines: Vec<(f64, String)> = Vec::new();
    for (backend, endpoint) in each(now) {
        let new = grown(&endpoint["requests"], known.get(&key(&backend, endpoint)));
        let state = text(&endpoint["state"]).replace('_', " ");
        let row = format!(
            "{:>10.1} {:>6} {:>10}  {backend} {}  {state}",
            new / seconds,
            endpoint["inFlight"].to_string(),
            whole(&endpoint["requests"]),
            text(&endpoint["address"])
        );
        let first = match sort {
            Sort::Requests => new,
            Sort::Errors => f64::from(u8::from(endpoint["state"] != "ready" || endpoint["ejected"] == true)),
            Sort::InFlight => endpoint["inFlight"].as_f64().unwrap_or_default(),
        };
        lines.push((first, row));
    }
    format!("{:>10} {:>6} {:>10}  ENDPOINT\n{}", "REQ/S", "NOW", "REQUESTS", busiest(lines, rows))
}

fn each(look: &Look) -> impl Iterator<Item = (String, &Value)> {
    let backends = look.backends["backends"].as_array().into_iter().flatten();
    backends.flat_map(|backend| backend["endpoints"].as_array().into_iter().flatten().map(|endpoint| (text(&backend["name"]), endpoint)))
}

fn key(backend: &str, endpoint: &Value) -> String {
    format!("{backend} {}", text(&endpoint["address"]))
}

/// Those with most first; those that have as much keep their order.
fn busiest(mut lines: Vec<(f64, String)>, rows: usize) -> String {
    lines.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let others = lines.len().saturating_sub(rows);
    let mut text: String = lines.into_iter().take(rows).map(|(_, line)| line + "\n").collect();
    if others > 0 {
        text.push_str(&format!("{:>29} {others} more\n", ""));
    }
    text
}

/// Since the look before; of what has been counted anew from the beginning, nothing.
#[allow(clippy::cast_precision_loss, reason = "one digit is shown")]
fn grown(now: &Value, before: Option<&u64>) -> f64 {
    whole(now).saturating_sub(before.copied().unwrap_or_default()) as f64
}

fn whole(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn look(at: Instant, quiet: u64, busy: u64) -> Look {
        let route = |name: &str, requests: u64| json!({ "name": name, "hosts": [format!("{name}.test")], "path": "PathPrefix /", "requests": requests, "serverErrors": requests / 10, "backends": [{ "backend": "web" }] });
        let endpoint = |address: &str, requests: u64| json!({ "address": address, "state": "not_ready", "inFlight": 3, "requests": requests });
        Look {
            at,
            status: json!({ "ready": true, "openConnections": 7, "traffic": { "requestsPerSecond": 12.25, "errorShare": 0.1, "handshakesPerSecond": 0, "latencyMs": { "p50": 1.5, "p99": 20.0 } } }),
            routes: json!({ "routes": [route("quiet", quiet), route("busy", busy)] }),
            backends: json!({ "backends": [{ "name": "web", "endpoints": [endpoint("10.0.0.1:80", quiet), endpoint("10.0.0.2:80", busy)] }] }),
        }
    }

    #[test]
    fn the_busiest_come_first_with_what_is_new() {
        let start = Instant::now();
        let picture = render(&look(start, 100, 100), &look(start + Duration::from_secs(2), 100, 300), 1, Sort::Requests);
        let lines: Vec<&str> = picture.lines().collect();
        assert!(lines[0].starts_with("ready  12.2 requests/s  10.0 % errors  p50 1.5 ms  p99 20.0 ms  7 connections"), "{picture}");
        assert_eq!(lines[3], "     100.0   10.0        300  busy.test PathPrefix / > web", "{picture}");
        assert_eq!(lines[4].trim(), "1 more");
        assert_eq!(lines[7], "     100.0      3        300  web 10.0.0.2:80  not ready", "{picture}");
    }

    #[test]
    fn those_in_trouble_come_first_where_that_is_asked_for() {
        let start = Instant::now();
        let (before, mut now) = (look(start, 0, 0), look(start + Duration::from_secs(2), 10, 300));
        now.routes["routes"][0]["serverErrors"] = json!(100);
        now.backends["backends"][0]["endpoints"][1]["state"] = json!("ready");
        let picture = render(&before, &now, 1, Sort::Errors);
        assert!(picture.contains("quiet.test") && !picture.contains("busy.test"), "{picture}");
        assert!(picture.contains("10.0.0.1:80") && !picture.contains("10.0.0.2:80"), "{picture}");
        now.backends["backends"][0]["endpoints"][0]["inFlight"] = json!(9);
        assert!(render(&before, &now, 1, Sort::InFlight).contains("10.0.0.1:80"));
    }

    #[test]
    fn a_process_that_began_anew_has_no_rates_below_zero() {
        let start = Instant::now();
        let picture = render(&look(start, 500, 500), &look(start + Duration::from_secs(2), 5, 5), 5, Sort::Requests);
        assert!(picture.lines().nth(3).unwrap().starts_with("       0.0"), "{picture}");
        assert!(!picture.contains('-'), "{picture}");
    }
}
