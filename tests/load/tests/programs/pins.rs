//! Maps and links that are pinned: who may reach them, and which are adopted.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

use anyhow::{Result, ensure};
use nix::sched::{CloneFlags, unshare};
use weir::datapath::{Datapath, InterfaceNames, Pins};
use weir_common::{config::TierConfig, maps, reason::Program};
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

#[test]
fn a_program_that_is_put_before_one_of_weirs_is_put_behind_it() -> Result<()> {
    // In a network namespace of this thread alone, which ends with it.
    let test = || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        let (bpffs, others) = (BpfFs::mount()?, BpfFs::mount()?);
        let (mut ours, mut theirs) = (Datapath::open(bpffs.path())?, Datapath::open(others.path())?);
        if !ours.uses_tcx() {
            // The places of filters are looked at otherwise: the kernel rung holds that.
            return Ok(());
        }
        let names = InterfaceNames::from([(1, "lo".to_owned())]);
        for program in [Program::PodTx, Program::PodRx] {
            let attach = Change::Attach(1, program);
            let is_in_place = |datapath: &mut Datapath, order: bool| {
                datapath.look_at_attachments(&names, BTreeMap::new(), order);
                datapath.is_attached(1, program)
            };
            ours.apply(&attach, &names)?;
            ensure!(is_in_place(&mut ours, true), "{program:?} is alone and not in place");
            theirs.apply(&attach, &names)?;
            ensure!(is_in_place(&mut ours, false), "{program:?}: its order was not to be asked");
            ensure!(!is_in_place(&mut ours, true), "{program:?} is behind another and in place");
            ensure!(!is_in_place(&mut ours, false), "{program:?}: that it is behind another is forgotten");
            ours.apply(&attach, &names)?;
            ensure!(is_in_place(&mut ours, true), "{program:?} is not the first again");
            ensure!(!is_in_place(&mut theirs, true), "{program:?}: the other one is gone, or still the first");
        }
        Ok(())
    };
    std::thread::spawn(test).join().expect("the thread ends by itself")
}
