//! Takes everything of Weir that is pinned out of the kernel, whichever version put it there.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use weir_cli::cleanup::{Action, Outcome};
use weir_common::reason::Program;

use super::{DatapathError, InterfaceNames, Pins, tcx};

/// Detaches every program that is pinned, and removes the pins of all versions. Returns what was done.
#[must_use]
pub fn remove(bpffs: &Path, names: &InterfaceNames) -> Vec<Action> {
    let mut actions = Vec::new();
    let root = bpffs.join("weir");
    for version in versions(&root) {
        actions.extend(detach_all(&Pins { root: version }, names));
    }
    if root.exists() {
        actions.push(action("remove pins", &root.display().to_string(), remove_tree(&root)));
    }
    actions
}

/// Detaches what other versions of Weir have attached, and removes their pins, so that this version's programs are alone.
/// Returns the folders that it removed.
pub(super) fn remove_other_versions(pins: &Pins) -> Result<Vec<PathBuf>, DatapathError> {
    let Some(root) = pins.root.parent() else { return Ok(Vec::new()) };
    let others: Vec<PathBuf> = versions(root).into_iter().filter(|version| *version != pins.root).collect();
    for version in &others {
        remove_tree(version)
            .map_err(|source| DatapathError::Call { call: "removing another version's pins", source })?;
    }
    Ok(others)
}

fn detach_all(pins: &Pins, names: &InterfaceNames) -> Vec<Action> {
    let detach = |(ifindex, program): (u32, Program)| {
        let target = format!("{} on {}", program.name(), label(ifindex, names));
        let outcome = tcx::detach(&pins.link(ifindex, program));
        action("detach program", &target, outcome)
    };
    tcx::pinned(pins).into_iter().map(detach).collect()
}

fn action<E: ToString>(what: &str, target: &str, outcome: Result<(), E>) -> Action {
    let outcome = outcome.map_or_else(|error| Outcome::Failed(error.to_string()), |()| Outcome::Done);
    Action { what: what.to_owned(), target: target.to_owned(), outcome }
}

fn label(ifindex: u32, names: &InterfaceNames) -> String {
    names.get(&ifindex).cloned().unwrap_or_else(|| format!("interface {ifindex}, which is gone"))
}

fn versions(root: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// `remove_dir_all` opens files, which a bpffs does not allow; this one only unlinks.
fn remove_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir(folder)
}
