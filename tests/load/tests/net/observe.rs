//! What is observed equals what was built.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use weir::net::Netlink;
use weir_core::host::{Host, Link};

use crate::namespace::{Namespace, Namespaces, ip_in};

fn observe(node: &Namespace) -> Result<Host> {
    node.block_on(|| async { Ok(Netlink::open()?.observe().await?) })
}

fn link<'a>(host: &'a Host, name: &str) -> Result<(u32, &'a Link)> {
    let found = host.links.iter().find(|(_, link)| link.name == name);
    found.map(|(ifindex, link)| (*ifindex, link)).with_context(|| format!("no link {name} in {host:#?}"))
}

fn addresses(list: &[&str]) -> BTreeSet<IpAddr> {
    list.iter().map(|address| address.parse().expect("an address")).collect()
}

/// A veth `name` from the node into `pod`'s `inner`, with addresses inside.
fn veth(node: &Namespace, name: &str, pod: &Namespace, inner: &str, inside: &[&str]) -> Result<()> {
    node.ip(&format!("link add {name} up type veth peer name {inner} netns {}", pod.name()))?;
    let mut lines = format!("link set {inner} up\n");
    for address in inside {
        writeln!(lines, "addr add {address} dev {inner} nodad")?;
    }
    pod.ip(&lines.replace(" nodad", if inside.iter().any(|a| a.contains(':')) { " nodad" } else { "" }))
}

#[test]
fn addresses_behind_each_veth() -> Result<()> {
    let (node, one, two) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
    node.ip("link add cni0 up type bridge")?;
    veth(&node, "one0", &one, "eth0", &["10.1.0.1/32", "2001:db8:1::1/128"])?;
    // Two ways into one pod, the second through a bridge: each has its own addresses.
    veth(&node, "two0", &two, "eth0", &["10.1.0.2/32"])?;
    veth(&node, "two1", &two, "net1", &["10.2.0.2/24", "10.2.0.3/24"])?;
    node.ip("link set two1 master cni0\nlink add pair0 type veth peer name pair1\naddr add 10.9.9.9/32 dev pair1")?;
    two.ip("addr add 10.99.0.1/32 dev lo\nlink add inner0 up type bridge\naddr add 172.17.0.1/16 dev inner0")?;

    let host = observe(&node)?;
    assert_eq!(link(&host, "one0")?.1.inside, addresses(&["10.1.0.1", "2001:db8:1::1"]));
    assert_eq!(link(&host, "two0")?.1.inside, addresses(&["10.1.0.2"]));
    assert_eq!(link(&host, "two1")?.1.inside, addresses(&["10.2.0.2", "10.2.0.3"]));
    let (bridge, cni0) = link(&host, "cni0")?;
    assert_eq!((cni0.kind.as_deref(), link(&host, "two1")?.1.master), (Some("bridge"), Some(bridge)));
    let (pair0, pair1) = (link(&host, "pair0")?, link(&host, "pair1")?);
    assert_eq!((pair0.1.lower, pair0.1.inside.len(), pair0.1.up), (Some(pair1.0), 0, false));
    assert_eq!(link(&host, "one0")?.1.lower, None, "its other end is elsewhere");
    let lo = link(&host, "lo")?.1;
    assert_eq!((lo.ethernet, lo.up, lo.kind.as_deref()), (false, true, None));
    Ok(())
}

