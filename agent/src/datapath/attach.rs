//! Programs on interfaces: by tcx links where the kernel has them (6.6), else by clsact filters.
//!
//! tcx links are pinned and outlive the agent; a later agent puts its own program into them in one step
//! (`BPF_LINK_UPDATE`). A clsact filter belongs to its interface and is replaced in one step too, by its fixed priority
//! and handle. Either way no packet passes without a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use aya::{
    Ebpf,
    programs::{
        LinkOrder, ProgramError, ProgramFd, SchedClassifier, TcAttachType,
        links::{FdLink, PinnedLink},
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle},
    },
};
use tracing::debug;
use weir_common::reason::Program;

use super::{DatapathError, InterfaceNames, Pins, pinned_link::TcxLink, probe};

/// Priority of our clsact filters: before those of others.
pub(super) const PRIORITY: u16 = 1;
/// Handle of our clsact filters, by which they are found again.
pub(super) const HANDLE: TcHandle = TcHandle::new(0, 0x5745);

/// Puts programs on interfaces.
pub(super) struct Attacher {
    object: Ebpf,
    pins: Pins,
    tcx: bool,
    /// Attachments of this agent, as far as it knows. With tcx the kernel is asked as well.
    made: BTreeSet<(u32, Program)>,
    /// The kernel's ids of the loaded programs.
    ids: BTreeMap<Program, u32>,
}

impl Attacher {
    /// Loads every program.
    pub(super) fn new(mut object: Ebpf, pins: Pins) -> Result<Self, DatapathError> {
        let mut ids = BTreeMap::new();
        for program in Program::ALL {
            let failed = |source| {
                if probe::has_capability(probe::CAP_PERFMON) {
                    return DatapathError::program("load", program, source);
                }
                DatapathError::Perfmon { program, source: Box::new(source) }
            };
            let classifier = classifier(&mut object, program)?;
            classifier.load().map_err(failed)?;
            ids.insert(program, classifier.info().map_err(failed)?.id());
        }
        Ok(Self { object, pins, tcx: probe::has_tcx(), made: BTreeSet::new(), ids })
    }

    pub(super) fn uses_tcx(&self) -> bool {
        self.tcx
    }

    pub(super) fn recheck(&mut self) {
        self.made.clear();
    }

    pub(super) fn program_fd(&self, program: Program) -> Result<&ProgramFd, DatapathError> {
        let found = self.object.program(program.name()).ok_or(DatapathError::Missing(program.name()))?;
        found.fd().map_err(|source| DatapathError::program("open", program, source))
    }

    pub(super) fn test_program(&mut self, name: &'static str) -> Result<&ProgramFd, DatapathError> {
        let failed = |source: ProgramError| DatapathError::TestProgram { name, source: Box::new(source) };
        let program = self.object.program_mut(name).ok_or(DatapathError::Missing(name))?;
        let classifier: &mut SchedClassifier = program.try_into().map_err(failed)?;
        match classifier.load() {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => classifier.fd().map_err(failed),
            Err(source) => Err(failed(source)),
        }
    }

    pub(super) fn is_attached(&self, ifindex: u32, program: Program) -> bool {
        self.made.contains(&(ifindex, program))
    }

    /// Where our programs are attached now.
    pub(super) fn attached(&mut self, names: &InterfaceNames) -> BTreeSet<(u32, Program)> {
        if self.tcx {
            let pins = pinned(&self.pins);
            self.made = pins.into_iter().filter(|&(ifindex, program)| self.is_linked(ifindex, program)).collect();
        } else {
            self.made.retain(|(ifindex, _)| names.contains_key(ifindex));
        }
        self.made.clone()
    }

    /// Whether a pinned link holds the program of this agent, on an interface that is still there.
    fn is_linked(&self, ifindex: u32, program: Program) -> bool {
        TcxLink::read(&self.pins.link(ifindex, program))
            .is_ok_and(|link| link.ifindex == ifindex && Some(&link.program) == self.ids.get(&program))
    }

    /// Attaches a program, or puts it in the place of an earlier agent's.
    pub(super) fn attach(
        &mut self,
        ifindex: u32,
        program: Program,
        names: &InterfaceNames,
    ) -> Result<(), DatapathError> {
        let name = names.get(&ifindex).ok_or(DatapathError::NoInterface { ifindex })?;
        let result = if self.tcx { self.attach_tcx(ifindex, name, program) } else { self.attach_clsact(name, program) };
        if result.is_ok() {
            self.made.insert((ifindex, program));
        }
        result
    }

