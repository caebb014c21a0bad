//! `genkan dev`: manifests on a laptop, with the local CA, under names that browsers find without any set-up; tried with
//! what the start block says, pasted as it is, and with a browser that trusts the local CA.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::manifests::{behind, ingress, map, shipped};
use super::nginx::{self, Nginx};
use super::support::{DEADLINE, Reply, TestBackend, TestProxy, command, wait_until};

/// Serves manifests as on a laptop, on ports that the kernel picks.
async fn dev(prepare: impl FnOnce(&Path) -> Vec<String>) -> TestProxy {
    let mut proxy = TestProxy::spawn_command("dev", |directory, _| {
        let objects = directory.join("objects");
        fs::create_dir_all(&objects).unwrap();
        let mut arguments = vec!["objects".to_owned()];
        arguments.extend(["--https", "0", "--http", "0", "--admin", "0"].map(str::to_owned));
        arguments.extend(prepare(&objects));
        arguments
    });
    proxy.started().await;
    proxy
}

/// The only part of the local CA that may leave.
fn local_ca(proxy: &TestProxy) -> PathBuf {
    proxy.directory.path().join("data/genkan/ca/ca.crt")
}

/// curl without any option that would make it trust or find more than a browser does.
async fn curl(proxy: &TestProxy, arguments: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "10", "--cacert"]).arg(local_ca(proxy)).args(arguments);
    let output = run(curl).await;
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Off the runtime, which has backends to run.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the program can be started")).await.unwrap()
}

/// A line of the start block, once it is there.
async fn block_line(proxy: &TestProxy, words: &[&str]) -> String {
    wait_until("the start block is whole", DEADLINE, async || proxy.stderr().iter().any(|line| line.starts_with("Ctrl-C stops"))).await;
    let lines = proxy.stderr();
    let found = lines.iter().find(|line| words.iter().all(|word| line.contains(word)));
    found.unwrap_or_else(|| panic!("no line with {words:?} in\n{}", lines.join("\n"))).trim().to_owned()
}

