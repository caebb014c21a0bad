//! What breaks around the program while it serves: processes that are killed, a disk that is full. What certificates,
//! names, descriptors and slow peers do is in `reload`, `health` and `limits`.

use std::fs::OpenOptions;
use std::net::SocketAddr;

use super::nginx::{self, Nginx, free_address};
use super::support::{Configuration, DEADLINE, Load, TestBackend, TestProxy, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_killed_takes_no_request_with_it() {
    if !nginx::is_here() {
        return;
    }
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Of an address of their own: a port of a process that was killed is anybody's, also another test's.
    let addresses = [free_address(), free_address()].map(|address| SocketAddr::new([127, 66, 0, 1].into(), address.port()));
    let start = |index: usize| Nginx::start(directories[index].path(), addresses[index]).expect("nginx can be started");
    let mut running = [Some(start(0)), Some(start(1))];
    let probe = "readinessProbe: { httpGet: { path: /healthz }, periodSeconds: 1 }";
    let web = format!(r#"{{ endpoints: ["{}", "{}"], {probe} }}"#, addresses[0], addresses[1]);
    let configuration = Configuration::default().backend("web", &web).more("defaultBackend: web").more("accessLog: { format: off }");
    let proxy = TestProxy::serving(&configuration).await;
    // Fewer at a time than are always sent once more, however slow the machine: ten in a second.
    let load = Load::on_open_connections(&proxy, 8);
    for index in [0, 1, 0] {
        wait_until("both are ready", DEADLINE, async || proxy.ready_endpoints("web").await == 2).await;
        load.go_on(200).await;
        // Dropping it is a SIGKILL: the kernel closes its connections, requests on them or not.
        running[index] = None;
        load.go_on(200).await;
        running[index] = Some(start(index));
    }
    load.finish().await;
}

#[tokio::test]
async fn a_full_disk_under_the_access_log_costs_lines_and_no_request() {
    let backend = TestBackend::start().await;
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let proxy = TestProxy::start_writing_to(&Configuration::of(&backend), full).await;
    proxy.wait_ready("web").await;
    let mut client = proxy.https().await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let lost = async || proxy.metric("genkan_access_log_dropped_total", &[]).await;
    wait_until("the lines are counted", DEADLINE, async || lost().await == Some(100.0)).await;
}
