//! Which objects are in force, given what the files hold now and what was in force before. Pure.
//!
//! For each object the first of these that there is:
//! 1. its version in the first file by name that names it. Where that version is wrong, the last one that was in force
//!    stands in for it, and where there was none, there is none: another file's version never slips in;
//! 2. what stood before in a file of which a part, or the whole, cannot be told from nothing: not readable, empty, cut
//!    off, or with a document that is no YAML. Such a file takes no object away.
//!
//! Uplinks and tiers that contradict each other are then admitted change by change ([`weir_core::desired::admit`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use weir_api::{
    Object,
    yaml::{self, Entry},
};
use weir_core::{
    desired::admit,
    model::{Location, ObjectRef, Rejection, World},
};

use super::Content;

/// Reasons of rejections that are about files, beside those of [`weir_api::yaml::reasons`] and
/// [`weir_core::desired::reasons`].
pub mod reasons {
    /// The file cannot be read.
    pub const UNREADABLE: &str = "Unreadable";
    /// The file ends where it should not.
    pub const TRUNCATED: &str = "Truncated";
    /// Another file, or another document of the same file, has the object too.
    pub const DUPLICATE: &str = "Duplicate";
}

/// Kind that a rejection names where it is about a whole file.
const FILE: &str = "File";

/// Everything that the files say, and what is kept to judge what they say next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The objects in force.
    pub world: World,
    /// Objects and files that are not obeyed, or not in every part.
    pub rejections: Vec<Rejection>,
    /// The objects that counted, before it was seen whether they fit each other.
    counted: Objects,
    files: BTreeMap<String, File>,
}

type Objects = BTreeMap<ObjectRef, Arc<Object>>;

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct File {
    /// Its last text that was taken over, and what was read in it.
    text: Option<Arc<str>>,
    entries: Arc<Vec<Entry>>,
    /// Its objects that are in force or would be if no other file had them.
    standing: Objects,
    rejections: Vec<Rejection>,
    /// What the file names itself, rightly or wrongly. What stands without being named is kept from before.
    named: BTreeSet<ObjectRef>,
}

impl Loaded {
    /// Names of the files that this was read from.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

/// What is in force when the files hold `contents`, by file name, and `previous` was in force before.
#[must_use]
pub fn read(contents: &BTreeMap<String, Content>, previous: &Loaded) -> Loaded {
    let none = File::default();
    let mut files: BTreeMap<String, File> = contents
        .iter()
        .map(|(name, content)| {
            let before = previous.files.get(name).unwrap_or(&none);
            (name.clone(), File::read(name, content, before, &previous.counted))
        })
        .collect();
    let (counted, duplicates) = merge(&mut files);
    let mut candidate = World::default();
    for object in counted.values() {
        Object::clone(object).put_into(&mut candidate);
    }
    let (world, impossible) = admit(candidate, &previous.world);
    let mut rejections: Vec<Rejection> = files.values().flat_map(|file| file.rejections.iter().cloned()).collect();
    rejections.extend(duplicates);
    rejections.extend(impossible);
    rejections.sort_by(|a, b| a.location.cmp(&b.location));
    Loaded { world, rejections, counted, files }
}

/// The objects that count, and those that a file has in vain. What a file only keeps and another one has is let go.
fn merge(files: &mut BTreeMap<String, File>) -> (Objects, Vec<Rejection>) {
    let mut counted = Objects::new();
    let mut owners: BTreeMap<ObjectRef, String> = BTreeMap::new();
    let mut duplicates = Vec::new();
    for (name, file) in &*files {
        for id in &file.named {
            if let Some(owner) = owners.get(id) {
                duplicates.push(duplicate(id, file.location(name, id), owner));
                continue;
            }
            owners.insert(id.clone(), name.clone());
            counted.extend(file.standing.get(id).map(|object| (id.clone(), Arc::clone(object))));
        }
    }
    for (name, file) in files {
        let named = &file.named;
        file.standing.retain(|id, object| {
            let kept = !named.contains(id);
            if kept && !owners.contains_key(id) {
                owners.insert(id.clone(), name.clone());
                counted.insert(id.clone(), Arc::clone(object));
                return true;
            }
            !kept
        });
    }
    (counted, duplicates)
}

fn duplicate(id: &ObjectRef, location: Option<Location>, owner: &str) -> Rejection {
    Rejection {
        object: id.clone(),
        location,
        reason: reasons::DUPLICATE.to_owned(),
        message: format!("{owner} has the same object, comes first, and is the one that counts; remove one of the two"),
    }
}

impl File {
    fn read(name: &str, content: &Content, before: &Self, last_good: &Objects) -> Self {
        let text = match content {
            Content::Text(text) => text,
            Content::Unreadable(why) => {
                return before.kept(name, 1, reasons::UNREADABLE, &format!("the file cannot be read: {why}"));
            }
            Content::Writing => return before.clone(),
            Content::Away => return Self { named: BTreeSet::new(), rejections: Vec::new(), ..before.clone() },
        };
        if let Some((line, message)) = before.cut_off(text) {
            return before.kept(name, line, reasons::TRUNCATED, message);
        }
        let entries = match &before.text {
            Some(known) if known == text => Arc::clone(&before.entries),
            _ => Arc::new(yaml::read(text)),
        };
        let mut file = Self { text: Some(Arc::clone(text)), ..Self::default() };
        for entry in &*entries {
            file.add(name, entry, last_good);
        }
        if entries.iter().any(|entry| entry.id.is_none()) {
            // What cannot be told may be any of the objects that stood here.
            for (id, object) in &before.standing {
                if !file.named.contains(id) {
                    file.standing.insert(id.clone(), Arc::clone(object));
                }
            }
        }
        file.entries = entries;
        file
    }

