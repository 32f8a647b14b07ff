//! `weir agent`: from the settings to the running loop.

use std::{io::IsTerminal as _, process::ExitCode, time::Duration};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;
use weir_cli::command::AgentArgs;

use crate::{
    config::{Config, Environment, Log, LogFormat, Source},
    datapath::Datapath,
    doctor,
    files::FileSource,
    kube::{KubeSource, status::Reporting},
    net::Netlink,
    reconcile::{Reconciler, Settings},
    serve::{Health, Listeners, Served, serve, snapshot_channel},
    signals,
    source::Update,
    state::{Lock, StateFolder},
    supervise::Tasks,
};

/// The loop beats every 2 s; a round over 250 pods takes far less than the rest.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// Runs the agent until SIGTERM or SIGINT.
pub async fn run(args: &AgentArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(args, &Environment::of_this_process())?;
    if args.check_config {
        print!("{}", config.to_yaml());
        return Ok(ExitCode::SUCCESS);
    }
    log_to_stderr(&config.log)?;
    enforce(config).await?;
    Ok(ExitCode::SUCCESS)
}

async fn enforce(config: Config) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let mut tasks = Tasks::new(stop.clone());
    tasks.spawn("the handler of signals", stop_on_signals(signals::told_to_end()?, stop.clone()));
    let state = StateFolder::open(&config.state_dir)?;
    let lock = Lock::take(&state)?;
    let listeners = Listeners::bind(&config.listen).await?;
    let datapath = Datapath::open(&config.bpffs)?;
    let kernel = nix::sys::utsname::uname().context("uname failed")?.release().to_string_lossy().into_owned();
    info!(
        node = config.node,
        version = env!("CARGO_PKG_VERSION"),
        kernel,
        attach = if datapath.uses_tcx() { "tcx" } else { "clsact" },
        "started"
    );
    let health = Health::new(LONGEST_SILENCE);
    let (snapshots, requests) = snapshot_channel();
    let source = Objects::of(&config, &state).await?;
    let settings = Settings {
        node: config.node.clone(),
        resync: config.resync,
        take_over: config.take_over,
        state_dir: config.state_dir.clone(),
    };
    let reconciler = Reconciler::new(settings, datapath, Netlink::open()?, health.clone())?;
    let reporting = match &config.source {
        Source::Files(_) => None,
        Source::Kubernetes(access) => Some(Reporting {
            access: access.clone(),
            node: config.node.clone(),
            facts: doctor::facts(&config.bpffs, &kernel).await,
            snapshots: snapshots.clone(),
            rounds: reconciler.rounds(),
            updates: source.updates(),
        }),
    };
    let served = Served { snapshots, health, kernel };
    let updates = source.updates();
    tasks.spawn("the source of objects", source.run(stop.clone()));
    tasks.spawn("the servers", serve(listeners, served, stop.clone()));
    if let Some(reporting) = reporting {
        tasks.spawn("reporting to the API server", reporting.run(stop.clone()));
    }
    // It blocks while the kernel attaches programs, so it has this thread to itself.
    let running = Box::pin(reconciler.run(updates, requests, stop));
    let result = tasks.run_with("the reconcile loop", running).await;
    drop(lock);
    result
}

/// The source of objects, running.
enum Objects {
    Files(FileSource),
    Kubernetes(KubeSource),
}

impl Objects {
    async fn of(config: &Config, state: &StateFolder) -> anyhow::Result<Self> {
        Ok(match &config.source {
            Source::Files(folder) => Self::Files(FileSource::start(folder)?),
            Source::Kubernetes(access) => {
                Self::Kubernetes(KubeSource::start(access, &config.node, state.objects_path()).await?)
            }
        })
    }

    fn updates(&self) -> watch::Receiver<Option<Update>> {
        match self {
            Self::Files(source) => source.updates(),
            Self::Kubernetes(source) => source.updates(),
        }
    }

    /// Keeps the source until `stop` is cancelled. Fails when its task or thread ends before.
    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let ended = async {
            match &mut self {
                Self::Files(source) => source.ended().await,
                Self::Kubernetes(source) => source.ended().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            error = ended => Err(error),
        }
    }
}

/// Logs to standard error, where both a terminal and a container's runtime read.
fn log_to_stderr(log: &Log) -> anyhow::Result<()> {
    // kube's client says each failed request again, over and over while the API server is away.
    let filter =
        if log.filter.contains("kube_client") { log.filter.clone() } else { format!("{},{QUIET}", log.filter) };
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    match log.format {
        LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    }
    .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

/// What only repeats our own words.
const QUIET: &str = "kube_client::client::builder=off";

async fn stop_on_signals(told: impl Future<Output = &'static str>, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => {}
        // Awaited outside of the macro, whose arguments are not evaluated where the level is off.
        signal = told => info!(signal, "stopping"),
    }
    stop.cancel();
    Ok(())
}
