//! The wiring, in numbered steps: the only file that sees every folder. What the steps do is elsewhere; this is their
//! order, and what happens to the process if one of them fails.

mod announcement;
mod explainer;
mod failure;
mod signals;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::admin::{Admin, Makers, Token, Views, Watchers};
use crate::cli::{NO, USAGE, output};
use crate::control::{Control, Status};
use crate::drain::{Drain, Stage};
use crate::model::{ControlStatus, Explain, ProcessSettings, ProxyStatus, SocketAddress};
use crate::proxy::{self, PortTaken, Proxy};
use crate::settings::{Served, Settings};
use crate::telemetry::spans::Spans;
use crate::telemetry::spans::export::Exporter;
use crate::telemetry::{AccessLog, Metrics, logging};
use explainer::Explainer;
use failure::Failure;
use signals::{Signals, Told};

/// A process that serves.
struct Running {
    drain: Drain,
    status: Arc<Status>,
    reload: Box<dyn Fn() + Send + Sync>,
    proxy: Arc<Proxy>,
    access_log: AccessLog,
    exporter: Option<Exporter>,
}

/// Control, admin and samples; the workers have threads of their own.
const CONTROL_THREADS: usize = 2;
/// For lines that are not to come between others.
const SHORTLY: Duration = Duration::from_millis(100);
/// After the drain: for lines that are still to be written, and threads that are still to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Serves until told to end.
pub fn run(settings: Settings) -> ExitCode {
    let code = run_with(settings);
    logging::flush(LAST_WORDS);
    code
}

fn run_with(mut settings: Settings) -> ExitCode {
    // 1. The log, so that everything after it can be told.
    if let Err(invalid) = logging::start(&settings.log) {
        output::problem(&format!("--log: {invalid}"), None);
        return USAGE.into();
    }
    // 2. The runtime of everything that is not the path of a request.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(CONTROL_THREADS).thread_name("control").enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new("the runtime cannot be started", &error).tell(),
    };
    let code = runtime.block_on(serve(&mut settings));
    // A resolver that does not answer holds its thread; nobody waits for it any more.
    runtime.shutdown_background();
    code
}

async fn serve(settings: &mut Settings) -> ExitCode {
    let drain = Drain::new();
    // 3. Signals first: as process 1 of a container there is no default for them.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return Failure::new("signals cannot be received", &error).tell(),
    };
    let started = tokio::select! {
        started = start(settings, &drain) => started,
        () = signals.stop() => {
            drain.advance(Stage::Stopped);
            tracing::info!(target: "genkan", "stopped before anything was served");
            return ExitCode::SUCCESS;
        }
    };
    match started {
        Ok(running) => running.until_told(signals).await,
        Err(failure) => {
            drain.advance(Stage::Stopped);
            failure.tell()
        }
    }
}

async fn start(settings: &mut Settings, drain: &Drain) -> Result<Running, Failure> {
    tracing::info!(target: "genkan", version = env!("CARGO_PKG_VERSION"), configuration = settings.configuration, "starting");
    // 4. What the configuration refers to, where the command brings it.
    if let Some(companion) = &mut settings.companion {
        companion.start(drain).map_err(|error| Failure::new("the sample backends cannot be started", &error))?;
    }
    // 5. The configuration, with certificates and names as they are now.
    let mut control = Control::start(settings.control.clone(), drain).await.map_err(Failure::from)?;
    let first = control.first().await;
    let status = control.status();
    if settings.strict {
        failure::refuse_findings(&status.report())?;
    }
    // 6. What is counted and written.
    let workers = first.process.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let metrics = Metrics::new(workers);
    let log_file = first.process.access_log.as_deref();
    let access_log = AccessLog::start(log_file).map_err(|error| failure::access_log_unavailable(log_file, &error))?;
    let spans = first.process.collector.as_ref().map_or_else(Spans::default, |(_, sampling)| Spans::to_collector(*sampling));
    let exporter = first.process.collector.clone().map(|(collector, _)| Exporter::start(spans.clone(), collector));
    // 7. The workers, which serve nothing yet.
    let explainer = (settings.mode == proxy::Mode::Laptop).then(|| Arc::new(Explainer { control: status.clone() }) as Arc<dyn Explain>);
    let options = proxy::Options {
        workers,
        metrics: metrics.clone(),
        access_log: access_log.clone(),
        spans: spans.clone(),
        mode: settings.mode,
        port_taken: settings.port_taken,
        issuer: settings.issuer.clone(),
        explainer,
    };
    let proxy = Proxy::start(options, drain).map_err(|error| Failure::new("the workers cannot be started", &error))?;
    // 8. The admin pages, before anything is served: they say that it is not.
    let admin = open_admin(&first.process, settings.port_taken)?;
    let admin_address = admin.as_ref().and_then(Admin::address);
    let token_file = first.process.admin_token.as_deref();
    let token = token_file.map(|path| Token::open(path).map_err(|error| failure::token_unreadable(path, &error))).transpose()?;
    if let Some(admin) = admin {
        let views = Views {
            control: status.clone(),
            proxy: proxy.clone(),
            metrics,
            history: Arc::default(),
            watchers: Watchers::default(),
            makers: Makers::default(),
            token,
            access_log: access_log.clone(),
            spans,
            drain: drain.clone(),
        };
        drain.spawn_background("admin", admin.serve(views));
    }
    // 9. The first snapshot, and from then on every change.
    control.serve(&first, &*proxy).await.map_err(Failure::from)?;
    let reload = Box::new(control.reloader());
    drain.spawn_background("control", control.follow(proxy.clone()));
    // 10. The good news.
    let served = Served { sockets: proxy.sockets(), admin: admin_address, snapshot: first.clone(), report: status.report() };
    announcement::tell(&served, [status.checks(), proxy.ready_checks()].concat());
    if let Some(companion) = &settings.companion {
        // What it prints comes after what the log says.
        logging::flush(SHORTLY);
        companion.serving(&served);
    }
    Ok(Running { drain: drain.clone(), status, reload, proxy, access_log, exporter })
}

