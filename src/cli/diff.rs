//! `genkan diff`: which hosts and paths go elsewhere under another configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use http::{HeaderMap, Method};
use serde::Serialize;

use super::explain::unserved;
use super::flags::{Files, Format, Mapped};
use super::input::{self, Chosen};
use super::look::look;
use super::output::{Stream, printable};
use super::report::pretty;
use super::{NO, Refusal};
use crate::model::{Action, Conditions, HostPattern, PathMatch, Redirect, Route, RouteSet, Snapshot};
use crate::route::{Request, Table};

/// Say what goes elsewhere under another configuration
///
/// Compares what -f and --against make of every host and path that one of the two has a route for, and prints those
/// that would go elsewhere: + is new, - goes nowhere any more, ~ has another backend.
#[derive(Debug, Args)]
pub(super) struct Diff {
    #[command(flatten)]
    files: Files,
    /// The other configuration: what would be (repeatable)
    #[arg(long, value_name = "PATH", env = "GENKAN_AGAINST", hide_env_values = true, value_delimiter = '\n', required = true)]
    against: Vec<PathBuf>,
    /// Exit with 1 if anything differs
    #[arg(long, env = "GENKAN_EXIT_CODE", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    exit_code: bool,
    /// How differences are printed
    #[arg(long, value_name = "FORMAT", env = "GENKAN_FORMAT", hide_env_values = true, default_value = "text")]
    format: Format,
    #[command(flatten)]
    mapped: Mapped,
}

/// One host and path that goes elsewhere.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    host: String,
    path: String,
    /// Method, headers and query parameters that it depends on.
    conditions: String,
    /// Where it goes now; absent: nowhere.
    before: Option<String>,
    /// Where it would go; absent: nowhere.
    after: Option<String>,
}

impl Diff {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let mut sides = Vec::new();
        for files in [&self.files.files, &self.against] {
            let Chosen { configuration, .. } = input::choose(files)?;
            let look = look(configuration, self.mapped.clone())?;
            let Some((snapshot, _)) = &look.served else { return Ok(unserved(&look)) };
            sides.push(snapshot.clone());
        }
        let [before, after] = sides.as_slice() else { return Err(Refusal::usage("two configurations are needed")) };
        let (differences, same) = differences(before, after);
        match self.format {
            Format::Json => Stream::Out.write(&pretty(&differences)),
            Format::Text => {
                let lines: String = differences.iter().map(line).collect();
                Stream::Out.write(&lines);
                Stream::Err.write(&format!("{} would go elsewhere, {same} would not\n", differences.len()));
            }
        }
        Ok(if self.exit_code && !differences.is_empty() { NO.into() } else { ExitCode::SUCCESS })
    }
}

fn line(difference: &Difference) -> String {
    let Difference { host, path, conditions, before, after } = difference;
    let what = printable(&format!("{host}{path}{conditions}"));
    match (before, after) {
        (None, Some(after)) => format!("+ {what}  -> {}\n", printable(after)),
        (Some(before), None) => format!("- {what}  -> {}\n", printable(before)),
        (before, after) => {
            let side = |side: &Option<String>| printable(side.as_deref().unwrap_or("nowhere"));
            format!("~ {what}  {} -> {}\n", side(before), side(after))
        }
    }
}

/// What is compared, as it is shown: host, path, and what it depends on besides.
type Point = (String, String, String);

/// A request inside of it.
struct Sample {
    host: String,
    path: String,
    conditions: Conditions,
}

/// Everything that goes elsewhere, and how much does not.
fn differences(before: &Snapshot, after: &Snapshot) -> (Vec<Difference>, usize) {
    let mut differences = Vec::new();
    let mut same = 0;
    let names: std::collections::BTreeSet<&Arc<str>> = before.route_sets.iter().chain(&after.route_sets).map(|set| &set.name).collect();
    for name in names {
        let set = |snapshot: &Snapshot| snapshot.route_sets.iter().find(|set| set.name == *name).cloned().unwrap_or_default();
        let (old, new) = (set(before), set(after));
        let (old_table, new_table) = (table(&old), table(&new));
        let mut points: BTreeMap<Point, Sample> = BTreeMap::new();
        old.all().chain(new.all()).for_each(|route| add_points(route, &mut points));
        for ((host, path, conditions), sample) in points {
            let [before, after] = [(&old, &old_table), (&new, &new_table)].map(|(set, table)| goes(set, table, &sample));
            if before == after {
                same += 1;
                continue;
            }
            let host = if name.is_empty() { host } else { format!("{name}: {host}") };
            differences.push(Difference { host, path, conditions, before, after });
        }
    }
    (differences, same)
}

fn table(set: &RouteSet) -> Table<Arc<Route>> {
    Table::build(set.routes.iter().map(|route| (&route.matches, route.clone())))
}

