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
fn a_second_scraper_does_not_cut_the_rates_of_the_first() {
    let metrics = Metrics::new().expect("valid names");
    let rates = |second| {
        let shown = page(&metrics, testing::snapshot(second));
        let tier = |family| by_label(&shown, family, "tier").get("bulk-seed").copied();
        let classes = by_label(&shown, "weir_uplink_rate_bits_per_second", "class");
        (tier("weir_tier_rate_bits_per_second"), tier("weir_tier_demand_bits_per_second"), classes)
    };
    let first = rates(30);
    assert_eq!((first.0, first.1, first.2.len()), (Some(9_600_000.0), Some(9_624_000.0), 3));
    for second in [31, 31, 33] {
        assert_eq!(rates(second), first, "the traffic is steady");
    }
}

#[test]
fn uplinks_and_tiers_have_counters() {
    let metrics = Metrics::new().expect("valid names");
    let shown = page(&metrics, testing::snapshot(3));
    for (family, label, value, count) in [
        ("weir_uplink_bytes_total", "class", "bulk", 3_600_000.0),
        ("weir_uplink_packets_total", "class", "interactive", 150.0),
        ("weir_tier_bytes_total", "tier", "bulk-seed", 3_600_000.0),
        ("weir_tier_packets_total", "uplink", "wan", 2_400.0),
    ] {
        assert_eq!(by_label(&shown, family, label).get(value), Some(&count), "{family}");
    }
}

#[test]
fn no_label_is_a_sentence() {
    let metrics = Metrics::new().expect("valid names");
    for sample in &parse(&page(&metrics, testing::snapshot(1))).samples {
        let sentence = sample.labels.values().find(|value| value.contains(char::is_whitespace));
        assert_eq!(sentence, None, "{}", sample.metric);
    }
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
