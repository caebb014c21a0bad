//! A browser that tests drive: Debian's Chromium, headless, over the DevTools protocol on a pair of pipes
//! (`--remote-debugging-pipe`, messages end with a zero byte). Calls block: tests that use it have more than one thread.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::DEADLINE;

/// A browser with one page.
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: String,
    asked: u64,
    /// What the page complained about: exceptions, and what its policy has kept it from.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// `None`, where there is no Chromium and nobody insists on one.
    pub fn start() -> Option<Self> {
        let here = Command::new("chromium").arg("--version").output().is_ok();
        assert!(here || std::env::var_os("CI").is_none(), "chromium is to be installed where the tests run for everybody");
        if !here {
            eprintln!("skipped: chromium is not installed");
            return None;
        }
        let profile = TempDir::new().unwrap();
        // The protocol wants descriptors 3 and 4; a shell has them to give.
        let mut process = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null", "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, messages) = channel();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            loop {
                let mut bytes = Vec::new();
                if answers.read_until(0, &mut bytes).unwrap_or(0) == 0 {
                    return;
                }
                let Ok(message) = serde_json::from_slice(bytes.strip_suffix(b"\0").unwrap_or(&bytes)) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let commands = process.stdin.take().unwrap();
        let mut browser = Self { process, commands, messages, session: String::new(), asked: 0, complaints: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// One command of the protocol.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, parameters: &Value) -> Result<Value, String> {
        self.asked += 1;
        let mut command = json!({ "id": self.asked, "method": method, "params": parameters });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(left).unwrap_or_else(|_| panic!("no answer to {method}"));
            if message["id"] == self.asked {
                return message.get("error").map_or_else(|| Ok(message["result"].clone()), |error| Err(error.to_string()));
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(message["params"]["exceptionDetails"].to_string()),
            Some("Log.entryAdded") if message["params"]["entry"]["level"] == "error" => self.complaints.push(message["params"]["entry"].to_string()),
            _ => {}
        }
    }

    /// Goes to an address and waits until all of it is there.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
        self.wait(&format!("document.readyState === 'complete' && location.href.startsWith({})", json!(url)));
    }

    /// What an expression is, promises awaited.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        self.try_evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn try_evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.try_call("Runtime.evaluate", &asked)?;
        if result.get("exceptionDetails").is_some() { Err(result.to_string()) } else { Ok(result["result"]["value"].clone()) }
    }

    /// Waits until an expression is true. Between two pages there is nothing to ask.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.try_evaluate(expression) != Ok(json!(true)) {
            assert!(Instant::now() < deadline, "never: {expression}\n{}", self.evaluate("document.body.innerText"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How wide its window is, and whether its user likes it dark.
    pub fn look(&mut self, width: u32, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        self.call("Emulation.setEmulatedMedia", &json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }));
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Whether scripts of the page run.
    pub fn scripts(&mut self, run: bool) {
        self.call("Emulation.setScriptExecutionDisabled", &json!({ "value": !run }));
    }

    /// What is seen, as a PNG in base64, written into a file.
    pub fn screenshot(&mut self, path: &Path) {
        let taken = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let mut base64 = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(std::fs::File::create(path).unwrap()).spawn().unwrap();
        base64.stdin.take().unwrap().write_all(taken["data"].as_str().unwrap().as_bytes()).unwrap();
        assert!(base64.wait().unwrap().success());
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill(); // It may have ended.
        let _ = self.process.wait();
    }
}
