//! The status page as people get it: in a browser, live and without scripts, in light and dark, on a screen and on a
//! phone, for eyes and for screen readers; and as bytes, with a thousand of everything.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::support::browser::Browser;
use super::support::{Configuration, DEADLINE, Reply, TestBackend, TestProxy, wait_until};

const VIEWS: [&str; 7] = ["/", "/health", "/routes", "/certificates", "/report", "/failures", "/explain"];

fn address(proxy: &TestProxy, path: &str) -> String {
    format!("http://{}{path}", proxy.admin_address())
}

/// Two backends, one of them with trouble; a route that is never taken; requests, of which some went wrong.
async fn eventful(web: &TestBackend, api: &TestBackend) -> TestProxy {
    api.set_healthy(false);
    let configuration = Configuration::of(web)
        .backend(
            "api",
            &format!(
                "{{ endpoints: [\"{}\", \"127.0.0.1:1\"], readinessProbe: {{ httpGet: {{ path: /healthz }}, periodSeconds: 1 }} }}",
                api.address
            ),
        )
        .route("{ hostnames: [shop.example.test], rules: [{ path: /api, backend: api }, { path: /, backend: web }] }")
        .route("{ name: late, hostnames: [shop.example.test], path: /api, backend: web }");
    let proxy = TestProxy::start(&configuration).await;
    proxy.wait_ready("web").await;
    let mut client = proxy.https().await.named("shop.example.test");
    for path in ["/", "/cart", "/broken", "/api/x"] {
        client.get(path).await;
    }
    proxy
}

