//! The thread that watches the folder and tells what it holds.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Instant,
};

use anyhow::anyhow;
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, CreateKind, ModifyKind},
};
use tokio::sync::watch;
use tracing::{debug, warn};
use weir_core::{
    model::{ObjectRef, Rejection},
    snapshot::Versions,
};

use super::{
    Content, Loaded,
    folder::{Folder, Identity, holds_objects},
    loaded::{read, reasons},
    pace::{Change, Pace},
};
use crate::{source::Update, supervise::message};

/// Why a folder cannot be a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("cannot read the folder of objects {path}: {source}; make it, or name another one in source.files")]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be watched.
    #[error(
        "cannot watch the folder of objects {path}: {source}; see fs.inotify.max_user_instances and max_user_watches"
    )]
    Unwatchable {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: notify::Error,
    },
    /// There is no thread for it.
    #[error("cannot start a thread for the folder of objects: {0}")]
    Thread(io::Error),
}

/// A folder of YAML files, watched until this is dropped.
#[derive(Debug)]
pub struct FileSource {
    /// Its sender is the thread's: where that is gone, the thread is too.
    updates: watch::Receiver<Option<Update>>,
    messages: mpsc::Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Message {
    Change(Change),
    Stop,
}

impl FileSource {
    /// Reads the folder, and watches it from then on. The first update is there when this returns.
    pub fn start(path: &Path) -> Result<Self, SourceError> {
        let (messages, inbox) = mpsc::channel();
        let (sender, updates) = watch::channel(None);
        let mut keeper = Keeper::open(path, messages.clone(), sender)?;
        let thread = thread::Builder::new()
            .name("weir-files".to_owned())
            .spawn(move || keeper.run(&inbox))
            .map_err(SourceError::Thread)?;
        Ok(Self { updates, messages, thread: Some(thread) })
    }

    /// The updates from now on, beginning with the present one. Only the newest is kept for who is slow.
    #[must_use]
    pub fn updates(&self) -> watch::Receiver<Option<Update>> {
        let mut updates = self.updates.clone();
        updates.mark_changed();
        updates
    }

    /// Waits until the thread ends, which it does not do by itself, and returns how it ended.
    pub async fn ended(&mut self) -> anyhow::Error {
        while self.updates.changed().await.is_ok() {}
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => {
                anyhow!("the thread that watches the folder of objects panicked: {}", message(panic.as_ref()))
            }
            Some(Ok(())) | None => anyhow!("the thread that watches the folder of objects ended by itself"),
        }
    }
}

impl Drop for FileSource {
    fn drop(&mut self) {
        // An error says that the thread has ended already.
        let _ = self.messages.send(Message::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the thread that watched the folder of objects had panicked");
        }
    }
}

/// What the thread has.
struct Keeper {
    folder: Folder,
    messages: mpsc::Sender<Message>,
    updates: watch::Sender<Option<Update>>,
    watched: Option<(Identity, RecommendedWatcher)>,
    loaded: Loaded,
    pace: Pace,
    unreadable_since: Option<Instant>,
}

impl Keeper {
    fn open(
        path: &Path,
        messages: mpsc::Sender<Message>,
        updates: watch::Sender<Option<Update>>,
    ) -> Result<Self, SourceError> {
        let folder = Folder::new(path);
        let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
        let identity = folder.identity().map_err(unreadable)?;
        // Watch first, look then: what changes in between is told.
        let watcher = watch(path, messages.clone())
            .map_err(|source| SourceError::Unwatchable { path: path.to_owned(), source })?;
        let contents = folder.contents().map_err(unreadable)?;
        let loaded = read(&contents, &Loaded::default());
        let pace = Pace::new(Instant::now());
        let mut keeper = Self {
            folder,
            messages,
            updates,
            watched: Some((identity, watcher)),
            loaded,
            pace,
            unreadable_since: None,
        };
        keeper.tell(Vec::new());
        Ok(keeper)
    }

