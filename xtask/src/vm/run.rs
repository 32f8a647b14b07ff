//! Boots the VM, follows it to its end, and tells apart every way in which it can end.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::ports::{self, Event};
use super::{Accelerator, Interrupted, VmResult, VmSpec, root};
use crate::tools::{kernel, qemu};
use crate::{paths, process};

/// A VM that has not started its command after this time never will, even when emulated on a busy machine.
const BOOT_TIMEOUT: Duration = Duration::from_mins(2);
/// From the command's end to the power-off.
const POWER_OFF_TIMEOUT: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(50);
/// How much of the kernel's log an error shows.
const LOG_LINES: usize = 60;

/// Runs the VM with the given accelerator.
pub(super) fn run_with(spec: &VmSpec, accelerator: Accelerator) -> Result<VmResult> {
    let interrupted = interrupt_flag()?;
    let kernel = kernel::ensure(&spec.kernel)?;
    let qemu = qemu::ensure()?;
    let scratch = tempfile::Builder::new().prefix("weir-vm-").tempdir().context("cannot create a temporary folder")?;
    let folder = scratch.path();
    let initramfs = folder.join("initramfs");
    root::write(spec, &kernel, folder, &initramfs)?;
    let console = folder.join("console");

    let (sender, events) = mpsc::channel();
    let control = ports::control(folder, sender)?;
    let stdout = ports::stream(folder, "stdout", spec.stdout, spec.lines.clone(), std::io::stdout())?;
    let stderr = ports::stream(folder, "stderr", spec.stderr, None, std::io::stderr())?;
    let archive = ports::archive(folder, folder.join("out.tar"))?;

    let mut command = qemu.command();
    command
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35"])
        .args(accelerator.arguments())
        .args(["-smp", &spec.cpus.to_string(), "-m", &spec.memory_mib.to_string()])
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(&initramfs)
        .args(["-append", "console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off"])
        .args(["-serial", &format!("file:{}", console.display())])
        .args(["-device", "virtio-rng-pci", "-device", "virtio-serial-pci"])
        .args(control.arguments())
        .args(stdout.arguments())
        .args(stderr.arguments())
        .args(archive.arguments())
        .args(devices(spec))
        // Where QEMU keeps what is written to the disk.
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut qemu = Running(command.spawn().with_context(|| format!("cannot start QEMU: {}", process::line(&command)))?);
    let outcome = follow(&mut qemu.0, &events, spec.timeout, interrupted);
    qemu.stop();
    control.finish()?;
    let (stdout, stderr, archive) = (stdout.finish()?, stderr.finish()?, archive.finish()?);

    let (exit_code, boot) = match outcome {
        Ok(done) => done,
        Err(Ending::Interrupted) => return Err(Interrupted.into()),
        Err(ending) => return Err(explain(ending, &mut qemu.0, &console, spec)),
    };
    if let Some(out) = &spec.out {
        unpack(&archive, out)?;
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(VmResult {
        exit_code,
        stdout: text(stdout),
        stderr: text(stderr),
        kernel_release: kernel.release().to_owned(),
        accelerator,
        boot,
    })
}

/// QEMU's arguments for what not every machine has.
fn devices(spec: &VmSpec) -> Vec<String> {
    let mut arguments = Vec::new();
    if let Some(disk) = &spec.disk {
        // A comma in an option's value is written twice.
        let file = disk.display().to_string().replace(',', ",,");
        arguments.extend(["-drive".to_owned(), format!("file={file},if=virtio,format=raw,snapshot=on")]);
    }
    if let Some((host, inside)) = spec.forward {
        let forward = format!("user,id=host,restrict=on,hostfwd=tcp:127.0.0.1:{host}-10.0.2.15:{inside}");
        arguments.extend(["-netdev".to_owned(), forward]);
        arguments.extend(["-device".to_owned(), "virtio-net-pci,netdev=host".to_owned()]);
    }
    arguments
}

/// How a VM can end without an exit code.
enum Ending {
    NeverReady,
    Timeout(Duration),
    Stopped(ExitStatus),
    Unreadable(anyhow::Error),
    Interrupted,
}

/// The flag that Ctrl-C (and a request to end) sets: the machine is stopped and its files are removed
/// before the program ends. A second signal ends the program at once.
fn interrupt_flag() -> Result<&'static AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(flag) = FLAG.get() {
        return Ok(flag);
    }
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
            .context("cannot watch for Ctrl-C")?;
    }
    Ok(FLAG.get_or_init(|| flag))
}

