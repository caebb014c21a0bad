//! The alerts and the dashboard under `config/monitoring/`: what they ask for is counted, their rules are ones to
//! Prometheus' own tool, and each alert has a case in which it is raised.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use genkan::telemetry::metrics::table::{Kind, TABLE};
use serde_json::Value;

use super::{read, root};

/// What scrapers add.
const FOREIGN_LABELS: [&str; 3] = ["job", "instance", "le"];

/// An expression with a name for it.
type Expression = (String, String);

fn monitoring(name: &str) -> String {
    read(Path::new("config/monitoring").join(name))
}

/// Those of the alerts: scalars behind `expr:`, and the indented lines behind `expr: |`.
fn alert_expressions() -> Vec<Expression> {
    let text = monitoring("alerts.yaml");
    let mut found: Vec<Expression> = Vec::new();
    let (mut name, mut within) = (String::new(), false);
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(alert) = trimmed.strip_prefix("- alert: ") {
            alert.clone_into(&mut name);
        } else if let Some(expression) = trimmed.strip_prefix("expr: ") {
            within = expression == "|";
            found.push((name.clone(), if within { String::new() } else { expression.to_owned() }));
        } else if within && line.starts_with("          ") {
            found.last_mut().unwrap().1 += &format!("{trimmed} ");
        } else {
            within = false;
        }
    }
    found
}

/// Those of the dashboard, with values where it has variables.
fn dashboard_expressions() -> Vec<Expression> {
    let dashboard: Value = serde_json::from_str(&monitoring("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let of = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let expressions: Vec<_> = panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
        expressions.into_iter().map(move |expression| (title.clone(), expression))
    };
    let filled = |text: String| text.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*").replace("$route", ".*");
    panels.iter().flat_map(of).map(|(title, expression)| (title, filled(expression))).collect()
}

fn words(expression: &str) -> impl Iterator<Item = (usize, &str)> {
    expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map(|word| (word.as_ptr().addr() - expression.as_ptr().addr(), word))
}

#[test]
fn alerts_and_dashboard_ask_for_what_is_counted() {
    let expressions = [alert_expressions(), dashboard_expressions()].concat();
    assert!(expressions.len() > 30, "{expressions:?}");
    for (name, expression) in &expressions {
        for (place, word) in words(expression).filter(|(_, word)| word.starts_with("genkan_") || word.starts_with("process_")) {
            let row = TABLE.iter().find(|row| match row.kind {
                Kind::Histogram => word.strip_prefix(row.name).is_some_and(|suffix| ["_bucket", "_sum", "_count"].contains(&suffix)),
                Kind::Counter | Kind::Gauge => word == row.name,
            });
            let row = row.unwrap_or_else(|| panic!("{name}: there is no metric {word}"));
            let Some(selector) = expression[place + word.len()..].strip_prefix('{').and_then(|rest| rest.split_once('}')) else { continue };
            for label in selector.0.split(", ").map(|matcher| matcher.split(['=', '!']).next().unwrap()) {
                assert!(row.labels.contains(&label) || FOREIGN_LABELS.contains(&label), "{name}: {word} has no label {label}");
            }
        }
        for list in expression.split("by (").skip(1) {
            for label in list.split(')').next().unwrap().split(", ") {
                let known = FOREIGN_LABELS.contains(&label) || TABLE.iter().any(|row| row.labels.contains(&label) && expression.contains(row.name));
                assert!(known, "{name}: none of its metrics has the label {label}");
            }
        }
    }
}

#[test]
fn each_alert_has_a_case_in_which_it_is_raised() {
    let cases = monitoring("alerts.test.yaml");
    for (alert, _) in alert_expressions() {
        let name = format!("alertname: {alert}\n");
        let mut parts = cases.split(&name).skip(1);
        assert!(parts.any(|part| part.trim_start().starts_with("exp_alerts:\n")), "{alert} is not tested");
    }
}

/// Where Prometheus' own tool is installed, it is asked: for the rules, their cases, and the dashboard's queries as rules.
#[test]
fn promtool_takes_the_rules_and_their_cases() {
    let promtool = |arguments: &[&str]| Command::new("promtool").args(arguments).current_dir(root().join("config/monitoring")).output();
    let Ok(tested) = promtool(&["test", "rules", "alerts.test.yaml"]) else {
        assert!(std::env::var_os("CI").is_none(), "promtool is to be installed where the tests run for everybody");
        return;
    };
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
    let mut file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    writeln!(file, "groups:\n  - name: dashboard\n    rules:").unwrap();
    for (at, (_, expression)) in dashboard_expressions().iter().enumerate() {
        writeln!(file, "      - record: panel_{at}\n        expr: {}", Value::from(expression.as_str())).unwrap();
    }
    for rules in ["alerts.yaml", file.path().to_str().unwrap()] {
        let checked = promtool(&["check", "rules", rules]).unwrap();
        assert!(checked.status.success(), "{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    }
}
