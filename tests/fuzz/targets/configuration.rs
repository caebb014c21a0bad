//! Text where a configuration is expected: it is read or refused with a reason that can be told, and its places are in it.

#![no_main]

use std::sync::Arc;

use genkan::control::config::Overrides;
use genkan::control::source::{ConfigSource, Configuration, Input};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let inputs = vec![Input::Text(text.to_owned())];
    let mut source = ConfigSource::new(Configuration::Files(inputs), Overrides::default(), Arc::default());
    let reading = source.read().expect("it is the first reading");
    assert!(!reading.refused || !reading.findings.is_empty(), "it is refused without a reason");
    let lines = text.lines().count().max(1) + 1;
    for finding in &reading.findings {
        assert!(!finding.message.is_empty());
        assert!(finding.place.as_ref().is_none_or(|place| place.line as usize <= lines), "{finding:?}");
    }
    assert!(source.read().is_none(), "the same text is no change");
});