/// A host and a path inside of everything that the route is for.
fn add_points(route: &Route, points: &mut BTreeMap<Point, Sample>) {
    let any = [None];
    let hosts: Vec<Option<&HostPattern>> = if route.matches.hosts.is_empty() { any.to_vec() } else { route.matches.hosts.iter().map(Some).collect() };
    for host in hosts {
        let (host, sample_host) = match host {
            Some(HostPattern::Exact(host)) => (host.to_string(), host.to_string()),
            Some(pattern @ HostPattern::Wildcard(host)) => (pattern.to_string(), format!("any.{host}")),
            Some(pattern @ HostPattern::Deep(host)) => (pattern.to_string(), format!("any.any.{host}")),
            None => ("*".to_owned(), "any.invalid".to_owned()),
        };
        let path = route.matches.path.path();
        let itself = || (path.to_owned(), path.to_owned());
        let below = || (format!("{}/*", path.trim_end_matches('/')), format!("{}/any", path.trim_end_matches('/')));
        let paths = match &route.matches.path {
            PathMatch::Exact(_) => vec![itself()],
            PathMatch::Prefix(_) => vec![itself(), below()],
            PathMatch::Below(_) => vec![below()],
        };
        for (path, sample_path) in paths {
            let conditions = &route.matches.conditions;
            points.entry((host.clone(), path, describe(conditions))).or_insert_with(|| Sample {
                host: sample_host.clone(),
                path: sample_path,
                conditions: conditions.clone(),
            });
        }
    }
}

fn describe(conditions: &Conditions) -> String {
    let methods = conditions.methods.iter().map(|method| format!(" {method}"));
    let headers = conditions.headers.iter().map(|(name, value)| format!(" {name}={value}"));
    let query = conditions.query.iter().map(|(name, value)| format!(" ?{name}={value}"));
    methods.chain(headers).chain(query).collect()
}

/// Where the request goes; `None`: no route is for it.
fn goes(set: &RouteSet, table: &Table<Arc<Route>>, Sample { host, path, conditions }: &Sample) -> Option<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &conditions.headers {
        headers.append(name, value.parse().ok()?);
    }
    let query: Vec<String> = conditions.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = query.join("&");
    let method = conditions.methods.first().unwrap_or(&Method::GET);
    let request = Request { host: Some(host), path, query: Some(query.as_str()), method, headers: &headers };
    let route = table.find(&request).or(set.default_route.as_ref())?;
    match &route.action {
        Action::Forward(targets) => {
            let named: Vec<String> = targets
                .iter()
                .map(|target| if targets.len() == 1 { target.backend.clone() } else { format!("{} * {}", target.backend, target.weight) })
                .collect();
            Some(named.join(", "))
        }
        Action::Redirect(redirect) => Some(describe_redirect(redirect)),
        Action::NotFound => None,
        Action::Broken(why) => Some(format!("an error: {why}")),
    }
}

fn describe_redirect(redirect: &Redirect) -> String {
    let scheme = redirect.https.map_or("", |https| if https { "https://" } else { "http://" });
    let host = redirect.host.as_ref().map_or_else(String::new, ToString::to_string);
    format!("{} to {scheme}{host}", redirect.status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Host, Match, Target};

    fn route(host: &str, path: &str, backend: &str) -> Arc<Route> {
        Arc::new(Route {
            name: format!("{host}{path}").into(),
            matches: Match { hosts: vec![HostPattern::Exact(Host::parse(host).unwrap())], path: PathMatch::prefix(path), ..Match::default() },
            plain_http: None,
            https_redirect: None,
            request_timeout: std::time::Duration::MAX,
            limits_tunnels: false,
            filters: Vec::new(),
            log_sampling: None,
            behaviour: crate::model::Behaviour::Genkan,
            action: Action::Forward(vec![Target { backend: backend.to_owned(), weight: 1 }]),
        })
    }

    fn snapshot(routes: Vec<Arc<Route>>) -> Snapshot {
        Snapshot { route_sets: vec![Arc::new(RouteSet { routes, ..RouteSet::default() })], ..Snapshot::default() }
    }

    #[test]
    fn what_goes_elsewhere_is_found_and_the_rest_is_counted() {
        let before = snapshot(vec![route("a.test", "/", "one"), route("a.test", "/api", "two"), route("b.test", "/", "one")]);
        let after = snapshot(vec![route("a.test", "/", "one"), route("a.test", "/api/v2", "three"), route("b.test", "/", "four")]);
        let (differences, same) = differences(&before, &after);
        let found: Vec<String> = differences.iter().map(line).collect();
        assert_eq!(
            found,
            [
                "~ a.test/api  two -> one\n",
                "~ a.test/api/*  two -> one\n",
                "~ a.test/api/v2  two -> three\n",
                "~ a.test/api/v2/*  two -> three\n",
                "~ b.test/  one -> four\n",
                "~ b.test/*  one -> four\n",
            ]
        );
        assert_eq!(same, 2);
    }

    #[test]
    fn what_comes_and_goes_is_told_apart() {
        let (differences, _) = differences(&snapshot(vec![route("a.test", "/", "one")]), &snapshot(vec![route("b.test", "/", "one")]));
        let found: Vec<String> = differences.iter().map(line).collect();
        assert_eq!(found, ["- a.test/  -> one\n", "- a.test/*  -> one\n", "+ b.test/  -> one\n", "+ b.test/*  -> one\n"]);
    }
}
