//! Replays the corpus of every target, and mutations of it.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use weir_fuzz::{TARGETS, Target, mutate::mutate};

/// Time that a single input may take, on a machine with other things to do. What takes longer has no bound.
const LONGEST: Duration = Duration::from_secs(10);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn inputs(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = corpus().join(target.name);
    let list = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<(String, Vec<u8>)> = list
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap()))
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

fn run(target: &Target, what: &str, bytes: &[u8]) {
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let took = start.elapsed();
    if result.is_err() || took > LONGEST {
        let failure = std::env::temp_dir().join(format!("weir-fuzz-{}-{}", target.name, std::process::id()));
        fs::write(&failure, bytes).unwrap();
        panic!(
            "{what} breaks {} (after {took:?}); the input stands in {}: put it into corpus/{}/ once it is mended",
            target.name,
            failure.display(),
            target.name
        );
    }
}

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    let inputs = inputs(target);
    for (position, (file, bytes)) in inputs.iter().enumerate() {
        run(target, file, bytes);
        let (_, other) = &inputs[(position + 1) % inputs.len()];
        for number in 0..target.mutations {
            run(target, &format!("mutation {number} of {file}"), &mutate(bytes, other, number));
        }
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
        $(#[test] fn $name() { replay(stringify!($name)); })*
    };
}

replays!(config dscp files rate selector yaml_objects);

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let replayed: BTreeSet<String> = REPLAYED.iter().map(|name| (*name).to_owned()).collect();
    let folders = fs::read_dir(corpus()).unwrap();
    let folders: BTreeSet<String> =
        folders.map(|folder| folder.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(targets, replayed);
    assert_eq!(targets, folders);
}
