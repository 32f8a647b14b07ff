//! What to do about the root qdisc of an interface.

use super::{
    fq,
    tree::{Handle, Qdisc, RootQdisc},
};

/// What to do about the root qdisc of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is as wanted.
    Keep,
    /// Record what is there, then put ours in its place.
    Install,
    /// Somebody set up a qdisc of this kind, which schedules packets itself; it stays until we are told to take over.
    Refuse {
        /// What it is: `htb`, `cake`, `fq with maxrate`, …
        what: String,
    },
}

/// Kinds that only queue: what is lost by replacing them is at most a length. Anything else that a person set up
/// shapes, shares or delays, and is not ours to remove.
const REPLACEABLE: [&str; 8] = ["noqueue", "pfifo_fast", "pfifo", "bfifo", "pfifo_head_drop", "fq_codel", "fq", "mq"];

/// Decides what to do about an interface with `tx_queues` transmit queues on which `current` stands (none: nothing was
/// reported, as for a device that was never up).
///
/// What the kernel put there by itself is replaced, whatever it is, and so is what only queues.
#[must_use]
pub fn decide(current: Option<&RootQdisc>, tx_queues: u32, take_over: bool) -> Decision {
    let Some(current) = current else { return Decision::Install };
    if current.paces() && (current.root.kind == "mq") == (tx_queues > 1) {
        return Decision::Keep;
    }
    match std::iter::once(&current.root).chain(&current.below).find_map(shaper) {
        Some(what) if !take_over => Decision::Refuse { what },
        _ => Decision::Install,
    }
}

/// What a person set up to do more than queue.
fn shaper(qdisc: &Qdisc) -> Option<String> {
    if qdisc.is_kernels_own() || qdisc.handle == Handle::OURS || fq::is_wanted(qdisc) {
        return None;
    }
    match fq::purpose(qdisc) {
        Some(option) => Some(format!("fq with {option}")),
        None => (!REPLACEABLE.contains(&qdisc.kind.as_str())).then(|| qdisc.kind.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qdisc(kind: &str, major: u16, options: Option<Vec<u8>>) -> Qdisc {
        Qdisc { kind: kind.to_owned(), handle: Handle { major, minor: 0 }, parent: Handle::ROOT, options }
    }

    fn root(kind: &str, major: u16) -> RootQdisc {
        RootQdisc { root: qdisc(kind, major, None), below: Vec::new() }
    }

    fn mq(major: u16, leaves: &[Qdisc]) -> RootQdisc {
        let below = (1..).zip(leaves).map(|(minor, leaf)| Qdisc { parent: Handle { major, minor }, ..leaf.clone() });
        RootQdisc { root: qdisc("mq", major, None), below: below.collect() }
    }

    fn our_fq(major: u16) -> Qdisc {
        qdisc("fq", major, Some(fq::options(None)))
    }

    fn refused(what: &str) -> Decision {
        Decision::Refuse { what: what.to_owned() }
    }

    #[test]
    fn the_kernels_own_and_plain_queues_are_replaced() {
        for (kind, major) in [
            ("noqueue", 0),
            ("pfifo_fast", 0),
            ("fq_codel", 0),
            ("fq", 0),
            ("cake", 0),
            ("fq_codel", 0x8001),
            ("fq", 0x8001),
            ("pfifo", 1),
        ] {
            assert_eq!(decide(Some(&root(kind, major)), 1, false), Decision::Install, "{kind} {major:x}:");
        }
        assert_eq!(decide(None, 1, false), Decision::Install, "a device that was never up");
    }

    #[test]
    fn what_a_person_set_up_stays_until_told_otherwise() {
        for kind in ["htb", "tbf", "hfsc", "cake", "netem", "prio", "mqprio", "taprio", "sfq", "some_new_one"] {
            assert_eq!(decide(Some(&root(kind, 1)), 1, false), refused(kind));
            assert_eq!(decide(Some(&root(kind, 1)), 4, false), refused(kind));
            assert_eq!(decide(Some(&root(kind, 1)), 1, true), Decision::Install, "{kind}, told to take over");
        }
    }

    #[test]
    fn a_shaper_on_one_queue_of_mq_is_seen() {
        let current = mq(1, &[qdisc("fq_codel", 0, None), qdisc("htb", 2, None)]);
        assert_eq!(decide(Some(&current), 2, false), refused("htb"));
    }

    #[test]
    fn ours_is_kept() {
        let single = RootQdisc { root: our_fq(Handle::OURS.major), below: Vec::new() };
        assert_eq!(decide(Some(&single), 1, false), Decision::Keep);
        let multi = mq(Handle::OURS.major, &[our_fq(0x8001), our_fq(0x8002)]);
        assert_eq!(decide(Some(&multi), 2, false), Decision::Keep);
    }

    #[test]
    fn one_lock_for_many_queues_is_not_as_wanted() {
        let single = RootQdisc { root: our_fq(Handle::OURS.major), below: Vec::new() };
        assert_eq!(decide(Some(&single), 4, false), Decision::Install);
    }

    #[test]
    fn a_queue_that_lost_its_fq_is_mended() {
        let current = mq(Handle::OURS.major, &[our_fq(0x8001), qdisc("fq_codel", 0, None)]);
        assert_eq!(decide(Some(&current), 2, false), Decision::Install);
        assert_eq!(decide(Some(&mq(Handle::OURS.major, &[])), 2, false), Decision::Install);
    }

    #[test]
    fn fq_with_other_limits_is_not_as_wanted() {
        for major in [Handle::OURS.major, 0x8001] {
            let former = qdisc("fq", major, Some(Vec::new()));
            assert_eq!(decide(Some(&RootQdisc { root: former, below: Vec::new() }), 1, false), Decision::Install);
        }
    }

    #[test]
    fn fq_that_a_person_set_up_for_a_purpose_stays() {
        let fq_with = |bytes_per_second| {
            let root = qdisc("fq", 0x8001, Some(fq::encode([(fq::TCA_FQ_FLOW_MAX_RATE, bytes_per_second)])));
            RootQdisc { root, below: Vec::new() }
        };
        let theirs = fq_with(1_125_000);
        assert_eq!(decide(Some(&theirs), 1, false), refused("fq with maxrate"));
        assert_eq!(decide(Some(&theirs), 1, true), Decision::Install);
        assert_eq!(decide(Some(&fq_with(u32::MAX)), 1, false), Decision::Install);
    }
}
