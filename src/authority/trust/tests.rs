use std::fs;
use std::time::SystemTime;

use super::*;

const ALL: Stores = Stores { system: true, nss: true };

/// A machine with a system's store whose program is this one.
fn machine(program: &str) -> (tempfile::TempDir, Trust, Authority) {
    let place = tempfile::tempdir().unwrap();
    let (directory, store) = (place.path().join("ca"), place.path().join("store"));
    fs::create_dir(&store).unwrap();
    let authority = Authority::create(&directory, &[], SystemTime::now()).unwrap();
    let trust = Trust::new(&directory, Some(place.path().join("home")), System { directory: store, program: program.into() });
    (place, trust, authority)
}

fn outcomes(steps: Vec<Step>) -> Vec<Outcome> {
    steps.into_iter().map(|step| step.outcome).collect()
}

#[test]
fn the_system_is_told_and_forgets() {
    let (_place, trust, authority) = machine("true");
    assert_eq!(outcomes(trust.install(&authority, ALL).unwrap()), [Outcome::Done, Outcome::Absent]);
    let file = trust.system.file();
    assert_eq!(fs::read_to_string(&file).unwrap(), authority.certificate_pem());
    assert_eq!(outcomes(trust.install(&authority, ALL).unwrap())[0], Outcome::Already);
    // Its successor takes its place, and is what is taken back.
    let next = Authority::constrained(&[], SystemTime::now()).unwrap();
    assert_eq!(outcomes(trust.install(&next, ALL).unwrap())[0], Outcome::Done);
    assert_eq!(trust.installed(ALL).unwrap(), trust.places(ALL));
    assert_eq!(outcomes(trust.uninstall(ALL).unwrap()), [Outcome::Done]);
    assert!(!file.exists() && trust.installed(ALL).unwrap().is_empty() && trust.uninstall(ALL).unwrap().is_empty());
}

#[test]
fn what_others_have_put_there_stays() {
    let (_place, trust, authority) = machine("true");
    let other = Authority::constrained(&[], SystemTime::now()).unwrap();
    let file = trust.system.file();
    fs::write(&file, other.certificate_pem()).unwrap();
    assert_eq!(outcomes(trust.install(&authority, ALL).unwrap())[0], Outcome::Foreign);
    fs::write(&file, authority.certificate_pem()).unwrap();
    assert_eq!(outcomes(trust.install(&authority, ALL).unwrap())[0], Outcome::Already);
    assert!(trust.uninstall(ALL).unwrap().is_empty() && file.exists());
    fs::remove_file(&file).unwrap();
    trust.install(&authority, ALL).unwrap();
    fs::write(&file, other.certificate_pem()).unwrap();
    assert_eq!(outcomes(trust.uninstall(ALL).unwrap()), [Outcome::Foreign]);
    assert!(file.exists());
}

#[test]
fn a_store_that_cannot_be_updated_is_left_as_it_was() {
    for (program, outcome) in
        [("/nowhere/program", Outcome::NoProgram("update-ca-certificates", "ca-certificates")), ("false", Outcome::Failed("false: ".to_owned()))]
    {
        let (_place, trust, authority) = machine(program);
        assert_eq!(outcomes(trust.install(&authority, ALL).unwrap())[0], outcome);
        assert!(!trust.system.file().exists() && trust.installed(ALL).unwrap().is_empty());
    }
}

#[test]
fn a_machine_without_stores_is_told_so() {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::create(place.path(), &[], SystemTime::now()).unwrap();
    let trust = Trust::new(place.path(), None, System { directory: place.path().join("gone"), program: "true".into() });
    assert_eq!(outcomes(trust.install(&authority, ALL).unwrap()), [Outcome::Absent, Outcome::Absent]);
    assert_eq!(trust.places(ALL).len(), 1);
}
