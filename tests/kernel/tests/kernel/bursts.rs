//! Bursts that a sender hands over in one piece (`UDP_SEGMENT`, as QUIC servers do): those of bulk leave packet by packet.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use weir_lab::traffic::{Call, CallOptions};
use weir_lab::{Capture, Netns, PodCgroup, PodOptions, Seen, pod_object};

use crate::held::DISCARD;
use crate::world::{BULK, LE, World, eventually, lab_program};

/// 43 packets of 1,400 bytes, eight times a second: 4 Mbit/s.
const BURSTS: CallOptions = CallOptions { rate: 8, size: 43 * 1_400, segment: 1_400 };
const SEND: Duration = Duration::from_secs(2);
const SETTLE: Duration = Duration::from_secs(1);
const FRAME: usize = 1_514;

impl World {
    /// Lets the node's NIC send bursts in one piece, so that what is split was split by Weir.
    fn send_bursts_whole(&self) -> Result<()> {
        self.node.ns().ip(&["link set eth0 gso_max_segs 65535"])
    }

    /// Everything longer than an acknowledgement that passes the switch while bursts are sent from a namespace.
    fn bursts_from(&self, ns: &Netns) -> Result<Vec<Seen>> {
        let capture = Capture::start(self.lab.lan(), |seen| seen.length > 1_000)?;
        let bursts = Call::start(ns, self.lab.internet().at(DISCARD), BURSTS)?;
        std::thread::sleep(SEND);
        drop(bursts);
        std::thread::sleep(Duration::from_millis(300));
        Ok(capture.drain())
    }

    fn ensure_split(&self, what: &str, ns: &Netns) -> Result<()> {
        let seen = self.bursts_from(ns)?;
        let longest = seen.iter().map(|seen| seen.length).max().unwrap_or(0);
        ensure!(longest <= FRAME, "{what}: {longest} bytes left in one piece");
        ensure!(seen.iter().all(|seen| seen.dscp == LE), "{what}: not of the tier");
        // The switch sees each packet as it comes and as it goes.
        let (packets, sent) = (seen.len() / 2, 43 * 14);
        ensure!(packets >= sent, "{what}: {packets} packets of at least {sent} came through");
        Ok(())
    }
}

/// Waits until an agent has made the veth, and has had a moment to use it.
fn is_ready(world: &World) -> Result<()> {
    let agent = world.agent()?;
    eventually(|| {
        let shown = world.node.ns().run(&["ip", "-br", "link", "show", "weir-split1"])?;
        ensure!(shown.contains("UP") || shown.contains("UNKNOWN"), "{shown}");
        Ok(())
    })?;
    std::thread::sleep(SETTLE);
    drop(agent);
    Ok(())
}

#[test]
fn bursts_of_bulk_leave_packet_by_packet_and_others_as_they_are() -> Result<()> {
    let world = World::new()?;
    world.send_bursts_whole()?;
    world.tier(&json!({"dscp": "LE"}))?;
    let (routed, bridged) =
        (world.pod("routed", PodOptions::default(), BULK)?, world.pod("bridged", PodOptions::bridged(), BULK)?);
    let other = world.pod("other", PodOptions::default(), &[])?;
    // What carries packets stays in the kernel when the agent has gone.
    is_ready(&world)?;
    world.ensure_split("routed", routed.ns())?;
    world.ensure_split("bridged", bridged.ns())?;
    let whole = world.bursts_from(other.ns())?;
    ensure!(whole.iter().any(|seen| seen.length > 40_000), "the bursts of this test come in pieces anyway");
    ensure!(whole.iter().all(|seen| seen.dscp == 0));

    world.cleanup()?;
    let left = world.node.ns().run(&["ip", "-br", "link"])?;
    ensure!(!left.contains("weir"), "cleanup left {left}");
    Ok(())
}

#[test]
fn bursts_of_a_host_network_pod_are_split() -> Result<()> {
    let world = World::new()?;
    world.send_bursts_whole()?;
    world.tier(&json!({"dscp": "LE"}))?;
    let stand_in = world.pod("stand-in", PodOptions::default(), &[])?;
    let uid = "11111111-2222-4333-8444-0000000b0257";
    let cgroup = PodCgroup::create(uid)?;
    let mut object = pod_object(&stand_in, BULK);
    object["metadata"]["name"] = json!("host");
    object["metadata"]["uid"] = json!(uid);
    object["spec"]["hostNetwork"] = json!(true);
    object["status"] = json!({"phase": "Running", "podIP": world.node.v4(), "podIPs": [{"ip": world.node.v4()}]});
    world.node.objects().apply("pod-host.yaml", &[object])?;
    is_ready(&world)?;

    let capture = Capture::start(world.lab.lan(), |seen| seen.length > 1_000)?;
    let program = lab_program();
    let to = world.lab.internet().at(DISCARD);
    let probe = format!(
        "{} exec {program} probe {to} --rate 8 --size {} --segment 1400 --seconds 2",
        cgroup.join(),
        BURSTS.size
    );
    world.node.ns().run(&["sh", "-c", &probe])?;
    let seen = capture.drain();
    ensure!(!seen.is_empty() && seen.iter().all(|seen| seen.length <= FRAME && seen.dscp == LE), "{seen:?}");
    Ok(())
}
