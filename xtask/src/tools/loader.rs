//! Which shared libraries a program needs, as the loader itself tells.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;

/// Lists what a fetched program (or library) needs, by name, found in a folder of fetched libraries by their own loader.
pub fn needed(loader: &Path, libraries: &Path, program: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = Command::new(loader);
    command.arg("--library-path").arg(libraries).arg("--list").arg(program);
    Ok(parse(&process::output(&mut command)?))
}

/// Reads the loader's list: `name => path (address)` and, for the loader itself, `path (address)`.
pub fn parse(list: &str) -> BTreeMap<String, PathBuf> {
    list.lines()
        .filter_map(|line| {
            let line = line.trim().split(" (0x").next()?;
            let path = PathBuf::from(line.split_once(" => ").map_or(line, |(_, path)| path));
            let name = line.split(" => ").next()?.rsplit('/').next()?.to_owned();
            path.is_absolute().then_some((name, path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_loaders_list() {
        let list = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tstatically linked\n";
        let found: Vec<_> = parse(list).into_iter().map(|(name, path)| (name, path.display().to_string())).collect();
        assert_eq!(
            found,
            [
                ("ld-linux-x86-64.so.2".to_owned(), "/lib64/ld-linux-x86-64.so.2".to_owned()),
                ("libc.so.6".to_owned(), "/lib/x86_64-linux-gnu/libc.so.6".to_owned()),
            ]
        );
    }
}
