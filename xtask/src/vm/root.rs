//! The VM's root file system: programs, libraries, kernel modules, and the command to run.

use std::fs;
use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::VmSpec;
use super::libraries::Libraries;
use super::modules;
use super::tree::Tree;
use crate::process;
use crate::tools::guest::{self, Guest};
use crate::tools::kernel::Kernel;

/// Programs that are taken from the fetched packages; the rest of `/usr/bin` is busybox.
const PROGRAMS: &[&str] = &[
    "usr/bin/dash",
    "usr/bin/ip",
    "usr/bin/ss",
    "usr/bin/nstat",
    "usr/sbin/tc",
    "usr/sbin/bridge",
    "usr/bin/iperf3",
    "usr/bin/ping",
    "usr/sbin/nft",
    "usr/sbin/ethtool",
    "usr/bin/tcpdump",
    "usr/bin/setpriv",
    "usr/bin/wg",
];

/// Files above this size lose their debug information on the way into the VM, which saves memory and time.
const STRIP_ABOVE_BYTES: u64 = 4 << 20;

/// Writes the root file system for a run into `to`. `scratch` is a folder for intermediate files.
pub(super) fn write(spec: &VmSpec, kernel: &Kernel, scratch: &Path, to: &Path) -> Result<()> {
    let guest = guest::ensure()?;
    let mut tree = Tree::default();
    let mut libraries = Libraries::default();
    skeleton(&mut tree);
    add_programs(&mut tree, &mut libraries, &guest)?;
    add_modules(&mut tree, kernel, spec)?;
    for (from, path) in &spec.files {
        let from = stripped(from, scratch).with_context(|| format!("cannot add {path} to the VM"))?;
        tree.copy(path, &from)?;
        if is_elf(&from) {
            libraries.add_host(&from)?;
        }
    }
    for (name, path) in libraries.chosen(&guest) {
        tree.copy(&format!("usr/lib/{name}"), &path)?;
    }
    tree.text("weir/run", script(spec), 0o755);
    let file = File::create(to).with_context(|| format!("cannot create {}", to.display()))?;
    tree.write(BufWriter::new(file))
}

/// Folders, links and the few files of /etc that programs insist on. Every library folder is the same
/// one, so that it does not matter which distribution's loader looks.
fn skeleton(tree: &mut Tree) {
    for folder in ["dev", "proc", "sys", "tmp", "run", "out", "root", "var/tmp", "usr/bin", "usr/lib"] {
        tree.folder(folder);
    }
    tree.link("bin", "usr/bin");
    tree.link("sbin", "usr/bin");
    tree.link("usr/sbin", "bin");
    tree.link("lib", "usr/lib");
    tree.link("lib64", "usr/lib");
    tree.link("usr/lib64", "lib");
    tree.link("usr/lib/x86_64-linux-gnu", ".");
    tree.link("var/run", "../run");
    tree.link("etc/mtab", "/proc/self/mounts");
    tree.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", 0o644);
    tree.text("etc/group", "root:x:0:\nnogroup:x:65534:\n", 0o644);
    tree.text("etc/hosts", "127.0.0.1 localhost weir-vm\n::1 localhost\n", 0o644);
    tree.text("init", include_str!("init.sh"), 0o755);
}

fn add_programs(tree: &mut Tree, libraries: &mut Libraries, guest: &Guest) -> Result<()> {
    for program in PROGRAMS {
        let from = guest.root().join(program);
        let name = program.rsplit('/').next().unwrap_or(program);
        tree.copy(&format!("usr/bin/{name}"), &from)?;
        libraries.add_fetched(guest, &from)?;
    }
    tree.copy("usr/share/iproute2", &guest.root().join("usr/share/iproute2"))?;
    // Delay distributions of netem and plug-ins of tc.
    tree.copy("usr/lib/tc", &guest.libraries().join("tc"))?;
    tree.copy("usr/bin/busybox", &guest.busybox())?;
    // Debian's busybox shell runs its own `ip`, `tc` and `ping` whatever PATH says; dash does not.
    tree.link("usr/bin/sh", "dash");
    for applet in process::output(Command::new(guest.busybox()).arg("--list"))?.lines() {
        let path = format!("usr/bin/{applet}");
        if !tree.contains(&path) {
            tree.link(&path, "busybox");
        }
    }
    Ok(())
}

fn add_modules(tree: &mut Tree, kernel: &Kernel, spec: &VmSpec) -> Result<()> {
    let modules = modules::resolve(kernel, spec.disk.is_some(), &spec.modules)?;
    let folder = kernel.modules();
    let inside = format!("usr/lib/modules/{}", kernel.release());
    for file in modules.files.iter().map(String::as_str).chain(["modules.dep", "modules.alias", "modules.symbols"]) {
        tree.copy(&format!("{inside}/{file}"), &folder.join(file))?;
    }
    tree.text("weir/modules", modules.load.join("\n") + "\n", 0o644);
    Ok(())
}

/// The command as a shell script: its environment, then itself, every word quoted.
fn script(spec: &VmSpec) -> String {
    let mut lines = vec!["#!/bin/sh".to_owned()];
    lines.extend(spec.environment.iter().map(|(name, value)| format!("export {name}={}", quote(value))));
    lines.push(format!("exec {}", spec.command.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")));
    lines.join("\n") + "\n"
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"\x7fELF"
}

/// A copy without debug information where that is worth it and `strip` exists; else the file itself.
fn stripped(from: &Path, scratch: &Path) -> Result<PathBuf> {
    let metadata = fs::metadata(from).with_context(|| format!("cannot read {}", from.display()))?;
    if !metadata.is_file() || metadata.len() < STRIP_ABOVE_BYTES || !is_elf(from) {
        return Ok(from.to_owned());
    }
    let folder = tempfile::tempdir_in(scratch)?.keep();
    let to = folder.join(from.file_name().unwrap_or_default());
    let done = process::output(Command::new("strip").args(["--strip-debug", "-o"]).arg(&to).arg(from));
    Ok(if done.is_ok() { to } else { from.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_reach_the_command_unchanged() {
        let word = "it's $HOME \"x\" `y` \\ \n z";
        let output = std::process::Command::new("sh").arg("-c").arg(format!("printf %s {}", quote(word))).output();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), word);
    }
}
