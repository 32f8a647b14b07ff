//! The figures in a terminal.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use super::figures::Figures;

/// The columns of the comparison: each is an act of the scene.
pub(super) const ACTS: [&str; 3] = ["alone", "with seed, no Weir", "with seed, Weir"];

/// A line of the comparison: what it is, and its figure in each act.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) figures: [String; 3],
}

/// The comparison of the three acts.
pub(super) fn comparison(figures: &Figures) -> [Row; 4] {
    let ms = |value: f64| format!("{value:.1} ms");
    let percent = |value: f64| format!("{value:.1} %");
    let mbit = |value: f64| format!("{value:.1} Mbit/s");
    let (call, web, loss, bulk) = (&figures.call, &figures.web, &figures.loss, &figures.bulk);
    [
        Row {
            what: "call: round trip, p99",
            figures: [call.idle_p99_ms, call.unshaped_p99_ms, call.weir_p99_ms].map(ms),
        },
        Row {
            what: "call: packets lost",
            figures: [loss.idle_percent, loss.unshaped_percent, loss.weir_percent].map(percent),
        },
        Row {
            what: "web: time of a request, p95",
            figures: [web.idle_p95_ms, web.unshaped_p95_ms, web.weir_p95_ms].map(ms),
        },
        Row { what: "seed: goodput", figures: ["–".to_owned(), mbit(bulk.unshaped_mbit), mbit(bulk.beside_mbit)] },
    ]
}

/// The comparison and the promises, for people.
pub(super) fn render(figures: &Figures) -> String {
    let mut acts = Table::new();
    acts.load_style(UTF8_HORIZONTAL_ONLY).set_header(std::iter::once("").chain(ACTS));
    for row in comparison(figures) {
        acts.add_row(std::iter::once(row.what.to_owned()).chain(row.figures));
    }
    for column in acts.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut promises = Table::new();
    promises.load_style(UTF8_HORIZONTAL_ONLY);
    for promise in figures.promises() {
        promises.add_row([if promise.kept { "✓" } else { "✗" }.to_owned(), promise.what, promise.measured]);
    }
    format!(
        "{acts}\nThe seed alone: {:.1} Mbit/s without Weir, {:.1} under Weir. Kernel {}.\n\n{promises}",
        figures.bulk.link_mbit, figures.bulk.alone_mbit, figures.kernel
    )
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::good;
    use super::render;

    #[test]
    fn broken_promises_show() {
        let mut figures = good();
        assert!(!render(&figures).contains('✗'));
        figures.accounting.byte_errors = 7;
        let text = render(&figures);
        assert!(text.contains('✗') && text.contains("7 bytes differ"), "{text}");
    }
}
