//! `config/reference.md`: every setting, every field of Kubernetes objects and every metric, printed from what the code
//! reads and counts by; and `config/openapi.json`, printed from the types that the views are made of.

use std::fmt::Write;

use genkan::control::config::schema;
use genkan::control::kubernetes;
use genkan::model::LogField;
use genkan::telemetry::metrics::table::TABLE;
use genkan::telemetry::reasons::{REASONS, Reason};
use serde_json::Value;

use crate::root;

const PATH: &str = "config/reference.md";

#[test]
fn the_reference_is_what_the_code_says() {
    is_current(PATH, &page());
}

#[test]
fn the_description_of_the_views_is_what_the_code_says() {
    is_current("config/openapi.json", &format!("{:#}\n", genkan::admin::openapi()));
}

fn is_current(path: &str, text: &str) {
    if std::env::var_os("GENKAN_ACCEPT").is_some_and(|value| value == "1") {
        std::fs::write(root().join(path), text).unwrap();
    }
    let written = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    let different = text.lines().zip(written.lines()).find(|(now, before)| now != before);
    assert!(text == written, "{path} is not current: {different:?}\nTo write it: GENKAN_ACCEPT=1 cargo test --test tidy reference");
}

fn page() -> String {
    let mut page = String::from(
        "# Reference\n\nMade from the code; a test holds it to that. [genkan.yaml](genkan.yaml) shows the settings in their place, and the \
         [README](../README.md) how they are used.\n\n## Settings\n\n`[]` is an item of a list, `*` a name of your choice.\n\n\
         | key | value | meaning |\n|---|---|---|\n",
    );
    let schema = serde_json::to_value(schema()).unwrap();
    settings(&mut page, "", &schema, &schema);
    page.push('\n');
    page.push_str(&kubernetes::reference());
    page.push_str("\n## Metrics\n\nAt `/metrics` of the admin address.\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for row in TABLE {
        let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{}` | {} | {} | {} |", row.name, row.kind.as_str(), labels.join(" "), row.help).unwrap();
    }
    page.push_str(
        "\n## Access log\n\nOf a line in JSON; what does not apply has no key. The cloud's load balancer has the same in its log entries \
         where the second column says, `httpRequest` being its own object.\n\n| field | in the cloud's log entries | meaning |\n|---|---|---|\n",
    );
    for LogField { name, cloud, about, .. } in LogField::ALL {
        let cloud = if cloud.is_empty() { String::new() } else { format!("`{cloud}`") };
        writeln!(page, "| `{name}` | {cloud} | {about} |").unwrap();
    }
    page.push_str(
        "\n## Reasons\n\nThe words of `reason` in the access log, of `genkan_proxy_errors_total`, of `genkan tap` and of the page's failures.\n\n\
         | reason | meaning |\n|---|---|\n",
    );
    for Reason { word, about } in REASONS {
        writeln!(page, "| `{word}` | {about} |").unwrap();
    }
    page
}

/// A line for every key below an object of the schema.
fn settings(page: &mut String, path: &str, of: &Value, schema: &Value) {
    for (key, property) in of["properties"].as_object().into_iter().flatten() {
        let meaning = property["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let (path, value) = inner(&format!("{path}{key}"), property, schema);
        let value_text = Some(name(value)).filter(|text| !meaning.starts_with(text.as_str())).unwrap_or_default();
        writeln!(page, "| `{path}` | {value_text} | {meaning} |").unwrap();
        // The keys of a rule are listed once.
        if meaning != "See a rule's." {
            settings(page, &format!("{path}."), value, schema);
        }
    }
}

/// What stands at the end of references, lists and maps, and the path that leads there.
fn inner<'s>(path: &str, value: &'s Value, schema: &'s Value) -> (String, &'s Value) {
    let is_null = |value: &&Value| value["type"] != "null";
    let alternatives = value["anyOf"].as_array().or(value["allOf"].as_array()).filter(|all| all.iter().filter(is_null).count() == 1);
    if let Some(only) = alternatives.and_then(|all| all.iter().find(is_null)) {
        inner(path, only, schema)
    } else if let Some(reference) = value["$ref"].as_str() {
        inner(path, &schema["definitions"][reference.rsplit('/').next().unwrap()], schema)
    } else if value["items"].is_object() {
        inner(&format!("{path}[]"), &value["items"], schema)
    } else if value["additionalProperties"].is_object() {
        inner(&format!("{path}.*"), &value["additionalProperties"], schema)
    } else {
        (path.to_owned(), value)
    }
}

/// What may be written, in a few words.
fn name(value: &Value) -> String {
    let words: Vec<String> = value["oneOf"].as_array().into_iter().flatten().filter_map(|word| word["const"].as_str()).map(code).collect();
    let listed: Vec<String> = value["enum"].as_array().into_iter().flatten().filter_map(Value::as_str).map(code).collect();
    match (words.is_empty(), listed.is_empty(), &value["type"]) {
        (false, _, _) => words.join(" "),
        (_, false, _) => listed.join(" "),
        (_, _, Value::String(kind)) if kind == "object" => String::new(),
        _ if value["pattern"].is_string() || value["anyOf"].is_array() => {
            value["description"].as_str().unwrap_or("text").trim_end_matches('.').replace('\n', " ").replace('|', "\\|")
        }
        (_, _, Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or "),
        (_, _, kind) => kind.as_str().unwrap_or("text").to_owned(),
    }
}

fn code(word: &str) -> String {
    format!("`{word}`")
}
