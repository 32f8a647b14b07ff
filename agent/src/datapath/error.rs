//! What can go wrong between the agent and the kernel.

use std::{io, path::PathBuf};

use aya::{EbpfError, maps::MapError, pin::PinError, programs::ProgramError};
use thiserror::Error;
use weir_common::reason::Program;

/// A failure of the datapath.
#[derive(Debug, Error)]
pub enum DatapathError {
    /// A capability is missing.
    #[error(
        "the agent lacks {capability}, without which the kernel lets nobody {purpose}: run it as root, or with this capability (see `weir doctor`)"
    )]
    Capability {
        /// Its name.
        capability: &'static str,
        /// What it is needed for.
        purpose: &'static str,
    },
    /// No bpffs where the configuration says.
    #[error("{} is no BPF file system: mount one (`mount -t bpf bpf {}`), or name another place with `bpffs`", path.display(), path.display())]
    NoBpffs {
        /// The configured path.
        path: PathBuf,
    },
    /// The pin folder cannot be made.
    #[error("cannot make the folder {} for maps and links", path.display())]
    PinFolder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The object could not be loaded.
    #[error("cannot load the kernel programs (pins in {}; `weir cleanup` removes what an earlier agent left there)", pins.display())]
    Load {
        /// The pin folder.
        pins: PathBuf,
        /// Why.
        source: Box<EbpfError>,
    },
    /// A program was rejected by the verifier, or could not be attached.
    #[error("cannot {what} program {}", program.name())]
    Program {
        /// Load, attach to `eth0`, …
        what: String,
        /// Which.
        program: Program,
        /// Why.
        source: Box<ProgramError>,
    },
    /// A program was rejected by the verifier, and more rights may help.
    #[error(
        "cannot load program {}: the agent lacks CAP_PERFMON, without which this kernel's verifier may refuse it: grant it",
        program.name()
    )]
    Perfmon {
        /// Which.
        program: Program,
        /// Why.
        source: Box<ProgramError>,
    },
    /// A program that only tests use could not be loaded.
    #[error("cannot load test program {name}")]
    TestProgram {
        /// Which.
        name: &'static str,
        /// Why.
        source: Box<ProgramError>,
    },
    /// The object lacks a program or map that it is built with.
    #[error("the kernel object has no {0}: agent and object are of different builds")]
    Missing(&'static str),
    /// A map could not be read or written.
    #[error("cannot {what} map {map}")]
    Map {
        /// Read, write, …
        what: &'static str,
        /// Which.
        map: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// A link could not be pinned.
    #[error("cannot pin the link of {} to {}", program.name(), path.display())]
    Pin {
        /// Which program.
        program: Program,
        /// Where to.
        path: PathBuf,
        /// Why.
        source: Box<PinError>,
    },
    /// An interface has gone.
    #[error("interface {ifindex} is gone")]
    NoInterface {
        /// Its index.
        ifindex: u32,
    },
    /// A system call failed.
    #[error("{call} failed")]
    Call {
        /// Which.
        call: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl DatapathError {
    pub(super) fn program(what: impl Into<String>, program: Program, source: ProgramError) -> Self {
        Self::Program { what: what.into(), program, source: Box::new(source) }
    }

    pub(super) fn map(what: &'static str, map: &'static str, source: MapError) -> Self {
        Self::Map { what, map, source: Box::new(source) }
    }
}
