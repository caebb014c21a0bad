//! Bytes from the disk that nobody meant well: read or refused, and never slowly.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::control::compile::{pair, pem};
use crate::control::config::{Config, split};
use crate::control::yaml::{parse, read};

/// Far more than any of these needs, also on a busy machine and without optimisation.
const SOON: Duration = Duration::from_secs(10);

fn load(text: &str) {
    let started = Instant::now();
    for mut node in parse(text, 0).unwrap_or_default() {
        let _ = crate::control::yaml::substitute(&mut node, &|_| None);
        match read::<Config>(&node) {
            Ok(config) => drop(split(config)),
            Err(problems) => assert!(!problems.is_empty() && problems.len() <= 100, "{problems:?}"),
        }
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

/// Pieces that configurations are made of, in any order.
fn yaml_soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "listeners",
        "routes",
        "backends",
        "certificates",
        "name",
        "path",
        "backend",
        "timeouts",
        "limits",
        "tls",
        "readinessProbe",
        "httpGet",
        ":",
        ": ",
        "-",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "<<: ",
        "\"",
        "'",
        "|",
        ">",
        "#",
        "---\n",
        "...\n",
        "!!str ",
        "? ",
        "null",
        "~",
        "${A}",
        "${A:-b}",
        "$$",
        "8443",
        "1s",
        "64Ki",
        "http://a:1",
        "\u{feff}",
        "\t",
        "\u{0}",
        "é",
        "\r\n",
        "%YAML 1.2\n",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        load(&text);
    }

    #[test]
    fn any_heap_of_pieces_is_read_or_refused(text in yaml_soup()) {
        load(&text);
    }

    #[test]
    fn any_bytes_are_a_pair_or_refused(certificate in prop::collection::vec(any::<u8>(), 0..300), key in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(pair::build(&certificate, &key).is_err());
    }

    #[test]
    fn any_damage_to_a_pair_is_refused_or_harmless(place in any::<prop::sample::Index>(), byte in any::<u8>(), in_key in any::<bool>()) {
        let mut pair = [include_bytes!("../fixtures/ec.crt").to_vec(), include_bytes!("../fixtures/ec-sec1.key").to_vec()];
        let file = &mut pair[usize::from(in_key)];
        let at = place.index(file.len());
        file[at] = byte;
        let _ = pair::build(&pair[0], &pair[1]); // Either is fine; ending is what counts.
    }
}

#[test]
fn texts_that_grow_are_refused() {
    let long = "x".repeat(1 << 20);
    let repeated = format!("a: &a {long}\nb: [{}]\n", "*a, ".repeat(100_000));
    let nested = format!("{}{}{}", (0..60).map(|n| format!("[&a{n} ")).collect::<String>(), "x, ".repeat(500_000), "]".repeat(60));
    for text in [repeated, nested] {
        let started = Instant::now();
        assert!(parse(&text, 0).unwrap_err().message.contains("values once aliases"));
        assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    }
}

#[test]
fn large_texts_take_no_longer_than_they_are_long() {
    let keys: String = (0..200_000).map(|n| format!("key{n}: 1\n")).collect();
    let inner: String = (0..50_000).map(|n| format!("  k{n}: 1\n")).collect();
    let defaults = format!("base: &base\n{inner}other:\n  <<: *base\n{inner}");
    let mistakes = format!("backends:\n{}", "  - { nam: a }\n".repeat(100_000));
    let routes: String = (0..10_000).map(|n| format!("  - {{ hostnames: [h{n}.test], path: /p, backend: web }}\n")).collect();
    for text in [keys, defaults, mistakes, format!("routes:\n{routes}")] {
        load(&text);
    }
}

#[test]
fn a_chain_without_end_is_refused() {
    let chain = include_str!("../fixtures/ec.crt").repeat(1000);
    assert_eq!(pem::certificates(chain.as_bytes()), Err(pem::PemError::TooMany));
}
