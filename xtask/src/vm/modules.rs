//! The kernel modules that the VM loads, and the way from a name to the files that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::tools::kernel::Kernel;

/// Loaded before anything else: the way to the host. Built in on some kernels.
const HOST: &[&str] = &["virtio_pci", "virtio_console", "virtio_rng"];

/// What Weir, its lab and the shapers that it is compared with need, by topic.
const NETWORK: &[&[&str]] = &[
    // Queueing disciplines.
    &["sch_fq", "sch_fq_codel", "sch_codel", "sch_cake", "sch_netem", "sch_htb", "sch_tbf"],
    &["sch_ingress", "sch_prio", "sch_mqprio", "sch_multiq", "sch_sfq", "sch_red", "sch_etf"],
    // Classifiers and actions.
    &["cls_bpf", "cls_u32", "cls_flower", "cls_fw", "cls_matchall", "cls_basic", "cls_cgroup"],
    &["act_mirred", "act_police", "act_bpf", "act_gact", "act_skbedit", "act_skbmod", "act_pedit", "act_csum"],
    // Devices; the parameters keep these drivers from making some on their own.
    &["veth", "bridge", "br_netfilter", "dummy numdummies=0", "ifb numifbs=0", "8021q", "bonding max_bonds=0"],
    &["macvlan", "vxlan", "vrf", "tun", "ipip", "wireguard"],
    // Address translation.
    &["nf_conntrack", "nf_nat", "nf_tables", "nft_ct", "nft_nat", "nft_masq", "nft_chain_nat", "nft_redir"],
    // TCP and what `ss` asks.
    &["tcp_bbr", "inet_diag", "tcp_diag", "udp_diag"],
];

/// What a Kubernetes node needs beside these: its disk, the way to the host, containers, and service addresses.
const NODE: &[&[&str]] = &[
    &["virtio_blk", "virtio_net", "ext4", "overlay"],
    &[
        "nf_conntrack_netlink",
        "nft_compat",
        "nft_fib",
        "nft_fib_inet",
        "nft_limit",
        "nft_log",
        "nft_numgen",
        "nft_hash",
    ],
    &["nft_reject", "nft_reject_inet", "nft_reject_ipv4", "nft_reject_ipv6"],
    &["xt_MASQUERADE", "xt_addrtype", "xt_comment", "xt_conntrack", "xt_mark"],
    &["xt_multiport", "xt_nat", "xt_statistic", "xt_tcpudp"],
];

/// The modules of a boot: what to load, and every file that this takes.
pub(super) struct Modules {
    /// Names, some with parameters, in the order of loading; built-in ones are left out.
    pub(super) load: Vec<&'static str>,
    /// Files below the modules folder, dependencies included.
    pub(super) files: BTreeSet<String>,
}

/// Resolves the lists above and the names in `more` against a kernel's own index.
pub(super) fn resolve(kernel: &Kernel, of_a_node: bool, more: &[&'static str]) -> Result<Modules> {
    let folder = kernel.modules();
    let index = Index::read(&folder)?;
    let mut modules = Modules { load: Vec::new(), files: BTreeSet::new() };
    let node = if of_a_node { NODE } else { &[] };
    for line in HOST.iter().chain(NETWORK.iter().chain(node).copied().flatten()).chain(more) {
        let name = line.split(' ').next().unwrap_or(line);
        if index.builtin.contains(name) {
            continue;
        }
        let files =
            index.files.get(name).with_context(|| format!("Linux {} has no module {name}", kernel.release()))?;
        modules.load.push(line);
        modules.files.extend(files.iter().cloned());
    }
    Ok(modules)
}

/// `modules.dep` and `modules.builtin` of one kernel.
struct Index {
    /// A module's own file and all files that it depends on, by name.
    files: BTreeMap<String, Vec<String>>,
    builtin: BTreeSet<String>,
}

impl Index {
    fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let files = read("modules.dep")?
            .lines()
            .filter_map(|line| {
                let (own, needs) = line.split_once(':')?;
                let files = std::iter::once(own).chain(needs.split_whitespace()).map(str::to_owned);
                Some((name_of(own), files.collect()))
            })
            .collect();
        let builtin = read("modules.builtin")?.lines().map(name_of).collect();
        Ok(Self { files, builtin })
    }
}

/// A module's name as the kernel says it: the file's name with `_` for `-`.
fn name_of(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".ko").unwrap_or(name).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::{Index, name_of};

    #[test]
    fn names() {
        assert_eq!(name_of("kernel/net/sched/sch_fq.ko"), "sch_fq");
        assert_eq!(name_of("kernel/net/netfilter/nf-conn-track.ko"), "nf_conn_track");
    }

    #[test]
    fn index_of_a_kernel() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("modules.dep"), "a/x-y.ko: b/z.ko c/w.ko\nb/z.ko:\n").unwrap();
        std::fs::write(folder.path().join("modules.builtin"), "kernel/net/core/in.ko\n").unwrap();
        let index = Index::read(folder.path()).unwrap();
        assert_eq!(index.files["x_y"], ["a/x-y.ko", "b/z.ko", "c/w.ko"]);
        assert_eq!(index.files["z"], ["b/z.ko"]);
        assert!(index.builtin.contains("in"));
    }
}
