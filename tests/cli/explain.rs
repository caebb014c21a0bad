//! `explain` over a configuration: what a request gets, and on what everything else lost.

use crate::support::{Done, Place, with};

const ROUTES: &str = "\
certificates:
  - secret: tls
listeners:
  - { name: https, address: \"127.0.0.1:8443\", protocol: HTTPS }
  - { name: http, address: \"127.0.0.1:8080\", protocol: HTTP }
routes:
  - hostnames: [shop.test]
    rules:
      - { path: /, backend: web }
      - { path: /api, timeouts: { request: 30s }, backend: api }
      - { path: /api, methods: [POST], backend: web }
      - { path: /api, headers: { X-Canary: \"1\" }, backend: canary }
      - { path: /api, queryParams: { v: \"2\" }, backend: canary }
      - { path: /api/cart, pathType: Exact, backend: web }
  - { hostnames: [moved.test], plainHttp: Redirect, backend: web }
  - { hostnames: [open.test], plainHttp: Allow, backend: web }
  - { hostnames: [broken.test], backend: nothing }
backends:
  - { name: web, endpoints: [\"127.0.0.1:9000\"] }
  - { name: api, endpoints: [\"127.0.0.1:9001\", \"127.0.0.1:9002\"] }
  - { name: canary, endpoints: [\"127.0.0.1:9003\"], assumeReady: true }
";

fn place() -> Place {
    with(ROUTES)
}

/// The line of a route, without the gaps between its columns.
#[track_caller]
fn fate(done: &Done, matches: &str) -> String {
    let squeezed = done.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut found = squeezed.filter(|line| line.contains(&format!(" {matches} ")) && (line.starts_with("won ") || line.starts_with("lost ")));
    found.next().unwrap_or_else(|| panic!("{matches} is not in\n{}", done.out))
}

#[test]
fn every_route_of_the_host_won_or_lost_for_a_reason() {
    let done = place().run("explain https://shop.test/api/x").code(0);
    for (matches, expected) in [
        ("PathPrefix /api", "won shop.test PathPrefix /api the most specific that matches"),
        ("PathPrefix /", "lost shop.test PathPrefix / path: the winner's is more specific"),
        ("PathPrefix /api [POST]", "lost shop.test PathPrefix /api [POST] method: is for another"),
        ("PathPrefix /api [x-canary: 1]", "lost shop.test PathPrefix /api [x-canary: 1] header x-canary: has another value, or is missing"),
        ("PathPrefix /api [?v=2]", "lost shop.test PathPrefix /api [?v=2] query parameter v: has another value, or is missing"),
        ("Exact /api/cart", "lost shop.test Exact /api/cart path: is for another"),
    ] {
        let line = fate(&done, matches);
        assert!(line.starts_with(expected) && line.contains(" ./genkan.yaml:"), "{line}\n{expected}");
    }
    done.says(&[
        "GET https://shop.test/api/x\n",
        "https on 127.0.0.1:8443",
        "tls for shop.test   (it names shop.test)",
        "3 more routes, for other hosts",
        "30 s in all",
        "127.0.0.1:9002 unknown   (nothing has asked it)",
        "forwarded to api   (forwarded)\n",
    ]);
}

#[test]
fn method_fields_and_query_are_those_of_the_request() {
    let place = place();
    let backend = |words: &[&str]| place.run_words(words).code(0).json()["outcome"]["backends"][0].clone();
    assert_eq!(backend(&["explain", "--format", "json", "https://shop.test/api"]), "api");
    assert_eq!(backend(&["explain", "--format", "json", "POST", "https://shop.test/api"]), "web");
    assert_eq!(backend(&["explain", "--format", "json", "-H", "X-Canary: 1", "https://shop.test/api"]), "canary");
    assert_eq!(backend(&["explain", "--format", "json", "https://shop.test/api?v=2"]), "canary");
    assert_eq!(backend(&["explain", "--format", "json", "https://shop.test/api?v=3"]), "api");
    assert_eq!(backend(&["explain", "--format", "json", "-H", "Host: shop.test", "https://other.test/api"]), "api");
    let done = place.run_words(&["explain", "--from", "192.0.2.7", "-H", "X-Forwarded-For: 10.0.0.1", "https://shop.test/"]).code(0);
    done.says(&["X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 10.0.0.1 is replaced"]);
}

#[test]
fn programs_get_every_step() {
    let trace = place().run("explain --format json https://a.shop.test/").code(1).json();
    assert_eq!((&trace["certificate"]["names"][0], &trace["outcome"]["status"]), (&"shop.test".into(), &404.into()));
    assert!(trace["certificate"]["why"].as_str().unwrap().contains("no certificate is for a.shop.test"), "{trace}");
    let trace = place().run("explain --format json https://shop.test/api/cart").code(0).json();
    assert_eq!(trace["candidates"].as_array().unwrap().iter().filter(|candidate| candidate["won"] == true).count(), 1);
    assert_eq!((&trace["others"], &trace["route"]["place"]), (&3.into(), &"./genkan.yaml:14:9".into()));
    assert_eq!(trace["backends"][0]["endpoints"][0]["state"], "unknown");
    assert_eq!(trace["outcome"]["reason"], "forwarded");
}

#[test]
fn plain_http_is_refused_redirected_or_forwarded() {
    let place = place();
    for (url, status, location, reason) in [
        ("http://shop.test/", 426, None, "plain_http_rejected"),
        ("http://moved.test/a?b", 308, Some("https://moved.test/a?b"), "redirect"),
        ("http://moved.test:8080/a", 308, Some("https://moved.test:8443/a"), "redirect"),
    ] {
        let outcome = place.run(&format!("explain --format json {url}")).code(0).json()["outcome"].clone();
        assert_eq!((&outcome["status"], outcome["location"].as_str(), outcome["reason"].as_str()), (&status.into(), location, Some(reason)), "{url}");
    }
    place.run("explain http://open.test/").code(0).says(&["forwarded to web"]);
}

/// A certificate for it makes a host ours: the data path redirects it too.
#[test]
fn a_host_that_only_a_certificate_names_is_redirected() {
    let place = with(
        "\
certificates: [{ secret: tls }]
listeners:
  - { name: https, address: \"127.0.0.1:8443\", protocol: HTTPS }
  - { name: http, address: \"127.0.0.1:8080\", protocol: HTTP, plainHttp: Redirect }
defaultBackend: web
backends: [{ name: web, endpoints: [\"127.0.0.1:9000\"] }]
",
    );
    place.run("explain http://shop.test/").code(0).says(&["308, redirected to https://shop.test/"]);
    place.run("explain http://other.test/").code(0).says(&["426, "]);
}

#[test]
fn what_leads_nowhere_says_so() {
    let place = place();
    place.run("explain https://none.test/").code(1).says(&["none is for this host", "404, ", "(no_route)"]);
    place.run("explain https://broken.test/").code(0).says(&["500, the route cannot be served", "(route_broken)"]);
    let ambiguous = place.run("explain https://shop.test/a/..%2Fb").code(0).says(&["400, ", "(bad_request)"]);
    assert!(!ambiguous.out.contains("none is for this host"), "{}", ambiguous.out);
    let deaf = with(&ROUTES.replace("  - { name: http, address: \"127.0.0.1:8080\", protocol: HTTP }\n", ""));
    deaf.run("explain http://shop.test/").code(1).says(&["nothing listens there   (no_listener)"]);
}

#[test]
fn what_is_no_request_is_a_wrong_command_line() {
    let place = place();
    place.run("explain ftp://shop.test/").code(2).tells(&["neither http nor https"]);
    place.run("explain https:///a").code(2);
    place.run("explain https://shop.test/ -H nonsense").code(2).tells(&["'name: value'"]);
    place.run("explain https://shop.test/ --from here").code(2);
    place.run("explain").code(2);
    place.run("explain https://shop.test/ -f nowhere.yaml").code(2).tells(&["nowhere.yaml"]);
    with("routs: []\n").run("explain https://shop.test/").code(1).tells(&["error[UnknownField]"]);
}

/// The image sets the variable for everything that runs in it.
#[test]
fn a_configuration_and_a_process_exclude_each_other_and_a_flag_beats_a_variable() {
    let place = place();
    place.run("explain https://shop.test/ -f genkan.yaml --admin 127.0.0.1:1").code(2).tells(&["--file", "--admin"]);
    let variables = [("GENKAN_ADMIN", "127.0.0.1:1"), ("GENKAN_FILE", "nowhere.yaml")];
    place.run_with("explain https://shop.test/ -f genkan.yaml", &variables[..1], "").code(0);
    place.run_with("explain https://shop.test/ --admin 127.0.0.1:1", &variables[1..], "").code(1).tells(&["no answer from 127.0.0.1:1"]);
    place.run_with("explain https://shop.test/", &variables, "").code(2).tells(&["nowhere.yaml"]);
    place.run_with("explain https://shop.test/", &variables[..1], "").code(1).tells(&["no answer from 127.0.0.1:1"]);
}
