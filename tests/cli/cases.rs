//! `test` by a configuration: what passes, what fails, and what nobody can say before it is sent.

use crate::support::{GOOD, Place, good};

fn place(cases: &str) -> Place {
    let place = good();
    place.file("cases.yaml", cases);
    place
}

const PASSING: &str = "\
cases:
  - name: the shop
    request: { url: \"https://shop.test/a\", method: POST, body: x }
    expect: { status: 200, backend: web, certificate: shop.test, reason: forwarded }
  - name: plain
    request: { url: \"http://shop.test/\" }
    expect: { status: 426, reason: plain_http_rejected }
  - name: nobody
    request: { url: \"https://other.test/\" }
    expect: { status: 404, certificate: tls }
";

#[test]
fn what_is_as_expected_passes() {
    let done = place(PASSING).run("test cases.yaml -f genkan.yaml").code(0);
    assert_eq!(done.out, "ok    the shop\nok    plain\nok    nobody\n");
    done.tells(&["3 cases: 3 ok, 0 failed\n", "1 expectation not checked (status)", "--against"]);
}

#[test]
fn every_difference_is_told() {
    let place = place(
        "\
- name: elsewhere
  request: { url: \"https://other.test/\" }
  expect: { status: 200, backend: web, certificate: other.test, location: /a }
- name: refused
  request: { url: \"http://shop.test/\" }
  expect: { status: 308, location: \"https://shop.test/\" }
- name: forwarded
  request: { url: \"https://shop.test/\" }
  expect: { status: 426, reason: plain_http_rejected }
",
    );
    let done = place.run("test cases.yaml").code(1).tells(&["3 cases: 0 ok, 3 failed"]);
    for line in [
        "      status       expected 200, found 404\n",
        "      backend      expected web, found none\n",
        "      certificate  expected other.test, found ./tls, shop.test\n",
        "      location     expected /a, found none of ours: no route is for this host and path\n",
        "      status    expected 308, found 426\n",
        "      status   expected 426, found none of ours: forwarded to web\n",
        "      reason   expected plain_http_rejected, found forwarded\n",
    ] {
        assert!(done.out.contains(line), "{line}{}", done.out);
    }
    let json = place.run("test cases.yaml --format json").code(1).json();
    assert_eq!(json[0]["differences"][0], serde_json::json!({ "field": "status", "expected": "200", "found": "404" }));
    assert_eq!((&json[0]["name"], &json[0]["ok"], &json[0]["notChecked"]), (&"elsewhere".into(), &false.into(), &serde_json::json!([])));
}

#[test]
fn what_only_a_backend_knows_does_not_pass() {
    let place = place("- { name: a, request: { url: \"https://shop.test/\" }, expect: { status: 200, headers: { X-A: b } } }\n");
    let done = place.run("test cases.yaml").code(0).tells(&["1 case: 0 ok, 0 failed, 1 skipped"]);
    assert_eq!(done.out, "skip  a\n      not checked: status, headers.x-a\n");
    let json = place.run("test cases.yaml --format json").code(0).json();
    assert_eq!(json[0]["ok"], serde_json::Value::Null);
}

#[test]
fn mistakes_in_cases_come_at_once_with_their_places() {
    let place = place(
        "\
- request: { url: shop.test }
  expect: { status: 20 }
- request: { uri: \"https://shop.test/\" }
  expect: {}
",
    );
    let done = place.run("test cases.yaml --format json").code(1);
    assert_eq!(done.out, "");
    done.tells(&[
        "error[InvalidValue]: `shop.test` has no scheme",
        "--> cases.yaml:1:19",
        "--> cases.yaml:2:21",
        "error[UnknownField]: unknown key \"uri\"",
        "did you mean \"url\"?",
        "--> cases.yaml:3:14",
        "--> cases.yaml:4:11",
    ]);
    place.file("empty.yaml", "[]\n");
    place.run("test empty.yaml").code(1).tells(&["there are no cases"]);
}

#[test]
fn wrong_command_lines_are_told_from_failures() {
    let place = place(PASSING);
    place.run("test").code(2);
    place.run("test nowhere.yaml").code(2).tells(&["nowhere.yaml cannot be read"]);
    place.run("test cases.yaml -f nowhere.yaml").code(2).tells(&["nowhere.yaml"]);
    place.run("test cases.yaml --against ftp://shop.test").code(2).tells(&["--against", "neither http nor https"]);
    place.run("test cases.yaml --against https://shop.test/a").code(2).tells(&["has a path"]);
    place.run("test cases.yaml --against https://shop.test --connect-to here").code(2).tells(&["HOST:PORT:HOST:PORT"]);
    place.run("test cases.yaml --against https://shop.test --cacert nowhere.pem").code(2).tells(&["nowhere.pem"]);
    place.run("test cases.yaml -f genkan.yaml --against https://shop.test").code(2).tells(&["--file", "--against"]);
    place.file("bad.yaml", "routs: []\n");
    place.run("test cases.yaml -f bad.yaml").code(1).tells(&["error[UnknownField]"]);
}

#[test]
fn cases_may_come_from_anywhere() {
    let place = place(PASSING);
    assert_eq!(place.run_with("test -", &[], PASSING).code(0).out.lines().count(), 3);
    assert_eq!(place.run("test cases.yaml cases.yaml").code(0).out.lines().count(), 6);
    place.file("more.yaml", GOOD);
    place.run_with("test cases.yaml", &[("GENKAN_FILE", "more.yaml\n"), ("GENKAN_CONNECT_TO", "")], "").code(0);
}
