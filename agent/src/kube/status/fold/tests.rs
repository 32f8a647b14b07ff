use weir_core::model::ObjectRef;

use super::*;

fn now() -> Now {
    Now { time: Time(Timestamp::from_second(100_000).unwrap()), instant: Instant::now() }
}

fn row(generation: i64, state: State) -> OnNode {
    OnNode {
        name: "bulk".to_owned(),
        generation,
        state,
        pods: 2,
        pods_enforced: 1,
        rate: 1_500_000,
        ..OnNode::default()
    }
}

fn failing(generation: i64, reason: &str) -> OnNode {
    OnNode {
        reason: Some(reason.to_owned()),
        message: Some(format!("there is {reason}")),
        ..row(generation, State::NotEnforced)
    }
}

/// A report that was written at a second of the clock of the node that it is of.
fn report(tier: Option<OnNode>, second: i64) -> Report {
    let mut node = WeirNode::default();
    let status = node.status.get_or_insert_default();
    status.reported_at = Some(Time(Timestamp::from_second(second).unwrap()));
    status.tiers.extend(tier);
    Report::of(node)
}

/// The tier's status, of generation 2, out of what the nodes n1, n2, … say.
fn folded(rows: impl IntoIterator<Item = Option<OnNode>>) -> Status {
    let reports = rows.into_iter().map(|row| report(row, 1));
    let nodes: BTreeMap<_, _> = (1..).map(|number| format!("n{number}")).zip(reports).collect();
    status((Kind::Tier, "bulk"), &Stored { generation: 2, ..Stored::default() }, None, &nodes, &now())
}

fn enforced(status: &Status) -> (&str, &str, &str) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == ENFORCED).unwrap();
    (&condition.status, &condition.reason, &condition.message)
}

#[test]
fn sums_are_over_all_nodes_that_it_concerns() {
    let status = folded([Some(row(2, State::Enforced)), Some(row(2, State::Enforced)), Some(row(2, State::NotHere))]);
    assert_eq!(enforced(&status), ("True", "Enforced", "in force on 2 of 2 nodes"));
    let told = (status.nodes.as_deref(), status.pods.as_deref(), status.rate.as_deref(), status.observed_generation);
    assert_eq!(told, (Some("2/2"), Some("2/4"), Some("3M"), Some(2)));
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(2)));
}

#[test]
fn nodes_that_have_an_older_version_or_said_nothing_are_awaited() {
    for missing in [None, Some(row(1, State::Enforced)), Some(row(1, State::NotHere))] {
        let status = folded([Some(row(2, State::Enforced)), missing]);
        assert_eq!(enforced(&status), ("False", PENDING, "1 of 2 nodes have yet to follow: n2"));
        assert_eq!(status.nodes.as_deref(), Some("1/2"));
    }
    assert_eq!(enforced(&folded([])).1, PENDING);
    assert_eq!(enforced(&folded([Some(row(2, State::NotHere))])).1, "NoNode");
}

#[test]
fn failures_are_named_by_node() {
    let status = folded([Some(row(2, State::Enforced)), Some(failing(2, "NoLink"))]);
    assert_eq!(enforced(&status), ("False", "NoLink", "not in force on 1 of 2 nodes: n2: there is NoLink"));
    let many = folded((0..5).map(|number| Some(failing(2, if number == 0 { "A" } else { "B" }))));
    let (_, reason, message) = enforced(&many);
    assert!(reason == "SeveralReasons" && message.ends_with("n3: there is B, and 2 more"), "{reason}: {message}");
}

#[test]
fn what_is_degraded_is_in_force_and_says_where_not() {
    let degraded = OnNode { state: State::Degraded, ..failing(2, "NotPaced") };
    let status = folded([Some(row(2, State::Enforced)), Some(degraded)]);
    assert_eq!(enforced(&status).0, "True");
    assert_eq!((enforced(&status).1, status.nodes.as_deref()), ("NotPaced", Some("2/2")));
}

#[test]
fn an_agent_that_says_nothing_any_more_is_named() {
    let start = Instant::now();
    let reason = |report: &Report, instant| {
        let nodes = BTreeMap::from([("n1".to_owned(), report.clone())]);
        let stored = Stored { generation: 2, ..Stored::default() };
        let status = status((Kind::Tier, "bulk"), &stored, None, &nodes, &Now { instant, ..now() });
        enforced(&status).1.to_owned()
    };
    // The node's clock may be a day off in either direction.
    for second in [0, 200_000] {
        let written = |second| report(Some(row(2, State::Enforced)), second);
        let first = written(second).read_at(start, None);
        assert_eq!(reason(&first, start + SILENCE), "Enforced");
        // Listed again, it is the same report.
        let again = written(second).read_at(start + SILENCE, Some(&first));
        assert_eq!(reason(&again, start + SILENCE + Duration::from_secs(1)), "AgentSilent");
        let next = written(second + 300).read_at(start + SILENCE, Some(&again));
        assert_eq!(reason(&next, start + 2 * SILENCE), "Enforced");
    }
}

#[test]
fn what_is_not_accepted_says_why() {
    let rejection = Rejection {
        object: ObjectRef { kind: "TrafficTier".to_owned(), name: "bulk".to_owned() },
        location: None,
        reason: "UnknownUplink".to_owned(),
        message: "there is none".to_owned(),
    };
    let nodes = BTreeMap::from([("n1".to_owned(), report(Some(row(1, State::Enforced)), 1))]);
    let stored = Stored { generation: 2, ..Stored::default() };
    let status = status((Kind::Tier, "bulk"), &stored, Some(&rejection), &nodes, &now());
    let accepted = &status.conditions[0];
    assert_eq!((&*accepted.type_, &*accepted.status, &*accepted.reason), ("Accepted", "False", "UnknownUplink"));
    assert_eq!((enforced(&status).0, enforced(&status).1), ("False", "UnknownUplink"));
    let uplink = super::status((Kind::Uplink, "wan"), &stored, None, &nodes, &now());
    assert!(uplink.pods.is_none(), "an uplink has no pods");
}
