//! The network in which a control plane runs.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread::JoinHandle;

use anyhow::Result;
use weir_lab::{Netns, NetnsHandle, Process};

/// The host's own network, or a namespace of the lab.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<NetnsHandle>);

impl Place {
    pub(crate) fn within(netns: &Netns) -> Self {
        Self(Some(netns.handle()))
    }

    /// Runs `work` there and waits for it.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let Some(handle) = &self.0 else { return work() };
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                handle.enter()?;
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread there.
    pub(crate) fn thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> JoinHandle<Result<T>> {
        match &self.0 {
            Some(handle) => handle.thread(work),
            None => std::thread::spawn(work),
        }
    }

    /// Whether anybody takes connections at that address.
    pub(crate) fn listens(&self, at: SocketAddr) -> bool {
        self.enter(|| Ok(TcpStream::connect(at)?)).is_ok()
    }

    /// Starts a program there.
    pub(crate) fn spawn(&self, command: Command) -> Result<Process> {
        self.enter(|| Process::spawn(command))
    }
}
