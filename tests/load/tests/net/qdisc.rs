//! Root qdiscs are read as `tc` set them up, replaced where the kernel has `fq`, and put back to the letter.
//!
//! `tc qdisc show` before and after is the judge. Where a kernel has no `fq`, a root with our handle stands in for it.

use anyhow::{Result, bail, ensure};
use weir::net::{
    Error, Netlink,
    qdisc::{Decision, Recorded, Restored, RootQdisc, decide},
};

use crate::namespace::Namespace;

/// Handle of root qdiscs that Weir makes.
const OURS: &str = "3e17:";

/// A node with `nic0` (one queue) and `nic1` (four).
fn node() -> Result<Namespace> {
    let node = Namespace::new()?;
    node.ip("link add nic0 numtxqueues 1 up type veth peer name wire0\n\
             link set wire0 up\n\
             link add nic1 up numtxqueues 4 numrxqueues 4 type veth peer name wire1\n\
             link set wire1 up")?;
    Ok(node)
}

/// Everything that `tc` shows about an interface's qdiscs and classes, without counters that move. Sorted: the kernel
/// lists those whose handles share a bucket of its hash table in the order in which they came.
fn shown(node: &Namespace, interface: &str) -> Result<Vec<String>> {
    let qdiscs = node.ask(&["tc", "qdisc", "show", "dev", interface])?;
    let classes = node.ask(&["tc", "class", "show", "dev", interface])?;
    let mut lines: Vec<String> = qdiscs.lines().chain(classes.lines()).map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}

fn read(node: &Namespace, ifindex: u32) -> Result<Option<RootQdisc>> {
    node.block_on(|| async move { Ok(Netlink::open()?.root_qdiscs().await?.remove(&ifindex)) })
}

fn record(node: &Namespace, ifindex: u32) -> Result<Recorded> {
    node.block_on(|| async move { Ok(Netlink::open()?.record_qdisc(ifindex).await?) })
}

fn restore(node: &Namespace, ifindex: u32, recorded: &Recorded) -> Result<Restored> {
    node.block_on(|| async move { Ok(Netlink::open()?.restore_qdisc(ifindex, recorded.clone()).await?) })
}

/// Puts ours, or where the kernel has no `fq` something with our handle, in place of what is there.
fn replace(node: &Namespace, interface: &str, ifindex: u32, tx_queues: u32) -> Result<()> {
    match node.block_on(|| async move { Ok(Netlink::open()?.install_fq(ifindex, tx_queues).await) })? {
        Err(Error::NoFq) => {
            node.tc(&format!("qdisc replace dev {interface} root handle {OURS} pfifo limit 7"))?;
        }
        other => other?,
    }
    ensure!(read(node, ifindex)?.is_some_and(|root| root.is_ours()), "ours is not there");
    Ok(())
}

/// `tc` itself finds out whether there is an `fq`.
fn kernel_has_fq() -> Result<bool> {
    Ok(Namespace::new()?.tc("qdisc add dev lo root fq").is_ok())
}

#[test]
fn what_was_set_up_comes_back_to_the_letter() -> Result<()> {
    for (kind, setup) in [
        ("pfifo", "qdisc add dev nic0 root handle 5: pfifo limit 321"),
        ("bfifo", "qdisc add dev nic0 root bfifo limit 4321"),
        ("tbf", "qdisc add dev nic0 root tbf rate 3mbit burst 20k latency 40ms peakrate 4mbit mtu 2000"),
        (
            "htb",
            "qdisc add dev nic0 root handle 1: htb default 20 r2q 5\n\
             class add dev nic0 parent 1: classid 1:1 htb rate 9mbit ceil 10mbit burst 15k\n\
             class add dev nic0 parent 1:1 classid 1:10 htb rate 2mbit ceil 10mbit prio 1\n\
             class add dev nic0 parent 1:1 classid 1:20 htb rate 7mbit ceil 8mbit prio 2 quantum 3000\n\
             qdisc add dev nic0 parent 1:10 handle 10: pfifo limit 55\n\
             qdisc add dev nic0 parent 1:20 handle 20: tbf rate 6mbit burst 10k latency 20ms",
        ),
    ] {
        let node = node()?;
        node.tc(setup)?;
        let (ifindex, before) = (node.ifindex("nic0")?, shown(&node, "nic0")?);
        let recorded = record(&node, ifindex)?;
        let text = serde_json::to_string(&recorded)?;
        replace(&node, "nic0", ifindex, 1)?;
        ensure!(shown(&node, "nic0")? != before, "{kind} was not replaced");
        assert_eq!(restore(&node, ifindex, &serde_json::from_str(&text)?)?, Restored::Done, "{kind}");
        assert_eq!(shown(&node, "nic0")?, before, "{kind}");
    }
    Ok(())
}

