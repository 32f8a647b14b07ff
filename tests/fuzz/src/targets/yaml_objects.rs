//! YAML documents as objects.

use weir_api::{
    Object,
    yaml::{self, Entry},
};

/// A document that must be read whatever stands before it.
const GOOD: &str = "apiVersion: v1\nkind: Node\nmetadata: {name: the-good-one}\n";

/// Objects out of YAML: each is valid or says on which line it is not, and no document takes the next one down.
pub fn yaml_objects(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let entries = yaml::read(text);
    // YAML ends a line at a carriage return too.
    let lines = u32::try_from(text.split(['\n', '\r']).count()).expect("inputs are short");
    for entry in &entries {
        well_told(entry, lines);
        entry.object.iter().for_each(valid);
    }
    // A directive belongs to the document after it, and may spoil that one.
    if !text.lines().any(|line| line.trim_start_matches('\u{feff}').starts_with('%')) {
        let with_good = yaml::read(&format!("{text}\n---\n{GOOD}"));
        let is_good = |entry: &Entry| entry.id.as_ref().is_some_and(|id| id.name == "the-good-one");
        assert!(with_good.last().is_some_and(|last| is_good(last) && last.object.is_some()), "{with_good:?}");
    }
}

fn well_told(entry: &Entry, lines: u32) {
    assert!(entry.object.is_some() || !entry.problems.is_empty(), "refused without a reason: {entry:?}");
    assert!(entry.object.is_none() || entry.id.is_some(), "an object without a name: {entry:?}");
    assert!((1..=lines).contains(&entry.line), "line {} of {lines}", entry.line);
    for problem in &entry.problems {
        assert!((1..=lines).contains(&problem.line), "line {} of {lines}: {}", problem.line, problem.message);
        assert!(!problem.message.is_empty() && !problem.reason.is_empty());
    }
}

/// What the converters promise of each object by itself.
fn valid(object: &Object) {
    assert!(!object.id().name.is_empty());
    match object {
        Object::Uplink(_, uplink) => {
            assert!(uplink.rate() >= 1_000 && uplink.rate() <= uplink.capacity, "{uplink:?}");
            assert!(uplink.exempt.iter().all(|network| *network == network.trunc()), "{uplink:?}");
        }
        Object::Tier(_, tier) => {
            assert!(tier.ceiling.is_none_or(|ceiling| ceiling >= tier.guarantee), "{tier:?}");
            assert!(tier.dscp.is_none_or(|dscp| dscp < 64), "{tier:?}");
            assert!(!tier.uplink.is_empty());
        }
        Object::Pod(key, pod) => {
            assert!(!key.namespace.is_empty() && !pod.workload.is_empty());
            assert_ne!(pod.egress_bandwidth, Some(0));
        }
        Object::Namespace(..) | Object::Node(..) => {}
    }
}
