//! The health of backends in the shape of the cloud's `get-health`: a YAML document a backend, with what the cloud leaves
//! out, how many of how many and why, as comments and in `reason`.

use serde_json::Value;

pub(super) fn render(backends: &Value) -> String {
    backends["backends"].as_array().into_iter().flatten().map(backend).collect()
}

fn backend(backend: &Value) -> String {
    let probe = backend["probe"].as_str().unwrap_or("not probed");
    let mut text = format!("---\n# {} of {} healthy; {probe}\nbackend: {}\nstatus:\n", backend["ready"], backend["total"], backend["name"]);
    let endpoints = backend["endpoints"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !endpoints.is_empty() {
        text.push_str("  healthStatus:\n");
    }
    for endpoint in endpoints {
        text.push_str(&health(endpoint));
    }
    text.push_str("  kind: compute#backendServiceGroupHealth\n");
    text
}

fn health(endpoint: &Value) -> String {
    let state = match endpoint["state"].as_str() {
        Some("ready") => "HEALTHY",
        Some("not_ready") => "UNHEALTHY",
        _ => "UNKNOWN",
    };
    let address = endpoint["address"].as_str().unwrap_or_default();
    let (ip, port) = address.rsplit_once(':').unwrap_or((address, "0"));
    // A text as JSON has it is one as YAML has it.
    let ip = Value::from(ip.trim_start_matches('[').trim_end_matches(']'));
    let (reason, since) = (&endpoint["reason"], &endpoint["since"]);
    format!("  - healthState: {state}\n    ipAddress: {ip}\n    port: {port}\n    reason: {reason}\n    since: {since}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_backend_is_a_document() {
        let endpoint = |address, state| json!({ "address": address, "state": state, "reason": "it answers \"x\"", "since": "2026-01-01T00:00:00Z" });
        let endpoints = [endpoint("10.0.0.1:80", "ready"), endpoint("[::1]:81", "not_ready"), endpoint("localhost:82", "unknown")];
        let text = render(&json!({ "backends": [{ "name": "web", "probe": "GET /", "ready": 1, "total": 3, "endpoints": endpoints }] }));
        let expected = [
            "---\n# 1 of 3 healthy; GET /\nbackend: \"web\"\nstatus:\n  healthStatus:\n",
            "  - healthState: HEALTHY\n    ipAddress: \"10.0.0.1\"\n    port: 80\n    reason: \"it answers \\\"x\\\"\"\n    since: \"2026-01-01T00:00:00Z\"\n",
            "  - healthState: UNHEALTHY\n    ipAddress: \"::1\"\n    port: 81\n",
            "  - healthState: UNKNOWN\n    ipAddress: \"localhost\"\n    port: 82\n",
            "  kind: compute#backendServiceGroupHealth\n",
        ];
        for part in expected {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
        assert_eq!(render(&json!({ "backends": [] })), "");
    }
}
