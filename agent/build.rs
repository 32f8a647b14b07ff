//! Puts the kernel programs into the agent: the object file that `cargo xtask build` makes.

use std::{env, fs, path::PathBuf, process::exit};

fn main() {
    println!("cargo:rerun-if-env-changed=WEIR_BPF_OBJECT");
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let object =
        env::var_os("WEIR_BPF_OBJECT").map_or_else(|| manifest.join("../target/bpf/weir-ebpf.o"), PathBuf::from);
    println!("cargo:rerun-if-changed={}", object.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("weir-ebpf.o");
    if let Err(error) = fs::copy(&object, &out) {
        eprintln!(
            "cannot read the kernel programs at {}: {error}\nrun `cargo xtask build` once: it makes them",
            object.display()
        );
        exit(1);
    }
}
