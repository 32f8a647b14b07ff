//! Programs on interfaces: by tcx links where the kernel has them (6.6), else by clsact filters.
//!
//! tcx links are pinned and outlive the agent; a later agent puts its own program into them in one step
//! (`BPF_LINK_UPDATE`). A clsact filter belongs to its interface and is replaced in one step too, by its fixed priority
//! and handle. Either way no packet passes without a program.

use std::collections::{BTreeMap, BTreeSet};

use aya::{
    Ebpf,
    programs::{ProgramError, ProgramFd, SchedClassifier, TcAttachType},
};
use tracing::warn;
use weir_common::reason::Program;

use super::{DatapathError, InterfaceNames, Pins, filter, order, probe, tcx};
use crate::net::qdisc::{Filter, Hooks};

/// Puts programs on interfaces.
pub(super) struct Attacher {
    object: Ebpf,
    pins: Pins,
    tcx: bool,
    /// Attachments of this agent, as of the last look.
    made: BTreeSet<(u32, Program)>,
    /// Attachments of this agent that another program was put before, as of the last look at that.
    displaced: BTreeSet<(u32, Program)>,
    /// The kernel's ids of the loaded programs.
    ids: BTreeMap<Program, u32>,
    /// Filters of each interface, where there is no tcx, as of the last look.
    hooks: BTreeMap<u32, Hooks>,
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
        let (tcx, made, displaced, hooks) = (probe::has_tcx(), BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Ok(Self { object, pins, tcx, made, displaced, ids, hooks })
    }

    pub(super) fn pins(&self) -> &Pins {
        &self.pins
    }

    pub(super) fn uses_tcx(&self) -> bool {
        self.tcx
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

    /// Asks the kernel which attachments of this agent are still in place, and removes the pins of links whose interface
    /// is gone. One that another program was put before is not in place; with `order` that is asked too, else it is as it
    /// was.
    pub(super) fn look(&mut self, names: &InterfaceNames, order: bool) {
        if self.tcx {
            let before = std::mem::take(&mut self.displaced);
            self.made.clear();
            for (ifindex, program) in tcx::pinned(&self.pins) {
                let Some(&id) = self.ids.get(&program) else { continue };
                if !tcx::holds(&self.pins.link(ifindex, program), ifindex, id) {
                    continue;
                }
                let place = (ifindex, program);
                let is_displaced = if order { !order::is_first(ifindex, program, id) } else { before.contains(&place) };
                if is_displaced { &mut self.displaced } else { &mut self.made }.insert(place);
            }
        } else {
            self.hooks.retain(|ifindex, _| names.contains_key(ifindex));
            let hooks = &self.hooks;
            self.made.retain(|&(ifindex, program)| is_first(hooks, ifindex, program));
        }
    }

    /// Takes over what was read of the hooks of some interfaces.
    pub(super) fn hooks_seen(&mut self, hooks: BTreeMap<u32, Hooks>) {
        self.hooks.extend(hooks);
    }

    /// Where the programs of this agent were attached at the last look or since, among the interfaces that exist.
    pub(super) fn attached(&self, names: &InterfaceNames) -> BTreeSet<(u32, Program)> {
        self.made.iter().filter(|(ifindex, _)| names.contains_key(ifindex)).copied().collect()
    }

    /// Attaches a program, or puts it in the place of an earlier agent's.
    pub(super) fn attach(
        &mut self,
        ifindex: u32,
        program: Program,
        names: &InterfaceNames,
    ) -> Result<(), DatapathError> {
        let name = names.get(&ifindex).ok_or(DatapathError::NoInterface { ifindex })?;
        let pin = self.pins.link(ifindex, program);
        let filters = filters(&self.hooks, ifindex, program);
        let classifier = classifier(&mut self.object, program)?;
        if self.tcx {
            let was_displaced = self.displaced.remove(&(ifindex, program));
            if was_displaced {
                // A program cannot be on a hook twice, nor change its place there.
                tcx::detach(&pin)?;
            }
            tcx::attach(classifier, program, (ifindex, name), &pin)?;
            if was_displaced {
                let program = program.name();
                warn!(interface = name, program, "another program was put before this one, which is the first again");
            }
        } else {
            filter::attach(classifier, program, name, filters)?;
            // What stands there now is read at the next look; until then it is as it was just made.
            self.hooks.remove(&ifindex);
        }
        self.made.insert((ifindex, program));
        Ok(())
    }

    /// Detaches what an earlier agent left where no program is wanted: nothing else would, for these are not
    /// [`Self::attached`].
    pub(super) fn detach_unwanted(
        &mut self,
        wanted: &BTreeSet<(u32, Program)>,
        names: &InterfaceNames,
    ) -> Result<(), DatapathError> {
        let left: Vec<(u32, Program)> = if self.tcx { tcx::pinned(&self.pins) } else { self.ours().collect() };
        for (ifindex, program) in left {
            let is_wanted = wanted.iter().any(|&(other, wanted)| {
                other == ifindex && (wanted == program || !self.tcx && direction(wanted) == direction(program))
            });
            if !is_wanted {
                self.detach(ifindex, program, names)?;
            }
        }
        Ok(())
    }

    /// Where filters of Weir's were at the last look. Which program each one has is not known: any of its direction.
    fn ours(&self) -> impl Iterator<Item = (u32, Program)> {
        let has = |ifindex, program| filters(&self.hooks, ifindex, program).iter().any(Filter::is_ours);
        let places = self.hooks.keys().flat_map(|&ifindex| Program::ALL.map(|program| (ifindex, program)));
        places.filter(move |&(ifindex, program)| has(ifindex, program))
    }

    /// Detaches a program, if the interface is still there.
    pub(super) fn detach(
        &mut self,
        ifindex: u32,
        program: Program,
        names: &InterfaceNames,
    ) -> Result<(), DatapathError> {
        self.made.remove(&(ifindex, program));
        if self.tcx {
            return tcx::detach(&self.pins.link(ifindex, program));
        }
        let Some(name) = names.get(&ifindex) else { return Ok(()) };
        filter::detach(program, name)
    }
}

fn filters(hooks: &BTreeMap<u32, Hooks>, ifindex: u32, program: Program) -> &[Filter] {
    let Some(hooks) = hooks.get(&ifindex) else { return &[] };
    match direction(program) {
        TcAttachType::Ingress => &hooks.ingress,
        TcAttachType::Egress | TcAttachType::Custom(_) => &hooks.egress,
    }
}

/// Returns whether Weir's filter is the first of its hook; an interface that was not looked at is as it was.
fn is_first(hooks: &BTreeMap<u32, Hooks>, ifindex: u32, program: Program) -> bool {
    !hooks.contains_key(&ifindex) || filters(hooks, ifindex, program).first().is_some_and(Filter::is_ours)
}

/// Which way the packets go that a program sees.
pub(super) fn direction(program: Program) -> TcAttachType {
    match program {
        Program::PodTx | Program::BridgeRx | Program::SplitRx => TcAttachType::Ingress,
        Program::PodRx | Program::UplinkTx | Program::BridgeTx => TcAttachType::Egress,
    }
}

fn classifier(object: &mut Ebpf, program: Program) -> Result<&mut SchedClassifier, DatapathError> {
    object
        .program_mut(program.name())
        .ok_or(DatapathError::Missing(program.name()))?
        .try_into()
        .map_err(|source| DatapathError::program("open", program, source))
}
