use std::{fs, os::unix::fs::symlink, time::Duration};

use super::*;

/// Far longer than any change takes; only a broken source reaches it.
const LONG: Duration = Duration::from_secs(10);

fn node(name: &str) -> String {
    format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n")
}

struct Watched {
    folder: tempfile::TempDir,
    updates: watch::Receiver<Option<Update>>,
    _source: FileSource,
}

impl Watched {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let source = FileSource::start(folder.path()).unwrap();
        Self { folder, updates: source.updates(), _source: source }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Names of the nodes of every update until one has exactly these.
    async fn until(&mut self, nodes: &[&str]) -> Vec<Vec<String>> {
        let mut seen = Vec::new();
        let reached = async {
            loop {
                let now = {
                    let update = self.updates.borrow_and_update();
                    let world = &update.as_ref().unwrap().world.as_ref().unwrap();
                    world.nodes.keys().cloned().collect::<Vec<_>>()
                };
                let done = now == nodes;
                seen.push(now);
                if done {
                    return;
                }
                self.updates.changed().await.unwrap();
            }
        };
        let reached = tokio::time::timeout(LONG, reached).await;
        assert!(reached.is_ok(), "waited for {nodes:?}, saw {seen:?}");
        seen
    }
}

#[tokio::test]
async fn the_first_update_is_there_at_once() {
    let mut watched = Watched::new(&[("a.yaml", &node("n1"))]);
    assert!(watched.updates.has_changed().unwrap());
    assert_eq!(watched.until(&["n1"]).await.len(), 1);
}

#[tokio::test]
async fn the_end_of_the_thread_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut source = FileSource::start(folder.path()).unwrap();
    source.messages.send(Message::Stop).unwrap();
    let error = tokio::time::timeout(LONG, source.ended()).await.expect("noticed");
    assert_eq!(error.to_string(), "the thread that watches the folder of objects ended by itself");
}

#[tokio::test]
async fn a_panic_of_the_thread_is_noticed() {
    let (sender, updates) = watch::channel(None);
    let (messages, _inbox) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _sender = sender;
        panic!("not a folder");
    });
    let mut source = FileSource { updates, messages, thread: Some(thread) };
    let error = tokio::time::timeout(LONG, source.ended()).await.expect("noticed");
    assert_eq!(error.to_string(), "the thread that watches the folder of objects panicked: not a folder");
}

#[tokio::test]
async fn a_written_a_new_and_a_removed_file_are_seen() {
    let mut watched = Watched::new(&[("a.yaml", &node("n1"))]);
    fs::write(watched.at("a.yaml"), node("n2")).unwrap();
    watched.until(&["n2"]).await;
    fs::write(watched.at("b.yml"), node("n3")).unwrap();
    watched.until(&["n2", "n3"]).await;
    fs::remove_file(watched.at("a.yaml")).unwrap();
    watched.until(&["n3"]).await;
}

#[tokio::test]
async fn a_change_is_told_long_before_it_must_be_in_force() {
    let mut watched = Watched::new(&[("a.yaml", &node("n0"))]);
    watched.until(&["n0"]).await;
    let mut took = Vec::new();
    for round in 1..=20 {
        let name = format!("n{round}");
        let start = Instant::now();
        fs::write(watched.at("a.yaml"), node(&name)).unwrap();
        watched.until(&[&name]).await;
        took.push(start.elapsed());
    }
    took.sort();
    assert!(took[10] < Duration::from_millis(100), "half of the changes took longer than {:?}", took[10]);
}

#[tokio::test]
async fn a_file_that_replaces_another_in_one_step_is_seen() {
    let mut watched = Watched::new(&[("a.yaml", &node("n1")), ("b.yaml", &node("n9"))]);
    watched.until(&["n1", "n9"]).await;
    fs::write(watched.at(".a.yaml.tmp"), node("n3")).unwrap();
    fs::rename(watched.at(".a.yaml.tmp"), watched.at("a.yaml")).unwrap();
    let seen = watched.until(&["n3", "n9"]).await;
    assert!(seen.iter().all(|nodes| nodes.len() == 2), "{seen:?}");
}

/// What the thread has, without the thread: the test says what time it is.
struct Stepped {
    folder: tempfile::TempDir,
    keeper: Keeper,
    _inbox: mpsc::Receiver<Message>,
}

impl Stepped {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (messages, inbox) = mpsc::channel();
        let keeper = Keeper::open(folder.path(), messages, watch::channel(None).0).unwrap();
        Self { folder, keeper, _inbox: inbox }
    }

    fn nodes(&mut self, now: Instant) -> Vec<String> {
        self.keeper.look(now);
        let update = self.keeper.updates.borrow();
        update.as_ref().unwrap().world.as_ref().unwrap().nodes.keys().cloned().collect()
    }
}

#[test]
fn an_editor_that_moves_the_old_file_away_loses_nothing() {
    let mut stepped = Stepped::new(&[("a.yaml", &node("n1"))]);
    let (path, start) = (stepped.folder.path().join("a.yaml"), Instant::now());
    fs::rename(&path, path.with_extension("yaml~")).unwrap();
    assert_eq!(stepped.nodes(start), ["n1"]);
    fs::write(&path, node("n2")).unwrap();
    assert_eq!(stepped.nodes(start + Duration::from_millis(10)), ["n2"]);
    fs::remove_file(&path).unwrap();
    assert_eq!(stepped.nodes(start + Duration::from_secs(1)), ["n2"]);
    assert!(stepped.nodes(start + Duration::from_millis(1_100)).is_empty());
}

