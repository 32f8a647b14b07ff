//! Programs on interfaces by pinned tcx links.

use std::{fs, path::Path};

use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier,
    links::{FdLink, PinnedLink},
    tc::{self, SchedClassifierLink, TcAttachOptions},
};
use weir_common::reason::Program;

use super::{
    DatapathError, Pins,
    attach::direction,
    pinned_link::{self, TcxLink},
};

/// Attaches a program to an interface (ifindex and name), or puts it into the link that is pinned at `pin`.
pub(super) fn attach(
    classifier: &mut SchedClassifier,
    program: Program,
    (ifindex, name): (u32, &str),
    pin: &Path,
) -> Result<(), DatapathError> {
    let failed = |source| DatapathError::program(format!("attach to {name}"), program, source);
    if let Some(id) = replace(classifier, pin, ifindex) {
        // The pin is the very link that was just given the new program: the file keeps it.
        drop(classifier.take_link(id).map_err(failed)?);
        return Ok(());
    }
    // Whatever is pinned there is a link to an interface that is gone.
    let _ = fs::remove_file(pin);
    let first = TcAttachOptions::TcxOrder(LinkOrder::first());
    let id = classifier.attach_with_options(name, direction(program), first).map_err(failed)?;
    let link = classifier.take_link(id).map_err(failed)?;
    let link = FdLink::try_from(link).map_err(|error| failed(ProgramError::from(std::io::Error::other(error))))?;
    link.pin(pin).map_err(|source| DatapathError::Pin { program, path: pin.to_owned(), source: Box::new(source) })?;
    if TcxLink::read(pin).is_ok_and(|link| link.ifindex == ifindex) {
        return Ok(());
    }
    // The name has become another interface's since it was looked up.
    let _ = fs::remove_file(pin);
    Err(DatapathError::NoInterface { ifindex })
}

/// Detaches a pinned link, whoever made it, and removes its pin.
pub(super) fn detach(pin: &Path) -> Result<(), DatapathError> {
    // A link that cannot be detached here is detached when its last reference, the pin, is gone.
    let _ = pinned_link::detach(pin);
    match fs::remove_file(pin) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(DatapathError::Call { call: "removing a link's pin", source })
        }
        _ => Ok(()),
    }
}

/// Interfaces and programs that links are pinned for.
pub(super) fn pinned(pins: &Pins) -> Vec<(u32, Program)> {
    let Ok(entries) = fs::read_dir(pins.links()) else { return Vec::new() };
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

/// Returns whether a pinned link holds this program on this interface. Removes the pin of a link whose interface is gone.
pub(super) fn holds(pin: &Path, ifindex: u32, program: u32) -> bool {
    match TcxLink::read(pin) {
        Ok(link) if link.ifindex == 0 => {
            // It holds nothing any more; that it could not be removed is tried again at the next look.
            let _ = fs::remove_file(pin);
            false
        }
        Ok(link) => link.ifindex == ifindex && link.program == program,
        Err(_) => false,
    }
}

/// Puts a program into a pinned link, if there is one to this interface.
fn replace(classifier: &mut SchedClassifier, pin: &Path, ifindex: u32) -> Option<tc::SchedClassifierLinkId> {
    if TcxLink::read(pin).ok()?.ifindex != ifindex {
        return None;
    }
    let link = FdLink::from(PinnedLink::from_pin(pin).ok()?);
    classifier.attach_to_link(SchedClassifierLink::try_from(link).ok()?).ok()
}