    fn run(&mut self, inbox: &mpsc::Receiver<Message>) {
        loop {
            let wait = self.pace.next_look().saturating_duration_since(Instant::now());
            match inbox.recv_timeout(wait) {
                Ok(Message::Change(change)) => self.pace.on_change(change, Instant::now()),
                Ok(Message::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => self.look(Instant::now()),
            }
        }
    }

    fn look(&mut self, now: Instant) {
        self.watch_again_if_replaced();
        match self.folder.contents() {
            Ok(contents) => {
                let present: Vec<String> = contents.keys().cloned().collect();
                let contents = self.settled(contents, now);
                self.loaded = read(&contents, &self.loaded);
                self.unreadable_since = None;
                self.pace.looked(|file| present.iter().any(|name| name == file), true, now);
                self.tell(Vec::new());
            }
            Err(error) => {
                self.unreadable_since.get_or_insert(now);
                self.pace.looked(|_| true, false, now);
                let path = self.folder.path().display().to_string();
                self.tell(vec![Rejection {
                    object: ObjectRef { kind: "Folder".to_owned(), name: path },
                    location: None,
                    reason: reasons::UNREADABLE.to_owned(),
                    message: format!("the folder of objects cannot be read: {error}; what stood in it stays in force"),
                }]);
            }
        }
    }

    /// The contents, less what is half written, and with the files that were moved away a moment ago.
    fn settled(&mut self, mut contents: BTreeMap<String, Content>, now: Instant) -> BTreeMap<String, Content> {
        for (file, content) in &mut contents {
            if self.pace.is_writing(file, now) {
                *content = Content::Writing;
            }
        }
        for file in self.loaded.names() {
            if !contents.contains_key(file) && self.pace.may_come_back(file, now) {
                contents.insert(file.to_owned(), Content::Away);
            }
        }
        contents
    }

    fn watch_again_if_replaced(&mut self) {
        let identity = self.folder.identity().ok();
        if identity == self.watched.as_ref().map(|(identity, _)| *identity) {
            return;
        }
        self.watched = None;
        let Some(identity) = identity else { return };
        match watch(self.folder.path(), self.messages.clone()) {
            Ok(watcher) => self.watched = Some((identity, watcher)),
            Err(error) => warn!(%error, "cannot watch the folder of objects; it is read every 30 s"),
        }
    }

    /// Tells what is known, if it is news.
    fn tell(&mut self, also: Vec<Rejection>) {
        let mut rejections = self.loaded.rejections.clone();
        rejections.extend(also);
        let unreadable_since = self.unreadable_since;
        let told = self.updates.send_if_modified(|current| {
            let same = current.as_ref().is_some_and(|current| {
                current.world.as_deref() == Some(&self.loaded.world)
                    && current.rejections == rejections
                    && current.unreadable_since == unreadable_since
            });
            if !same {
                let world = Some(Arc::new(self.loaded.world.clone()));
                *current = Some(Update { world, rejections, unreadable_since, versions: Versions::default() });
            }
            !same
        });
        debug!(told, "looked at the folder of objects");
    }
}

fn watch(path: &Path, messages: mpsc::Sender<Message>) -> notify::Result<RecommendedWatcher> {
    let folder = path.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // An error says that events were lost.
        let changes = event.map_or_else(|_| vec![Change::Anything], |event| changes(&event, &folder));
        for change in changes {
            // Nobody hears it once the source has ended.
            let _ = messages.send(Message::Change(change));
        }
    })?;
    watcher.watch(path, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// What an event of the kernel means for the files. Our own reading makes events too; they mean nothing.
fn changes(event: &Event, folder: &Path) -> Vec<Change> {
    let names = || event.paths.iter().filter_map(|path| path.file_name()?.to_str());
    let files = || names().filter(|name| holds_objects(name)).map(str::to_owned);
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => files().map(Change::Complete).collect(),
        EventKind::Access(_) => Vec::new(),
        EventKind::Modify(ModifyKind::Data(_)) | EventKind::Create(CreateKind::File) => {
            files().map(Change::Writing).collect()
        }
        _ => {
            // A ConfigMap's files are links through `..data`, which is swapped.
            let beyond = event.paths.iter().any(|path| path == folder) || names().any(|name| name.starts_with(".."));
            let anything = event.need_rescan() || event.paths.is_empty() || beyond;
            files().map(Change::Complete).chain(anything.then_some(Change::Anything)).collect()
        }
    }
}

#[cfg(test)]
mod tests;
