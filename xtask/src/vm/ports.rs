//! The ways between the VM and the host: virtio ports of QEMU that end in unix sockets here.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

use super::Output;

/// What the VM's first process says about the run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It is up, and the command starts.
    Ready,
    /// The command ended with this code, and all of its output was sent.
    Exit(i32),
}

/// One port: a socket that waits for QEMU to connect, and a thread that reads it to its end.
pub(super) struct Port<T> {
    socket: PathBuf,
    reader: JoinHandle<io::Result<T>>,
}

impl<T: Send + 'static> Port<T> {
    fn open(
        folder: &Path,
        name: &str,
        read: impl FnOnce(UnixStream) -> io::Result<T> + Send + 'static,
    ) -> Result<Self> {
        let socket = folder.join(name);
        let listener = UnixListener::bind(&socket).with_context(|| format!("cannot listen at {}", socket.display()))?;
        let reader = thread::spawn(move || read(listener.accept()?.0));
        Ok(Self { socket, reader })
    }

    /// QEMU's arguments for this port.
    pub(super) fn arguments(&self) -> [String; 4] {
        let name = self.socket.file_name().unwrap_or_default().to_string_lossy().into_owned();
        [
            "-chardev".to_owned(),
            format!("socket,id={name},path={}", self.socket.display()),
            "-device".to_owned(),
            format!("virtserialport,chardev={name},name=weir.{name}"),
        ]
    }

    /// What was read, once QEMU has ended.
    pub(super) fn finish(self) -> Result<T> {
        // Releases a thread that still waits because QEMU never connected.
        drop(UnixStream::connect(&self.socket));
        match self.reader.join() {
            Ok(read) => read.with_context(|| format!("cannot read the VM's port {}", self.socket.display())),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The port on which the VM tells how far it is.
pub(super) fn control(folder: &Path, events: Sender<Event>) -> Result<Port<()>> {
    Port::open(folder, "control", move |stream| {
        for line in BufReader::new(stream).lines() {
            let event = parse(&line?);
            if event.is_none_or(|event| events.send(event).is_err()) {
                break;
            }
        }
        Ok(())
    })
}

fn parse(line: &str) -> Option<Event> {
    match line.trim().split_once(' ') {
        None if line.trim() == "ready" => Some(Event::Ready),
        Some(("exit", code)) => code.parse().ok().map(Event::Exit),
        _ => None,
    }
}

/// A stream of the command, shown on `screen` and kept as `output` says, and told line by line to `lines`.
pub(super) fn stream(
    folder: &Path,
    name: &str,
    output: Output,
    lines: Option<Sender<String>>,
    mut screen: impl Write + Send + 'static,
) -> Result<Port<Vec<u8>>> {
    Port::open(folder, name, move |mut stream| {
        let mut kept = Vec::new();
        let mut told = Lines { to: lines, begun: Vec::new() };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = match stream.read(&mut buffer) {
                Ok(0) => return Ok(kept),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(kept),
                Err(error) => return Err(error),
            };
            if output.shows() {
                screen.write_all(&buffer[..length])?;
                screen.flush()?;
            }
            told.hear(&buffer[..length]);
            if output.keeps() {
                kept.extend_from_slice(&buffer[..length]);
            }
        }
    })
}

/// Cuts a stream into lines for somebody who listens, if anybody does.
struct Lines {
    to: Option<Sender<String>>,
    begun: Vec<u8>,
}

impl Lines {
    fn hear(&mut self, bytes: &[u8]) {
        let Some(to) = &self.to else { return };
        self.begun.extend_from_slice(bytes);
        while let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.begun.drain(..=end).collect();
            // Who listens no longer has heard enough.
            let _ = to.send(String::from_utf8_lossy(&line[..end]).into_owned());
        }
    }
}

/// The port that carries the VM's `/out` as a tar archive, written to `file`.
pub(super) fn archive(folder: &Path, file: PathBuf) -> Result<Port<PathBuf>> {
    Port::open(folder, "out", move |mut stream| {
        io::copy(&mut stream, &mut File::create(&file)?)?;
        Ok(file)
    })
}

#[cfg(test)]
mod tests {
    use super::{Event, Lines, parse};

    #[test]
    fn lines_are_told_whole() {
        let (sender, told) = std::sync::mpsc::channel();
        let mut lines = Lines { to: Some(sender), begun: Vec::new() };
        lines.hear(b"one\ntw");
        lines.hear(b"o\nthree");
        drop(lines);
        assert_eq!(told.iter().collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn lines_of_the_first_process() {
        assert_eq!(parse("ready"), Some(Event::Ready));
        assert_eq!(parse("exit 137"), Some(Event::Exit(137)));
        assert_eq!(parse("exit"), None);
        assert_eq!(parse("exit soon"), None);
    }
}
