//! The program itself: started with a configuration in a directory of its own, looked at through its admin pages, its
//! log and /proc, and killed when the test ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{Answer, DEADLINE, Http1, Leaf, SecretDirectory, TestBackend, TestCertificates, TestClient, Wire, wait_until};

/// A configuration file in the making.
#[derive(Clone, Default)]
pub struct Configuration {
    listeners: Option<String>,
    /// 2 if nobody says.
    workers: Option<usize>,
    https: String,
    http: String,
    admin: String,
    backends: Vec<(String, String)>,
    certificates: Vec<String>,
    routes: Vec<String>,
    more: Vec<String>,
}

/// A running program.
pub struct TestProxy {
    child: Child,
    exited: Option<ExitStatus>,
    /// Everything it reads is below it.
    pub directory: TempDir,
    /// Signs the certificates it serves.
    pub certificates: TestCertificates,
    /// The Secret `tls`, which is in every configuration.
    pub secret: SecretDirectory,
    /// What that Secret held first.
    pub first_leaf: Leaf,
    stdout: Lines,
    stderr: Lines,
    admin: Option<SocketAddr>,
}

/// What a pipe has brought so far.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

/// A backend with a probe of `/healthz` that is quick to notice, for [`Configuration::backend`].
pub fn backend(address: SocketAddr) -> String {
    format!(r#"{{ endpoints: ["{address}"], readinessProbe: {{ httpGet: {{ path: /healthz }}, periodSeconds: 1, failureThreshold: 1 }} }}"#)
}

impl Configuration {
    /// Everything goes to this backend, which is called `web`.
    pub fn of(web: &TestBackend) -> Self {
        Self::default().backend("web", &backend(web.address)).more("defaultBackend: web")
    }

    /// A backend in flow style, without its name.
    #[must_use]
    pub fn backend(mut self, name: &str, flow: &str) -> Self {
        self.backends.push((name.to_owned(), flow.to_owned()));
        self
    }

    /// Adds keys to the only backend there is.
    #[must_use]
    pub fn backend_keys(mut self, keys: &str) -> Self {
        let (_, flow) = self.backends.last_mut().expect("there is a backend");
        let open = flow.trim_end().strip_suffix('}').expect("it is in flow style").to_owned();
        *flow = format!("{open}, {keys} }}");
        self
    }

    /// Another entry of `certificates`, in flow style.
    #[must_use]
    pub fn certificate(mut self, flow: &str) -> Self {
        self.certificates.push(flow.to_owned());
        self
    }

    /// An entry of `routes`, in flow style.
    #[must_use]
    pub fn route(mut self, flow: &str) -> Self {
        self.routes.push(flow.to_owned());
        self
    }

    /// Keys for the HTTPS listener, in flow style.
    #[must_use]
    pub fn https(mut self, keys: &str) -> Self {
        self.https = format!(", {keys}");
        self
    }

    /// Keys for the HTTP listener, in flow style.
    #[must_use]
    pub fn http(mut self, keys: &str) -> Self {
        self.http = format!(", {keys}");
        self
    }

    /// Listeners of its own.
    #[must_use]
    pub fn listeners(mut self, flow: &str) -> Self {
        self.listeners = Some(flow.to_owned());
        self
    }

    /// More about the admin listener.
    #[must_use]
    pub fn admin(mut self, keys: &str) -> Self {
        self.admin = format!(", {keys}");
        self
    }

    /// Another number of workers.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// A top-level key with its value.
    #[must_use]
    pub fn more(mut self, yaml: &str) -> Self {
        self.more.push(yaml.to_owned());
        self
    }

    /// Writes it into a directory; what the program is told of it.
    fn arguments(&self, directory: &Path) -> Vec<String> {
        let file = directory.join("genkan.yaml");
        fs::write(&file, self.yaml()).expect("the test's directory is ours");
        vec!["-f".to_owned(), file.display().to_string()]
    }

    /// As a file.
    pub fn yaml(&self) -> String {
        let Self { https, http, .. } = self;
        let mut yaml = String::from("listeners:");
        match &self.listeners {
            Some(listeners) => yaml.push_str(&format!(" {listeners}\n")),
            None => yaml.push_str(&format!(
                "\n  - {{ name: https, address: \"127.0.0.1:0\", protocol: HTTPS{https} }}\n  - {{ name: http, address: \"127.0.0.1:0\", protocol: HTTP{http} }}\n"
            )),
        }
        yaml.push_str(&format!("admin: {{ address: \"127.0.0.1:0\"{} }}\nworkers: {}\n", self.admin, self.workers.unwrap_or(2)));
        yaml.push_str("certificates:\n  - { secret: tls }\n");
        for certificate in &self.certificates {
            yaml.push_str(&format!("  - {certificate}\n"));
        }
        if !self.backends.is_empty() {
            yaml.push_str("backends:\n");
        }
        for (name, flow) in &self.backends {
            let rest = flow.trim_start().strip_prefix('{').expect("it is in flow style");
            yaml.push_str(&format!("  - {{ name: {name}, {rest}\n"));
        }
        if !self.routes.is_empty() {
            yaml.push_str("routes:\n");
        }
        for route in &self.routes {
            yaml.push_str(&format!("  - {route}\n"));
        }
        for more in &self.more {
            yaml.push_str(&format!("{more}\n"));
        }
        yaml
    }
}

impl TestProxy {
    /// Starts it with a backend that is ready, and waits until it serves.
    pub async fn of(web: &TestBackend) -> Self {
        Self::serving(&Configuration::of(web)).await
    }

    /// Starts it and waits until every backend has an endpoint that is ready.
    pub async fn serving(configuration: &Configuration) -> Self {
        let proxy = Self::start(configuration).await;
        for (name, _) in &configuration.backends {
            proxy.wait_ready(name).await;
        }
        proxy
    }

    /// Starts it and waits until it says that it is ready.
    pub async fn start(configuration: &Configuration) -> Self {
        Self::start_in(configuration, |_, _| ()).await
    }

    /// The same with more files in its directory.
    pub async fn start_in(configuration: &Configuration, prepare: impl FnOnce(&Path, &TestCertificates)) -> Self {
        let mut proxy = Self::spawn(|directory, certificates| {
            prepare(directory, certificates);
            configuration.arguments(directory)
        });
        proxy.started().await;
        proxy
    }

    /// The same with its standard output going elsewhere, which is where its access log is.
    pub async fn start_writing_to(configuration: &Configuration, stdout: fs::File) -> Self {
        let mut proxy = Self::launch(command, "run", stdout.into(), |directory, _| configuration.arguments(directory));
        proxy.started().await;
        proxy
    }

    /// The same where no more than so many descriptors may be open.
    pub async fn start_with_descriptors(configuration: &Configuration, descriptors: u64) -> Self {
        let limited = |directory: &Path| {
            let mut shell = isolated("sh", directory);
            shell.args(["-c", "ulimit -n $0 && exec \"$@\"", &descriptors.to_string(), env!("CARGO_BIN_EXE_genkan")]);
            shell
        };
        let mut proxy = Self::launch(limited, "run", Stdio::piped(), |directory, _| configuration.arguments(directory));
        proxy.started().await;
        proxy
    }

    /// Starts `genkan run` with these arguments and waits for nothing. A Secret for `localhost` is there as `tls`.
    pub fn spawn(arguments: impl FnOnce(&Path, &TestCertificates) -> Vec<String>) -> Self {
        Self::spawn_command("run", arguments)
    }

    /// The same for another command that serves.
    pub fn spawn_command(name: &str, arguments: impl FnOnce(&Path, &TestCertificates) -> Vec<String>) -> Self {
        Self::launch(command, name, Stdio::piped(), arguments)
    }

    fn launch(
        program: impl FnOnce(&Path) -> Command,
        name: &str,
        stdout: Stdio,
        arguments: impl FnOnce(&Path, &TestCertificates) -> Vec<String>,
    ) -> Self {
        let directory = tempfile::tempdir().expect("there is a directory for temporary files");
        let certificates = TestCertificates::new();
        let first_leaf = certificates.leaf(&["localhost", "*.example.test"]);
        let secret = SecretDirectory::mount(directory.path().join("tls"), &first_leaf);
        let arguments = arguments(directory.path(), &certificates);
        let mut child = program(directory.path())
            .arg(name)
            .args(["--log-format", "json"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdout = child.stdout.take().map(Lines::read).unwrap_or_default();
        let stderr = Lines::read(child.stderr.take().expect("it is a pipe"));
        Self { child, exited: None, directory, certificates, secret, first_leaf, stdout, stderr, admin: None }
    }

    /// Waits until it says that it is ready.
    pub async fn started(&mut self) {
        wait_until("the program says that it is ready", DEADLINE, async || {
            assert_eq!(self.exited(), None, "the program ended at start");
            self.log().iter().any(|line| ["ready", "started, and not ready yet"].iter().any(|message| line["message"] == *message))
        })
        .await;
        self.admin = self.log().iter().find(|line| line["message"] == "admin").and_then(|line| line["address"].as_str()?.parse().ok());
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the configuration is.
    pub fn configuration_file(&self) -> PathBuf {
        self.directory.path().join("genkan.yaml")
    }

    /// Where a listener listens.
    pub fn listener(&self, name: &str) -> SocketAddr {
        let named = |line: &&Value| line["message"] == "listening" && words(&line["listeners"]).iter().any(|word| word == name);
        let log = self.log();
        let line = log.iter().find(named).unwrap_or_else(|| panic!("the log names the listener {name}"));
        line["address"].as_str().and_then(|address| address.parse().ok()).expect("the log says where it listens")
    }

    /// A client of the HTTPS listener.
    pub fn client(&self) -> TestClient {
        TestClient::new(self.listener("https"), &self.certificates)
    }

    /// A connection to the HTTPS listener.
    pub async fn https(&self) -> Http1 {
        self.client().http1().await
    }

    /// A connection to the HTTP listener.
    pub async fn http(&self) -> Http1 {
        Http1::plain(self.listener("http")).await
    }

    /// Asks an admin page.
    pub async fn admin(&self, path: &str) -> Answer {
        let address = self.admin.expect("the log names the admin address");
        let stream = TcpStream::connect(address).await.expect("the admin address takes connections");
        let mut wire = Wire::new(stream);
        wire.write(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await.expect("it reads");
        wire.answer("GET").await.expect("it answers")
    }

    /// Where the admin pages are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.expect("the log names the admin address")
    }

    /// The sum of the samples of a metric that have these labels; `None` if there is none.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let text = self.admin("/metrics").await.text();
        let samples = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, given) = series.split_once('{').unwrap_or((series, ""));
            let has = |(label, value): &(&str, &str)| given.contains(&format!("{label}=\"{value}\""));
            (found == name && labels.iter().all(has)).then(|| value.parse::<f64>().ok()).flatten()
        });
        samples.reduce(|sum, sample| sum + sample)
    }

    /// How many endpoints of a backend are ready.
    pub async fn ready_endpoints(&self, backend: &str) -> usize {
        let ready = self.metric("genkan_backend_endpoints", &[("backend", backend), ("state", "ready")]).await;
        // A count of a handful.
        (0..100).find(|count| f64::from(*count) >= ready.unwrap_or(0.0)).map_or(0, |count| usize::try_from(count).unwrap_or(0))
    }

    /// Waits until a backend has an endpoint that is ready.
    pub async fn wait_ready(&self, backend: &str) {
        wait_until("the backend has a ready endpoint", DEADLINE, async || self.ready_endpoints(backend).await > 0).await;
    }

    /// Waits until a backend has none.
    pub async fn wait_not_ready(&self, backend: &str) {
        wait_until("the backend has no ready endpoint", DEADLINE, async || self.ready_endpoints(backend).await == 0).await;
    }

    /// Which configuration is served.
    pub async fn generation(&self) -> u64 {
        let generation = self.metric("genkan_config_generation", &[]).await.expect("the generation is a metric");
        format!("{generation:.0}").parse().expect("it is a count")
    }

    /// Writes a configuration without waiting for anything.
    pub fn write_configuration(&self, yaml: &str) {
        let aside = self.directory.path().join(".genkan.yaml.new");
        fs::write(&aside, yaml).expect("the test's directory is ours");
        fs::rename(aside, self.configuration_file()).expect("both are in one directory");
    }

    /// Writes a configuration that differs, and waits until it is served.
    pub async fn reconfigure(&self, configuration: &Configuration) {
        let before = self.generation().await;
        self.write_configuration(&configuration.yaml());
        wait_until("the new configuration is served", DEADLINE, async || self.generation().await > before).await;
    }

    /// Waits until a handshake shows this certificate; how long that took.
    pub async fn wait_certificate(&self, leaf: &Leaf) -> Duration {
        // A client anew each time: a resumed session shows what it was begun with.
        wait_until("handshakes show the new certificate", DEADLINE, async || self.client().http1().await.certificate.as_ref() == Some(&leaf.der))
            .await
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("it has a process id");
        kill_process(pid, signal).expect("it is our child");
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> u64 {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, |entries| entries.count() as u64)
    }

    /// Lets it have this many descriptors and no more.
    pub fn limit_descriptors(&self, limit: u64) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        prlimit(pid, Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(limit.max(1 << 12)) }).expect("it is our child");
    }

    /// How it ended, if it has.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        if self.exited.is_none() {
            self.exited = self.child.try_wait().expect("it is our child");
        }
        self.exited
    }

    /// Waits for its end.
    pub async fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        wait_until("the program ends", deadline, async || self.exited().is_some()).await;
        // The pipes are at their end then, and soon read to it.
        let started = Instant::now();
        while Arc::strong_count(&self.stdout.0) + Arc::strong_count(&self.stderr.0) > 2 && started.elapsed() < DEADLINE {
            tokio::time::sleep(super::LOOK).await;
        }
        self.exited.expect("it has ended")
    }

    /// Its resident memory in bytes.
    pub fn rss(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The most that ever was.
    pub fn peak_rss(&self) -> u64 {
        self.status_bytes("VmHWM:")
    }

    /// Forgets the peak.
    pub fn reset_peak_rss(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").expect("it is our process");
    }

    fn status_bytes(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel says so");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number") * 1024
    }

    /// What its log has so far, as far as it is JSON.
    pub fn log(&self) -> Vec<Value> {
        self.stderr.all().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What its log has so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.all()
    }

    /// Waits for a line of the log that has all of these words; the line.
    pub async fn wait_log(&self, words: &[&str]) -> String {
        let found = || self.stderr.all().into_iter().find(|line| words.iter().all(|word| line.contains(word)));
        wait_until(&format!("the log says {words:?}"), DEADLINE, async || found().is_some()).await;
        found().unwrap_or_default()
    }

    /// The access log, each line of which must be valid.
    pub fn access_log(&self) -> Vec<Value> {
        self.stdout.all().iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))).collect()
    }

    /// Waits until the access log has this many lines; all of them.
    pub async fn wait_access_log(&self, count: usize) -> Vec<Value> {
        wait_until(&format!("the access log has {count} lines"), DEADLINE, async || self.access_log().len() >= count).await;
        self.access_log()
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        let _ = self.child.kill(); // Ended already.
        let _ = self.child.wait();
        let stderr = self.stderr.all();
        if std::thread::panicking() {
            eprintln!("--- the program's log, its last lines ---\n{}", stderr[stderr.len().saturating_sub(60)..].join("\n"));
            let stdout = self.stdout.all();
            eprintln!("--- its access log, its last lines ---\n{}", stdout[stdout.len().saturating_sub(20)..].join("\n"));
        } else if let Some(line) = stderr.iter().find(|line| line.contains("panicked at")) {
            panic!("the program panicked: {line}");
        }
    }
}

impl Lines {
    fn read(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                writer.0.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        lines
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// The program, in a directory, with nothing of this process' environment that it would read.
pub fn command(directory: &Path) -> Command {
    isolated(env!("CARGO_BIN_EXE_genkan"), directory)
}

/// Another program in the same surroundings.
pub fn isolated(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env_remove("KUBERNETES_SERVICE_HOST");
    command.env("HOME", directory.join("home")).env("XDG_DATA_HOME", directory.join("data"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GENKAN_")) {
        command.env_remove(name);
    }
    command
}

/// The names in a field that is a list or a text.
fn words(value: &Value) -> Vec<String> {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').map(ToOwned::to_owned).collect()
}