    fn add(&mut self, name: &str, entry: &Entry, last_good: &Objects) {
        let at = |line| Location { file: name.to_owned(), line };
        let mut kept = "";
        match &entry.id {
            None => kept = "; what stood in this file before stays in force",
            Some(id) if !self.named.insert(id.clone()) => {
                self.rejections.push(duplicate(id, Some(at(entry.line)), "an earlier document of this file"));
            }
            Some(id) => {
                let here = entry.object.clone().map(|object| Arc::new(object.located(at(entry.line))));
                let fallback = last_good.get(id).filter(|_| here.is_none());
                if fallback.is_some() {
                    kept = "; its last good version stays in force";
                }
                self.standing.extend(here.as_ref().or(fallback).map(|object| (id.clone(), Arc::clone(object))));
            }
        }
        let unknown = || ObjectRef { kind: "Object".to_owned(), name: String::new() };
        self.rejections.extend(entry.problems.iter().map(|problem| Rejection {
            object: entry.id.clone().unwrap_or_else(unknown),
            location: Some(at(problem.line)),
            reason: problem.reason.to_owned(),
            message: format!("{}{kept}", problem.message),
        }));
    }

    /// Whether a text looks like the beginning of one that is still being written, and what says so.
    fn cut_off(&self, text: &str) -> Option<(u32, &'static str)> {
        let last_line = u32::try_from(text.lines().count()).unwrap_or(u32::MAX).max(1);
        if self.standing.is_empty() {
            return None;
        }
        if text.trim().is_empty() {
            return Some((1, "the file is empty; to take its objects away, remove it or leave a comment in it"));
        }
        let beginning = self.text.as_ref().is_some_and(|whole| whole.starts_with(text) && whole.len() > text.len());
        (beginning && !text.ends_with('\n')).then_some((
            last_line,
            "the file ends in the middle of a line, as if it were still being written; if this is all of it, end it \
             with a new line",
        ))
    }

    /// The file with everything that stood in it, and what is wrong with it now.
    fn kept(&self, name: &str, line: u32, reason: &str, message: &str) -> Self {
        let kept = if self.standing.is_empty() { "" } else { "; what stood in it before stays in force" };
        let rejection = Rejection {
            object: ObjectRef { kind: FILE.to_owned(), name: name.to_owned() },
            location: Some(Location { file: name.to_owned(), line }),
            reason: reason.to_owned(),
            message: format!("{message}{kept}"),
        };
        Self { rejections: vec![rejection], named: BTreeSet::new(), ..self.clone() }
    }

    fn location(&self, name: &str, id: &ObjectRef) -> Option<Location> {
        let entry = self.entries.iter().find(|entry| entry.id.as_ref() == Some(id))?;
        Some(Location { file: name.to_owned(), line: entry.line })
    }
}

#[cfg(test)]
mod tests;