/// Says who asked for what, and moves those who ask for it to another place of the same host.
async fn shop() -> TestBackend {
    TestBackend::answering(|seen| {
        let cookie = ("set-cookie", "session=1; Domain=shop.example.com; Path=/");
        let host = seen.head.get("host").unwrap_or_default();
        match seen.head.target() {
            "/old" => Reply::with(302, &[("location", "https://shop.example.com/new"), cookie], ""),
            _ => Reply::with(200, &[("content-type", "text/plain")], format!("{} for {host}", seen.head.target())),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_of_the_manifests_answers_under_localhost_with_the_local_ca() {
    let shop = shop().await;
    let proxy = dev(|objects| {
        let text = ingress("shop", "", "shop.example.com", &[("/", "web"), ("/lost", "nowhere")]);
        let text = text.replacen(&behind("nowhere", ""), "", 1) + &behind("api", "");
        let foreign = ingress("api", "kubernetes.io/ingress.class: nginx", "api.shop.test", &[("/", "api")]).replacen(&behind("api", ""), "", 1);
        fs::write(objects.join("shop.yaml"), text).unwrap();
        fs::write(objects.join("foreign.yaml"), foreign).unwrap();
        [map("web", shop.address), map("api", shop.address)].concat()
    })
    .await;
    proxy.wait_ready("default/web:80").await;
    let https = proxy.listener("https");
    let port = https.port();
    assert!(https.ip().is_loopback() && proxy.listener("http").ip().is_loopback() && proxy.admin_address().ip().is_loopback());

    // By the alias, which curl and browsers take for loopback. The certificate is made on first use.
    let alias = format!("https://shop.example.com.localhost:{port}");
    assert_eq!(curl(&proxy, &[&format!("{alias}/a?b=c")]).await, "/a?b=c for shop.example.com");
    assert_eq!(shop.last_request().head.get("x-forwarded-host"), Some(&*format!("shop.example.com.localhost:{port}")));
    let moved = curl(&proxy, &["--head", &format!("{alias}/old")]).await;
    assert!(moved.contains(&format!("location: {alias}/new\r\n")) && moved.contains("set-cookie: session=1; Path=/\r\n"), "{moved}");
    // An Ingress of another class, served as ours; each Ingress alone, where the other's hosts are unknown.
    assert_eq!(curl(&proxy, &[&format!("https://api.shop.test.localhost:{port}/")]).await, "/ for api.shop.test");
    let alone = curl(&proxy, &[&format!("https://shop.default.localhost:{port}/")]).await;
    assert_eq!(alone, "/ for shop.example.com", "its only host is meant");
    // Plain HTTP is refused as anywhere else.
    let plain = format!("http://shop.example.com.localhost:{}/", proxy.listener("http").port());
    assert_eq!(curl(&proxy, &["--output", "/dev/null", "--write-out", "%{http_code}", &plain]).await, "426");

    // What goes wrong is explained where it is seen.
    let lost = curl(&proxy, &[&format!("{alias}/lost")]).await;
    for words in ["502 Bad Gateway", "stands for shop.example.com", "could not find service \"default/nowhere\"", "shop.yaml:", "(route_broken)"] {
        assert!(lost.contains(words), "{words} in\n{lost}");
    }
    block_line(&proxy, &["= help: --map nowhere:80=HOST:PORT"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_block_can_be_pasted() {
    let shop = shop().await;
    let proxy = dev(|objects| {
        fs::write(objects.join("shop.yaml"), ingress("shop", "", "shop.example.com", &[("/", "web")])).unwrap();
        map("web", shop.address)
    })
    .await;
    proxy.wait_ready("default/web:80").await;
    let port = proxy.listener("https").port();
    block_line(&proxy, &["Open", &format!("https://shop.example.com.localhost:{port}/")]).await;
    block_line(&proxy, &["Ingress", &format!("https://shop.default.localhost:{port}/")]).await;
    block_line(&proxy, &["/etc/hosts: 127.0.0.1 shop.example.com"]).await;
    block_line(&proxy, &["Trust", "genkan ca install"]).await;
    let pasted = block_line(&proxy, &["curl --cacert", &format!("--resolve shop.example.com:{port}:127.0.0.1")]).await;
    let mut shell = Command::new("sh");
    shell.args(["-c", &pasted.replacen("curl ", "curl --silent --show-error ", 1)]);
    let output = run(shell).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("/ for shop.example.com:{port}"), "{}", String::from_utf8_lossy(&output.stderr));

    // The host itself is none that the kept CA could vouch for: whoever trusts it trusts nothing else.
    let direct = curl(&proxy, &["--resolve", &format!("shop.example.com:{port}:127.0.0.1"), &format!("https://shop.example.com:{port}/")]).await;
    assert!(direct.contains("certificate problem") || direct.contains("unable to get local issuer"), "{direct}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_aliases_only_the_hosts_themselves_are_served() {
    let shop = shop().await;
    let proxy = dev(|objects| {
        fs::write(objects.join("shop.yaml"), ingress("shop", "", "shop.example.com", &[("/", "web")])).unwrap();
        [map("web", shop.address), vec!["--no-alias".to_owned()]].concat()
    })
    .await;
    proxy.wait_ready("default/web:80").await;
    let port = proxy.listener("https").port();
    let answer = curl(&proxy, &["--insecure", &format!("https://shop.example.com.localhost:{port}/")]).await;
    assert!(answer.contains("404"), "{answer}");
    block_line(&proxy, &["Open", &format!("https://shop.example.com:{port}/")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_manifest_is_served_under_localhost_at_once() {
    let shop = shop().await;
    let proxy = dev(|objects| {
        fs::write(objects.join("shop.yaml"), ingress("shop", "", "shop.example.com", &[("/", "web")])).unwrap();
        map("web", shop.address)
    })
    .await;
    proxy.wait_ready("default/web:80").await;
    let objects = proxy.directory.path().join("objects");
    fs::write(objects.join("second.yaml"), ingress("second", "", "second.example.com", &[("/", "web")]).replacen(&behind("web", ""), "", 1)).unwrap();
    let second = format!("https://second.example.com.localhost:{}/", proxy.listener("https").port());
    wait_until("the new host is served", DEADLINE, async || curl(&proxy, &[&second]).await == "/ for second.example.com").await;
}

/// The tutorial's two files, nothing else: the certificate is the local CA's, and a browser that trusts it is content.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_trusts_the_local_ca_opens_the_tutorial() {
    if !nginx::is_here() || !browser_is_here() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    let address = nginx::free_address();
    let _nginx = Nginx::start(at.path(), address).expect("nginx can be started");
    let proxy = dev(|objects| {
        for file in ["ingress.yaml", "deployment.yaml"] {
            fs::copy(shipped("tutorial").join(file), objects.join(file)).unwrap();
        }
        map("web:80", address)
    })
    .await;
    proxy.wait_ready("default/web:80").await;
    let home = proxy.directory.path().join("home");
    let database = home.join(".pki/nssdb");
    fs::create_dir_all(&database).unwrap();
    let mut certutil = Command::new("certutil");
    certutil.args(["-N", "--empty-password", "-d"]).arg(format!("sql:{}", database.display()));
    assert!(run(certutil).await.status.success());

    let url = format!("https://web-ingress.default.localhost:{}/", proxy.listener("https").port());
    let before = open(&home, &url).await;
    assert!(!before.contains("Welcome to nginx!"), "the browser does not trust it yet");
    let mut install = command(proxy.directory.path());
    install.args(["ca", "install", "--nss", "--yes"]);
    let installed = run(install).await;
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let page = open(&home, &url).await;
    assert!(page.contains("Welcome to nginx!"), "{page}");
    let by_name = open(&home, &format!("https://localhost:{}/", proxy.listener("https").port())).await;
    assert!(by_name.contains("Welcome to nginx!"), "{by_name}");
}

fn browser_is_here() -> bool {
    let here = ["chromium", "certutil"].iter().all(|name| Command::new(name).arg("-H").arg("--version").output().is_ok());
    assert!(here || std::env::var_os("CI").is_none(), "chromium and certutil are to be installed where the tests run for everybody");
    if !here {
        eprintln!("skipped: chromium or certutil is not installed");
    }
    here
}

/// What a browser shows of a page.
async fn open(home: &Path, url: &str) -> String {
    let mut browser = Command::new("timeout");
    browser.args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
    browser.arg(format!("--user-data-dir={}", home.join("profile").display())).args(["--dump-dom", url]);
    browser.env("HOME", home).env("XDG_CONFIG_HOME", home.join("config")).env("XDG_CACHE_HOME", home.join("cache"));
    String::from_utf8_lossy(&run(browser).await.stdout).into_owned()
}
