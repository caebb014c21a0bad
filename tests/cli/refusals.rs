//! Command lines that are not followed, and starts that are refused. Nothing here gets as far as serving.

use crate::support::{GOOD, Place, good, with};

#[test]
fn exit_codes_are_as_promised() {
    let broken = with(&GOOD.replace("backend: web", "backend: wbe"));
    let refused = with("routs: []\n");
    let warned = with(&GOOD.replace("shop.test", "other.test"));
    for (place, line, code) in [
        (&broken, "check", 1),
        (&refused, "check", 1),
        (&refused, "run -f genkan.yaml --admin off", 1),
        (&refused, "certificates", 1),
        (&broken, "run --strict --admin off", 1),
        (&warned, "run --strict --admin off", 3),
        (&warned, "check --strict", 3),
        (&warned, "check", 0),
        (&warned, "check -f nowhere", 2),
        (&warned, "run -f nowhere", 2),
        (&warned, "check --frobnicate", 2),
        (&warned, "check --format yaml", 2),
        (&warned, "frobnicate", 2),
        (&warned, "run --https localhost:8443", 2),
        (&warned, "run --log loud", 2),
        (&warned, "status --admin off", 2),
        (&warned, "completions", 2),
    ] {
        let done = place.run(line);
        assert_eq!(done.code, code, "genkan {line}\n{}{}", done.out, done.err);
    }
}

#[test]
fn no_configuration_names_the_places() {
    let place = Place::new();
    for line in ["check", "run", "certificates"] {
        place.run(line).code(2).tells(&["./genkan.yaml", "/etc/genkan/genkan.yaml", "-f FILE"]);
    }
}

#[test]
fn flags_and_a_file_exclude_each_other_and_both_are_named() {
    let place = good();
    let flags = "--certificate tls --backend http://127.0.0.1:9000 --readiness /healthz";
    place.run(&format!("run {flags} -f other.yaml")).code(2).tells(&["--certificate", "-f other.yaml"]);
    place.run_with("run -f other.yaml", &[("GENKAN_BACKEND", "http://127.0.0.1:1")], "").code(2).tells(&["--backend", "-f other.yaml"]);
    // A file in a default place was not named: the image has one, and the flags are used in its place.
    let alone = "run --strict --admin off --certificate gone --backend http://127.0.0.1:9000 --readiness none";
    place.run(alone).code(1).tells(&["gone does not exist"]);
}

#[test]
fn flags_for_one_backend_belong_together() {
    let place = Place::new();
    place.run("run --certificate tls").code(2).tells(&["--certificate needs --backend"]);
    place.run("run --backend http://127.0.0.1:9000").code(2).tells(&["--backend needs --certificate"]);
    place.run("run --certificate tls --backend ftp://x").code(2).tells(&["--backend ftp://x", "http://HOST:PORT"]);
    place.run("run --certificate tls --backend https://x").code(2).tells(&["--backend https://x", "not supported yet"]);
    place.run("run --certificate tls --backend http://127.0.0.1:1 --readiness healthz").code(2).tells(&["--readiness healthz", "/healthz"]);
    let backends = [("GENKAN_BACKEND", "http://127.0.0.1:1\nhttp://127.0.0.1:2\n"), ("GENKAN_CERTIFICATE", "gone")];
    place.run_with("run --strict --admin off", &backends, "").code(1).tells(&["gone does not exist"]);
}

#[test]
fn a_start_that_is_refused_shows_the_line() {
    let place = with(&GOOD.replace("certificates:", "certifcates:"));
    place.run("run").code(1).tells(&["error[UnknownField]", "--> ./genkan.yaml:1:1", "^^^^^^^^^^^", "1 error, no warnings"]);
}

#[test]
fn the_start_line_says_which_configuration() {
    let place = with("routs: []\n");
    let done = place.run("run --log-format json").code(1);
    let line: serde_json::Value = serde_json::from_str(done.err.lines().next().unwrap()).unwrap();
    assert_eq!((&line["message"], &line["configuration"]), (&"starting".into(), &"./genkan.yaml".into()));
    let named = place.run("run --log-format json -f genkan.yaml").code(1);
    assert!(named.err.lines().next().unwrap().contains("\"configuration\":\"genkan.yaml\""), "{}", named.err);
}

#[test]
fn a_flag_beats_its_variable_and_unknown_variables_are_ignored() {
    let place = good();
    let kubernetes = [("GENKAN_SERVICE_HOST", "10.0.0.1"), ("GENKAN_PORT", "tcp://10.0.0.1:443"), ("GENKAN_FROBNICATE", "1")];
    place.run_with("check", &kubernetes, "").code(0);
    place.run_with("check", &[("GENKAN_FILE", "nowhere.yaml")], "").code(2);
    place.run_with("check -f genkan.yaml", &[("GENKAN_FILE", "nowhere.yaml")], "").code(0);
    place.run_with("check", &[("GENKAN_FILE", ""), ("GENKAN_FORMAT", ""), ("GENKAN_STRICT", "")], "").code(0);
    place.file("more.yaml", "accessLog: { format: off }\n");
    place.run_with("check", &[("GENKAN_FILE", "genkan.yaml\nmore.yaml\n")], "").code(0);
}

#[test]
fn an_admin_address_that_is_taken_is_a_no() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let done = good().run(&format!("run --https 127.0.0.1:0 --http off --admin {address}")).code(1);
    done.tells(&["error[PortUnavailable]", &address.to_string(), "= help:"]);
}
