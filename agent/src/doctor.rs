//! `weir doctor`: looks for each thing that Weir needs or can use.

use std::path::Path;

use weir_cli::doctor::{Check, Status};

use crate::{
    datapath::probe,
    kube::status::NodeFacts,
    net::{Netlink, cgroups},
};

/// Oldest kernel that is tested (see `ARCHITECTURE.md`).
const FLOOR: (u32, u32) = (5, 15);
/// `CAP_NET_BROADCAST`.
const CAP_NET_BROADCAST: u32 = 11;

/// Examines this node.
pub async fn examine(bpffs: &Path) -> Vec<Check> {
    let mut checks = vec![kernel()];
    for (name, number, purpose) in probe::CAPABILITIES {
        let lost = format!("everything: without it nobody may {purpose}");
        checks.push(needed(name, probe::has_capability(number), Status::Missing, &lost, "run as root, or grant it"));
    }
    checks.push(needed(
        "CAP_PERFMON",
        probe::has_capability(probe::CAP_PERFMON),
        Status::Degraded,
        "everything on kernels whose verifier asks for it (6.1 does, 6.12 does not)",
        "run as root, or grant it",
    ));
    checks.push(needed(
        "CAP_NET_BROADCAST",
        probe::has_capability(CAP_NET_BROADCAST),
        Status::Degraded,
        "changes of addresses inside pods are noticed by looking again, up to a second later",
        "run as root, or grant it",
    ));
    checks.push(needed(
        "bpffs",
        probe::is_bpffs(bpffs),
        Status::Missing,
        "everything: maps and links would end with the agent",
        &format!("mount -t bpf bpf {}", bpffs.display()),
    ));
    checks.push(needed(
        "BTF",
        probe::has_btf(),
        Status::Degraded,
        "names of types in bpftool's output",
        "a kernel with CONFIG_DEBUG_INFO_BTF",
    ));
    checks.push(needed(
        "tcx",
        probe::has_tcx(),
        Status::Degraded,
        "nothing that is seen: programs attach as clsact filters instead, which other programs may remove",
        "a kernel from 6.6 on",
    ));
    checks.push(fq().await);
    checks.push(cgroup2());
    checks
}

/// What an agent says of its node: what the kernel has, and what is lost for want of the rest.
pub async fn facts(bpffs: &Path, kernel: &str) -> NodeFacts {
    let checks = examine(bpffs).await;
    let is_feature = |check: &&Check| !check.name.starts_with("CAP_") && check.name != "kernel";
    let there = checks.iter().filter(is_feature).filter(|check| check.status == Status::Ok);
    let missing = checks.iter().filter(|check| check.status != Status::Ok);
    NodeFacts {
        kernel: kernel.to_owned(),
        features: there.map(|check| check.name.clone()).collect(),
        lost: missing.map(|check| format!("{}: {}; it loses {}", check.name, check.detail, check.lost)).collect(),
    }
}

fn kernel() -> Check {
    let release = nix::sys::utsname::uname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.release().to_string_lossy().into_owned());
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let is_enough = version >= FLOOR;
    let lost = if is_enough { "" } else { "older kernels than 5.15 are not supported" };
    Check {
        name: "kernel".to_owned(),
        status: if is_enough { Status::Ok } else { Status::Degraded },
        detail: release,
        lost: lost.to_owned(),
        remedy: if is_enough { String::new() } else { "a kernel from 5.15 on".to_owned() },
    }
}

async fn fq() -> Check {
    let found = match Netlink::open() {
        Ok(netlink) => netlink.has_fq().await,
        Err(error) => Err(error),
    };
    match found {
        Ok(there) => needed(
            "fq",
            there,
            Status::Degraded,
            "pacing: what is over a ceiling is dropped, and guarantees and borrowing do not work",
            "a kernel with CONFIG_NET_SCH_FQ, or its module sch_fq",
        ),
        Err(error) => Check {
            name: "fq".to_owned(),
            status: Status::Degraded,
            detail: error.to_string(),
            lost: "it cannot be told whether packets can be paced".to_owned(),
            remedy: "run as root".to_owned(),
        },
    }
}

fn cgroup2() -> Check {
    match cgroups::legacy_pods() {
        Ok(None) => needed("cgroup2", true, Status::Degraded, "", ""),
        Ok(Some(legacy)) => Check {
            name: "cgroup2".to_owned(),
            status: Status::Degraded,
            detail: format!("mounted, but pods have their cgroups in version 1 ({})", legacy.display()),
            lost: "hostNetwork pods, and pods behind a macvlan, cannot be told apart: they are interactive".to_owned(),
            remedy: "boot with systemd.unified_cgroup_hierarchy=1, so that the kubelet uses version 2".to_owned(),
        },
        Err(error) => Check {
            name: "cgroup2".to_owned(),
            status: Status::Degraded,
            detail: error.to_string(),
            lost: "hostNetwork pods cannot be told apart: they are interactive".to_owned(),
            remedy: "mount -t cgroup2 none /sys/fs/cgroup".to_owned(),
        },
    }
}

fn needed(name: &str, there: bool, otherwise: Status, lost: &str, remedy: &str) -> Check {
    let text = |text: &str| if there { String::new() } else { text.to_owned() };
    Check {
        name: name.to_owned(),
        status: if there { Status::Ok } else { otherwise },
        detail: if there { "there" } else { "not there" }.to_owned(),
        lost: text(lost),
        remedy: text(remedy),
    }
}
