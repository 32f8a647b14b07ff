//! A file tree in memory, written as the cpio archive ("newc") that the kernel unpacks as its root.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cpio::NewcBuilder;
use cpio::newc::ModeFileType;

/// Paths without a leading `/`, each with what is there.
#[derive(Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
}

enum Node {
    Folder,
    Link(String),
    Copy(PathBuf),
    Text { content: String, mode: u32 },
}

impl Tree {
    /// An empty folder (and its parents).
    pub(super) fn folder(&mut self, path: &str) {
        self.put(path, Node::Folder);
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.put(path, Node::Link(target.to_owned()));
    }

    /// A file with this content; `mode` are its permission bits.
    pub(super) fn text(&mut self, path: &str, content: impl Into<String>, mode: u32) {
        self.put(path, Node::Text { content: content.into(), mode });
    }

    /// A copy of the host's file, or of all that is below the host's folder. Links are followed.
    pub(super) fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let metadata = fs::metadata(from).with_context(|| format!("cannot read {}", from.display()))?;
        if !metadata.is_dir() {
            self.put(path, Node::Copy(from.to_owned()));
            return Ok(());
        }
        self.folder(path);
        for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
            let entry = entry?;
            self.copy(&format!("{path}/{}", entry.file_name().to_string_lossy()), &entry.path())?;
        }
        Ok(())
    }

    /// Whether something is there already.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(path.trim_matches('/'))
    }

    /// Writes the archive. Parents come before what is in them, because a name sorts before its extensions.
    pub(super) fn write(&self, mut to: impl Write) -> Result<()> {
        for (number, (path, node)) in (1..).zip(&self.nodes) {
            let entry = NewcBuilder::new(path).ino(number).nlink(1);
            match node {
                Node::Folder => write_entry(entry, ModeFileType::Directory, 0o755, &[], &mut to),
                Node::Link(target) => write_entry(entry, ModeFileType::Symlink, 0o777, target.as_bytes(), &mut to),
                Node::Text { content, mode } => {
                    write_entry(entry, ModeFileType::Regular, *mode, content.as_bytes(), &mut to)
                }
                Node::Copy(from) => {
                    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
                    let mode = fs::metadata(from)?.permissions().mode() & 0o777;
                    write_entry(entry, ModeFileType::Regular, mode, &content, &mut to)
                }
            }
            .with_context(|| format!("cannot write {path} into the VM's root"))?;
        }
        cpio::newc::trailer(to)?;
        Ok(())
    }

    fn put(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        let mut parent = path;
        while let Some((above, _)) = parent.rsplit_once('/') {
            parent = above;
            self.nodes.entry(parent.to_owned()).or_insert(Node::Folder);
        }
        match node {
            Node::Folder => {
                self.nodes.entry(path.to_owned()).or_insert(node);
            }
            _ => {
                self.nodes.insert(path.to_owned(), node);
            }
        }
    }
}

fn write_entry(entry: NewcBuilder, kind: ModeFileType, mode: u32, content: &[u8], to: &mut impl Write) -> Result<()> {
    let size = u32::try_from(content.len()).context("the file is larger than 4 GB")?;
    let mut writer = entry.mode(mode).set_mode_file_type(kind).write(to, size);
    writer.write_all(content)?;
    writer.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn parents_come_first_and_content_survives() {
        let mut tree = Tree::default();
        tree.text("/etc/deep/name", "hello", 0o644);
        tree.link("bin", "usr/bin");
        let mut bytes = Vec::new();
        tree.write(&mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        let mut names = Vec::new();
        loop {
            let mut reader = cpio::NewcReader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = String::new();
            std::io::Read::read_to_string(&mut reader, &mut content).unwrap();
            names.push((reader.entry().name().to_owned(), content));
            rest = reader.finish().unwrap();
        }
        let expected = [("bin", "usr/bin"), ("etc", ""), ("etc/deep", ""), ("etc/deep/name", "hello")];
        assert_eq!(names, expected.map(|(name, content)| (name.to_owned(), content.to_owned())));
    }
}
