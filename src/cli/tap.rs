//! `genkan tap`: exchanges of a running process, as they end.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::Refusal;
use super::ask::AdminFlags;
use super::flags::Format;
use super::output::{Stream, printable};
use crate::model::StatusFilter;
use crate::percent::encode;

/// Watch the exchanges of a running process, as they end
///
/// A sample of them, if there are more than --rate in a second. What is shown is what the access log has: no query, no
/// body, and of the header nothing that is not asked for in the configuration.
#[derive(Debug, Args)]
pub(super) struct Tap {
    /// Only those with this text: in method, host, path, route, backend, endpoint, reason, client, request id, trace
    #[arg(value_name = "TEXT", default_value = "")]
    text: String,
    /// Only those with this status: 404, or 5xx for a class
    #[arg(long, value_name = "STATUS", default_value = "", env = "GENKAN_STATUS", hide_env_values = true, hide_default_value = true, value_parser = status)]
    status: String,
    /// At most so many in a second
    #[arg(long, value_name = "N", default_value_t = 50, env = "GENKAN_RATE", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// End after so many
    #[arg(short = 'n', long, value_name = "N", env = "GENKAN_COUNT", hide_env_values = true, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How they are printed
    #[arg(long, value_name = "FORMAT", env = "GENKAN_FORMAT", hide_env_values = true, default_value = "text")]
    format: Format,
    #[command(flatten)]
    admin: AdminFlags,
}

impl Tap {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let process = self.admin.process()?;
        let target = format!("/api/v1/tap?q={}&status={}&rate={}", encode(&self.text), encode(&self.status), self.rate);
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut refusal = String::new();
        let status = process.follow(&target, |line| {
            let Ok(exchange) = serde_json::from_str::<Value>(line) else {
                refusal = printable(line);
                return false;
            };
            Stream::Out.write(&format!("{}\n", if self.format == Format::Json { line.to_owned() } else { text(&exchange) }));
            left -= 1;
            left > 0
        });
        match status {
            Ok(200) if left == 0 => Ok(ExitCode::SUCCESS),
            Ok(200) if !refusal.is_empty() => Err(Refusal::no(format!("{process}: this is no exchange: {refusal}"))),
            Ok(200) => Err(Refusal::no(format!("{process} has ended this: it is gone, or an hour is over"))),
            Ok(status) => Err(Refusal::no(format!("{process}: {}", process.refused("tap", status, &refusal)))),
            Err(error) => Err(process.no_answer(&error)),
        }
    }
}

/// `404`, or `4xx`: as it is asked for.
fn status(text: &str) -> Result<String, &'static str> {
    StatusFilter::parse(text).map(|_| text.to_owned()).ok_or("write a status such as 404, or a class such as 5xx")
}

/// One line: when, what, how it went, where it went.
fn text(exchange: &Value) -> String {
    let field = |name: &str| match &exchange[name] {
        Value::String(text) => printable(text),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let time = field("time");
    let time = time.get(11..23).unwrap_or(&time);
    let [status, took, method, host, path] = ["status", "duration_ms", "method", "host", "path"].map(field);
    let [route, backend, endpoint, client] = ["route", "backend", "endpoint", "client_ip"].map(field);
    let reason = exchange["reason"].as_str().map(|reason| format!("  {}", printable(reason))).unwrap_or_default();
    format!("{time}  {status}  {took:>9} ms  {client}  {method} {host}{path}  {route} > {backend} > {endpoint}{reason}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exchange_is_a_line() {
        let exchange = json!({
            "time": "2026-01-01T09:12:00.250Z", "status": 502, "duration_ms": 1.25, "method": "GET", "host": "a.test", "path": "/x\u{1b}[2J",
            "client_ip": "192.0.2.1", "route": "shop", "backend": "web", "endpoint": "10.0.0.1:80", "reason": "backend_timeout",
        });
        let line = text(&exchange);
        assert!(line.starts_with("09:12:00.250  502       1.25 ms  192.0.2.1  GET a.test/x"), "{line}");
        assert!(line.ends_with("shop > web > 10.0.0.1:80  backend_timeout") && !line.contains('\u{1b}'), "{line}");
        assert!(text(&json!({})).contains("- > -"));
    }

    #[test]
    fn a_status_is_a_number_or_a_class() {
        assert!(["", "404", "5xx", "4XX", "000"].iter().all(|text| status(text).is_ok()));
        assert!(["6xx", "abc", "99", "5x", "600", "0xx"].iter().all(|text| status(text).is_err()));
    }
}
