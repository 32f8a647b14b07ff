//! Maps and links that are pinned: who may reach them, and which are adopted.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::{Result, ensure};
use weir::datapath::{Datapath, InterfaceNames, Pins};
use weir_common::{config::TierConfig, maps};
use weir_core::plan::Change;
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

#[test]
fn a_pinned_map_of_another_shape_is_made_anew() -> Result<()> {
    let bpffs = BpfFs::mount()?;
    let (names, tier) =
        (InterfaceNames::new(), Change::PutTier(3, TierConfig { owner: [2; 16], ..TierConfig::default() }));
    Datapath::open(bpffs.path())?.apply(&tier, &names)?;
    // What another build of this version may have left under the name of the tiers.
    let pins = Pins::new(bpffs.path()).maps().to_owned();
    fs::rename(pins.join(maps::EXITS), pins.join(maps::TIERS))?;

    let mut datapath = Datapath::open(bpffs.path())?;
    ensure!(datapath.observe(&names)?.tiers.is_empty(), "tiers are read from another map");
    datapath.apply(&tier, &names)?;
    ensure!(datapath.observe(&names)?.tiers.len() == 1, "the tier is not there");
    Ok(())
}
