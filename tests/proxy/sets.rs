//! Route sets, and hosts that stand for others.

use genkan::model::{Action, Alias, Behaviour, PlainHttp, Target};

use super::support::edge::{self, Edge};
use super::support::{Http1, Reply, TestBackend};

/// A listener with a name and a set of its own.
fn listener(name: &str, set: &str) -> genkan::model::Listener {
    genkan::model::Listener { name: name.to_owned(), route_set: set.into(), ..edge::https() }
}

fn route(name: &str, host: &str) -> genkan::model::Route {
    edge::route(name, host, Behaviour::Genkan)
}

#[tokio::test]
async fn a_request_takes_the_routes_of_its_listeners_set() {
    let (one, two) = (TestBackend::named("one").await, TestBackend::named("two").await);
    let sets = || vec![edge::set("", Behaviour::Genkan, vec![route("one", "")]), edge::set("shop/web", Behaviour::Genkan, vec![route("two", "")])];
    let backends = || vec![edge::backend("one", &one), edge::backend("two", &two)];
    let (first, second) = (edge::https(), listener("second", "shop/web"));
    let edge = Edge::serving(edge::snapshot(vec![first.clone(), second.clone()], sets(), backends())).await;
    assert_eq!(edge.https().await.get("/").await.text(), "one");
    let mut kept = edge.client("second").http1().await;
    assert_eq!(kept.get("/").await.text(), "two");

    // Its connections stay, and find nothing: what is shared was never meant for them.
    let mut after = edge::snapshot(vec![first], vec![sets().remove(0)], backends());
    after.certificates = vec![];
    edge.publish(after).await;
    let answer = kept.get("/").await;
    assert_eq!((answer.status, answer.get("proxy-status")), (404, Some("genkan; error=destination_not_found")));
}

#[tokio::test]
async fn an_alias_leads_to_its_set_on_any_listener() {
    let (one, two) = (TestBackend::named("one").await, TestBackend::named("two").await);
    let mut own = edge::set("shop/web", Behaviour::Genkan, vec![route("two", "shop.example.test")]);
    own.alias = Some(Alias { host: edge::host("web.shop.localhost"), stands_for: Some(edge::host("shop.example.test")) });
    let sets = vec![edge::set("", Behaviour::Genkan, vec![route("one", "")]), own];
    let edge = Edge::serving(edge::snapshot(vec![edge::https()], sets, vec![edge::backend("one", &one), edge::backend("two", &two)])).await;
    let mut client = edge.https().await;
    assert_eq!(client.get("/").await.text(), "one");
    let mut client = client.named("web.shop.localhost:8443");
    assert_eq!(client.get("/").await.text(), "two");
    let seen = two.only_request().head;
    assert_eq!((seen.get("host"), seen.get("x-forwarded-host")), (Some("shop.example.test"), Some("web.shop.localhost:8443")));
}

#[tokio::test]
async fn an_alias_of_its_own_keeps_its_name() {
    let web = TestBackend::named("web").await;
    let mut own = edge::set("shop/web", Behaviour::Genkan, vec![route("web", "")]);
    own.alias = Some(Alias { host: edge::host("web.shop.localhost"), stands_for: None });
    let sets = vec![edge::set("", Behaviour::Genkan, Vec::new()), own];
    let edge = Edge::serving(edge::snapshot(vec![edge::https()], sets, vec![edge::backend("web", &web)])).await;
    assert_eq!(edge.https().await.get("/").await.status, 404);
    assert_eq!(edge.https().await.named("web.shop.localhost").get("/").await.text(), "web");
    assert_eq!(web.only_request().head.get("host"), Some("web.shop.localhost"));
}

#[tokio::test]
async fn every_host_also_answers_below_localhost() {
    let web = TestBackend::answering(|_| {
        let fields =
            [("location", "https://a.example.test/next?x=1"), ("set-cookie", "one=1; Domain=.example.test; Path=/"), ("set-cookie", "two=2; Path=/")];
        Reply::with(302, &fields, "")
    })
    .await;
    let mut routed = route("web", "*.example.test");
    routed.plain_http = Some(PlainHttp::Allow);
    let sets = vec![edge::set("", Behaviour::Genkan, vec![routed])];
    let mut snapshot = edge::snapshot(vec![edge::https(), edge::http(None)], sets, vec![edge::backend("web", &web)]);
    snapshot.localhost_aliases = true;
    let edge = Edge::serving(snapshot).await;

    let port = edge.listener("https").port();
    let answer = edge.https().await.named(&format!("a.example.test.localhost:{port}")).get("/").await;
    assert_eq!(answer.get("location"), Some(&*format!("https://a.example.test.localhost:{port}/next?x=1")));
    assert_eq!(answer.head.all("set-cookie"), ["one=1; Path=/", "two=2; Path=/"]);
    let seen = web.only_request().head;
    assert_eq!((seen.get("host"), seen.get("x-forwarded-host")), (Some("a.example.test"), Some(&*format!("a.example.test.localhost:{port}"))));

    let http_port = edge.listener("http").port();
    let mut plain = Http1::plain(edge.listener("http")).await.named(&format!("b.example.test.localhost:{http_port}"));
    let answer = plain.get("/").await;
    assert_eq!(answer.get("location"), Some(&*format!("https://a.example.test.localhost:{port}/next?x=1")), "another host of ours");
    assert_eq!(web.last_request().head.get("host"), Some("b.example.test"));

    // By its own name nothing is changed, and what no route knows is no alias.
    let answer = edge.https().await.named("a.example.test").get("/").await;
    assert_eq!(answer.get("location"), Some("https://a.example.test/next?x=1"));
    assert_eq!(answer.head.all("set-cookie")[0], "one=1; Domain=.example.test; Path=/");
    assert_eq!(edge.https().await.named("other.test.localhost").get("/").await.status, 404);
}

#[tokio::test]
async fn a_redirect_to_https_has_the_routes_status() {
    let web = TestBackend::named("web").await;
    let with = |name: &str, host: &str, status: Option<u16>| {
        let mut route = route(name, host);
        route.plain_http = Some(PlainHttp::Redirect);
        route.https_redirect = status.map(|status| http::StatusCode::from_u16(status).unwrap());
        route.action = Action::Forward(vec![Target { backend: "web".to_owned(), weight: 1 }]);
        route
    };
    let routes = vec![with("a", "a.example.test", Some(301)), with("b", "b.example.test", Some(302)), with("c", "c.example.test", None)];
    let sets = vec![edge::set("", Behaviour::Genkan, routes)];
    let edge = Edge::serving(edge::snapshot(vec![edge::http(None), edge::https()], sets, vec![edge::backend("web", &web)])).await;
    for (host, status) in [("a.example.test", 301), ("b.example.test", 302), ("c.example.test", 308)] {
        let answer = Http1::plain(edge.listener("http")).await.named(host).get("/x?y").await;
        assert_eq!((answer.status, answer.get("location")), (status, Some(&*format!("https://{host}/x?y"))));
    }
    assert_eq!(web.request_count(), 0);
}
