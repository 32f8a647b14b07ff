//! Network namespaces: made by `ip netns`, entered by threads of this process.
//!
//! Programs are started from a thread that is inside the namespace, not by `ip netns exec`, which
//! would mount a new `/sys` over the one that holds a bpffs.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};

use crate::process::Process;

const SETUP_LIMIT: Duration = Duration::from_secs(20);

/// Settings for every namespace: addresses work at once, and asymmetric ways are no error.
const SYSCTLS: [(&str, &str); 6] = [
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/ping_group_range", "0 0"),
];

/// A namespace. Deleted when dropped if this lab made it.
#[derive(Debug)]
pub struct Netns {
    name: String,
    handle: NetnsHandle,
    made_here: bool,
}

/// A way into a namespace for a thread that outlives the borrow of its [`Netns`].
#[derive(Debug, Clone)]
pub struct NetnsHandle(Arc<File>);

impl NetnsHandle {
    /// Moves the calling thread into the namespace, for good.
    pub fn enter(&self) -> Result<()> {
        setns(&*self.0, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace: root is needed")
    }

    /// Starts a thread inside the namespace.
    pub fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> std::thread::JoinHandle<Result<T>> {
        let handle = self.clone();
        std::thread::spawn(move || {
            handle.enter()?;
            work()
        })
    }
}

impl Netns {
    /// Makes a namespace with its loopback up.
    pub(crate) fn create(name: String) -> Result<Self> {
        run(Command::new("ip").args(["netns", "add", &name]), "")?;
        let file = File::open(format!("/run/netns/{name}")).with_context(|| format!("namespace {name}"))?;
        let netns = Self { name, handle: NetnsHandle(Arc::new(file)), made_here: true };
        netns.ip(&["link set lo up"])?;
        for (key, value) in SYSCTLS {
            netns.sysctl(key, value)?;
        }
        Ok(netns)
    }

    /// The namespace that this process was started in, which stays.
    pub fn of_this_process() -> Result<Self> {
        let file = File::open("/proc/self/ns/net").context("the namespace of this process")?;
        Ok(Self { name: "of this process".to_owned(), handle: NetnsHandle(Arc::new(file)), made_here: false })
    }

    /// The name, as `ip netns list` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A way in for threads.
    #[must_use]
    pub fn handle(&self) -> NetnsHandle {
        self.handle.clone()
    }

    /// Runs `work` on a thread inside the namespace and waits for it.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.handle.enter()?;
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a program inside the namespace.
    pub fn spawn(&self, command: Command) -> Result<Process> {
        self.enter(|| Process::spawn(command))
    }

    /// Runs a program inside the namespace to its end and returns its standard output.
    ///
    /// # Errors
    /// If it fails, or still runs after 20 seconds.
    pub fn run(&self, argv: &[&str]) -> Result<String> {
        let [program, arguments @ ..] = argv else { bail!("no program was named") };
        let mut command = Command::new(program);
        command.args(arguments);
        self.spawn(command)?.wait_ok(SETUP_LIMIT).with_context(|| format!("in namespace {}", self.name))
    }

    /// Runs a program inside the namespace with `input` on its standard input and returns its standard output.
    pub fn feed(&self, argv: &[&str], input: &str) -> Result<String> {
        let [program, arguments @ ..] = argv else { bail!("no program was named") };
        self.enter(|| run(Command::new(program).args(arguments), input))
            .with_context(|| format!("in namespace {}", self.name))
    }

    /// Runs lines of `ip` inside the namespace, in one batch.
    pub fn ip(&self, lines: &[impl AsRef<str>]) -> Result<()> {
        self.batch("ip", lines)
    }

    /// Runs lines of `tc` inside the namespace, in one batch.
    pub fn tc(&self, lines: &[impl AsRef<str>]) -> Result<()> {
        self.batch("tc", lines)
    }

    fn batch(&self, program: &str, lines: &[impl AsRef<str>]) -> Result<()> {
        let lines: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
        let input = lines.join("\n") + "\n";
        self.enter(|| run(Command::new(program).args(["-batch", "-"]), &input))
            .with_context(|| format!("{program} in namespace {}:\n{input}", self.name))?;
        Ok(())
    }

    /// Sets a kernel parameter of the namespace, named by its path below `/proc/sys`.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.enter(|| {
            std::fs::write(format!("/proc/sys/{key}"), value)
                .with_context(|| format!("cannot set {key} to {value} in {}", self.name))
        })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if self.made_here {
            let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
        }
    }
}

/// Runs a set-up command with `input` on its standard input and returns its standard output; its failure carries
/// what it printed.
fn run(command: &mut Command, input: &str) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{program}`: is it installed?"))?;
    child.stdin.take().context("a pipe was asked for")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("`{program}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
