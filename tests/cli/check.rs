//! What `check` finds, and where.

use crate::support::{GOOD, Place, good, with};

#[test]
fn a_good_configuration_is_good() {
    let done = good().run("check").code(0).tells(&["./genkan.yaml"]);
    let summary = "no errors, no warnings. Would be served: 2 listeners, 1 route, 1 backend, 1 certificate.\n";
    assert_eq!(done.out, summary);
}

#[test]
fn an_unknown_key_is_shown_with_its_line() {
    let place = with(&GOOD.replace("certificates:", "certifcates:"));
    place.run("check -f genkan.yaml").code(1).says(&[
        "error[UnknownField]",
        " --> genkan.yaml:1:1\n",
        "1 | certifcates:\n  | ^^^^^^^^^^^\n",
        "= help: ",
        "certificates",
        "1 error, no warnings. Nothing would be served",
    ]);
}

#[test]
fn a_wrong_type_is_shown_with_what_to_write() {
    let place = with(&format!("{GOOD}timeouts: {{ keepAlive: 30 }}\n"));
    place.run("check -f genkan.yaml").code(1).says(&["error[InvalidValue]", " --> genkan.yaml:11:24\n", "^^", "write 30s or 30ms"]);
}

#[test]
fn a_name_that_is_taken_is_a_mistake_in_the_file() {
    let place = with(&format!("{GOOD}  - name: web\n    endpoints: [\"127.0.0.1:9001\"]\n"));
    place.run("check -f genkan.yaml").code(1).says(&[
        "error[DuplicateName]: there is already a backend named \"web\", on line 9",
        " --> genkan.yaml:11:11\n",
        "= help: give each a name of its own",
        "Nothing would be served",
    ]);
}

#[test]
fn a_dangling_backend_costs_its_route() {
    let place = with(&GOOD.replace("backend: web", "backend: wbe"));
    place.run("check -f genkan.yaml").code(1).says(&[
        "error[BackendNotFound]",
        "--> genkan.yaml:7:18",
        "7 |         backend: wbe",
        "  |                  ^^^",
        "= effect: requests for it are answered 500",
        "= help: did you mean \"web\"?",
        "1 error, no warnings. Would be served: 2 listeners, 0 of 1 route, 1 backend, 1 certificate.",
    ]);
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_command_line() {
    Place::new().run("check -f nowhere.yaml").code(2).says(&["error[FileUnreadable]", "nowhere.yaml does not exist"]);
}

#[test]
fn a_key_that_cannot_be_read_costs_its_certificate() {
    let place = good();
    std::fs::remove_file(place.path().join("tls/tls.key")).unwrap();
    std::fs::create_dir(place.path().join("tls/tls.key")).unwrap();
    place.run("check -f genkan.yaml").code(1).says(&[
        "error[CertificateUnreadable]",
        "tls/tls.key",
        "error[NoCertificate]",
        "= effect: every TLS handshake is refused",
        "0 of 1 certificate.",
    ]);
}

#[test]
fn a_key_of_another_certificate_is_named() {
    let place = good();
    place.secret("other", &["shop.test"]);
    std::fs::copy(place.path().join("other/tls.key"), place.path().join("tls/tls.key")).unwrap();
    let done = place.run("check -f genkan.yaml").code(1).says(&["error[CertificateKeyMismatch]", "genkan.yaml:2:5"]);
    assert!(!done.out.contains("PRIVATE KEY"), "{}", done.out);
}

#[test]
fn a_file_too_large_is_refused_at_once() {
    let place = Place::new();
    let file = std::fs::File::create(place.path().join("genkan.yaml")).unwrap();
    file.set_len(100 << 20).unwrap();
    let done = place.run("check -f genkan.yaml").says(&["error[FileTooLarge]", "genkan.yaml"]);
    assert_ne!(done.code, 0);
}

#[test]
fn a_file_of_a_directory_that_is_no_text_costs_only_itself() {
    let place = good();
    std::fs::write(place.path().join("objects.yaml"), [0xff; 100]).unwrap();
    place.run("check -f .").code(1).says(&[
        "error[FileUnreadable]: ./objects.yaml cannot be read: it is not UTF-8 text",
        "= effect: what it holds now is not read; what was read of it before goes on",
        "1 error, no warnings. Would be served: 2 listeners, 1 route, 1 backend, 1 certificate.",
    ]);
}

#[test]
fn an_alias_bomb_is_refused_at_once() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(",")));
    }
    with(&bomb).run("check -f genkan.yaml").code(1).says(&["error[InvalidSyntax]", "genkan.yaml:"]);
}

