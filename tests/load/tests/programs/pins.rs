//! Who may reach the maps and links that are pinned.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::{Result, ensure};
use weir::datapath::{Datapath, Pins};
use weir_load_tests::bpffs::BpfFs;

#[test]
fn pins_are_for_root_alone() -> Result<()> {
    let bpffs = BpfFs::mount()?;
    let weir = bpffs.path().join("weir");
    // As an earlier agent made it.
    fs::create_dir(&weir)?;
    fs::set_permissions(&weir, fs::Permissions::from_mode(0o755))?;
    let _datapath = Datapath::open(bpffs.path())?;
    let pins = Pins::new(bpffs.path());
    for folder in [&weir, pins.maps(), &pins.links()] {
        let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
        ensure!(mode == 0o700, "{} has mode {mode:o}", folder.display());
    }
    Ok(())
}
