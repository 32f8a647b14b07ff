use std::collections::BTreeMap;

use prometheus_parse::{Scrape, Value};

use super::*;
use crate::serve::testing;

fn page(metrics: &Metrics, snapshot: Snapshot) -> String {
    metrics.page(Arc::new(snapshot)).expect("a page")
}

fn parse(page: &str) -> Scrape {
    Scrape::parse(page.lines().map(|line| Ok(line.to_owned()))).expect("Prometheus' text format")
}

/// Values of a family by the value of one of its labels.
fn by_label(page: &str, family: &str, label: &str) -> BTreeMap<String, f64> {
    parse(page)
        .samples
        .iter()
        .filter(|sample| sample.metric == family)
        .map(|sample| {
            let value = match &sample.value {
                Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => *value,
                other => panic!("{family} is {other:?}"),
            };
            (sample.labels.get(label).unwrap_or_default().to_owned(), value)
        })
        .collect()
}

#[test]
fn the_page_of_a_node() {
    let metrics = Metrics::new().expect("valid names");
    page(&metrics, testing::snapshot(1));
    insta::assert_snapshot!(page(&metrics, testing::snapshot(3)));
}

#[test]
fn counters_are_exact_and_carry_their_pod() {
    let metrics = Metrics::new().expect("valid names");
    let shown = page(&metrics, testing::snapshot(3));
    let sent = by_label(&shown, "weir_pod_network_transmit_bytes_total", "pod");
    assert_eq!(sent["seed"].to_string(), (3 * testing::SEED_BYTES).to_string());
    assert!(!sent.contains_key("probe"), "a pod without an interface of its own has no such bytes");
}

#[test]
fn rates_are_those_between_two_scrapes() {
    let metrics = Metrics::new().expect("valid names");
    let first = page(&metrics, testing::snapshot(1));
    assert!(!first.contains("weir_tier_rate_bits_per_second{"), "one snapshot gives no rate");
    let second = page(&metrics, testing::snapshot(3));
    let rate = by_label(&second, "weir_tier_rate_bits_per_second", "tier")["bulk-seed"];
    assert!((rate - testing::TIER_BITS_PER_SECOND).abs() < 1.0, "{rate}");
    let demand = by_label(&second, "weir_tier_demand_bits_per_second", "tier")["bulk-seed"];
    assert!(demand > rate, "{demand} includes what was dropped");
    assert_eq!(by_label(&second, "weir_uplink_rate_bits_per_second", "class").len(), 3);
}

#[test]
fn an_older_snapshot_does_not_turn_counters_back() {
    let metrics = Metrics::new().expect("valid names");
    let shown = page(&metrics, testing::snapshot(3));
    assert_eq!(page(&metrics, testing::snapshot(2)), shown);
}

#[test]
fn the_histogram_is_cumulative() {
    let metrics = Metrics::new().expect("valid names");
    let shown = parse(&page(&metrics, testing::snapshot(1)));
    let delay = shown.samples.iter().find(|sample| sample.metric == "weir_tier_delay_seconds").expect("there");
    let Value::Histogram(buckets) = &delay.value else { panic!("{:?}", delay.value) };
    assert!(buckets.windows(2).all(|pair| pair[0].count <= pair[1].count), "{buckets:?}");
    let last = buckets.last().expect("buckets");
    assert!(last.less_than.is_infinite());
    assert!(shown.samples.iter().any(|sample| {
        sample.metric == "weir_tier_delay_seconds_count"
            && matches!(sample.value, Value::Untyped(count) | Value::Counter(count) if (count - last.count).abs() < 0.1)
    }));
}

#[test]
fn a_pod_that_ends_takes_its_series_along_after_its_last_scrape() {
    let metrics = Metrics::new().expect("valid names");
    let sent = |shown: &str| by_label(shown, "weir_pod_network_transmit_bytes_total", "pod");
    page(&metrics, testing::snapshot(1));

    // Its object goes first, the kernel's counters a moment later.
    let mut ending = testing::snapshot(2);
    ending.desired.pods.retain(|key, _| key.name != "seed");
    let last = sent(&page(&metrics, ending));
    assert_eq!(last["seed"].to_string(), (2 * testing::SEED_BYTES).to_string());

    let without = |second| {
        let mut snapshot = testing::snapshot(second);
        snapshot.desired.pods.retain(|key, _| key.name != "seed");
        snapshot.pods.retain(|key, _| key.name != "seed");
        snapshot
    };
    assert_eq!(sent(&page(&metrics, without(30)))["seed"].to_string(), last["seed"].to_string());
    let after = page(&metrics, without(63));
    assert!(!after.contains("pod=\"seed\""), "{after}");
    assert!(after.contains("pod=\"web\""), "{after}");
}

#[test]
fn every_name_of_the_page_is_declared() {
    let metrics = Metrics::new().expect("valid names");
    page(&metrics, testing::snapshot(1));
    let shown = page(&metrics, testing::snapshot(3));
    let on_page: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut declared: Vec<&str> = names::ALL.iter().map(|family| family.name).collect();
    declared.sort_unstable();
    assert_eq!(on_page, declared);
}