#[test]
fn a_key_whose_time_has_not_come_is_said_to_be_so() {
    let place = with(&format!("{GOOD}clientAddress: {{ proxyProtocol: Required }}\n"));
    place.run("check -f genkan.yaml").code(1).says(&["error[NotYetSupported]", "--> genkan.yaml:11:16", "clientAddress"]);
}

#[test]
fn all_mistakes_come_at_once_and_in_order() {
    let place = with(
        "\
listeners:
  - { name: https, adress: \"[::]:8443\" }
routes:
  - hostnames: [\"-bad-\"]
    backend: web
timeouts:
  keepAlive: 30
drain: { timeout: 1d }
",
    );
    let done = place.run("check -f genkan.yaml").code(1).says(&["4 errors, no warnings"]);
    let lines: Vec<&str> = done.out.lines().filter_map(|line| line.trim_start().strip_prefix("--> genkan.yaml:")).collect();
    assert_eq!(lines.iter().map(|place| place.split(':').next().unwrap()).collect::<Vec<_>>(), ["2", "4", "7", "8"], "{}", done.out);
}

#[test]
fn mistakes_of_several_files_come_at_once() {
    let place = good();
    place.file("more/a.genkan.yaml", "backend: x\n");
    place.file("more/b.genkan.yaml", "limits: { requestHead: many }\n");
    place.file("more/other.yaml", "not: ours\n");
    place.run("check -f genkan.yaml -f more").code(1).says(&["more/a.genkan.yaml:1:1", "more/b.genkan.yaml:1:24", "2 errors"]);
}

#[test]
fn standard_input_is_a_file() {
    let place = good();
    place.run_with("check -f -", &[], GOOD).code(0);
    place.run_with("check -f -", &[], "routs: []\n").code(1).says(&["--> standard input:1:1"]);
}

#[test]
fn warnings_fail_only_where_that_is_asked_for() {
    let place = with(&GOOD.replace("shop.test", "other.test"));
    place.run("check").code(0).says(&["warning[CertificateHostMismatch]", "no errors, 1 warning"]);
    place.run("check --strict").code(3);
    place.run_with("check", &[("GENKAN_STRICT", "true")], "").code(3);
}

#[test]
fn nothing_is_changed() {
    let place = good();
    let state = |place: &Place| {
        let mut names: Vec<_> = walk(place.path());
        names.sort();
        names
    };
    let before = state(&place);
    place.run("check").code(0);
    assert_eq!(state(&place), before);
}

fn walk(directory: &std::path::Path) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            let mut found = vec![(path.clone(), path.metadata().unwrap().modified().unwrap())];
            if path.is_dir() {
                found.extend(walk(&path));
            }
            found
        })
        .collect()
}

#[test]
fn files_that_the_process_needs_for_itself_are_looked_for() {
    for (keys, words) in [
        ("accessLog: { file: nowhere/a.log }", ["the access log cannot be written to ", "accessLog.file"]),
        ("accessLog: { file: . }", ["the access log cannot be written to ", "Is a directory"]),
        ("admin: { token: { file: token } }", ["the admin token cannot be read from ", "openssl rand -hex 32"]),
        ("admin: { unixSocket: nowhere/s }", ["the admin pages cannot listen on ", "a path in a folder"]),
    ] {
        let place = with(&format!("{GOOD}{keys}\n"));
        place.run("check -f genkan.yaml").code(1).says(&words).says(&["the process does not start", "Nothing would be served"]);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2, "nothing is created");
    }
    let place = with(&format!("{GOOD}accessLog: {{ file: a.log }}\nadmin: {{ unixSocket: s }}\n"));
    place.run("check -f genkan.yaml").code(0);
}
