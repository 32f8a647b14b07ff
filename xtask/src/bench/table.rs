//! Tables in Markdown, which read well in a terminal too.

use std::collections::BTreeMap;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

/// A table with this header. Columns from `numbers_from` on stand to the right.
pub(super) fn markdown<H, R>(header: H, rows: impl IntoIterator<Item = R>, numbers_from: usize) -> String
where
    H: IntoIterator<Item = String>,
    R: IntoIterator<Item = String>,
{
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(numbers_from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// A table with a column for each arm and a row for each load, both in the order in which they come.
#[derive(Default)]
pub(super) struct ByArm {
    arms: Vec<String>,
    rows: Vec<(String, BTreeMap<String, String>)>,
}

impl ByArm {
    /// Sets a cell.
    pub(super) fn put(&mut self, load: &str, arm: &str, text: String) {
        if !self.arms.iter().any(|known| known == arm) {
            self.arms.push(arm.to_owned());
        }
        let at = self.rows.iter().position(|(known, _)| known == load).unwrap_or_else(|| {
            self.rows.push((load.to_owned(), BTreeMap::new()));
            self.rows.len() - 1
        });
        self.rows[at].1.insert(arm.to_owned(), text);
    }

    /// The table; `title` stands above the loads. A cell that was never set is empty.
    pub(super) fn markdown(self, title: &str) -> String {
        let Self { arms, rows } = self;
        let header = std::iter::once(title.to_owned()).chain(arms.clone());
        let rows = rows.into_iter().map(|(load, mut row)| {
            let cells: Vec<String> = arms.iter().map(|arm| row.remove(arm).unwrap_or_default()).collect();
            std::iter::once(load).chain(cells)
        });
        markdown(header, rows, 1)
    }
}
