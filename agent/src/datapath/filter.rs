//! Programs on interfaces by filters on their clsact qdisc, which has to be there.

use aya::programs::{
    ProgramError, SchedClassifier,
    tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle},
};
use weir_common::reason::Program;

use super::{DatapathError, attach::direction};
use crate::net::qdisc::{Filter, HANDLES, PRIORITY};

/// Attaches a program to an interface as the first filter of its hook; `standing` are the filters that are there.
///
/// A filter of ours that is the first is replaced in its place. One that others got in front of gets a successor in front
/// of them before it goes, so that no packet passes without either.
pub(super) fn attach(
    classifier: &mut SchedClassifier,
    program: Program,
    name: &str,
    standing: &[Filter],
) -> Result<(), DatapathError> {
    let failed = |source: ProgramError| DatapathError::program(format!("attach to {name}"), program, source);
    let ours: Vec<u32> = standing.iter().filter(|filter| filter.is_ours()).map(|filter| filter.handle).collect();
    let is_first = standing.first().is_some_and(Filter::is_ours);
    let id = if is_first || standing.is_empty() {
        // Where nobody has looked yet, one of an earlier agent may be there all the same.
        let handle = ours.first().copied().unwrap_or(HANDLES[0]);
        let link = link(program, name, handle).map_err(failed)?;
        match classifier.attach_to_link(link) {
            Ok(id) => id,
            Err(_) => make(classifier, program, name, handle).map_err(failed)?,
        }
    } else {
        let free = HANDLES.into_iter().find(|handle| !ours.contains(handle)).unwrap_or(HANDLES[0]);
        make(classifier, program, name, free).map_err(failed)?
    };
    // The filter belongs to the interface, not to this process: dropping the link would take it away.
    std::mem::forget(classifier.take_link(id).map_err(failed)?);
    for &old in ours.iter().skip(usize::from(is_first)) {
        remove(program, name, old).map_err(failed)?;
    }
    Ok(())
}

/// Takes a program away from an interface.
pub(super) fn detach(program: Program, name: &str) -> Result<(), DatapathError> {
    match tc::qdisc_detach_program(name, direction(program), program.name()) {
        Ok(()) => Ok(()),
        Err(tc::TcError::IoError(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(DatapathError::program(format!("detach from {name}"), program, error.into())),
    }
}

fn make(
    classifier: &mut SchedClassifier,
    program: Program,
    name: &str,
    handle: u32,
) -> Result<tc::SchedClassifierLinkId, ProgramError> {
    let options = NlOptions { priority: PRIORITY, handle: tc_handle(handle), classid: None };
    classifier.attach_with_options(name, direction(program), TcAttachOptions::Netlink(options))
}

fn remove(program: Program, name: &str, handle: u32) -> Result<(), ProgramError> {
    use aya::programs::links::Link as _;
    link(program, name, handle)?.detach()
}

fn link(program: Program, name: &str, handle: u32) -> Result<SchedClassifierLink, ProgramError> {
    SchedClassifierLink::attached(name, direction(program), PRIORITY, tc_handle(handle), None)
        .map_err(|error| tc::TcError::from(error).into())
}

/// The handles of Weir's filters have nothing in the upper half.
fn tc_handle(handle: u32) -> TcHandle {
    TcHandle::new(0, u16::try_from(handle).unwrap_or(0))
}
