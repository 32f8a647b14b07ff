//! Takes everything of Weir out of the kernel, whichever version put it there.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use weir_cli::cleanup::{Action, Outcome};
use weir_common::reason::Program;

use super::{DatapathError, InterfaceNames, Pins, attach, probe};

/// What was taken out.
#[derive(Debug, Default)]
pub struct Removed {
    /// What was done.
    pub actions: Vec<Action>,
    /// Interfaces that clsact filters of ours stood on.
    pub filtered: BTreeSet<u32>,
}

/// Detaches every program from every interface, and removes the pins of all versions.
#[must_use]
pub fn remove(bpffs: &Path, names: &InterfaceNames) -> Removed {
    let mut removed = Removed::default();
    let actions = &mut removed.actions;
    let root = bpffs.join("weir");
    for version in folders(&root) {
        let pins = Pins { root: version };
        for (ifindex, program) in attach::pinned(&pins) {
            let outcome = attach::detach(&pins, true, ifindex, program, None).map(|()| true);
            actions.extend(detached(program, &label(ifindex, names), outcome));
        }
    }
    if !probe::has_tcx() {
        for (ifindex, name) in names {
            for program in Program::ALL {
                let action = detached(program, name, attach::detach_filter(name, program));
                if action.is_some() {
                    removed.filtered.insert(*ifindex);
                }
                actions.extend(action);
            }
        }
    }
    if root.exists() {
        let outcome = match remove_tree(&root) {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        actions.push(Action { what: "remove pins".to_owned(), target: root.display().to_string(), outcome });
    }
    removed
}

/// The action for a detachment, if there was something to detach.
fn detached(program: Program, interface: &str, outcome: Result<bool, DatapathError>) -> Option<Action> {
    let outcome = match outcome {
        Ok(false) => return None,
        Ok(true) => Outcome::Done,
        Err(error) => Outcome::Failed(error.to_string()),
    };
    let target = format!("{} on {interface}", program.name());
    Some(Action { what: "detach program".to_owned(), target, outcome })
}

fn label(ifindex: u32, names: &InterfaceNames) -> String {
    names.get(&ifindex).cloned().unwrap_or_else(|| format!("interface {ifindex}, which is gone"))
}

fn folders(root: &Path) -> BTreeSet<PathBuf> {
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