#[test]
fn a_file_is_not_read_while_it_is_being_written() {
    let mut stepped = Stepped::new(&[("a.yaml", &format!("{}---\n{}", node("n1"), node("n2")))]);
    let (path, start) = (stepped.folder.path().join("a.yaml"), Instant::now());
    fs::write(&path, node("n1")).unwrap();
    stepped.keeper.pace.on_change(Change::Writing("a.yaml".to_owned()), start);
    fs::write(path.with_file_name("b.yaml"), node("n3")).unwrap();
    fs::write(path.with_file_name("c.yaml"), "kind: [").unwrap();
    stepped.keeper.pace.on_change(Change::Writing("c.yaml".to_owned()), start);
    assert_eq!(stepped.nodes(start), ["n1", "n2", "n3"]);
    assert!(stepped.keeper.loaded.rejections.is_empty(), "a new file is not judged by its first half");
    stepped.keeper.pace.on_change(Change::Complete("a.yaml".to_owned()), start);
    assert_eq!(stepped.nodes(start), ["n1", "n3"]);
}

#[test]
fn our_own_reading_is_no_change() {
    let folder = Path::new("/objects");
    let of = |kind| changes(&Event::new(kind).add_path(folder.join("a.yaml")), folder);
    assert_eq!(of(EventKind::Access(AccessKind::Open(AccessMode::Any))), []);
    assert_eq!(of(EventKind::Access(AccessKind::Close(AccessMode::Read))), []);
    let written = Change::Complete("a.yaml".to_owned());
    assert_eq!(of(EventKind::Access(AccessKind::Close(AccessMode::Write))), [written]);
    let swap = Event::new(EventKind::Create(CreateKind::File)).add_path(folder.join(".a.yaml.swp"));
    assert_eq!(changes(&swap, folder), []);
}

#[tokio::test]
async fn a_swapped_config_map_is_seen_whole() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let version = |version: &str, names: [&str; 2]| {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("a.yaml"), node(names[0])).unwrap();
        fs::write(at(version).join("b.yaml"), node(names[1])).unwrap();
        symlink(version, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    version("..one", ["n1", "n2"]);
    for name in ["a.yaml", "b.yaml"] {
        symlink(format!("..data/{name}"), at(name)).unwrap();
    }
    let source = FileSource::start(folder.path()).unwrap();
    let mut watched = Watched { updates: source.updates(), folder, _source: source };
    watched.until(&["n1", "n2"]).await;

    let at = |name: &str| watched.folder.path().join(name);
    fs::create_dir(at("..two")).unwrap();
    fs::write(at("..two").join("a.yaml"), node("n3")).unwrap();
    fs::write(at("..two").join("b.yaml"), node("n4")).unwrap();
    symlink("..two", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    fs::remove_dir_all(at("..one")).unwrap();
    let seen = watched.until(&["n3", "n4"]).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[tokio::test]
async fn a_folder_that_goes_keeps_its_objects_and_is_followed_when_it_comes_back() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("objects");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a.yaml"), node("n1")).unwrap();
    let source = FileSource::start(&path).unwrap();
    let mut updates = source.updates();
    fs::rename(&path, parent.path().join("away")).unwrap();
    // Renaming the folder tells its watch nothing; losing its files to a deletion does.
    fs::remove_dir_all(parent.path().join("away")).unwrap();
    let lost = updates.wait_for(|update| update.as_ref().is_some_and(|update| update.unreadable_since.is_some()));
    let lost = tokio::time::timeout(LONG, lost).await.expect("the folder is missed").unwrap().clone().unwrap();
    assert!(lost.world.as_ref().unwrap().nodes.contains_key("n1"), "what stood in it stays in force");
    assert!(lost.rejections.iter().any(|rejection| rejection.reason == reasons::UNREADABLE), "{lost:?}");

    fs::create_dir(&path).unwrap();
    fs::write(path.join("a.yaml"), node("n2")).unwrap();
    let found = updates.wait_for(|update| {
        update.as_ref().is_some_and(|update| update.world.as_ref().unwrap().nodes.contains_key("n2"))
    });
    tokio::time::timeout(LONG, found).await.expect("the new folder is read").unwrap();
    fs::write(path.join("a.yaml"), node("n3")).unwrap();
    let found = updates.wait_for(|update| {
        update.as_ref().is_some_and(|update| update.world.as_ref().unwrap().nodes.contains_key("n3"))
    });
    tokio::time::timeout(LONG, found).await.expect("the new folder is watched").unwrap();
}

#[test]
fn a_folder_that_is_not_there_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let error = FileSource::start(&folder.path().join("nowhere")).unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("source.files"), "{error}");
}

#[test]
fn a_source_that_is_dropped_ends_its_updates() {
    let folder = tempfile::tempdir().unwrap();
    let source = FileSource::start(folder.path()).unwrap();
    let updates = source.updates();
    drop(source);
    assert!(updates.has_changed().is_err());
}
