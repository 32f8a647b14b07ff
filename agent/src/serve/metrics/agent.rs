//! The agent's own figures.

use std::collections::{BTreeMap, BTreeSet};

use weir_core::snapshot::Snapshot;

use super::{
    names,
    page::{Page, number},
};

pub(super) fn fill(page: &mut Page, snapshot: &Snapshot) {
    let stats = &snapshot.reconcile;
    page.summary(&names::RECONCILE_DURATION, &[], stats.rounds, stats.sum_seconds);
    page.counter(&names::RECONCILE_ERRORS, &[], stats.errors);
    page.gauge(&names::SOURCE_STALE, &[], stats.stale_seconds);
    for map in &snapshot.maps {
        page.gauge(&names::MAP_ENTRIES, &[map.name], number(map.entries));
        page.gauge(&names::MAP_CAPACITY, &[map.name], number(map.capacity));
    }
    for count in &snapshot.exits {
        page.counter(&names::PROGRAM_EXITS, &[count.program, count.exit], count.packets);
    }
    let degraded: BTreeSet<&str> = snapshot.degraded.iter().map(|degraded| degraded.reason).collect();
    for reason in degraded {
        page.gauge(&names::DEGRADED, &[reason], 1.0);
    }
    let mut rejected: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for rejection in &snapshot.findings.rejections {
        *rejected.entry((&rejection.object.kind, &rejection.reason)).or_default() += 1;
    }
    for ((kind, reason), count) in rejected {
        page.gauge(&names::REJECTED_OBJECTS, &[kind, reason], number(count));
    }
    page.gauge(&names::BUILD_INFO, &[&snapshot.version], 1.0);
}
