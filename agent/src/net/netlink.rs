//! A handle on the kernel's network for async code.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Error, Result, channel::Channel};

/// A way to ask the kernel about the network namespace in which it was opened.
///
/// Clones share one socket; requests are answered one after the other. A request runs on a blocking thread, because
/// the kernel works on it inside `send` and may wait there for its own lock; [`Netlink::counters_of`] does not.
#[derive(Clone, Debug)]
pub struct Netlink(Arc<Mutex<Channel>>);

impl Netlink {
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// [`Error::Open`].
    pub fn open() -> Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Channel::open()?))))
    }

    /// Runs `work` with the socket on a blocking thread.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Channel) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let netlink = self.clone();
        tokio::task::spawn_blocking(move || netlink.here(work))
            .await
            .map_err(|error| Error::Thread(error.to_string()))?
    }

    /// Runs `work` with the socket on this thread, which waits as long as the kernel does.
    pub(crate) fn here<T>(&self, work: impl FnOnce(&mut Channel) -> Result<T>) -> Result<T> {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
