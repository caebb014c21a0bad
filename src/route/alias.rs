//! Hosts that stand for others: on a laptop every host `H` also answers at `H.localhost`, which browsers resolve to
//! this machine without any set-up.

/// What an alias ends in.
pub const LOCALHOST: &str = ".localhost";

/// The host that `asked` stands for, if it is `H.localhost` and `knows` says that `H` is one of the hosts.
pub fn behind_localhost(asked: &str, knows: impl Fn(&str) -> bool) -> Option<&str> {
    asked.strip_suffix(LOCALHOST).filter(|host| !host.is_empty() && knows(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_that_are_known_have_an_alias() {
        let knows = |host: &str| host == "shop.test" || host.ends_with(".shop.test");
        for (asked, host) in [
            ("shop.test.localhost", Some("shop.test")),
            ("a.shop.test.localhost", Some("a.shop.test")),
            ("shop.test", None),
            ("other.test.localhost", None),
            ("localhost", None),
            (".localhost", None),
        ] {
            assert_eq!(behind_localhost(asked, knows), host, "{asked}");
        }
    }
}
