//! The kernel side of the loop: reads what the kernel has, applies changes, reads counters.
//!
//! The only user of aya, and with the kernel programs the only place with unsafe code.

mod abi;
mod attach;
pub mod beside;
mod changes;
mod counters;
mod error;
mod exempt;
mod filter;
mod interfaces;
mod load;
mod map_info;
mod observe;
mod order;
mod pinned_link;
pub mod probe;
pub mod remove;
mod syscall;
mod tables;
mod tcx;
pub mod test_run;

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use weir_common::reason::Program;

use crate::net::qdisc::Hooks;

pub use error::DatapathError;

use attach::Attacher;
use aya::programs::ProgramFd;
use tables::Tables;

use crate::state::file;

/// Names of interfaces by ifindex, which attaching needs.
pub type InterfaceNames = BTreeMap<u32, String>;

/// Weir's programs and maps in this kernel.
pub struct Datapath {
    tables: Tables,
    attacher: Attacher,
}

impl Datapath {
    /// Loads the programs, with the maps that an earlier agent pinned below `bpffs`, or with new ones.
    ///
    /// Nothing that is attached changes yet: the programs of the earlier agent go on until they are replaced.
    pub fn open(bpffs: &Path) -> Result<Self, DatapathError> {
        probe::require(bpffs)?;
        let pins = Pins::new(bpffs);
        pins.create()?;
        let mut object = load::load(&pins)?;
        let tables = Tables::take(&mut object)?;
        let attacher = Attacher::new(object, pins)?;
        Ok(Self { tables, attacher })
    }

    /// Whether programs attach by tcx; else they attach as clsact filters.
    #[must_use]
    pub fn uses_tcx(&self) -> bool {
        self.attacher.uses_tcx()
    }

    /// Looks which of this agent's programs are still attached, and removes the pins of interfaces that are gone. Where
    /// there is no tcx, `hooks` are the filters of those interfaces that were looked at. With `order`, also whether
    /// each program is still the first on its hook.
    pub fn look_at_attachments(&mut self, names: &InterfaceNames, hooks: BTreeMap<u32, Hooks>, order: bool) {
        self.attacher.hooks_seen(hooks);
        self.attacher.look(names, order);
    }

    /// Detaches what earlier agents of this version left where nothing is `wanted`, and all that other versions of Weir
    /// attached, and removes the pins of these: to be called once this agent's programs that shape are in place. Returns
    /// the folders that it removed.
    pub fn remove_leftovers(
        &mut self,
        wanted: &BTreeSet<(u32, Program)>,
        names: &InterfaceNames,
    ) -> Result<Vec<PathBuf>, DatapathError> {
        self.attacher.detach_unwanted(wanted, names)?;
        remove::remove_other_versions(self.attacher.pins())
    }

    /// A loaded program, for `BPF_PROG_TEST_RUN`.
    pub fn program(&self, program: Program) -> Result<&ProgramFd, DatapathError> {
        self.attacher.program_fd(program)
    }

    /// Loads a program of the object that the agent never attaches, for `BPF_PROG_TEST_RUN`.
    pub fn test_program(&mut self, name: &'static str) -> Result<&ProgramFd, DatapathError> {
        self.attacher.test_program(name)
    }

    /// Whether a program is attached, as far as is known without asking the kernel.
    #[must_use]
    pub fn is_attached(&self, ifindex: u32, program: Program) -> bool {
        self.attacher.is_attached(ifindex, program)
    }

    /// Where our programs are attached, among the interfaces that still exist.
    fn attached(&self, names: &InterfaceNames) -> BTreeSet<(u32, Program)> {
        self.attacher.attached(names)
    }
}

/// Where maps and links are pinned.
#[derive(Clone, Debug)]
pub struct Pins {
    root: PathBuf,
}

impl Pins {
    /// Pins below a mounted bpffs: `<bpffs>/weir/<ABI>`.
    #[must_use]
    pub fn new(bpffs: &Path) -> Self {
        Self { root: bpffs.join("weir").join(weir_common::ABI) }
    }

    /// The folder of the maps.
    #[must_use]
    pub fn maps(&self) -> &Path {
        &self.root
    }

    /// The folder of the links.
    #[must_use]
    pub fn links(&self) -> PathBuf {
        self.root.join("links")
    }

    /// The pin of a program's link to an interface.
    fn link(&self, ifindex: u32, program: Program) -> PathBuf {
        self.links().join(format!("{ifindex}-{}", program.name()))
    }

    /// Makes the folders. Only root may enter them, because whoever can open a map can read and change it.
    fn create(&self) -> Result<(), DatapathError> {
        let failed = |source| DatapathError::PinFolder { path: self.links(), source };
        std::fs::DirBuilder::new().recursive(true).mode(file::FOLDER).create(self.links()).map_err(failed)?;
        // An earlier agent may have made it otherwise.
        self.root.parent().map_or(Ok(()), |weir| file::protect(weir, file::FOLDER)).map_err(failed)
    }
}
