//! What stands in the folder.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The longest file that is read. A list of all pods of a large cluster has a tenth of it.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Its text.
    Text(Arc<str>),
    /// Why it has none.
    Unreadable(String),
    /// It is being written, so that what it held before counts.
    Writing,
    /// It went a moment ago and may come back; its objects count where no other file has them.
    Away,
}

/// The folder of a source.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// Which folder stands at a path: it may be another one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn identity(&self) -> io::Result<Identity> {
        let metadata = fs::metadata(&self.path)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Identity { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Every file with objects, by its name.
    ///
    /// All of one version: a mounted `ConfigMap` changes as a whole, by swapping the link `..data` that its files lead
    /// through, and a look that was overtaken by that is repeated.
    pub(super) fn contents(&self) -> io::Result<BTreeMap<String, Content>> {
        const ATTEMPTS: usize = 5;
        let version = || fs::read_link(self.path.join("..data")).ok();
        let mut before = version();
        let mut contents = self.contents_once()?;
        for _ in 1..ATTEMPTS {
            let after = version();
            if before == after {
                break;
            }
            (before, contents) = (after, self.contents_once()?);
        }
        Ok(contents)
    }

    fn contents_once(&self) -> io::Result<BTreeMap<String, Content>> {
        let mut contents = BTreeMap::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let shown = name.to_string_lossy();
            if !holds_objects(&shown) {
                continue;
            }
            match content(&entry.path()) {
                // It went between the list and the look.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !entry.path().is_symlink() => {}
                Err(error) => drop(contents.insert(shown.into_owned(), Content::Unreadable(error.to_string()))),
                Ok(content) => drop(contents.insert(shown.into_owned(), content)),
            }
        }
        Ok(contents)
    }
}

/// Whether a file of this name is read.
pub(super) fn holds_objects(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    !name.starts_with('.') && matches!(extension, Some("yaml" | "yml"))
}

fn content(path: &Path) -> io::Result<Content> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        // A pipe would be waited for without end.
        return Ok(Content::Unreadable("it is no regular file".to_owned()));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Ok(Content::Unreadable(format!("it has more than {} MiB", MAX_FILE_BYTES >> 20)));
    }
    let bytes = fs::read(path)?;
    Ok(String::from_utf8(bytes).map_or_else(
        |error| {
            let readable = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = readable.split(|byte| *byte == b'\n').count();
            Content::Unreadable(format!("line {line} is not UTF-8 text"))
        },
        |text| Content::Text(text.into()),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_visible_yaml_files_are_read() {
        for name in ["a.yaml", "b.yml", "a.b.yaml"] {
            assert!(holds_objects(name), "{name}");
        }
        for name in
            [".a.yaml", ".#a.yaml", "a.yaml~", "a.yaml.swp", "..data", "a.json", "yaml", "4913", ".yaml", "a.YAML"]
        {
            assert!(!holds_objects(name), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("good.yaml"), "a: 1\n").unwrap();
        fs::write(at("binary.yaml"), b"a: 1\nb: \xff\n").unwrap();
        fs::create_dir(at("folder.yaml")).unwrap();
        symlink(at("good.yaml"), at("link.yaml")).unwrap();
        symlink(at("gone"), at("dangling.yaml")).unwrap();
        fs::write(at("notes.txt"), "x").unwrap();
        let long = fs::File::create(at("long.yaml")).unwrap();
        long.set_len(MAX_FILE_BYTES + 1).unwrap();

        let contents = Folder::new(folder.path()).contents().unwrap();
        let names: Vec<&str> = contents.keys().map(String::as_str).collect();
        assert_eq!(names, ["binary.yaml", "dangling.yaml", "folder.yaml", "good.yaml", "link.yaml", "long.yaml"]);
        assert_eq!(contents["good.yaml"], Content::Text("a: 1\n".into()));
        assert_eq!(contents["link.yaml"], contents["good.yaml"]);
        let says = |name: &str, text: &str| matches!(&contents[name], Content::Unreadable(why) if why.contains(text));
        assert!(says("binary.yaml", "line 2 is not UTF-8"), "{contents:?}");
        assert!(says("folder.yaml", "no regular file"));
        assert!(says("long.yaml", "more than 64 MiB"));
        assert!(says("dangling.yaml", "No such file"));
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Folder::new(&folder.path().join("nowhere"));
        assert_eq!(missing.contents().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(missing.identity().is_err());
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(Folder::new(&folder.path().join("file")).identity().is_err());
    }
}
