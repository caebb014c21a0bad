//! The description of the views for programs (OpenAPI 3.1), made of the types that they are printed from.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{PREFIX, Problem, VIEWS, View};
use crate::explain::Trace;
use crate::model::PROBES_KEPT;

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for view in VIEWS {
        let schema = (view.schema)(&mut generator);
        paths.insert(format!("{PREFIX}{}", view.name), path(view.name, view.about, &parameters(view), &answers(&json!(schema), &json!(problem))));
    }
    let trace = generator.subschema_for::<Trace>();
    // What is wrong with a question is told in plain text there, as everything is with `format=text`.
    let explained = json!({
        "200": { "description": "the decision", "content": { "application/json": { "schema": trace }, "text/plain": {} } },
        "400": { "description": "what is wrong with the request", "content": { "text/plain": {} } },
        "401": { "description": TOKEN, "content": { "text/plain": {} } },
        "403": { "description": ELSEWHERE, "content": { "text/plain": {} } },
    });
    paths.insert(format!("{PREFIX}explain"), path("explain", "why a request goes where it goes", &asked(), &explained));
    let lines = json!({
        "200": { "description": "a line an exchange, as the access log has it in JSON, for as long as somebody reads", "content": { "application/x-ndjson": {} } },
        "400": { "description": "what is wrong with the query", "content": { "text/plain": {} } },
        "401": { "description": TOKEN, "content": { "text/plain": {} } },
        "403": { "description": ELSEWHERE, "content": { "text/plain": {} } },
        "503": { "description": "too many watch already", "content": { "text/plain": {} } },
    });
    paths.insert(format!("{PREFIX}tap"), path("tap", "exchanges as they end", &watched(), &lines));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "genkan", "version": "v1", "description": "What a running genkan says of itself on its admin listener. Nothing can be changed here." },
        "paths": paths,
        "components": { "schemas": generator.take_definitions(true) },
    })
}

fn path(name: &str, about: &str, parameters: &Value, answers: &Value) -> Value {
    json!({ "get": { "operationId": name, "summary": about, "parameters": parameters, "responses": answers } })
}

fn answers(schema: &Value, problem: &Value) -> Value {
    json!({
        "200": { "description": "the view", "content": { "application/json": { "schema": schema } } },
        "400": { "description": "what is wrong with the query", "content": { "application/json": { "schema": problem } } },
        "401": { "description": TOKEN, "content": { "text/plain": {} } },
        "403": { "description": ELSEWHERE, "content": { "text/plain": {} } },
    })
}

const TOKEN: &str = "the token was not shown";
const ELSEWHERE: &str = "there is no token, and the request does not come from this machine";

/// Those of a part of a list, which [`super::query::Page`] reads.
fn parameters(view: &View) -> Value {
    let whole = |default: Value| json!({ "type": "integer", "minimum": 0, "default": default });
    let mut limit = whole(json!(1000));
    limit["maximum"] = json!(10000);
    let all = [
        ("q", "only what contains this text, whatever the case", json!({ "type": "string" })),
        ("offset", "how many are left out", whole(json!(0))),
        ("limit", "how many are shown at most", limit),
        ("probes", "how many of the last probes of each endpoint are shown", whole(json!(PROBES_KEPT))),
    ];
    all.iter().filter(|(name, ..)| view.parameters.contains(name)).map(|(name, about, schema)| parameter(name, about, schema)).collect()
}

/// Which exchanges are wanted.
fn watched() -> Value {
    json!([
        parameter("q", "only those with this text", &json!({ "type": "string" })),
        parameter("status", "only those with this status, or of this class", &json!({ "type": "string", "examples": ["404", "5xx"] })),
        parameter("rate", "in a second at most", &json!({ "type": "integer", "minimum": 1, "maximum": 10000, "default": 50 })),
    ])
}

/// What a request is described by.
fn asked() -> Value {
    let mut url = parameter("url", "its URL; https unless it says otherwise", &json!({ "type": "string" }));
    url["required"] = json!(true);
    json!([
        url,
        parameter("method", "its method", &json!({ "type": "string", "default": "GET" })),
        parameter("header", "a field of it, `name: value`", &json!({ "type": "array", "items": { "type": "string" } })),
        parameter("from", "the client's address", &json!({ "type": "string" })),
        parameter("format", "`text`: as the command prints it", &json!({ "type": "string", "enum": ["json", "text"], "default": "json" })),
    ])
}

fn parameter(name: &str, about: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": about, "schema": schema })
}