/// Waits for the exit code; gives it with the time that the boot took.
fn follow(
    qemu: &mut Child,
    events: &Receiver<Event>,
    timeout: Duration,
    interrupted: &AtomicBool,
) -> Result<(i32, Duration), Ending> {
    let start = Instant::now();
    let mut ready = None;
    loop {
        match events.recv_timeout(TICK) {
            Ok(Event::Ready) => ready = Some(start.elapsed()),
            Ok(Event::Exit(code)) => {
                wait_for_end(qemu, POWER_OFF_TIMEOUT);
                return Ok((code, ready.unwrap_or_default()));
            }
            Err(RecvTimeoutError::Timeout) => {}
            // The port is closed: QEMU is about to end.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
        }
        if interrupted.load(Ordering::Relaxed) {
            return Err(Ending::Interrupted);
        }
        match qemu.try_wait() {
            // What it said last may still be on its way through the port.
            Ok(Some(status)) => match events.recv_timeout(TICK * 4) {
                Ok(Event::Exit(code)) => return Ok((code, ready.unwrap_or_default())),
                _ => return Err(Ending::Stopped(status)),
            },
            Ok(None) => {}
            Err(error) => return Err(Ending::Unreadable(error.into())),
        }
        match ready {
            None if start.elapsed() > BOOT_TIMEOUT => return Err(Ending::NeverReady),
            Some(boot) if start.elapsed() > boot + timeout => return Err(Ending::Timeout(timeout)),
            _ => {}
        }
    }
}

fn wait_for_end(qemu: &mut Child, limit: Duration) {
    let start = Instant::now();
    while start.elapsed() < limit && matches!(qemu.try_wait(), Ok(None)) {
        std::thread::sleep(TICK);
    }
}

/// Says what went wrong, with the end of the kernel's log, which is also kept in a file.
fn explain(ending: Ending, qemu: &mut Child, console: &Path, spec: &VmSpec) -> anyhow::Error {
    let log = fs::read(console).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let mut complaint = String::new();
    if let Some(mut stderr) = qemu.stderr.take() {
        use std::io::Read;
        // What cannot be read is missing from the message, nothing more.
        let _ = stderr.read_to_string(&mut complaint);
    }
    let what = match ending {
        Ending::NeverReady => "it did not start its command in time".to_owned(),
        Ending::Timeout(limit) => format!("`{}` ran longer than {} s", spec.command.join(" "), limit.as_secs()),
        Ending::Stopped(_) if log.contains("Kernel panic") => "its kernel panicked".to_owned(),
        Ending::Stopped(status) => format!("QEMU ended before the command did: {status}"),
        Ending::Interrupted => "it was interrupted".to_owned(),
        Ending::Unreadable(error) => format!("QEMU cannot be watched: {error}"),
    };
    let kept = keep_log(&log).map(|path| format!("\nits whole log: {}", path.display())).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    let tail = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    let complaint = complaint.trim();
    anyhow::anyhow!("the VM (Linux {}) failed: {what}\n{complaint}\nend of its kernel log:\n{tail}{kept}", spec.kernel)
}

fn keep_log(log: &str) -> Option<std::path::PathBuf> {
    let folder = paths::workspace().join("target/vm");
    fs::create_dir_all(&folder).ok()?;
    let path = folder.join(format!("console-{}.log", std::process::id()));
    fs::write(&path, log).ok()?;
    Some(path)
}

fn unpack(archive: &Path, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    if fs::metadata(archive)?.len() == 0 {
        bail!("the VM sent nothing of its /out");
    }
    process::output(Command::new("tar").args(["--no-same-owner", "-xf"]).arg(archive).arg("-C").arg(out))
        .context("cannot unpack what the VM left in /out")?;
    Ok(())
}

/// QEMU, which ends with this value in every case.
struct Running(Child);

impl Running {
    fn stop(&mut self) {
        // Both fail only for a process that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}
