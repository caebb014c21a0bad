//! The manifests under `config/manifests`: each `try` does what it says, and its cases hold for a running edge as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::support::{TestBackend, TestProxy, command, isolated};

fn examples() -> Vec<PathBuf> {
    let all = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/manifests")).unwrap();
    let mut all: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).filter(|path| path.join("try").is_file()).collect();
    all.sort();
    assert!(all.len() >= 8, "{all:?}");
    all
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(fs::copy(&path, target).is_ok()) }
    }
}

fn say(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Off the runtime, which has backends to run.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the program can be started")).await.unwrap()
}

/// The flags of the line that ends in the cases: every Service is somewhere else here.
fn flags(script: &str, web: &TestBackend) -> Vec<String> {
    let words: Vec<&str> =
        script.split("genkan test").nth(1).unwrap().split_whitespace().filter(|word| *word != "\\" && *word != "cases.yaml").collect();
    let moved = |word: &&str| match word.split_once("=127.0.0.1:") {
        Some((service, _)) => format!("{service}={}", web.address),
        None => (*word).to_owned(),
    };
    words.iter().map(moved).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_holds_offline_and_while_it_is_served() {
    for example in examples() {
        let web = TestBackend::start().await;
        let mut script = String::new();
        let mut tried = None;
        let mut proxy = TestProxy::spawn(|directory, _| {
            let at = directory.join("example");
            copy(&example, &at);
            script = fs::read_to_string(at.join("try")).unwrap();
            let binary = Path::new(env!("CARGO_BIN_EXE_genkan")).parent().unwrap();
            let path = std::env::var("PATH").unwrap_or_default();
            let mut shell = isolated("sh", directory);
            shell.arg(at.join("try"));
            shell.env("PATH", format!("{}:{path}", binary.display()));
            tried = Some(shell.output().expect("sh can be started"));
            let mut arguments: Vec<String> =
                ["--https", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"].map(str::to_owned).to_vec();
            arguments.extend(flags(&script, &web).into_iter().map(|word| match word.as_str() {
                "." => at.display().to_string(),
                "complete" => at.join("complete").display().to_string(),
                _ => word.replace("=certs/", &format!("={}/certs/", at.display())),
            }));
            arguments
        });
        let name = example.file_name().unwrap().to_string_lossy().into_owned();
        let tried = tried.expect("it was tried");
        assert!(tried.status.success(), "{name}: {}", say(&tried));
        proxy.started().await;
        // Some health checks ask a fixed port, where nothing is here; their cases say nothing of a backend's answers.
        let answers = fs::read_to_string(example.join("cases.yaml")).unwrap().contains("status: 200");
        for service in flags(&script, &web).iter().filter_map(|word| word.split_once('=').filter(|(_, at)| answers && *at == web.address.to_string()))
        {
            proxy.wait_ready(&format!("default/{}", service.0)).await;
        }
        let (https, http) = (proxy.listener("https"), proxy.listener("http"));
        let mut test = command(proxy.directory.path());
        test.args(["test", "example/cases.yaml", "--against", "https://edge.test", "--connect-to", &format!("edge.test:443:{https}")]);
        test.args(["--connect-to", &format!("edge.test:80:{http}")]);
        let output = run(test).await;
        assert!(output.status.success(), "{name}: {}", say(&output));
    }
}
