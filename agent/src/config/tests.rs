use std::fs;

use clap::Parser;
use weir_cli::{Cli, Command};

use super::*;

fn args(flags: &[&str]) -> AgentArgs {
    let cli = Cli::try_parse_from(["weir", "agent"].iter().chain(flags)).expect("flags that exist");
    let Command::Agent(args) = cli.command else { panic!("{cli:?}") };
    *args
}

/// A folder with a configuration file and a folder of objects.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("objects")).expect("made");
        fs::write(folder.path().join("weir.yaml"), file).expect("written");
        Self(folder)
    }

    fn load(&self, flags: &[&str]) -> Result<Config, String> {
        let file = self.0.path().join("weir.yaml");
        let config = format!("--config={}", file.display());
        let flags: Vec<&str> = [config.as_str()].iter().chain(flags).copied().collect();
        let environment =
            Environment { node_name: Some("from-environment".to_owned()), hostname: Some("HOST\n".to_owned()) };
        // The folder's name changes from run to run.
        let folder = format!("{}/", self.0.path().display());
        Config::load(&args(&flags), &environment).map_err(|error| error.to_string().replace(&folder, ""))
    }
}

fn refused(file: &str, flags: &[&str]) -> String {
    Folder::new(file).load(flags).expect_err("refused")
}

#[test]
fn defaults() {
    let folder = Folder::new("source: {files: objects}");
    let config = folder.load(&[]).expect("valid");
    assert_eq!(config.node, "from-environment");
    assert_eq!(config.source, Source::Files(folder.0.path().join("objects")), "relative to the file");
    let yaml = config.to_yaml().replace(&folder.0.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(yaml);
}

#[test]
fn every_key_can_be_set() {
    let folder = Folder::new(
        "node: n1\nsource: {files: objects}\nbpffs: /bpf\nstateDir: /state\nlisten: {admin: /s, http: '[::]:1'}\n\
         log: {format: json, filter: 'warn,weir=trace'}\ntakeOver: true\nresync: 1m 30s\n",
    );
    let config = folder.load(&[]).expect("valid");
    let again = Folder::new(&config.to_yaml()).load(&[]).expect("what is printed can be read");
    assert_eq!(config, again);
    assert_eq!(config.listen, Listen { admin: PathBuf::from("/s"), http: "[::]:1".parse().expect("an address") });
    assert_eq!((config.node.as_str(), config.take_over, config.resync), ("n1", true, Duration::from_secs(90)));
    assert_eq!(config.log, Log { format: LogFormat::Json, filter: "warn,weir=trace".to_owned() });
}

#[test]
fn flags_go_before_the_file() {
    let folder = Folder::new("node: n1\nsource: {files: objects}\ntakeOver: true\nlog: {format: json}\n");
    let config = folder.load(&["--node", "n2", "--take-over=false", "--resync", "2s"]).expect("valid");
    assert_eq!((config.node.as_str(), config.take_over, config.resync), ("n2", false, Duration::from_secs(2)));
    assert_eq!(config.log.format, LogFormat::Json, "what no flag names stays");
}

#[test]
fn every_key_has_its_flag() {
    for key in KEYS {
        let folder = Folder::new("");
        let path = folder.0.path().join("objects");
        let files = format!("--source-files={}", path.display());
        let flag = format!("{}= wrong\n", key.flag);
        let is_source = key.flag.starts_with("--source-");
        let flags = if is_source { vec![flag.as_str()] } else { vec![files.as_str(), flag.as_str()] };
        let error = folder.load(&flags).expect_err(key.name);
        assert!(error.starts_with(&format!("{}: {}: ", key.flag, key.name)), "{error}");
    }
}

#[test]
fn without_a_name_the_host_is_the_node() {
    let folder = Folder::new("");
    let objects = folder.0.path().join("objects");
    let flags = [format!("--source-files={}", objects.display())];
    let environment = Environment { node_name: None, hostname: Some("Worker-1\n".to_owned()) };
    let config = Config::load(&args(&[&flags[0]]), &environment).expect("valid without a file");
    assert_eq!(config.node, "worker-1");
}

#[test]
fn mistakes_name_the_file_the_key_the_value_and_what_is_right() {
    let mistakes = [
        refused("source: {files: objects}\nlisten:\n  http: 9479\n", &[]),
        refused("source: {files: missing}\n", &[]),
        refused("node: Node_1\nsource: {files: objects}\n", &[]),
        refused("source: {files: objects}\ntakeOver: perhaps\n", &[]),
        refused("source: {files: objects}\nresync: 30\n", &[]),
        refused("source: {files: objects}\nstateDir: run\n", &[]),
        refused("source: {files: objects}\n", &["--log-format", "xml"]),
        refused("source: {files: objects}\nlog: {filter: inof}\n", &[]),
        refused("node: n1\n", &[]),
        refused("source: {file: objects}\n", &[]),
        refused("source: {files: objects}\nbpfs: /sys/fs/bpf\n", &[]),
        refused("source: [objects]\n", &[]),
        refused("source: {files: objects\n", &[]),
    ];
    insta::assert_snapshot!(mistakes.join("\n"));
}

#[test]
fn a_file_that_is_not_there() {
    let error = Config::load(&args(&["--config", "/nonexistent/weir.yaml"]), &Environment::default());
    let error = error.expect_err("not there").to_string();
    assert!(error.starts_with("cannot read the configuration file /nonexistent/weir.yaml: "), "{error}");
}
