//! Takes everything of Weir out of the kernel, whichever version put it there.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use weir_common::reason::Program;

use super::{DatapathError, InterfaceNames, Pins, attach, probe};

/// Detaches every program from every interface, and removes the pins of all versions. Returns what was done, a sentence
/// each.
pub fn remove(bpffs: &Path, names: &InterfaceNames) -> Result<Vec<String>, DatapathError> {
    let mut done = Vec::new();
    let root = bpffs.join("weir");
    for version in folders(&root) {
        let pins = Pins { root: version };
        for (ifindex, program) in attach::pinned(&pins) {
            attach::detach(&pins, true, ifindex, program, None)?;
            done.push(format!("detached {} from {}", program.name(), label(ifindex, names)));
        }
    }
    if !probe::has_tcx() {
        for (ifindex, name) in names {
            for program in Program::ALL {
                if attach::detach_filter(name, program)? {
                    done.push(format!("detached {} from {}", program.name(), label(*ifindex, names)));
                }
            }
        }
    }
    if root.exists() {
        remove_tree(&root).map_err(|source| DatapathError::Call { call: "removing the pins", source })?;
        done.push(format!("removed the maps in {}", root.display()));
    }
    Ok(done)
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
