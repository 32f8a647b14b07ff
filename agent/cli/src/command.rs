//! Everything that can be typed after `weir`.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir_api::admin::{DEFAULT_SOCKET, SOCKET_ENV};

/// Weir shapes what pods send over a scarce uplink: bulk traffic uses what nobody else needs and never delays the rest.
///
/// One agent runs on every node. The other commands ask it, look at the node, or take Weir out again.
#[derive(Clone, Debug, Parser)]
#[command(name = "weir", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  weir agent --config /etc/weir/weir.yaml     run the agent of this node
  weir status                                 is the policy in force, and what was rejected
  weir top                                    who sends how much, now
  weir explain pod media/seed                 why this pod gets what it gets
  weir doctor                                 what this kernel can and cannot do
  weir cleanup                                take everything out of the kernel
  weir crds | kubectl apply -f -              teach a cluster Weir's resources";

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the agent of this node
    Agent(Box<AgentArgs>),
    /// Commands that ask the running agent.
    #[command(flatten)]
    Client(ClientCommand),
    /// Say what this node's kernel and permissions allow, and what is lost without the rest
    ///
    /// Needs no running agent. Ends with 1 if something is missing that Weir cannot do without.
    Doctor(DoctorArgs),
    /// Take everything of Weir out of the kernel and put the queueing disciplines back
    ///
    /// End the agent first; what it left in force stays until this command.
    Cleanup(CleanupArgs),
    /// Print the definitions of Weir's resources, for `kubectl apply -f -`
    Crds,
}

/// Commands that ask the running agent: for [`crate::run`].
#[derive(Clone, Debug, Subcommand)]
pub enum ClientCommand {
    /// Show what is in force on this node, and what is not and why
    Status(StatusArgs),
    /// Show live rates of uplinks, tiers and pods
    ///
    /// Without a terminal, or with --once, one table is printed after one interval.
    Top(TopArgs),
    /// Say why something is as it is
    Explain(ExplainArgs),
}

/// Settings of `weir agent`. Each stands for a key of the configuration file and goes before it; the values are checked
/// together with the file's.
#[derive(Args, Clone, Debug, Default)]
#[command(after_help = AGENT_EXAMPLE)]
// These texts are shown in a terminal, where backticks would stand as they are.
#[allow(clippy::doc_markdown)]
pub struct AgentArgs {
    /// Read settings from this YAML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the settings that would be in effect, as YAML, and end
    #[arg(long)]
    pub check_config: bool,
    /// Name of this node, as the Node object has it [default: $NODE_NAME, else the host's name]
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Folder of YAML files with the objects to obey
    #[arg(long, value_name = "DIR")]
    pub source_files: Option<String>,
    /// Cluster whose API server has the objects to obey: in-cluster, or the path of a kubeconfig file
    #[arg(long, value_name = "in-cluster|FILE")]
    pub source_kubernetes: Option<String>,
    /// Where the BPF file system is mounted [default: /sys/fs/bpf]
    #[arg(long, value_name = "DIR")]
    pub bpffs: Option<String>,
    /// Folder for what must outlive the agent but not a reboot [default: /run/weir]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// Socket that status, top and explain ask [default: /run/weir/weir.sock]
    #[arg(long, value_name = "PATH")]
    pub listen_admin: Option<String>,
    /// Address for /metrics, /healthz and /readyz [default: 127.0.0.1:9479]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen_http: Option<String>,
    /// Format of the log: text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// What to log: a level, or targets with levels such as info,weir::datapath=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Replace another program's queueing discipline on the uplink instead of refusing to start [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub take_over: Option<String>,
    /// How often to compare with the kernel when nothing has changed [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub resync: Option<String>,
}

const AGENT_EXAMPLE: &str = "A configuration file with every key and its default:
  node: worker-1                   # default: $NODE_NAME, else the host's name
  source: {kubernetes: in-cluster} # or {kubernetes: KUBECONFIG}, or {files: FOLDER}
  bpffs: /sys/fs/bpf
  stateDir: /run/weir
  listen: {admin: /run/weir/weir.sock, http: \"127.0.0.1:9479\"}
  log: {format: text, filter: info}
  takeOver: false
  resync: 30s";

/// Arguments of `weir status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentSocket,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
    /// List every pod of the node, not just those with a limit
    #[arg(short, long)]
    pub all: bool,
}