#[test]
fn queues_of_mq_come_back() -> Result<()> {
    let node = node()?;
    node.tc("qdisc add dev nic1 root handle 8: mq\n\
             qdisc add dev nic1 parent 8:2 handle 82: pfifo limit 12\n\
             qdisc add dev nic1 parent 8:4 bfifo limit 34567")?;
    let (ifindex, before) = (node.ifindex("nic1")?, shown(&node, "nic1")?);
    let recorded = record(&node, ifindex)?;
    replace(&node, "nic1", ifindex, 4)?;
    ensure!(shown(&node, "nic1")? != before, "mq was not replaced");
    assert_eq!(restore(&node, ifindex, &recorded)?, Restored::Done);
    assert_eq!(shown(&node, "nic1")?, before);
    Ok(())
}

#[test]
fn the_kernels_default_comes_back_by_itself() -> Result<()> {
    let node = node()?;
    for (interface, tx_queues) in [("nic0", 1), ("nic1", 4)] {
        let (ifindex, before) = (node.ifindex(interface)?, shown(&node, interface)?);
        let recorded = record(&node, ifindex)?;
        assert_eq!(recorded, Recorded::KernelDefault);
        replace(&node, interface, ifindex, tx_queues)?;
        assert_eq!(record(&node, ifindex)?, Recorded::KernelDefault, "ours is nothing to come back to");
        assert_eq!(restore(&node, ifindex, &recorded)?, Restored::Done);
        assert_eq!(shown(&node, interface)?, before);
    }
    Ok(())
}

#[test]
fn filters_that_are_lost_are_told() -> Result<()> {
    let node = node()?;
    node.tc("qdisc add dev nic0 root handle 1: htb default 1\n\
             class add dev nic0 parent 1: classid 1:1 htb rate 9mbit\n\
             filter add dev nic0 parent 1: protocol ip prio 1 u32 match ip dst 10.0.0.1/32 flowid 1:1")?;
    let ifindex = node.ifindex("nic0")?;
    let recorded = record(&node, ifindex)?;
    replace(&node, "nic0", ifindex, 1)?;
    assert_eq!(restore(&node, ifindex, &recorded)?, Restored::WithoutFilters);
    Ok(())
}

#[test]
fn what_somebody_else_put_there_meanwhile_stays() -> Result<()> {
    let node = node()?;
    let ifindex = node.ifindex("nic0")?;
    replace(&node, "nic0", ifindex, 1)?;
    node.tc("qdisc replace dev nic0 root handle 1: pfifo limit 5")?;
    let before = shown(&node, "nic0")?;
    assert_eq!(restore(&node, ifindex, &Recorded::KernelDefault)?, Restored::NotOurs);
    assert_eq!(shown(&node, "nic0")?, before);
    assert_eq!(restore(&node, 4_000, &Recorded::KernelDefault)?, Restored::NotOurs, "no such interface");
    Ok(())
}

#[test]
fn a_shaper_is_refused_by_name() -> Result<()> {
    let node = node()?;
    node.tc("qdisc add dev nic0 root tbf rate 3mbit burst 20k latency 40ms\nqdisc add dev nic0 clsact")?;
    let current = read(&node, node.ifindex("nic0")?)?;
    assert_eq!(decide(current.as_ref(), 1, false), Decision::Refuse { what: "tbf".to_owned() });
    assert_eq!(decide(current.as_ref(), 1, true), Decision::Install);
    let default = read(&node, node.ifindex("nic1")?)?;
    assert_eq!(decide(default.as_ref(), 4, false), Decision::Install);
    Ok(())
}

#[test]
fn fq_with_a_purpose_is_refused_and_ours_is_mended() -> Result<()> {
    if !kernel_has_fq()? {
        return Ok(());
    }
    let node = node()?;
    let ifindex = node.ifindex("nic0")?;
    for (options, refused) in [
        ("maxrate 9mbit", Some("fq with maxrate")),
        ("nopacing", Some("fq with nopacing")),
        ("ce_threshold 4ms", Some("fq with ce_threshold")),
        ("limit 500 flow_limit 50 quantum 3000", None),
        ("horizon 2s buckets 32768", None),
    ] {
        node.tc(&format!("qdisc replace dev nic0 root fq {options}"))?;
        let expected = refused.map_or(Decision::Install, |what| Decision::Refuse { what: what.to_owned() });
        assert_eq!(decide(read(&node, ifindex)?.as_ref(), 1, false), expected, "{options}");
        node.tc("qdisc del dev nic0 root")?;
    }
    replace(&node, "nic0", ifindex, 1)?;
    node.tc(&format!("qdisc change dev nic0 root handle {OURS} fq maxrate 1mbit orphan_mask 7"))?;
    assert_eq!(decide(read(&node, ifindex)?.as_ref(), 1, false), Decision::Install);
    replace(&node, "nic0", ifindex, 1)?;
    assert_eq!(decide(read(&node, ifindex)?.as_ref(), 1, false), Decision::Keep);
    Ok(())
}

