//! Network namespaces that go away with their owner.

use std::{
    fs::File,
    future::Future,
    io::Write as _,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, setns};

const NEEDS_ROOT: &str = "run this rung as root (`cargo xtask test --rung load`)";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A network namespace with its loopback up, deleted on drop. The lab's sweep removes it if this process is killed.
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn new() -> Result<Self> {
        let namespace = Self(new_name());
        run("ip", &["netns", "add", &namespace.0], "").context(NEEDS_ROOT)?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Runs lines of `ip` inside.
    pub(crate) fn ip(&self, lines: &str) -> Result<()> {
        ip_in(&self.0, lines)
    }

    /// Runs lines of `tc` inside.
    pub(crate) fn tc(&self, lines: &str) -> Result<()> {
        run("tc", &["-n", &self.0, "-batch", "-"], lines)
    }

    /// What a program says, run inside.
    pub(crate) fn ask(&self, argv: &[&str]) -> Result<String> {
        let output = Command::new("ip").args(["netns", "exec", &self.0]).args(argv).output()?;
        ensure!(output.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs `work` with a runtime whose thread is inside.
    pub(crate) fn block_on<T: Send, F: Future<Output = Result<T>>>(
        &self,
        work: impl FnOnce() -> F + Send,
    ) -> Result<T> {
        let file = File::open(format!("/run/netns/{}", self.0))?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&file, CloneFlags::CLONE_NEWNET)?;
                tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The ifindex of an interface.
    pub(crate) fn ifindex(&self, interface: &str) -> Result<u32> {
        let line = self.ask(&["ip", "-o", "link", "show", interface])?;
        Ok(line.split(':').next().unwrap_or_default().trim().parse()?)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// Many namespaces, made and deleted by one process each way.
pub(crate) struct Namespaces(Vec<String>);

impl Namespaces {
    pub(crate) fn new(count: u16) -> Result<Self> {
        let namespaces = Self((0..count).map(|_| new_name()).collect());
        run("ip", &["-batch", "-"], &namespaces.lines("add")).context(NEEDS_ROOT)?;
        Ok(namespaces)
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.0
    }

    fn lines(&self, verb: &str) -> String {
        let lines: Vec<String> = self.0.iter().map(|name| format!("netns {verb} {name}")).collect();
        lines.join("\n")
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let _ = run("ip", &["-force", "-batch", "-"], &self.lines("del"));
    }
}

fn new_name() -> String {
    format!("weir-lab-{}-net{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs lines of `ip` inside a namespace.
pub(crate) fn ip_in(namespace: &str, lines: &str) -> Result<()> {
    run("ip", &["-n", namespace, "-batch", "-"], lines)
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{program}`: is it installed?"))?;
    child.stdin.take().context("a pipe was asked for")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "`{program} {}` failed: {}\n{input}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