/// Arguments of `weir top`.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentSocket,
    /// How to print; json implies --once.
    #[command(flatten)]
    pub output: Output,
    /// Time between two looks: rates are means over it
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// Print one table after one interval and end
    #[arg(long)]
    pub once: bool,
    /// Order of the pods
    #[arg(short, long, value_enum, default_value_t = Sort::Uplink)]
    pub sort: Sort,
}

/// Arguments of `weir explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The agent to ask.
    #[command(flatten)]
    pub agent: AgentSocket,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
    /// What to explain.
    #[command(subcommand)]
    pub subject: Subject,
}

/// What `weir explain` explains.
#[derive(Clone, Debug, Subcommand)]
pub enum Subject {
    /// A pod of this node: its tier, each limit and the object it comes from, and what became of its packets
    #[command(after_help = "Example:\n  weir explain pod media/seed-5d8c7bf7c9-x2x7k")]
    Pod {
        /// The pod; without a namespace, the one in `default`
        #[arg(value_name = "NAMESPACE/NAME")]
        pod: PodName,
    },
}

/// Arguments of `weir doctor`.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// Where the BPF file system is mounted
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf")]
    pub bpffs: PathBuf,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Arguments of `weir cleanup`.
#[derive(Args, Clone, Debug)]
pub struct CleanupArgs {
    /// Where the BPF file system is mounted
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf")]
    pub bpffs: PathBuf,
    /// The folder that the agent kept its state in
    #[arg(long, value_name = "DIR", default_value = "/run/weir")]
    pub state_dir: PathBuf,
    /// Do not end afterwards, but wait for SIGTERM or SIGINT, as a container has to that Kubernetes keeps running
    #[arg(long)]
    pub stay: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Which agent to ask.
#[derive(Args, Clone, Debug)]
pub struct AgentSocket {
    /// The agent's admin socket (listen.admin of its configuration)
    #[arg(long, global = true, value_name = "PATH", env = SOCKET_ENV, default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
}

/// How to print.
#[derive(Args, Clone, Copy, Debug)]
pub struct Output {
    /// Format of the output
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Formats of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs: one object, units in the names of its fields.
    Json,
}

/// Orders of pods in `weir top`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// By namespace and name.
    Name,
    /// By tier, then by rate over the uplink.
    Tier,
    /// By rate over the uplink, highest first.
    Uplink,
    /// By all that is sent, highest first.
    Sent,
    /// By all that is received, highest first.
    Received,
    /// By packets dropped, most first.
    Drops,
}

/// Namespace and name of a pod, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for PodName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            return Err("write it as NAMESPACE/NAME, such as media/seed".to_owned());
        }
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|_| "write it as 1s or 500ms".to_owned())?;
    if interval < Duration::from_millis(100) {
        return Err("the shortest is 100ms".to_owned());
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_page() {
        insta::assert_snapshot!(Cli::command().render_help());
    }

    #[test]
    fn pods_are_named_with_or_without_a_namespace() {
        let parsed = |text: &str| PodName::from_str(text).map(|pod| (pod.namespace, pod.name));
        assert_eq!(parsed("media/seed"), Ok(("media".to_owned(), "seed".to_owned())));
        assert_eq!(parsed("seed"), Ok(("default".to_owned(), "seed".to_owned())));
        for wrong in ["", "/seed", "media/", "a/b/c"] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn options_may_stand_after_the_subject() {
        let cli = Cli::try_parse_from(["weir", "explain", "pod", "media/seed", "-o", "json", "--socket", "/tmp/s"])
            .expect("valid");
        let Command::Client(ClientCommand::Explain(args)) = cli.command else { panic!("{cli:?}") };
        assert_eq!((args.output.format, args.agent.socket), (Format::Json, PathBuf::from("/tmp/s")));
    }

    #[test]
    fn taking_over_needs_no_value() {
        let take_over = |flag: &str| {
            let cli = Cli::try_parse_from(["weir", "agent", flag]).expect("valid");
            let Command::Agent(args) = cli.command else { panic!("{cli:?}") };
            args.take_over
        };
        assert_eq!(take_over("--take-over").as_deref(), Some("true"));
        assert_eq!(take_over("--take-over=false").as_deref(), Some("false"));
    }

    #[test]
    fn an_interval_that_is_too_short_is_refused() {
        assert!(interval("10ms").is_err());
        assert_eq!(interval("2s"), Ok(Duration::from_secs(2)));
    }
}
