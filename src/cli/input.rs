//! From `-f` to a configuration that can be read: named paths, standard input, or the default places.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::Refusal;
use crate::control::source::{Configuration, Input};

/// Where the configuration is looked for if nothing is named.
const DEFAULT_PLACES: [&str; 2] = ["./genkan.yaml", "/etc/genkan/genkan.yaml"];
/// As much as a file may have.
const MAX_INPUT: u64 = 8 << 20;

/// A configuration, and where it is in a few words.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) configuration: Configuration,
    pub(super) label: String,
}

/// The paths that are named, or the first default place where there is a file.
pub(super) fn choose(files: &[PathBuf]) -> Result<Chosen, Refusal> {
    let named = named(files);
    let paths = if named.is_empty() { default_place().into_iter().collect() } else { named };
    if paths.is_empty() {
        let message = format!("there is no configuration: no -f, and neither {} nor {} exists", DEFAULT_PLACES[0], DEFAULT_PLACES[1]);
        return Err(Refusal::usage(message).help("name one: -f FILE; or try: genkan demo"));
    }
    let label = paths.iter().map(|path| label(path)).collect::<Vec<_>>().join(", ");
    let mut text = false;
    let mut inputs = Vec::with_capacity(paths.len());
    for path in paths {
        if path != Path::new("-") {
            inputs.push(Input::Path(path));
        } else if !std::mem::replace(&mut text, true) {
            inputs.push(Input::Text(standard_input()?));
        }
    }
    Ok(Chosen { configuration: Configuration::Files(inputs), label })
}

/// The text of one file, or of standard input.
pub(super) fn read(path: &Path) -> Result<String, Refusal> {
    if path == Path::new("-") {
        return standard_input();
    }
    let refused = |why: &dyn std::fmt::Display| Refusal::usage(format!("{} cannot be read: {why}", path.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|file| file.take(MAX_INPUT + 1).read_to_end(&mut bytes)).map_err(|error| refused(&error))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(refused(&"it is larger than 8 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| refused(&"it is not UTF-8 text"))
}

/// What was named in addition to a configuration that is given otherwise. A file in a default place is no contradiction:
/// the image has one.
pub(super) fn also_there(files: &[PathBuf]) -> Option<String> {
    named(files).first().map(|path| format!("-f {}", path.display()))
}

/// A variable that ends in a newline names nothing after it.
fn named(files: &[PathBuf]) -> Vec<PathBuf> {
    files.iter().filter(|path| !path.as_os_str().is_empty()).cloned().collect()
}

fn default_place() -> Option<PathBuf> {
    DEFAULT_PLACES.iter().map(PathBuf::from).find(|path| path.is_file())
}

fn label(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

fn standard_input() -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::usage(format!("standard input cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err(Refusal::usage("standard input is larger than the 8 MiB that a configuration may have"));
    }
    String::from_utf8(bytes).map_err(|_| Refusal::usage("standard input is not UTF-8 text"))
}
