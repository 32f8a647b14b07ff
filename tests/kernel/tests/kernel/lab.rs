//! The lab itself: every kind of pod reaches the internet, and nothing is left behind.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use weir_lab::traffic::{Call, CallOptions, Sample, Server, Summary};
use weir_lab::{Capture, Lab, LabOptions, Masquerade, Netns, NodeOptions, PodOptions};

const PORT: u16 = 7000;

fn call(ns: &Netns, to: SocketAddr) -> Result<Vec<Sample>> {
    let call = Call::start(ns, to, CallOptions::default())?;
    std::thread::sleep(Duration::from_millis(300));
    call.finish()
}

#[test]
fn every_kind_of_pod_reaches_the_internet() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let (v4, v6) = (lab.internet().at(PORT), lab.internet().at_v6(PORT));
    let _echo = [Server::echo(lab.internet().ns(), v4)?, Server::echo(lab.internet().ns(), v6)?];
    for (number, masquerade) in [(1, Masquerade::Off), (2, Masquerade::Plain)] {
        let node = lab.node(number, NodeOptions { masquerade, ..NodeOptions::default() })?;
        let pods = [node.pod("routed", PodOptions::default())?, node.pod("bridged", PodOptions::bridged())?];
        for pod in &pods {
            for to in [v4, v6] {
                let seen = Capture::start(lab.internet().ns(), |_| true)?;
                let summary = Summary::of_all(&call(pod.ns(), to)?);
                ensure!(summary.count > 0 && summary.lost == 0, "{} to {to}: {summary:?}", pod.name());
                let from_pod = seen.drain().iter().any(|packet| pod.addresses().contains(&packet.source));
                let kept = masquerade == Masquerade::Off;
                ensure!(from_pod == kept, "{} to {to}, masquerade {masquerade:?}", pod.name());
            }
        }
    }
    Ok(())
}

#[test]
fn clients_reach_the_internet_and_a_pod_counts_what_it_sends() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let to = lab.internet().at(PORT);
    let _echo = Server::echo(lab.internet().ns(), to)?;
    let client = lab.client("tv")?;
    let summary = Summary::of_all(&call(client.ns(), to)?);
    ensure!(summary.count > 0 && summary.lost == 0, "{summary:?}");

    let node = lab.node(1, NodeOptions::default())?;
    let pod = node.pod("web", PodOptions::default())?;
    let before = pod.counters()?;
    let sent = call(pod.ns(), to)?.len() as u64;
    let after = pod.counters()?;
    let packets = after.tx_packets - before.tx_packets;
    ensure!(packets >= sent && packets < sent + 10, "{sent} sent, {packets} counted");
    ensure!(after.tx_bytes - before.tx_bytes >= sent * (172 + 42), "{after:?}");
    Ok(())
}

#[test]
fn a_pods_address_can_be_used_again_at_once() -> Result<()> {
    let lab = Lab::new(LabOptions { bottleneck: None })?;
    let node = lab.node(1, NodeOptions::default())?;
    let options = PodOptions { host_number: Some(77), ..PodOptions::default() };
    let first = node.pod("a", options)?;
    let (addresses, uid) = (first.addresses(), first.uid().to_owned());
    drop(first);
    let second = node.pod("a", options)?;
    ensure!(second.addresses() == addresses && second.uid() != uid);
    Ok(())
}

#[test]
fn nothing_is_left_after_a_panic() -> Result<()> {
    let names = || {
        std::fs::read_dir("/run/netns").map_or(0, |dir| {
            let own = format!("weir-lab-{}-", std::process::id());
            dir.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&own)).count()
        })
    };
    let before = names();
    let mut at_work = before;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lab = Lab::new(LabOptions { bottleneck: None }).unwrap();
        let node = lab.node(1, NodeOptions::default()).unwrap();
        let _pod = node.pod("web", PodOptions::default()).unwrap();
        at_work = names();
        panic!("on purpose");
    }));
    ensure!(panicked.is_err() && at_work == before + 5, "{} namespaces were made", at_work - before);
    ensure!(names() == before, "{} namespaces are left", names() - before);
    Ok(())
}
