//! What is generated from the parser and from the configuration's types.

use std::process::Command;

use crate::support::Place;

#[test]
fn completions_are_scripts() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = place.run(&format!("completions {shell}")).code(0).says(&["genkan", "certificates"]);
        assert!(done.err.is_empty(), "{}", done.err);
    }
    let script = place.file("genkan.bash", place.run("completions bash").out);
    assert!(Command::new("bash").arg("-n").arg(script).status().unwrap().success());
    place.run("completions tcsh").code(2);
}

#[test]
fn manual_pages_are_roff() {
    let place = Place::new();
    place.run("man").code(0).says(&[".TH genkan 1", ".SH NAME", "demo", "Exit codes"]);
    place.run("man run").code(0).says(&[".TH genkan-run 1", "strict", "GENKAN_STRICT"]);
    place.run("man test").code(0).says(&[".TH genkan-test 1", "GENKAN_AGAINST", "GENKAN_CONNECT_TO", "GENKAN_CACERT"]);
    place.run("man ca issue").code(0).says(&[".TH genkan-ca-issue 1", "GENKAN_OUTPUT"]);
    place.run("man nonsense").code(2);
    place.run("man ca nonsense").code(2);
}

#[test]
fn the_schema_is_draft_7_and_closed() {
    let schema = Place::new().run("schema").code(0).json();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!(schema["additionalProperties"], false);
    let keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    for key in
        ["listeners", "certificates", "routes", "backends", "timeouts", "limits", "drain", "admin", "accessLog", "tracing", "kubernetes", "workers"]
    {
        assert!(keys.iter().any(|known| *known == key), "{key}");
    }
    assert!(!keys.iter().any(|known| *known == "clientAddress"), "keys that are refused are not offered");
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        if definition["type"] == "object" && definition.get("properties").is_some() {
            assert_eq!(definition["additionalProperties"], false, "{name}");
        }
    }
}
