//! A directory with files in it, and the binary run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};

/// A place for one test.
pub struct Place {
    directory: tempfile::TempDir,
}

/// What a command gave.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A Secret's directory with a certificate for these names.
    pub fn secret(&self, directory: &str, names: &[&str]) {
        self.secret_until(directory, names, SystemTime::now() + Duration::from_secs(30 * 24 * 3600 + 3600));
    }

    pub fn secret_until(&self, directory: &str, names: &[&str], until: SystemTime) {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.not_before = (until - Duration::from_secs(90 * 24 * 3600)).into();
        params.not_after = until.into();
        let key = KeyPair::generate().unwrap();
        self.file(&format!("{directory}/tls.crt"), params.self_signed(&key).unwrap().pem());
        self.file(&format!("{directory}/tls.key"), key.serialize_pem());
    }

    /// Runs the binary here, with the words of a line.
    pub fn run(&self, line: &str) -> Done {
        self.run_with(line, &[], "")
    }

    /// The same where a word has spaces in it.
    pub fn run_words(&self, words: &[&str]) -> Done {
        self.run_all(words, &[], "")
    }

    pub fn run_with(&self, line: &str, variables: &[(&str, &str)], input: &str) -> Done {
        self.run_all(&line.split_whitespace().collect::<Vec<_>>(), variables, input)
    }

    fn run_all(&self, words: &[&str], variables: &[(&str, &str)], input: &str) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_genkan"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GENKAN_")) {
            command.env_remove(name);
        }
        command.args(words).envs(variables.iter().copied()).current_dir(self.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = std::io::Write::write_all(&mut stdin, input.as_bytes()); // Most commands read nothing.
        drop(stdin);
        // None of these serves; one that does by mistake must not hold up the rest.
        let id = rustix::process::Pid::from_child(&child);
        let (done, ended) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(60)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL); // It may just have ended.
            }
        });
        let output = child.wait_with_output().unwrap();
        drop(done);
        watchdog.join().unwrap();
        Done {
            code: output.status.code().expect("ended by itself"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }

    /// Every one of these is printed as a result.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.out.contains(part), "{part:?} is not in\n{}\n{}", self.out, self.err);
        }
        self
    }

    /// Every one of these is told to people.
    #[track_caller]
    pub fn tells(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in\n{}\n{}", self.err, self.out);
        }
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}", self.out))
    }
}

/// A configuration in which nothing is wrong, given a Secret in `tls` for shop.test.
pub const GOOD: &str = "\
certificates:
  - secret: tls
routes:
  - hostnames: [shop.test]
    rules:
      - path: /
        backend: web
backends:
  - name: web
    endpoints: [\"127.0.0.1:9000\"]
";

/// A place with [`GOOD`] in genkan.yaml.
pub fn good() -> Place {
    let place = Place::new();
    place.secret("tls", &["shop.test"]);
    place.file("genkan.yaml", GOOD);
    place
}

/// A place with a good certificate and this text in genkan.yaml.
pub fn with(text: &str) -> Place {
    let place = good();
    place.file("genkan.yaml", text);
    place
}
