//! `diff`: which hosts and paths go elsewhere under another configuration.

use crate::support::{GOOD, Place, good};

fn place() -> Place {
    let place = good();
    let api = "      - { path: /api, methods: [POST], backend: api }\n";
    let other = GOOD.replace("backends:\n", &format!("{api}  - {{ hostnames: [\"*.new.test\"], backend: web }}\nbackends:\n"));
    place.file("other.yaml", other.replace("  - name: web", "  - { name: api, endpoints: [\"127.0.0.1:9001\"] }\n  - name: web"));
    place
}

#[test]
fn people_get_a_line_a_difference() {
    let place = place();
    let done = place.run("diff -f genkan.yaml --against other.yaml").code(0).tells(&["4 would go elsewhere, 2 would not"]);
    let expected = "\
+ *.new.test/  -> web
+ *.new.test/*  -> web
~ shop.test/api POST  web -> api
~ shop.test/api/* POST  web -> api
";
    assert_eq!(done.out, expected);
    let back = place.run("diff -f other.yaml --against genkan.yaml").code(0).says(&["- *.new.test/  -> web\n"]);
    assert_eq!(back.out.lines().count(), 4);
}

#[test]
fn programs_get_an_array() {
    let place = place();
    let differences = place.run("diff -f genkan.yaml --against other.yaml --format json").code(0).json();
    let expected = serde_json::json!({ "host": "*.new.test", "path": "/", "conditions": "", "before": null, "after": "web" });
    assert_eq!(differences[0], expected);
    assert_eq!(differences[2]["conditions"], " POST");
    assert_eq!(place.run("diff -f genkan.yaml --against genkan.yaml --format json").code(0).out, "[]\n");
}

#[test]
fn a_difference_is_a_no_where_that_is_asked_for() {
    let place = place();
    place.run("diff -f genkan.yaml --against other.yaml --exit-code").code(1);
    place.run_with("diff -f genkan.yaml --against other.yaml", &[("GENKAN_EXIT_CODE", "true")], "").code(1);
    place.run("diff -f genkan.yaml --against genkan.yaml --exit-code").code(0);
    place.run("diff -f genkan.yaml").code(2).tells(&["--against"]);
    place.run("diff -f genkan.yaml --against nowhere.yaml").code(2).tells(&["nowhere.yaml"]);
    place.file("bad.yaml", "routs: []\n");
    place.run("diff -f genkan.yaml --against bad.yaml").code(1).tells(&["error[UnknownField]", "bad.yaml:1:1"]);
}
