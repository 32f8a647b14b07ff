//! `cargo xtask demo`: plays the scene, shows its figures, and writes a report with pictures.

mod cluster;
mod events;
mod figures;
mod picture;
mod report;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use self::events::Recording;
use self::figures::Figures;
use crate::paths;
use crate::scene::{self, Place};

/// The scene takes two minutes; an emulated machine beside other work may be slower.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Arguments of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Print the figures as one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Where the report and its data go; target/demo of the workspace if not given.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Play it on a Kubernetes node: a whole cluster in the VM, told by kubectl. Needs Go, once.
    #[arg(long, conflicts_with_all = ["native", "kernel", "out", "replay"])]
    cluster: bool,
    /// Leave the cluster running when the scene is over, until Ctrl-C
    #[arg(long, requires = "cluster")]
    keep: bool,
    /// Make the report again from the events of an earlier run, without playing the scene.
    #[arg(long, value_name = "EVENTS_JSONL", conflicts_with_all = ["native", "kernel"])]
    replay: Option<PathBuf>,
}

/// Plays the scene and tells what came of it. The exit code says whether the scene came to its end
/// and every byte was accounted for.
pub fn main(args: &Args) -> Result<ExitCode> {
    if args.cluster {
        return cluster::play(args.keep, args.json);
    }
    let out = args.out.clone().unwrap_or_else(|| paths::workspace().join("target/demo"));
    fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let recording = match &args.replay {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Recording::parse(&text).with_context(|| format!("{} is no demo's recording", file.display()))?
        }
        None => play(&args.place, &out)?,
    };
    let figures = recording.result.as_ref().context("the scene ended without figures")?;
    let report = write_report(&recording, figures, &out)?;
    if args.json {
        let mut object = serde_json::to_value(figures)?;
        object["machine"] = recording.machine().into();
        object["report"] = report.display().to_string().into();
        object["promises"] = serde_json::to_value(figures.promises())?;
        println!("{object:#}");
    } else {
        println!("{}", table::render(figures));
        println!("report: {}", report.display());
    }
    if let Some(doubt) = figures.doubt(recording.machine()) {
        eprintln!("warning: {doubt}");
    }
    if figures.accounting.byte_errors != 0 {
        eprintln!("error: Weir's counters differ from the interfaces' by {} bytes", figures.accounting.byte_errors);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays the scene, and keeps its events also when it fails.
fn play(place: &Place, out: &Path) -> Result<Recording> {
    let played = scene::play(place, &["demo".to_owned(), "--json-events".to_owned()], &[], TIMEOUT)?;
    let when = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let header = serde_json::json!({"event": "played", "machine": played.machine, "when": when});
    let file = out.join("events.jsonl");
    let text = format!("{header}\n{}", played.stdout);
    fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    played.require_success().with_context(|| format!("its events until then: {}", file.display()))?;
    Recording::parse(&text)
}

/// Writes the report and the picture by itself; gives the report's path.
fn write_report(recording: &Recording, figures: &Figures, out: &Path) -> Result<PathBuf> {
    let picture = picture::draw(recording, figures).into_string();
    let write = |name: &str, text: &str| {
        let file = out.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        anyhow::Ok(file)
    };
    write("demo.svg", &picture)?;
    write("report.html", &report::page(recording, figures, &picture))
}
