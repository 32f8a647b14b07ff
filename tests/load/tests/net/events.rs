//! What changes in the kernel is heard, and what does not matter is not.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::{sleep, timeout};
use weir::net::{
    Netlink,
    events::{Event, Events},
};

use crate::namespace::Namespace;

/// Far longer than an event takes, so that a busy machine is no failure.
const LONG: Duration = Duration::from_secs(5);
/// Long enough for an event that must not come.
const QUIET: Duration = Duration::from_millis(300);

async fn settle(events: &mut Events) -> Result<()> {
    while let Ok(event) = timeout(QUIET, events.next()).await {
        event?;
    }
    Ok(())
}

async fn hears(events: &mut Events, what: &str) -> Result<Event> {
    Ok(timeout(LONG, events.next()).await.with_context(|| format!("not heard: {what}"))??)
}

#[test]
fn changes_of_the_node_are_heard_once() -> Result<()> {
    let node = Namespace::new()?;
    // No addresses of the kernel's own, which change again when their duplicate detection ends.
    node.ip("link add nic0 type veth peer name wire0\n\
             link set nic0 addrgenmode none up\n\
             link set wire0 addrgenmode none up")?;
    node.block_on(|| async {
        let mut events = Events::open()?;
        settle(&mut events).await?;
        for change in [
            "addr add 192.0.2.1/24 dev nic0",
            "addr add 2001:db8::1/64 dev nic0 nodad",
            "route add default via 192.0.2.9",
            "link add nic1 type veth peer name wire1",
            "link set wire0 down",
            "link del nic1",
        ] {
            node.ip(change)?;
            assert_eq!(hears(&mut events, change).await?, Event::Changed);
            settle(&mut events).await?;
        }
        for change in ["qdisc add dev nic0 root tbf rate 1mbit burst 10k latency 10ms", "qdisc add dev nic0 clsact"] {
            node.tc(change)?;
            assert_eq!(hears(&mut events, change).await?, Event::Changed);
            settle(&mut events).await?;
        }
        node.ip("route add 10.0.0.0/16 dev nic0\nneigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev nic0")?;
        ensure!(timeout(QUIET, events.next()).await.is_err(), "a route that leads to no public address was heard");
        Ok(())
    })
}

/// A change is not lost when its caller stops waiting while others are gathered.
#[test]
fn a_caller_that_stops_waiting_loses_nothing() -> Result<()> {
    let node = Namespace::new()?;
    node.block_on(|| async {
        let mut events = Events::open()?;
        settle(&mut events).await?;
        node.ip("link add nic0 type veth peer name wire0")?;
        // The runtime notices that the socket is readable; then one poll reads the change and waits for more.
        sleep(Duration::from_millis(20)).await;
        tokio::select! {
            biased;
            event = events.next() => bail!("{event:?} came at once: events are not gathered"),
            () = std::future::ready(()) => {}
        }
        hears(&mut events, "a change that was read before").await?;
        Ok(())
    })
}

/// An address that is added inside a pod is heard outside, though nothing outside changes.
#[test]
fn changes_inside_pods_are_heard() -> Result<()> {
    let (node, pod, stranger) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
    node.ip(&format!("link add pod0 type veth peer name eth0 netns {}", pod.name()))?;
    node.ip("link set pod0 addrgenmode none up")?;
    pod.ip("link set eth0 addrgenmode none up")?;
    node.block_on(|| async {
        let mut events = Events::open()?;
        ensure!(events.hears_pods(), "CAP_NET_BROADCAST is missing: run this rung as root");
        Netlink::open()?.observe().await?;
        settle(&mut events).await?;
        pod.ip("addr add 10.1.0.1/32 dev eth0")?;
        hears(&mut events, "an address inside a pod").await?;
        settle(&mut events).await?;
        stranger.ip("addr add 10.1.0.1/32 dev lo")?;
        ensure!(timeout(QUIET, events.next()).await.is_err(), "a namespace that is no pod's was heard");
        Ok(())
    })
}

/// More changes than the socket holds end in one event that says so, and listening goes on.
#[test]
fn an_overrun_is_told() -> Result<()> {
    let node = Namespace::new()?;
    let mut flood = String::new();
    for round in 0..6000 {
        writeln!(flood, "link set lo mtu {}", 60_000 + round % 2)?;
    }
    node.block_on(|| async {
        let mut events = Events::open()?;
        settle(&mut events).await?;
        node.ip(&flood)?;
        assert_eq!(hears(&mut events, "the flood").await?, Event::Overrun);
        settle(&mut events).await?;
        node.ip("link set lo mtu 1500")?;
        assert_eq!(hears(&mut events, "a change after the flood").await?, Event::Changed);
        Ok(())
    })
}