fn open_admin(process: &ProcessSettings, taken: PortTaken) -> Result<Option<Admin>, Failure> {
    let admin = process.admin.map(|address| bind_admin(address, taken)).transpose()?;
    let Some(path) = &process.admin_socket else { return Ok(admin) };
    let admin = admin.unwrap_or_else(Admin::nowhere).and_at(path);
    admin.map(Some).map_err(|error| failure::admin_socket_unavailable(path, &error))
}

fn bind_admin(address: SocketAddress, taken: PortTaken) -> Result<Admin, Failure> {
    let next_port = match taken {
        PortTaken::Refuse => false,
        PortTaken::TryNext => true,
    };
    Admin::bind(address, next_port).map_err(|error| failure::admin_unavailable(address, &error))
}

impl Running {
    async fn until_told(self, mut signals: Signals) -> ExitCode {
        loop {
            tokio::select! {
                told = signals.told() => match told {
                    Told::Stop => break,
                    Told::Reload => {
                        tracing::info!(target: "genkan", "reading everything again");
                        (self.reload)();
                    }
                    Told::ReopenLog => {
                        tracing::info!(target: "genkan", "opening the access log again");
                        self.access_log.reopen();
                    }
                },
                () = self.proxy.worker_ended() => {
                    tracing::error!(target: "genkan", "a worker has ended by itself; the process ends with it");
                    self.drain.advance(Stage::Stopped);
                    self.end().await;
                    return NO.into();
                }
            }
        }
        let hurried = tokio::select! {
            () = self.leave() => false,
            () = signals.stop() => true,
        };
        if hurried {
            tracing::warn!(target: "genkan", open = self.drain.guards(), "told twice: stopping at once");
        }
        self.drain.advance(Stage::Stopped);
        self.end().await;
        ExitCode::SUCCESS
    }

    /// Goes without losing what is in flight, as far as the policy of the moment lets it.
    async fn leave(&self) {
        let policy = self.status.snapshot().drain.clone();
        tracing::info!(target: "genkan", delay_seconds = policy.delay.as_secs_f64(), timeout_seconds = policy.timeout.as_secs_f64(), "draining");
        self.drain.advance(Stage::Leaving);
        tokio::time::sleep(policy.delay).await;
        self.drain.advance(Stage::Closing);
        if !self.drain.drained(policy.timeout).await {
            tracing::warn!(target: "genkan", open = self.drain.guards(), "time is up: what is still open is cut off");
        }
    }

    /// Waits for the threads, and for the last lines and spans.
    async fn end(self) {
        let Self { proxy, access_log, exporter, .. } = self;
        let last = tokio::task::spawn_blocking(move || {
            proxy.join();
            access_log.flush(LAST_WORDS);
        });
        if tokio::time::timeout(2 * LAST_WORDS, last).await.is_err() {
            tracing::warn!(target: "genkan", "not every thread has ended in time");
        }
        if let Some(exporter) = exporter {
            exporter.finish(LAST_WORDS).await;
        }
        tracing::info!(target: "genkan", "stopped");
    }
}