/// As Cilium's bandwidth manager sets it up, which makes the root qdisc anew where it does not find its own values.
#[test]
fn horizon_and_buckets_of_another_programs_fq_stay() -> Result<()> {
    if !kernel_has_fq()? {
        return Ok(());
    }
    let node = node()?;
    node.tc("qdisc replace dev nic0 root fq horizon 2s buckets 32768\nqdisc replace dev nic1 root handle 1: mq")?;
    for queue in 1..=4 {
        node.tc(&format!("qdisc replace dev nic1 parent 1:{queue} fq horizon 2s buckets 32768"))?;
    }
    for (interface, tx_queues) in [("nic0", 1), ("nic1", 4)] {
        let ifindex = node.ifindex(interface)?;
        let recorded = record(&node, ifindex)?;
        let before = shown(&node, interface)?;
        assert_eq!(decide(read(&node, ifindex)?.as_ref(), tx_queues, false), Decision::Install);
        for _ in 0..2 {
            replace(&node, interface, ifindex, tx_queues)?;
            assert_eq!(decide(read(&node, ifindex)?.as_ref(), tx_queues, false), Decision::Keep);
            let text = node.ask(&["tc", "qdisc", "show", "dev", interface])?;
            for kept in ["buckets 32768", "horizon 2s", "flow_limit 10000p"] {
                assert_eq!(text.matches(kept).count(), tx_queues as usize, "{kept}: {text}");
            }
        }
        restore(&node, ifindex, &recorded)?;
        assert_eq!(shown(&node, interface)?, before);
    }
    Ok(())
}

#[test]
fn looking_for_fq_is_right_and_changes_nothing() -> Result<()> {
    let node = node()?;
    let before = node.ask(&["tc", "qdisc", "show"])?;
    let found = node.block_on(|| async { Ok(Netlink::open()?.has_fq().await?) })?;
    assert_eq!(found, kernel_has_fq()?);
    assert_eq!(node.ask(&["tc", "qdisc", "show"])?, before);
    Ok(())
}

/// On a kernel without `fq`: a typed error, and nothing changed. On others: one `fq` or one per queue, kept the second
/// time, and mended where a queue lost its own.
#[test]
fn fq_is_installed_or_its_lack_is_told() -> Result<()> {
    let node = node()?;
    let has_fq = kernel_has_fq()?;
    for (interface, tx_queues) in [("nic0", 1), ("nic1", 4)] {
        let (ifindex, before) = (node.ifindex(interface)?, shown(&node, interface)?);
        let install = || node.block_on(|| async move { Ok(Netlink::open()?.install_fq(ifindex, tx_queues).await) });
        match install()? {
            Err(Error::NoFq) if !has_fq => assert_eq!(shown(&node, interface)?, before),
            Ok(()) if has_fq => {
                let current = read(&node, ifindex)?;
                assert_eq!(decide(current.as_ref(), tx_queues, false), Decision::Keep, "{current:?}");
                let text = node.ask(&["tc", "qdisc", "show", "dev", interface])?;
                assert_eq!(text.matches("limit 100000p flow_limit 10000p").count(), tx_queues as usize, "{text}");
            }
            other => bail!("has fq: {has_fq}, installing it: {other:?}"),
        }
        if has_fq && tx_queues > 1 {
            node.tc(&format!("qdisc replace dev {interface} parent {OURS}2 pfifo"))?;
            let kept = node.ask(&["tc", "qdisc", "show", "dev", interface])?;
            install()?.map_err(anyhow::Error::from)?;
            let current = read(&node, ifindex)?;
            assert_eq!(decide(current.as_ref(), tx_queues, false), Decision::Keep, "{current:?}");
            let after = node.ask(&["tc", "qdisc", "show", "dev", interface])?;
            let untouched =
                |text: &str| text.lines().filter(|line| !line.contains(":2 ")).map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(untouched(&after), untouched(&kept));
        }
    }
    Ok(())
}
