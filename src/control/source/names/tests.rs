use super::*;
use crate::control::resources::needs_resolving;

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

fn names(list: &[&str]) -> Names {
    let mut names = Names::default();
    names.follow(&list.iter().map(|name| host(name)).collect());
    names
}

fn answer(name: &str, addresses: &[&str]) -> Answer {
    (host(name), Ok(addresses.iter().map(|address| address.parse().unwrap()).collect()))
}

fn failure(name: &str) -> Answer {
    (host(name), Err(io::Error::other("no such name")))
}

#[test]
fn addresses_and_localhost_are_no_names() {
    for (text, needed) in
        [("localhost", false), ("LOCALHOST.", false), ("127.0.0.1", false), ("[::1]", false), ("web", true), ("web.localhost", true)]
    {
        assert_eq!(needs_resolving(&host(text)), needed, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_good_answer_stays() {
    let mut names = names(&["web.test"]);
    assert!(names.take(answer("web.test", &["10.0.0.1"])));
    assert!(!names.take(answer("web.test", &["10.0.0.1"])), "the same again is no change");
    assert!(names.take(failure("web.test")));
    let kept = &names.resolutions()[&host("web.test")];
    assert_eq!((kept.addresses.len(), kept.failure.as_deref()), (1, Some("no such name")));
    assert!(!names.take(failure("web.test")));
    assert!(names.take(answer("web.test", &["10.0.0.2"])));
    assert_eq!(names.resolutions()[&host("web.test")].failure, None);
}

#[tokio::test(start_paused = true)]
async fn names_are_asked_for_again_at_their_pace() {
    let mut names = names(&["web.test"]);
    let pace = |names: &Names| names.next_due() - Instant::now();
    names.take(answer("web.test", &["10.0.0.1"]));
    assert_eq!(pace(&names), PERIOD);
    for _ in 0..EARLY_FAILURES {
        names.take(failure("web.test"));
        assert_eq!(pace(&names), EARLY);
    }
    names.take(failure("web.test"));
    assert_eq!(pace(&names), FAILING);
    names.take(answer("web.test", &["10.0.0.1"]));
    assert_eq!(pace(&names), PERIOD);
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_wants_are_forgotten() {
    let mut names = names(&["a.test", "b.test"]);
    names.take(answer("a.test", &["10.0.0.1"]));
    names.follow(&[host("b.test")].into());
    assert!(!names.take(answer("a.test", &["10.0.0.2"])));
    assert!(names.resolutions().is_empty());
}

#[test]
fn answers_are_sorted_and_without_repetition() {
    let answer = ["10.0.0.2:0", "10.0.0.1:0", "10.0.0.2:0"].map(|address| address.parse().unwrap());
    let usable = usable(answer.into_iter()).unwrap();
    assert_eq!(usable, ["10.0.0.1", "10.0.0.2"].map(|address| address.parse::<IpAddr>().unwrap()));
    assert!(super::usable(std::iter::empty()).unwrap_err().to_string().contains("no address"));
}

/// Through the system's resolver, for a name that this machine gives itself; a machine without one passes.
#[tokio::test]
async fn a_name_of_the_hosts_file_resolves() {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let entry = hosts.lines().filter_map(|line| {
        line.split('#')
            .next()?
            .split_whitespace()
            .collect::<Vec<_>>()
            .split_first()
            .map(|(a, n)| (a.to_string(), n.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()))
    });
    let own = entry.filter(|(address, _)| address.parse::<std::net::Ipv4Addr>().is_ok()).find_map(|(address, names)| {
        let name = names.into_iter().find(|name| !name.contains("localhost") && Host::parse(name).is_ok())?;
        Some((address.parse::<IpAddr>().unwrap(), host(&name)))
    });
    let Some((address, name)) = own else { return };
    let (sender, mut changes) = mpsc::channel(4);
    let (_wanted, wants) = watch::channel(Wanted { names: [name.clone()].into(), ..Wanted::default() });
    tokio::spawn(Names::default().run(sender, wants));
    let Ok(Some(Change::Names(names))) = timeout(LIMIT * 2, changes.recv()).await else { panic!("no answer") };
    assert!(names[&name].addresses.contains(&address), "{names:?}");
}