async fn shop() -> TestBackend {
    TestBackend::answering(|seen| match seen.head.target() {
        "/broken" => Reply::with(500, &[], "no"),
        _ => Reply::text("hello"),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_turns_ready_before_ones_eyes() {
    let Some(mut browser) = Browser::start() else { return };
    let (web, api) = (shop().await, TestBackend::start().await);
    let proxy = eventful(&web, &api).await;
    browser.open(&address(&proxy, "/health?q=api"));
    browser.evaluate("window.same = true");
    browser.wait("document.querySelector('h2 .bad')?.textContent === '0 of 2 ready'");
    browser.wait("document.querySelector('td .state.bad')?.nextElementSibling?.nextElementSibling?.textContent.includes('503') ?? false");
    browser.evaluate("document.querySelector('input').value = 'half a wor'");
    api.set_healthy(true);
    browser.wait("document.querySelector('h2 .warn')?.textContent === '1 of 2 ready'");
    browser.wait("document.querySelectorAll('.strip .pass').length > 0 && document.getElementById('live').textContent.startsWith('Live')");
    assert_eq!(browser.evaluate("window.same === true"), true, "it has not been read again");
    assert_eq!(browser.evaluate("document.querySelector('input').value"), "half a wor", "what is being typed stays");

    // Whoever wants to read in peace stops it.
    browser.evaluate("document.getElementById('pause').click()");
    api.set_healthy(false);
    proxy.wait_not_ready("api").await;
    assert_eq!(browser.evaluate("document.querySelector('h2 .state').textContent"), "1 of 2 ready");
    browser.evaluate("document.getElementById('pause').click()");
    browser.wait("document.querySelector('h2 .state').textContent === '0 of 2 ready'");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_explain_form_says_where_a_request_goes() {
    let Some(mut browser) = Browser::start() else { return };
    let (web, api) = (shop().await, TestBackend::start().await);
    let proxy = eventful(&web, &api).await;
    browser.open(&address(&proxy, "/"));
    browser.evaluate("[...document.querySelectorAll('nav a')].find((link) => link.textContent === 'Explain').click()");
    browser.wait("document.readyState === 'complete' && document.querySelector('h1')?.textContent === 'Explain'");
    browser.evaluate("document.getElementById('url').value = 'https://shop.example.test/api/x?y=1'; document.getElementById('headers').value = 'X-A: <b>&\\nX-B: 2'; document.querySelector('form button').click()");
    browser.wait("document.readyState === 'complete' && document.getElementById('trace') !== null");
    let trace = browser.evaluate("document.getElementById('trace').textContent");
    let trace = trace.as_str().unwrap();
    assert!(trace.starts_with("GET https://shop.example.test/api/x?y=1\n") && trace.contains("api") && trace.contains("not_ready"), "{trace}");
    assert_eq!(browser.evaluate("document.getElementById('headers').value"), "X-A: <b>&\nX-B: 2", "the form keeps what was asked");

    browser.evaluate("document.getElementById('url').value = 'ftp://x.test/'; document.querySelector('form button').click()");
    browser.wait("document.getElementById('problem')?.textContent.includes('neither http nor https') ?? false");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// Where the accessibility checker is, once it has been fetched.
fn axe() -> Option<String> {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/suites/axe/package/axe.min.js");
    let script = fs::read_to_string(&place).ok();
    assert!(script.is_some() || std::env::var_os("CI").is_none(), "axe-core is to be where the tests run for everybody: {}", place.display());
    script
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_is_whole_in_light_and_dark_and_on_a_phone() {
    let Some(mut browser) = Browser::start() else { return };
    let axe = axe();
    let (web, api) = (shop().await, TestBackend::start().await);
    let proxy = eventful(&web, &api).await;
    let shots = std::env::var_os("GENKAN_SCREENSHOTS").map(PathBuf::from);
    for (width, dark) in [(1200, false), (1200, true), (320, false), (320, true)] {
        browser.look(width, dark);
        for view in VIEWS {
            let query = if view == "/explain" { "?url=https%3A%2F%2Fshop.example.test%2Fapi" } else { "" };
            browser.open(&address(&proxy, &format!("{view}{query}")));
            let wide = browser.evaluate("document.documentElement.scrollWidth");
            assert!(wide.as_u64().unwrap() <= width.into(), "{view} at {width} is {wide} wide");
            let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor");
            assert_eq!(ground, if dark { "rgb(25, 24, 22)" } else { "rgb(251, 250, 247)" }, "{view}");
            if let Some(axe) = &axe {
                browser.evaluate(&format!("{axe}; undefined"));
                let found =
                    browser.evaluate("axe.run().then((found) => found.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html).join('\\n')))");
                assert_eq!(found, json!([]), "{view} at {width}, dark: {dark}");
            }
            if let Some(shots) = &shots {
                let name = if view == "/" { "overview" } else { &view[1..] };
                browser.screenshot(&shots.join(format!("{name}-{width}-{}.png", if dark { "dark" } else { "light" })));
            }
        }
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_whole_without_scripts() {
    let Some(mut browser) = Browser::start() else { return };
    let (web, api) = (shop().await, TestBackend::start().await);
    let proxy = eventful(&web, &api).await;
    browser.scripts(false);
    for (view, words) in [
        ("/", "partly ready"),
        ("/health", "0 of 2 ready"),
        ("/routes?q=shop", "PathPrefix /api"),
        ("/certificates", "days left"),
        ("/report", "RouteConflict"),
        ("/failures", "/broken"),
        ("/explain?url=https://shop.example.test/cart", "forwarded"),
    ] {
        let answer = proxy.admin(view).await;
        assert_eq!((answer.status, answer.get("content-type")), (200, Some("text/html; charset=utf-8")), "{view}");
        if view != "/" {
            assert!(answer.text().contains(words), "{view}: {}", answer.text());
        }
        browser.open(&address(&proxy, view));
    }
}

#[tokio::test]
async fn what_others_wrote_stays_text() {
    let web = shop().await;
    let configuration = Configuration::of(&web).backend("\"<script>alert(1)</script>\"", &format!("{{ endpoints: [\"{}\"] }}", web.address));
    let proxy = TestProxy::start(&configuration).await;
    proxy.wait_ready("web").await;
    proxy.https().await.get("/broken/<script>alert(2)</script>").await;
    proxy.https().await.request("GET", "/broken", &[("traceparent", "<script>")], b"").await;
    for view in ["/", "/health", "/failures", "/routes", "/report", "/health?q=%3Cscript%3E", "/explain?url=%22%3E%3Cscript%3E&method=%3Cscript%3E"] {
        let answer = proxy.admin(view).await;
        assert_eq!(answer.status, 200, "{view}");
        assert!(!answer.text().to_lowercase().contains("<script>"), "{view}: {}", answer.text());
        let policy = answer.get("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    }
    let wrong = proxy.admin("/routes?offset=-1").await;
    assert!(wrong.status == 400 && wrong.text().contains("offset is a whole number"), "{}", wrong.text());
}

#[tokio::test]
async fn a_page_of_a_thousand_routes_and_endpoints_is_small() {
    let web = shop().await;
    let endpoints: Vec<String> = (1..=1000).map(|n| format!("\"127.1.{}.{}:9\"", n / 250, n % 250 + 1)).collect();
    let mut configuration = Configuration::of(&web)
        .backend("many", &format!("{{ endpoints: [{}], readinessProbe: {{ httpGet: {{ path: / }}, periodSeconds: 1 }} }}", endpoints.join(", ")));
    for n in 0..1000 {
        configuration = configuration
            .route(&format!("{{ hostnames: [host-{n}.a-rather-long-name.example.test], rules: [{{ path: /api/v{n}, backend: many }}] }}"));
    }
    let proxy = TestProxy::start(&configuration).await;
    // Strips are full only after a while; a few bars are there soon.
    wait_until("they have been probed", DEADLINE, async || proxy.admin("/health?q=many").await.text().contains("last 3 passed")).await;
    for (view, words) in [
        ("/", "many: 0 of 1000 endpoints ready"),
        ("/health?q=many", "1 to 50 of 1000"),
        ("/health?q=many&offset=950", "951 to 1000 of 1000"),
        ("/routes?q=host-", "1 to 50 of 1000"),
        ("/routes?q=host-999", "1 to 1 of 1"),
    ] {
        let answer = proxy.admin(view).await;
        assert!(answer.body.len() < 100_000, "{view} is {} bytes", answer.body.len());
        assert!(answer.text().contains(words), "{view} has no {words:?}: {}", answer.text());
    }
}

#[tokio::test]
async fn there_are_not_more_who_watch_than_there_is_room_for() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let web = shop().await;
    let proxy = TestProxy::of(&web).await;
    let watch = async || {
        let mut stream = tokio::net::TcpStream::connect(proxy.admin_address()).await.unwrap();
        stream.write_all(b"GET /events?of=/health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        (String::from_utf8_lossy(&head).into_owned(), stream)
    };
    let mut watching = Vec::new();
    for _ in 0..16 {
        let (head, stream) = watch().await;
        assert_eq!(head, "HTTP/1.1 200");
        watching.push(stream);
    }
    assert_eq!(watch().await.0, "HTTP/1.1 503");
    assert_eq!(proxy.admin("/readyz").await.status, 200, "probes have their own room");
    watching.pop();
    wait_until("there is room again", DEADLINE, async || watch().await.0 == "HTTP/1.1 200").await;
}
