//! The one layer of an image: a program in an empty root.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

/// Folders that the container runtime mounts on, which a read-only root has to have already.
const FOLDERS: [&str; 8] = ["dev", "etc", "proc", "run", "sys", "sys/fs", "tmp", "var"];

/// A layer's bytes and names.
pub(super) struct Layer {
    /// The compressed archive.
    pub(super) bytes: Vec<u8>,
    /// SHA-256 of the archive before compression, in hexadecimal.
    pub(super) uncompressed_digest: String,
}

/// A layer with `program` at `/NAME`. The same program gives the same bytes: no time, no owner, a set order.
pub(super) fn of(program: &Path, name: &str) -> Result<Layer> {
    let content = std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let mut archive = tar::Builder::new(Vec::new());
    for folder in FOLDERS {
        append(&mut archive, EntryType::Directory, 0o755, &format!("{folder}/"), &[])?;
    }
    append(&mut archive, EntryType::Regular, 0o755, name, &content)?;
    let archive = archive.into_inner()?;
    let uncompressed_digest = digest(&archive);
    let mut compressed = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    compressed.write_all(&archive)?;
    Ok(Layer { bytes: compressed.finish()?, uncompressed_digest })
}

/// Adds one entry that belongs to root and has no time.
pub(super) fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    kind: EntryType,
    mode: u32,
    path: &str,
    content: &[u8],
) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(content.len().try_into()?);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, path, content).with_context(|| format!("cannot put {path} into the archive"))
}

/// SHA-256 in hexadecimal, as OCI digests spell it.
pub(super) fn digest(bytes: &[u8]) -> String {
    let words: Vec<String> = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    words.concat()
}
