//! `cargo xtask demo --cluster`: the scene on a Kubernetes node, and the node itself to look around in.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::{Deserialize, Serialize};

use crate::tools::kubernetes;
use crate::vm::{self, Interrupted, Output, VmSpec};
use crate::{cluster, paths};

/// The scene takes four minutes; an emulated machine beside other work may be slower.
const TIMEOUT: Duration = Duration::from_mins(20);
/// How long a cluster is kept that nobody ends.
const KEEP: Duration = Duration::from_hours(7 * 24);
/// The port of the API server inside.
const API_PORT: u16 = 6443;

/// What the scene measured. The names are those of `--json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Figures {
    kernel: String,
    kubernetes: String,
    /// What `kubectl get uplinks,traffictiers,weirnodes` printed while the seed was shaped.
    columns: String,
    idle: Act,
    unshaped: Act,
    shaped: Act,
    unlabelled: Act,
    relabelled: Act,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[allow(clippy::struct_field_names)] // units belong into the names
struct Act {
    call_p99_ms: f64,
    bulk_mbit: f64,
}

/// What the scene tells that matters here.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Result(Box<Figures>),
    /// The API server may be talked to from outside.
    Open {
        certificate: String,
        token: String,
    },
    #[serde(other)]
    Other,
}

/// Plays the scene and tells what came of it. With `keep` the cluster stays until Ctrl-C.
pub(super) fn play(keep: bool, json: bool) -> Result<ExitCode> {
    let mut spec = cluster::vm()?;
    let port = free_port()?;
    let (sender, lines) = mpsc::channel();
    spec = VmSpec {
        command: ["weir-lab", "cluster", "--json-events"].map(str::to_owned).to_vec(),
        timeout: TIMEOUT,
        stdout: Output::Keep,
        lines: Some(sender),
        ..spec
    };
    if keep {
        spec.command.push("--keep".to_owned());
        (spec.timeout, spec.forward) = (KEEP, Some((port, API_PORT)));
    }
    eprintln!("booting Linux {} in a VM", spec.kernel);
    let told = std::thread::spawn(move || listen(&lines, port, json));
    let result = vm::run(&spec);
    // The other end of the lines.
    drop(spec);
    let figures = match told.join() {
        Ok(told) => told?,
        Err(panic) => std::panic::resume_unwind(panic),
    };
    let result = match result {
        Err(error) if keep && figures && error.is::<Interrupted>() => {
            eprintln!("the cluster is gone");
            return Ok(ExitCode::SUCCESS);
        }
        result => result?,
    };
    if result.exit_code != 0 {
        bail!("the scene failed with code {}; what it said is above", result.exit_code);
    }
    if !figures {
        bail!("the scene ended without figures");
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what the scene tells, while it tells it. Whether there were figures.
fn listen(lines: &Receiver<String>, port: u16, json: bool) -> Result<bool> {
    let mut figures = false;
    for line in lines {
        match serde_json::from_str(&line).with_context(|| format!("no event of the scene: {line}"))? {
            Event::Result(result) => {
                figures = true;
                println!("{}", if json { format!("{:#}", serde_json::to_value(&result)?) } else { render(&result) });
            }
            Event::Open { certificate, token } => {
                let file = write_kubeconfig(port, &certificate, &token)?;
                eprint!("{}", invitation(&file, port)?);
            }
            Event::Other => {}
        }
    }
    Ok(figures)
}

fn render(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(["", "call: round trip, p99", "seed: goodput"]);
    for (what, act) in [
        ("the call alone", figures.idle),
        ("beside the seed, no Weir", figures.unshaped),
        ("beside the seed, Weir", figures.shaped),
        ("label taken away", figures.unlabelled),
        ("label put back", figures.relabelled),
    ] {
        table.add_row([
            what.to_owned(),
            format!("{:.1} ms", act.call_p99_ms),
            if act.bulk_mbit > 0.0 { format!("{:.1} Mbit/s", act.bulk_mbit) } else { "–".to_owned() },
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let Figures { kernel, kubernetes, columns, .. } = figures;
    format!(
        "{table}\nKubernetes {kubernetes}, Linux {kernel}, an uplink of 20 Mbit/s.\n\n\
         $ kubectl get uplinks,traffictiers,weirnodes\n{columns}"
    )
}

/// Writes a kubeconfig for the forwarded port, and the certificate that it names; gives its path.
fn write_kubeconfig(port: u16, certificate: &str, token: &str) -> Result<PathBuf> {
    let folder = paths::workspace().join("target/cluster");
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        anyhow::Ok(file)
    };
    let authority = write("certificate.pem", certificate)?;
    let cluster = serde_json::json!({
        "server": format!("https://127.0.0.1:{port}"),
        // A name in the server's certificate, which knows nothing of forwarded ports.
        "tls-server-name": "localhost",
        "certificate-authority": authority,
    });
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "weir", "cluster": cluster}],
        "users": [{"name": "weir", "user": {"token": token}}],
        "contexts": [{"name": "weir", "context": {"cluster": "weir", "user": "weir"}}],
        "current-context": "weir",
    });
    write("kubeconfig", &format!("{kubeconfig:#}\n"))
}

fn invitation(kubeconfig: &Path, port: u16) -> Result<String> {
    let kubectl = kubernetes::kubectl()?;
    Ok(format!(
        "\nThe cluster's API server is at 127.0.0.1:{port} until Ctrl-C. For example:\n\n  \
         export KUBECONFIG={}\n  \
         alias kubectl={}\n  \
         kubectl get traffictiers,uplinks\n  \
         kubectl exec -n weir-system daemonset/weir -- /weir status\n  \
         kubectl exec -n weir-system -it daemonset/weir -- /weir top\n  \
         kubectl label pod -l app=seed traffic-tier-\n",
        kubeconfig.display(),
        kubectl.display()
    ))
}

/// A port of 127.0.0.1 that nobody uses now.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of 127.0.0.1 is free")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::{Act, Event, Figures, render};

    #[test]
    fn the_scenes_events() {
        let other = r#"{"event":"step","t":1.0,"name":"idle","title":"x","seconds":1}"#;
        assert!(matches!(serde_json::from_str(other).unwrap(), Event::Other));
        let open = r#"{"event":"open","t":1.0,"certificate":"c","token":"t"}"#;
        assert!(matches!(serde_json::from_str(open).unwrap(), Event::Open { .. }));
    }

    #[test]
    fn nothing_arrives_before_the_seed_is_there() {
        let act = |call_p99_ms, bulk_mbit| Act { call_p99_ms, bulk_mbit };
        let table = render(&Figures {
            kernel: "6.12".to_owned(),
            kubernetes: "v1".to_owned(),
            columns: "NAME   ENFORCED\n".to_owned(),
            idle: act(23.0, 0.0),
            unshaped: act(270.0, 18.8),
            shaped: act(25.0, 17.9),
            unlabelled: act(270.0, 18.8),
            relabelled: act(25.0, 17.9),
        });
        assert_eq!((table.matches('–').count(), table.matches("17.9 Mbit/s").count()), (1, 2), "{table}");
        assert!(table.ends_with("ENFORCED\n"), "{table}");
    }
}