#[test]
fn devices_and_default_routes() -> Result<()> {
    let node = Namespace::new()?;
    node.ip("link add nic0 up numtxqueues 4 numrxqueues 4 type veth peer name wire0\n\
             link set wire0 up\n\
             link add nic1 up type veth peer name wire1\n\
             link set wire1 up\n\
             link add link nic0 name mac1 up type macvlan mode bridge\n\
             link add link nic1 name mac0 up type macvlan mode bridge\n\
             addr add 192.0.2.1/24 dev nic0\n\
             addr add 198.51.100.1/24 dev nic1\n\
             addr add 203.0.113.1/24 dev mac1\n\
             addr add 2001:db8::1/64 dev mac0 nodad\n\
             route add default via 192.0.2.9 dev nic0 metric 200\n\
             route add default via 203.0.113.9 dev mac1 metric 100\n\
             route add default metric 300 nexthop via 198.51.100.9 dev nic1 nexthop via 192.0.2.8 dev nic0\n\
             route add default via 198.51.100.8 dev nic1 table 77\n\
             route add 10.0.0.0/8 via 198.51.100.8 dev nic1\n\
             route add default via 2001:db8::9 dev mac0\n\
             route add unreachable default metric 5000")?;
    let host = observe(&node)?;
    let index = |name| Ok::<_, anyhow::Error>(link(&host, name)?.0);
    // Those that packets take, and not what stands by for another day.
    assert_eq!(host.default_routes, [index("mac1")?, index("mac0")?]);
    for (upper, lower) in [("mac0", "nic1"), ("mac1", "nic0")] {
        let upper = link(&host, upper)?.1;
        assert_eq!((upper.kind.as_deref(), upper.lower), (Some("macvlan"), Some(index(lower)?)));
    }
    assert_eq!(link(&host, "nic0")?.1.tx_queues, 4);
    Ok(())
}

#[test]
fn a_node_without_routes_or_pods_is_no_error() -> Result<()> {
    let host = observe(&Namespace::new()?)?;
    assert_eq!((host.default_routes.len(), host.links.len()), (0, 1));
    Ok(())
}

/// Pods that come and go while the node is observed neither disturb nor hide one that stays.
#[test]
fn pods_that_vanish_meanwhile_are_no_error() -> Result<()> {
    const CHURN: u32 = 30;
    let (node, stable) = (Namespace::new()?, Namespace::new()?);
    veth(&node, "stable0", &stable, "eth0", &["10.1.0.1/32"])?;
    thread::scope(|scope| {
        let churn = scope.spawn(|| {
            for _ in 0..CHURN {
                let pod = Namespace::new()?;
                veth(&node, "brief0", &pod, "eth0", &["10.1.0.2/32"])?;
                drop(pod);
                // A deleted namespace takes its veths along a little later.
                let _ = node.ip("link del brief0");
            }
            Ok::<_, anyhow::Error>(())
        });
        node.block_on(|| async {
            let netlink = Netlink::open()?;
            while !churn.is_finished() {
                let host = netlink.observe().await?;
                ensure!(link(&host, "stable0")?.1.inside == addresses(&["10.1.0.1"]), "{host:#?}");
            }
            Ok(())
        })?;
        churn.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// 250 pods are all found, in a time that grows no faster than their number. The shortest of several rounds counts:
/// what else runs on the machine can only make them longer.
#[test]
fn a_full_node() -> Result<()> {
    const FEW: u16 = 50;
    const MANY: u16 = 250;
    const ROUNDS: u32 = 21;
    let node = Namespace::new()?;
    let pods = Namespaces::new(MANY)?;
    let measure = |from: u16, to: u16| -> Result<Duration> {
        let new = || pods.names().iter().enumerate().take(to.into()).skip(from.into());
        let veths = new().map(|(number, pod)| format!("link add pod{number} type veth peer name eth0 netns {pod}\n"));
        node.ip(&veths.collect::<String>())?;
        for (number, pod) in new() {
            ip_in(pod, &format!("addr add 10.1.{}.{}/32 dev eth0", number / 200, number % 200))?;
        }
        node.block_on(|| async {
            let netlink = Netlink::open()?;
            let mut shortest = Duration::MAX;
            for _ in 0..ROUNDS {
                let start = Instant::now();
                let host = netlink.observe().await?;
                shortest = shortest.min(start.elapsed());
                assert_eq!(host.links.values().filter(|link| link.inside.len() == 1).count(), usize::from(to));
            }
            Ok(shortest)
        })
    };
    let (few, many) = (measure(0, FEW)?, measure(FEW, MANY)?);
    println!("observe: {FEW} pods {few:?}, {MANY} pods {many:?}");
    let (more_pods, longer) = (f64::from(MANY) / f64::from(FEW), many.as_secs_f64() / few.as_secs_f64());
    assert!(longer < 2.0 * more_pods, "{more_pods} times the pods take {longer:.1} times as long");
    Ok(())
}
