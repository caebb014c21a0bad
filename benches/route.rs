//! What finding a route costs, by how many there are. Run with `cargo bench --bench route`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use genkan::model::{Conditions, HostPattern, Match, PathMatch};
use genkan::route::{Request, Table, candidates, normalize_path};
use http::{HeaderMap, Method};

fn rule(host: &str, path: &str) -> Match {
    Match { hosts: HostPattern::parse(host).into_iter().collect(), path: PathMatch::prefix(path), conditions: Conditions::default() }
}

fn find(criterion: &mut Criterion, name: &str, rules: usize, table: &Table<usize>, host: &str, path: &str) {
    let (method, headers) = (Method::GET, HeaderMap::new());
    criterion.bench_with_input(BenchmarkId::new(name, rules), table, |bencher, table| {
        bencher.iter(|| {
            let path = normalize_path(black_box(path)).unwrap_or_default();
            let request = Request { host: Some(black_box(host)), path: &path, query: None, method: &method, headers: &headers };
            table.find_certain(&request).map(Option::<&usize>::copied)
        });
    });
}

fn routes(criterion: &mut Criterion) {
    for rules in [1, 100, 10_000] {
        let table = Table::build((0..rules).map(|n| (rule(&format!("host-{n}.shop.test"), "/"), n)));
        let host = format!("host-{}.shop.test", rules - 1);
        find(criterion, "hosts", rules, &table, &host, "/products/17/images/front.jpg");
        find(criterion, "no such host", rules, &table, "other.shop.test", "/products/17/images/front.jpg");
    }
    // What nobody pays who does not ask: another function over the same routes.
    let explained: Vec<Match> = (0..100).map(|n| rule(&format!("host-{n}.shop.test"), "/")).collect();
    criterion.bench_function("explained/100", |bencher| {
        let (method, headers) = (Method::GET, HeaderMap::new());
        let request = Request { host: Some("host-50.shop.test"), path: "/products", query: None, method: &method, headers: &headers };
        bencher.iter(|| candidates(black_box(&request), &explained).len());
    });
    let rules = 10_000;
    let table = Table::build((0..rules).map(|n| (rule("shop.test", &format!("/products/{n}")), n)));
    find(criterion, "paths", rules, &table, "shop.test", "/products/9999/images/front.jpg");
    find(criterion, "no such path", rules, &table, "shop.test", "/articles/9999/images/front.jpg");
    find(criterion, "path with an encoded slash", rules, &table, "shop.test", "/products/9999/images%2Ffront.jpg");
}

criterion_group!(benches, routes);
criterion_main!(benches);
