//! A web server that is not ours: Debian's nginx with its welcome page, which is also what the probe asks for, as in the
//! tutorials for HTTPS on Google's Kubernetes.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::support::{Configuration, DEADLINE, TestProxy, wait_until};

/// nginx in a directory of its own, killed when the test ends.
pub struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// `None` if there is no nginx.
    pub fn start(directory: &Path, address: SocketAddr) -> Option<Self> {
        let root = directory.join("html");
        fs::create_dir_all(&root).unwrap();
        // Debian's own page where it is; else one like it.
        let page = ["/usr/share/nginx/html/index.html", "/var/www/html/index.nginx-debian.html"];
        let page = page.iter().find_map(|path| fs::read_to_string(path).ok());
        let page = page.unwrap_or_else(|| "<title>Welcome to nginx!</title>".to_owned());
        fs::write(root.join("index.html"), page).unwrap();
        let (at, root) = (directory.display(), root.display());
        let configuration = format!(
            "daemon off; master_process off; pid {at}/nginx.pid; error_log {at}/error.log;\n\
             events {{}}\n\
             http {{ access_log {at}/access.log; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;\n\
             uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi; keepalive_timeout 1s;\n\
             server {{ listen {address}; root {root}; location / {{ index index.html; }} location = /healthz {{ return 200; }} }} }}\n"
        );
        fs::write(directory.join("nginx.conf"), configuration).unwrap();
        let child = Command::new("nginx")
            .arg("-e")
            .arg(directory.join("error.log"))
            .arg("-c")
            .arg(directory.join("nginx.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        child.ok().map(|child| Self { child, address })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill(); // Ended already.
        let _ = self.child.wait();
    }
}

/// Whether there is one. Only where one person runs them are the tests skipped that need it.
pub fn is_here() -> bool {
    let here = Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok();
    assert!(here || std::env::var_os("CI").is_none(), "nginx is to be installed where the tests run for everybody");
    if !here {
        eprintln!("skipped: nginx is not installed");
    }
    here
}

/// A port that was free a moment ago.
pub fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("loopback has a free port")
}

#[tokio::test]
async fn the_welcome_page_is_served_over_https_once_it_answers_the_probe() {
    let directory = tempfile::tempdir().unwrap();
    if !is_here() {
        return;
    }
    let address = free_address();
    let configuration = Configuration::default().backend("web", &format!(r#"{{ endpoints: ["{address}"] }}"#)).more("defaultBackend: web");
    let proxy = TestProxy::start(&configuration).await;
    assert_eq!(proxy.https().await.get("/").await.status, 503, "nginx has not been started yet");

    let nginx = Nginx::start(directory.path(), address).expect("nginx can be started");
    proxy.wait_ready("web").await;
    let mut client = proxy.https().await;
    let page = client.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Welcome to nginx!"), "{}", page.text());
    assert!(page.get("server").is_some_and(|server| server.starts_with("nginx")), "{:?}", page.head);
    assert_eq!(client.get("/nothing-here").await.status, 404, "what nginx says is passed on");

    let tag = page.get("etag").expect("nginx tags its files").to_owned();
    let cached = client.request("GET", "/", &[("if-none-match", &tag)], b"").await;
    assert_eq!((cached.status, cached.body.len()), (304, 0));
    let part = client.request("GET", "/", &[("range", "bytes=0-3")], b"").await;
    assert_eq!((part.status, part.body.len()), (206, 4));
    let head = client.request("HEAD", "/", &[], b"").await;
    assert_eq!(head.get("content-length"), Some(page.body.len().to_string().as_str()));
    assert_eq!(proxy.client().http2().await.get("/").await.body, page.body);
    assert_eq!(proxy.http().await.get("/").await.status, 426, "and not without TLS");

    // nginx closes what is unused after a second; nobody notices.
    for _ in 0..3 {
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(nginx.address, address);
    drop(nginx);
    wait_until("its end is noticed", DEADLINE, async || client.get("/").await.status >= 502).await;
}
