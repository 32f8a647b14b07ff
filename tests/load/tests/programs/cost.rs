//! The benchmark of what a packet costs: that it measures the ways that it names. How much it is, no test says.

use anyhow::{Result, ensure};
use weir_load_tests::packet_bench;

#[test]
fn every_way_that_the_benchmark_names_is_taken() -> Result<()> {
    // It fails by itself where packets take another way than the one that is measured.
    let figures = packet_bench::measure(1)?;
    let programs = figures["programs"].as_array().map_or(0, Vec::len);
    ensure!(programs > 15, "{figures:#}");
    Ok(())
}
