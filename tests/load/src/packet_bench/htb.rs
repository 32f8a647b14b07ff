//! What two-level HTB adds to a packet: UDP packets through a veth pair, with HTB, with a plain FIFO, with no queue.
//!
//! HTB has what `tc-htb(8)` shows: one class for the link and two below it, a FIFO in each, rates so high that nothing
//! ever waits. Packets fall into the default class, so that no filter is part of the figure. Weir's programs stand in
//! front of a queueing discipline (`fq`) too; the fair neighbour of their cost is what HTB adds to a FIFO.

use std::{io::IoSlice, net::UdpSocket, os::fd::AsRawFd as _, process::Command};

use anyhow::{Context, Result, bail};
use nix::{
    sched::{CloneFlags, unshare},
    sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg},
    time::{ClockId, clock_gettime},
};

use super::median::{median, tenths};

const PACKETS_PER_CALL: usize = 64;
const CALLS: usize = 1_000;
const PAYLOAD: [u8; 1_000] = [0; 1_000];
/// Beyond any queue's reach.
const RATE: &str = "rate 100gbit ceil 100gbit burst 100m cburst 100m";

/// What HTB adds to each packet, in ns of the sender's CPU time.
pub(crate) struct Added {
    /// Beside a plain FIFO.
    pub(crate) over_pfifo_ns: f64,
    /// Beside a device without a queue.
    pub(crate) over_no_queue_ns: f64,
}

/// Measures in a network namespace that ends with its thread.
pub(crate) fn measure(rounds: u32) -> Result<Added> {
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace: run this as root")?;
        in_namespace(rounds)
    });
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn in_namespace(rounds: u32) -> Result<Added> {
    run("ip", "link add out0 type veth peer name in0")?;
    run("ip", "addr add 198.51.100.1/24 dev out0")?;
    run("ip", "link set out0 up")?;
    run("ip", "link set in0 up")?;
    // Somebody else's address: the other end drops the packets at once.
    run("ip", "neigh add 198.51.100.2 lladdr 02:00:00:00:00:99 dev out0 nud permanent")?;
    let socket = UdpSocket::bind("198.51.100.1:0").context("cannot open a UDP socket")?;
    socket.connect("198.51.100.2:9").context("no way out of the namespace")?;
    let (mut over_pfifo, mut over_none) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let none = behind(&socket, "qdisc replace dev out0 root noqueue")?;
        let pfifo = behind(&socket, "qdisc replace dev out0 root pfifo limit 10000")?;
        let htb = behind(&socket, &htb())?;
        over_pfifo.push(htb - pfifo);
        over_none.push(htb - none);
    }
    Ok(Added { over_pfifo_ns: tenths(median(over_pfifo)), over_no_queue_ns: tenths(median(over_none)) })
}

/// The commands that put HTB before the device.
fn htb() -> String {
    let leaf = |class: &str| {
        format!(
            "class add dev out0 parent 1:1 classid {class} htb {RATE}\n\
             qdisc add dev out0 parent {class} pfifo limit 10000"
        )
    };
    format!(
        "qdisc replace dev out0 root handle 1: htb default 10\nclass add dev out0 parent 1: classid 1:1 htb {RATE}\n{}\n{}",
        leaf("1:10"),
        leaf("1:20")
    )
}

/// Nanoseconds per packet behind a queueing discipline, made by these lines of `tc`.
fn behind(socket: &UdpSocket, commands: &str) -> Result<f64> {
    for line in commands.lines() {
        run("tc", line)?;
    }
    send(socket, CALLS / 10)?;
    let before = cpu_ns()?;
    send(socket, CALLS)?;
    let packets = u32::try_from(CALLS * PACKETS_PER_CALL)?;
    Ok((cpu_ns()? - before) / f64::from(packets))
}

fn send(socket: &UdpSocket, calls: usize) -> Result<()> {
    let packets = [[IoSlice::new(&PAYLOAD)]; PACKETS_PER_CALL];
    let addresses: [Option<SockaddrIn>; PACKETS_PER_CALL] = [None; PACKETS_PER_CALL];
    let mut headers = MultiHeaders::preallocate(PACKETS_PER_CALL, None);
    for _ in 0..calls {
        let sent = sendmmsg(socket.as_raw_fd(), &mut headers, &packets, addresses, [], MsgFlags::empty())
            .context("cannot send")?
            .count();
        if sent != PACKETS_PER_CALL {
            bail!("only {sent} of {PACKETS_PER_CALL} packets were sent");
        }
    }
    Ok(())
}

/// CPU time of this thread: what other programs take of the processor does not count.
fn cpu_ns() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    #[allow(clippy::cast_precision_loss)] // seconds
    Ok(time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64)
}

fn run(program: &str, line: &str) -> Result<()> {
    let output = Command::new(program)
        .args(line.split(' '))
        .output()
        .with_context(|| format!("cannot start `{program}`: is iproute2 installed?"))?;
    if !output.status.success() {
        bail!("`{program} {line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
