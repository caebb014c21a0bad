//! Commands that ask a process that serves: `explain --admin` and `test --against`.

use crate::serving::{Configuration, DEADLINE, Reply, TestBackend, TestProxy, backend, wait_until};
use crate::support::{Done, Place};

/// Two backends, of which the second is never ready.
async fn proxy(web: &TestBackend, sick: &TestBackend) -> TestProxy {
    let configuration = Configuration::default()
        .http("plainHttp: Redirect")
        .backend("web", &backend(web.address))
        .backend("sick", &backend(sick.address))
        .route("{ hostnames: [\"*.example.test\"], backend: web }")
        .route("{ hostnames: [\"*.example.test\"], path: /sick, backend: sick }");
    let proxy = TestProxy::start(&configuration).await;
    proxy.wait_ready("web").await;
    proxy
}

/// Off the runtime, which has backends to run.
async fn run(place: Place, words: Vec<String>) -> Done {
    let run = move || place.run_words(&words.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_asks_a_process_for_the_state_of_endpoints() {
    let (web, sick) = (TestBackend::start().await, TestBackend::start().await);
    sick.set_healthy(false);
    let proxy = proxy(&web, &sick).await;
    let admin = proxy.admin_address();
    let explain = async |rest: &str| run(Place::new(), words(&format!("explain --admin {admin} {rest}"))).await;

    let done = explain("https://shop.example.test/").await.code(0);
    done.says(&[&format!("{} ready", web.address), "forwarded to web   (forwarded)", "*.example.test PathPrefix /sick"]);
    let asked = "/api/v1/explain?url=https://shop.example.test/sick";
    wait_until("the sick endpoint was asked", DEADLINE, async || proxy.admin(asked).await.text().contains("not_ready")).await;
    let trace = explain("--format json https://shop.example.test/sick").await.code(0).json();
    let endpoint = &trace["backends"][0]["endpoints"][0];
    assert_eq!((&endpoint["state"], &endpoint["address"]), (&"not_ready".into(), &sick.address.to_string().into()));
    assert!(endpoint["reason"].as_str().unwrap().contains("503"), "{trace}");
    assert_eq!((&trace["outcome"]["status"], &trace["outcome"]["reason"]), (&503.into(), &"failed_to_pick_backend".into()));

    explain("https://other.test/").await.code(1).says(&["(no_route)"]);
    // A word in the request is not the outcome.
    explain("https://shop.example.test/no_route").await.code(0);
    explain("--format json https://shop.example.test/no_route").await.code(0);
    explain("-H X:1 --from 192.0.2.7 POST https://shop.example.test/?a=b&c").await.code(0).says(&["X-Forwarded-For: 192.0.2.7", "POST https"]);
    assert_eq!(web.request_count(), 0, "nothing is sent anywhere");
}

fn cases(place: &Place, text: &str) {
    place.file("cases.yaml", text);
}

/// Both ports are the kernel's.
fn against(proxy: &TestProxy, more: &str) -> Vec<String> {
    let (https, http) = (proxy.listener("https"), proxy.listener("http"));
    words(&format!("test cases.yaml --against https://edge.test --connect-to edge.test:443:{https} --connect-to :80:{http} {more}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_sent_to_a_running_edge() {
    let web = TestBackend::answering(|seen| Reply::with(201, &[("x-seen", seen.head.get("x-a").unwrap_or("-")), ("x-seen", "2")], "")).await;
    let sick = TestBackend::start().await;
    sick.set_healthy(false);
    let proxy = proxy(&web, &sick).await;
    let place = Place::new();
    place.file("ca.pem", proxy.certificates.root_pem());
    cases(
        &place,
        "\
- name: forwarded
  request: { method: POST, url: \"https://shop.example.test/a?b\", headers: { X-A: c }, body: hello }
  expect: { status: 201, headers: { X-Seen: c }, certificate: shop.example.test, backend: web }
- name: redirected
  request: { url: \"http://shop.example.test/a\" }
  expect: { status: 308, location: \"https://shop.example.test/a\", headers: { Location: \"https://shop.example.test/a\" } }
- name: no route
  request: { url: \"https://other.test/\" }
  expect: { status: 404, certificate: localhost, reason: no_route }
- name: not ready
  request: { url: \"https://shop.example.test/sick\" }
  expect: { status: 503, headers: { Retry-After: 1 } }
- name: unseen
  request: { url: \"https://shop.example.test/\" }
  expect: { backend: web }
",
    );
    let done = run(place, against(&proxy, "")).await.code(0).tells(&["4 ok, 0 failed, 1 skipped", "3 expectations not checked (backend, reason)"]);
    assert_eq!(done.out.lines().filter(|line| line.starts_with("ok ")).count(), 4, "{}", done.out);
    let seen = &web.requests()[0];
    assert_eq!((seen.body.as_slice(), seen.head.get("host")), (b"hello".as_slice(), Some("shop.example.test")));
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_of_a_running_edge_are_told() {
    let (web, sick) = (TestBackend::start().await, TestBackend::start().await);
    let proxy = proxy(&web, &sick).await;
    let text = "\
- name: wrong
  request: { url: \"https://shop.example.test/\" }
  expect: { status: 404, headers: { X-A: b }, certificate: other.test, location: /x }
";
    let place = Place::new();
    cases(&place, text);
    let json = run(place, against(&proxy, "--format json")).await.code(1).json();
    let found: Vec<String> = json[0]["differences"].as_array().unwrap().iter().map(|one| format!("{}: {}", one["field"], one["found"])).collect();
    let expected = [r#""status": "200""#, r#""headers.x-a": "absent""#, r#""location": "absent""#, r#""certificate": "localhost, *.example.test""#];
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_verified_where_that_is_asked_for() {
    let (web, sick) = (TestBackend::start().await, TestBackend::start().await);
    let proxy = proxy(&web, &sick).await;
    for (name, host, code) in [("root", "shop.example.test", 0), ("stranger", "shop.example.test", 1), ("root", "other.test", 1)] {
        let place = Place::new();
        let stranger = crate::serving::TestCertificates::new();
        place.file("root.pem", proxy.certificates.root_pem());
        place.file("stranger.pem", stranger.root_pem());
        let status = if host == "other.test" { 404 } else { 200 };
        cases(&place, &format!("- {{ request: {{ url: \"https://{host}/\" }}, expect: {{ status: {status} }} }}\n"));
        let done = run(place, against(&proxy, &format!("--cacert {name}.pem"))).await.code(code);
        assert_eq!(done.out.contains("no answer: no handshake: "), code == 1, "{name} {host}\n{}", done.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_is_not_there_fails_every_case_and_a_refusal_can_be_expected() {
    // Its port is kept, so that nobody else listens there meanwhile.
    let nobody = TestBackend::not_listening(|exchange| async move { Ok(exchange) });
    let place = Place::new();
    cases(&place, "- { name: a, request: { url: \"https://a.test/\" }, expect: { status: 200 } }\n");
    let done = run(place, words(&format!("test cases.yaml --against https://{}", nobody.address))).await.code(1);
    assert!(done.out.contains("expected 200, found no answer: no connection: "), "{}", done.out);

    let web = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&web).more("unknownServerName: Refuse")).await;
    let place = Place::new();
    cases(&place, "- { name: a, request: { url: \"https://a.test/\" }, expect: { reason: handshake_refused } }\n");
    let done = run(place, against(&proxy, "")).await.code(0);
    assert_eq!(done.out, "ok    a\n");
}
