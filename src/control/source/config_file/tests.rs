use std::fs;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::model::Reason;

/// What must happen within a second gets this long on a busy machine; well before contents are compared anyway.
const SOON: Duration = Duration::from_secs(10);

struct Running {
    changes: mpsc::Receiver<Change>,
}

impl Running {
    fn start(events: bool, mut source: ConfigSource) -> Self {
        let (sender, changes) = mpsc::channel(16);
        assert!(!source.read().unwrap().refused);
        let files = if events { FileWatch::new(source.reload.clone()) } else { FileWatch::without_events(Arc::default(), source.reload.clone()) };
        tokio::spawn(source.follow(files, sender));
        Self { changes }
    }

    /// Waits until the default backend is this one and the findings are these.
    async fn until(&mut self, backend: &str, reasons: &[Reason]) {
        let mut last = String::new();
        let wait = async {
            while let Some(Change::Configuration { objects, findings, .. }) = self.changes.recv().await {
                let found: Vec<Reason> = findings.iter().map(|finding| finding.reason).collect();
                last = format!("{} {found:?}", default_backend(&objects));
                if last == format!("{backend} {reasons:?}") {
                    return;
                }
            }
        };
        let arrived = timeout(SOON, wait).await;
        assert!(arrived.is_ok(), "{backend} {reasons:?} did not arrive, but {last}");
    }
}

fn default_backend(objects: &Objects) -> String {
    let rule = objects.default_route.as_ref().map(|route| &route.rule);
    rule.and_then(|rule| rule.backend.as_ref()).map_or_else(|| "none".to_owned(), |backend| backend.value.to_string())
}

fn source(paths: &[PathBuf]) -> ConfigSource {
    let inputs = paths.iter().cloned().map(Input::Path).collect();
    ConfigSource::new(Configuration::Files(inputs), Overrides::default(), Arc::default())
}

fn write(path: &Path, backend: &str) {
    fs::write(path, format!("defaultBackend: {backend}\n")).unwrap();
}

async fn changes_arrive(events: bool) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("genkan.yaml");
    write(&path, "one");
    let mut running = Running::start(events, source(std::slice::from_ref(&path)));
    write(&path, "two");
    running.until("two", &[]).await;
    fs::write(&path, "defaultBackend: three\ndefaultBakend: four\n").unwrap();
    running.until("two", &[Reason::UnknownField]).await;
    fs::write(&path, "defaultBackend: [\n").unwrap();
    running.until("two", &[Reason::InvalidSyntax]).await;
    write(&path, "three");
    running.until("three", &[]).await;
    fs::remove_file(&path).unwrap();
    running.until("three", &[Reason::FileUnreadable]).await;
    write(&root.path().join("aside"), "four");
    fs::rename(root.path().join("aside"), &path).unwrap();
    running.until("four", &[]).await;
}

#[tokio::test]
async fn a_changed_file_arrives_and_a_broken_one_leaves_the_last_good_by_events() {
    changes_arrive(true).await;
}

#[tokio::test]
async fn a_changed_file_arrives_and_a_broken_one_leaves_the_last_good_without_events() {
    changes_arrive(false).await;
}

#[tokio::test]
async fn files_of_a_directory_come_and_go_and_stay_where_it_is_gone() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("d");
    fs::create_dir_all(directory.join("sub")).unwrap();
    let main = directory.join("genkan.yaml");
    write(&main, "one");
    fs::write(directory.join("other.yaml"), "defaultBackend: ignored\n").unwrap();
    fs::write(directory.join(".hidden.genkan.yaml"), "defaultBackend: ignored\n").unwrap();
    let mut running = Running::start(true, source(std::slice::from_ref(&directory)));
    let second = directory.join("sub/web.genkan.yaml");
    fs::write(&second, "unknown: 1\n").unwrap();
    running.until("one", &[Reason::UnknownField]).await;
    fs::remove_file(&second).unwrap();
    running.until("one", &[]).await;
    fs::rename(&directory, root.path().join("away")).unwrap();
    running.until("one", &[Reason::FileUnreadable]).await;
    fs::create_dir(&directory).unwrap();
    running.until("none", &[]).await;
    write(&main, "two");
    running.until("two", &[]).await;
}

#[tokio::test]
async fn a_config_map_is_followed_through_its_links() {
    let root = tempfile::tempdir().unwrap();
    let link = |n: u32| {
        let next = format!("..2026.{n}");
        fs::create_dir(root.path().join(&next)).unwrap();
        write(&root.path().join(&next).join("genkan.yaml"), &format!("b{n}"));
        std::os::unix::fs::symlink(&next, root.path().join("..data_tmp")).unwrap();
        fs::rename(root.path().join("..data_tmp"), root.path().join("..data")).unwrap();
    };
    link(0);
    std::os::unix::fs::symlink("..data/genkan.yaml", root.path().join("genkan.yaml")).unwrap();
    let mut running = Running::start(true, source(&[root.path().to_owned()]));
    for n in 1..4 {
        link(n);
        running.until(&format!("b{n}"), &[]).await;
    }
}

#[test]
fn a_file_counts_once_however_often_it_is_named() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("web.yaml");
    fs::write(&path, "defaultBackend: web\nbackends: [{ name: web }]\n").unwrap();
    let reading = source(&[root.path().to_owned(), path.clone(), path]).read().unwrap();
    assert_eq!((default_backend(&reading.objects).as_str(), reading.objects.backends.len(), reading.findings), ("web", 1, Vec::new()));
}

#[test]
fn a_path_that_cannot_be_opened_is_said_at_start() {
    let root = tempfile::tempdir().unwrap();
    let reading = source(&[root.path().join("none.yaml")]).read().unwrap();
    assert!(reading.unopened && reading.refused);
    fs::write(root.path().join("genkan.yaml"), [0xff, 0xfe]).unwrap();
    let reading = source(&[root.path().to_owned()]).read().unwrap();
    assert!(reading.refused && !reading.unopened, "{:?}", reading.findings);
    fs::write(root.path().join("genkan.yaml"), vec![b'#'; 9 << 20]).unwrap();
    assert_eq!(source(&[root.path().to_owned()]).read().unwrap().findings[0].reason, Reason::FileTooLarge);
}

#[test]
fn what_is_not_ours_is_no_mistake() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("broken.yaml"), "a: [\n").unwrap();
    fs::write(root.path().join("values.yaml"), "a: b\n").unwrap();
    fs::write(root.path().join("template.yaml"), "a: {{ .Values.x }}\nb: [\n").unwrap();
    fs::write(root.path().join("object.json"), "{\"apiVersion\": \"v1\", \"kind\": \"Service\"}").unwrap();
    let reading = source(&[root.path().to_owned()]).read().unwrap();
    let reasons: Vec<_> = reading.findings.iter().map(|finding| (finding.severity, finding.reason)).collect();
    let warning = crate::model::Severity::Warning;
    assert_eq!(reasons, [(warning, Reason::MissingField), (warning, Reason::InvalidSyntax)]);
    assert!(!reading.refused);
}

#[test]
fn the_same_again_is_no_reading() {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("genkan.yaml"), "one");
    let mut source = source(&[root.path().to_owned()]);
    assert!(source.read().is_some());
    assert!(source.read().is_none());
}
