//! Programs that run inside a namespace, with their output kept.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const POLL: Duration = Duration::from_millis(5);
/// How much of a program's output an error shows.
const LAST_LINES: usize = 25;

/// A running program. Killed and reaped when dropped.
#[derive(Debug)]
pub struct Process {
    title: String,
    child: Child,
    stdout: Captured,
    stderr: Captured,
    tells_at_end: bool,
}

/// What a program left when it ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Everything it wrote to standard output.
    pub stdout: String,
    /// Everything it wrote to standard error.
    pub stderr: String,
}

#[derive(Debug)]
struct Captured {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn of(stream: Option<impl Read + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let reader = stream.map(|mut stream| {
            let text = Arc::clone(&text);
            std::thread::spawn(move || {
                let mut chunk = [0; 8192];
                while let Ok(count @ 1..) = stream.read(&mut chunk) {
                    text.lock().expect("no reader panics").extend_from_slice(&chunk[..count]);
                }
            })
        });
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no reader panics")).into_owned()
    }

    fn read_to_end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.so_far()
    }
}

impl Process {
    /// Starts `command` in the calling thread's namespace. [`crate::Netns::spawn`] is the usual way.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let title = title(&command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{title}`: is the program installed?"))?;
        let (stdout, stderr) = (Captured::of(child.stdout.take()), Captured::of(child.stderr.take()));
        Ok(Self { title, child, stdout, stderr, tells_at_end: false })
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Prints its output to standard error when it is dropped: a test shows it if it fails.
    pub(crate) fn tell_at_end(&mut self) {
        self.tells_at_end = true;
    }

    /// What it wrote to standard output until now.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// What it wrote to standard error until now.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal. Does nothing if it has ended already.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.is_running() {
            let pid = Pid::from_raw(i32::try_from(self.child.id()).context("process id")?);
            kill(pid, signal).with_context(|| format!("cannot send {signal} to `{}`", self.title))?;
        }
        Ok(())
    }

    /// Ends it at once, like a machine that fails, and waits until it is gone.
    pub fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it is and the last that it wrote.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = self.stdout() + &self.stderr();
        let lines: Vec<_> = text.lines().collect();
        format!("the last that `{}` said:\n{}", self.title, lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it still runs after `limit`; the error carries its output, and it is killed.
    pub fn wait(mut self, limit: Duration) -> Result<Finished> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().context("cannot wait for a child")? {
                let (stdout, stderr) = (self.stdout.read_to_end(), self.stderr.read_to_end());
                return Ok(Finished { code: status.code(), stdout, stderr });
            }
            if Instant::now() > deadline {
                bail!("`{}` still runs after {limit:?}\n{}{}", self.title, self.stdout(), self.stderr());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Like [`Process::wait`], and an error too if its exit code is not 0. Returns standard output.
    pub fn wait_ok(self, limit: Duration) -> Result<String> {
        let title = self.title.clone();
        let finished = self.wait(limit)?;
        if finished.code != Some(0) {
            let code = finished.code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            bail!("`{title}` ended with {code}\n{}{}", finished.stdout, finished.stderr);
        }
        Ok(finished.stdout)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if self.tells_at_end {
            let (stdout, stderr) = (self.stdout.read_to_end(), self.stderr.read_to_end());
            eprintln!("output of `{}`:\n{stdout}{stderr}", self.title);
        }
    }
}

fn title(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}