    fn attach_tcx(&mut self, ifindex: u32, name: &str, program: Program) -> Result<(), DatapathError> {
        let pin = self.pins.link(ifindex, program);
        let classifier = classifier(&mut self.object, program)?;
        let failed = |source| DatapathError::program(format!("attach to {name}"), program, source);
        let id = if let Some(id) = replace_pinned(classifier, &pin) {
            id
        } else {
            // Whatever stands there is a link to an interface that is gone.
            let _ = std::fs::remove_file(&pin);
            let first = TcAttachOptions::TcxOrder(LinkOrder::first());
            classifier.attach_with_options(name, direction(program), first).map_err(failed)?
        };
        let link = classifier.take_link(id).map_err(failed)?;
        if pin.exists() {
            // The pin is the very link that was just given the new program: the file keeps it.
            return Ok(());
        }
        let link = FdLink::try_from(link).map_err(|error| failed(ProgramError::from(std::io::Error::other(error))))?;
        link.pin(&pin).map_err(|source| DatapathError::Pin { program, path: pin, source: Box::new(source) })?;
        Ok(())
    }

    fn attach_clsact(&mut self, name: &str, program: Program) -> Result<(), DatapathError> {
        let classifier = classifier(&mut self.object, program)?;
        let failed = |source| DatapathError::program(format!("attach to {name}"), program, source);
        if let Err(error) = tc::qdisc_add_clsact(name) {
            debug!(interface = name, %error, "clsact is there already");
        }
        let standing = SchedClassifierLink::attached(name, direction(program), PRIORITY, HANDLE, None)
            .map_err(|error| failed(tc::TcError::from(error).into()))?;
        let id = match classifier.attach_to_link(standing) {
            Ok(id) => id,
            Err(error) => {
                debug!(interface = name, %error, "no filter of ours to replace yet");
                let options = NlOptions { priority: PRIORITY, handle: HANDLE, classid: None };
                classifier
                    .attach_with_options(name, direction(program), TcAttachOptions::Netlink(options))
                    .map_err(failed)?
            }
        };
        // The filter belongs to the interface, not to this process: dropping the link would take it away.
        std::mem::forget(classifier.take_link(id).map_err(failed)?);
        Ok(())
    }

    /// Detaches a program, if the interface is still there.
    pub(super) fn detach(
        &mut self,
        ifindex: u32,
        program: Program,
        names: &InterfaceNames,
    ) -> Result<(), DatapathError> {
        self.made.remove(&(ifindex, program));
        detach(&self.pins, self.tcx, ifindex, program, names.get(&ifindex).map(String::as_str))
    }
}

/// Takes one attachment away, whoever made it.
pub(super) fn detach(
    pins: &Pins,
    tcx: bool,
    ifindex: u32,
    program: Program,
    name: Option<&str>,
) -> Result<(), DatapathError> {
    if tcx {
        return match std::fs::remove_file(pins.link(ifindex, program)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(DatapathError::Call { call: "removing a link's pin", source })
            }
            _ => Ok(()),
        };
    }
    name.map_or(Ok(()), |name| detach_filter(name, program).map(|_| ()))
}

/// Takes our clsact filter away; says whether there was one.
pub(super) fn detach_filter(name: &str, program: Program) -> Result<bool, DatapathError> {
    match tc::qdisc_detach_program(name, direction(program), program.name()) {
        Ok(()) => Ok(true),
        Err(tc::TcError::IoError(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DatapathError::program(format!("detach from {name}"), program, error.into())),
    }
}

/// Interfaces and programs that links are pinned for.
pub(super) fn pinned(pins: &Pins) -> Vec<(u32, Program)> {
    let Ok(entries) = std::fs::read_dir(pins.links()) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let (ifindex, program) = name.to_str()?.split_once('-')?;
            let program = Program::ALL.into_iter().find(|known| known.name() == program)?;
            Some((ifindex.parse().ok()?, program))
        })
        .collect()
}

/// Which way the packets go that a program sees.
pub(super) fn direction(program: Program) -> TcAttachType {
    match program {
        Program::PodTx => TcAttachType::Ingress,
        Program::PodRx | Program::UplinkTx => TcAttachType::Egress,
    }
}

/// Puts a program into a pinned link, if there is one and its interface is still there.
fn replace_pinned(classifier: &mut SchedClassifier, pin: &Path) -> Option<tc::SchedClassifierLinkId> {
    let link = FdLink::from(PinnedLink::from_pin(pin).ok()?);
    classifier.attach_to_link(SchedClassifierLink::try_from(link).ok()?).ok()
}

fn classifier(object: &mut Ebpf, program: Program) -> Result<&mut SchedClassifier, DatapathError> {
    object
        .program_mut(program.name())
        .ok_or(DatapathError::Missing(program.name()))?
        .try_into()
        .map_err(|source| DatapathError::program("open", program, source))
}
